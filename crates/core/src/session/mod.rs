//! The session.
/// The deciding machine of one stack.
#[derive(Debug)]
pub struct Session {}
