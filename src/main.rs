//! devrun
fn main() {}
