//! stub
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("x")]
    X,
}
pub(crate) fn tidy() -> Result<(), Error> {
    Err(Error::X)
}
