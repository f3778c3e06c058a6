use serde::Serialize;

use super::Location;

/// The proxy speaks TLS, with a certificate of the user's own authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tls {
    /// Hosts that its certificate is for besides those of routes.
    pub hosts: Vec<String>,
    /// At which port inside.
    pub port: u16,
    /// Who asks without it is sent to it.
    pub redirect: bool,
    /// Where it is declared.
    pub at: Location,
}
