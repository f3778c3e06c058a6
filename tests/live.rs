//! A save is live: what is brought over, what follows, what is left alone, on small stacks.

mod kit;

#[path = "live/between.rs"]
mod between;
#[path = "live/builds.rs"]
mod builds;
#[path = "live/images.rs"]
mod images;
#[path = "live/rules.rs"]
mod rules;
#[path = "live/saves.rs"]
mod saves;
#[path = "live/stage.rs"]
mod stage;
