//! What can go wrong with the engine, said so that a person can act on it.

use std::time::Duration;

/// A call to the engine did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EngineError {
    /// Nothing answers where the engine was looked for.
    #[error("no container engine answers at {endpoint} ({origin}): {detail}")]
    Unreachable {
        /// Where it was looked for, as a URL.
        endpoint: String,
        /// Why there.
        origin: String,
        /// What the system said.
        detail: String,
        /// What to do about it.
        hint: String,
    },
    /// What the environment says about the engine cannot be used.
    #[error("{origin}: {problem}")]
    BadEndpoint {
        /// Which setting.
        origin: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The connection broke in the middle of a call.
    #[error("{doing}: the connection to the engine broke: {detail}")]
    Lost {
        /// What was being done.
        doing: String,
        /// What the system said.
        detail: String,
    },
    /// No answer within the time.
    #[error("{doing}: no answer from the engine within {} s", .limit.as_secs())]
    TimedOut {
        /// What was being done.
        doing: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// Something on the host already has the port.
    #[error("port {port} of the host is taken")]
    PortTaken {
        /// The port.
        port: u16,
    },
    /// The host does not give the port away.
    #[error("port {port} of the host cannot be used: {detail}")]
    PortRefused {
        /// The port.
        port: u16,
        /// What the system said.
        detail: String,
    },
    /// There is already something of that name.
    #[error("{doing}: the name {name} is taken")]
    NameTaken {
        /// What was being done.
        doing: String,
        /// The name.
        name: String,
    },
    /// Another container of the network has the address that it is to have.
    #[error("{doing}: another container has its address")]
    AddressTaken {
        /// What was being done.
        doing: String,
    },
    /// Another network has addresses of that range.
    #[error("{doing}: another network has these addresses")]
    SubnetTaken {
        /// What was being done.
        doing: String,
    },
    /// The image is not on the engine.
    #[error("the image {image} is not on this machine")]
    ImageMissing {
        /// Its name or id.
        image: String,
    },
    /// No registry gave an answer about the image.
    #[error("{image} cannot be pulled, its registry does not answer: {detail}")]
    RegistryUnreachable {
        /// Its name.
        image: String,
        /// What the engine said.
        detail: String,
    },
    /// The registry has no such image, or shows it only to others.
    #[error("{image} cannot be pulled: {detail}")]
    PullRefused {
        /// Its name.
        image: String,
        /// What the registry said.
        detail: String,
    },
    /// It is not known as whom it is to be pulled.
    #[error("{image} cannot be pulled: {detail}")]
    LoginUnknown {
        /// Its name.
        image: String,
        /// What went wrong.
        detail: String,
    },
    /// The container is not there (any more).
    #[error("{doing}: the container is not there any more")]
    NoSuchContainer {
        /// What was being done.
        doing: String,
    },
    /// The container that it has its network, or another part, of is gone, or does not run.
    #[error("{doing}: the container whose network it has does not run")]
    LenderMissing {
        /// What was being done.
        doing: String,
    },
    /// The container does not run, so nothing can be done in it.
    #[error("{doing}: the container is not running")]
    NotRunning {
        /// What was being done.
        doing: String,
    },
    /// A network is missing.
    #[error("{doing}: the network {network} is not there")]
    NetworkMissing {
        /// What was being done.
        doing: String,
        /// Its name.
        network: String,
    },
    /// A folder or file of the host that should be mounted is missing.
    #[error("{doing}: {path} does not exist on the host")]
    BindMissing {
        /// What was being done.
        doing: String,
        /// The path.
        path: String,
    },
    /// The command is not in the image.
    #[error("{doing}: the command {command} is not in the image")]
    CommandMissing {
        /// What was being done.
        doing: String,
        /// The program.
        command: String,
    },
    /// A limit that the machine cannot give.
    #[error("{doing}: {detail}")]
    OutOfRange {
        /// What was being done.
        doing: String,
        /// What the engine said.
        detail: String,
    },
    /// The container's files cannot be written from outside.
    #[error("{doing}: the container's root is read-only")]
    ReadOnlyRoot {
        /// What was being done.
        doing: String,
    },
    /// It is still in use.
    #[error("{doing}: still in use by {}", .users.join(", "))]
    InUse {
        /// What was being done.
        doing: String,
        /// By whom.
        users: Vec<String>,
    },
    /// The local terminal or pipe failed.
    #[error("{doing}: {detail}")]
    Local {
        /// What was being done.
        doing: String,
        /// What the system said.
        detail: String,
    },
    /// There is no room left where the engine keeps its data.
    #[error("{doing}: the engine's disk is full: {detail}")]
    Full {
        /// What was being done.
        doing: String,
        /// What the engine said.
        detail: String,
    },
    /// Anything else, in the engine's words.
    #[error("{doing}: {detail}")]
    Other {
        /// What was being done.
        doing: String,
        /// What the engine said.
        detail: String,
    },
}

/// What helps an engine without room.
pub(crate) const MAKE_ROOM: &str = "docker system df shows what takes the room; docker builder prune \
    and docker image prune free some";

/// Whether a text is the system's word for a full disk, or a full quota of one.
pub(crate) fn says_full(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("no space left on device") || text.contains("disk quota exceeded")
}

impl EngineError {
    /// What to do about it, where that is known.
    pub(crate) fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unreachable { hint, .. } => hint.clone(),
            Self::BadEndpoint { .. } => {
                "correct it, or unset it (`docker context use default` for contexts)".into()
            }
            Self::Lost { .. } => "is the engine being restarted? Try again once it answers".into(),
            Self::TimedOut { .. } => "does `docker ps` answer? If not, restart the engine".into(),
            Self::PortTaken { port } => {
                format!("free port {port}, or publish another one in the Stackfile")
            }
            Self::PortRefused { .. } => "publish another port, or bind another address".into(),
            Self::NameTaken { name, .. } => {
                format!("remove it (docker rm {name}), or run under another name with -p")
            }
            Self::ImageMissing { image } => format!("docker pull {image}, or build it"),
            Self::RegistryUnreachable { .. } => {
                "is this machine online? An image of that name on this machine is used without asking".into()
            }
            Self::PullRefused { .. } => "is the name right? For a private image: docker login".into(),
            Self::LoginUnknown { .. } => {
                "correct credsStore and credHelpers in ~/.docker/config.json, or docker login again".into()
            }
            Self::BindMissing { path, .. } => format!("create {path}, or correct the path in the Stackfile"),
            Self::CommandMissing { .. } => "correct the command, or install it in the image".into(),
            Self::LenderMissing { .. } => {
                "start the one that `network-mode` names, or correct the name in the Stackfile".into()
            }
            Self::OutOfRange { .. } => "lower the limit in the Stackfile".into(),
            Self::Other { detail, .. } if detail.contains("non-overlapping IPv4 address pool") => {
                "the engine has no addresses left for networks: docker network prune".into()
            }
            Self::Full { .. } => MAKE_ROOM.into(),
            _ => return None,
        };
        Some(hint)
    }

    /// True where the engine does not do what it does as a rule, without a reason of ours. Where it
    /// does not answer, or has no room left, nothing else would help either.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Other { .. } | Self::NetworkMissing { .. } | Self::AddressTaken { .. }
        )
    }

    /// True where the engine does not answer, or is about to end.
    pub(crate) fn is_away(&self) -> bool {
        matches!(self, Self::Lost { .. } | Self::Unreachable { .. })
    }

    /// True where what was meant is simply not there.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(
            self,
            Self::NoSuchContainer { .. } | Self::ImageMissing { .. } | Self::NetworkMissing { .. }
        )
    }
}
