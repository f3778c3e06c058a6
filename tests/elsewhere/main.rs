//! The engine is elsewhere: over ssh and over TLS, through servers of the test's own on 127.0.0.1.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test that cannot go on says so and fails"
)]

#[path = "../kit/mod.rs"]
mod kit;

mod day;
mod logins;
mod ssh;
mod sshd;
mod tls;
mod wire;
