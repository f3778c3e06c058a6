//! All that knows the engine's client: nobody else names its types.

mod about;
mod agent_volume;
mod archive;
mod attach;
mod classify;
mod containers;
mod demux;
mod describe;
mod dial;
mod error;
mod events;
mod exec;
mod hijack;
mod image_archives;
mod images;
mod locate;
mod logs;
mod networks;
mod ports;
mod registry;
mod subnets;
mod terminal;
mod translate;
mod transport;
mod volumes;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::models::SystemInfo;
use devrun_core::addresses::Pool;
use devrun_core::live::Capacity;
use tokio::sync::{OnceCell, RwLock};
use tokio::time::Instant;

pub(crate) use about::About;
pub(crate) use agent_volume::PackedAgent;
pub(crate) use archive::{Layout, PathKind};
pub(crate) use attach::Attached;
pub(crate) use containers::{Created, FirstProcess, Making};
pub(crate) use demux::Tail;
pub(crate) use dial::Dialer;
pub(crate) use error::{EngineError, MAKE_ROOM, says_full};
pub(crate) use locate::Endpoint;
use locate::Located;
pub(crate) use logs::{LogLine, LogOptions, LogStream, nanoseconds};
pub(crate) use networks::Found;
pub(crate) use ports::PortHolder;
pub(crate) use subnets::Addresses;

/// How long an engine may take for what it answers out of its head.
const PROMPT: Duration = Duration::from_secs(30);
/// How long it may take to make, start or remove something on a busy machine.
const PATIENT: Duration = Duration::from_secs(120);
/// The client's own limit; ours, which know what is being done, end earlier.
const CLIENT_LIMIT_SECS: u64 = 24 * 3600;

/// A connection to the engine; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    docker: Docker,
    dialer: Dialer,
    origin: Arc<str>,
    version: Arc<OnceCell<EngineVersion>>,
    /// Read by each call that makes something.
    making: Arc<RwLock<()>>,
}

/// What the engine says about itself and its machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EngineVersion {
    /// The engine's version.
    pub(crate) version: String,
    /// The version of its API that is spoken.
    pub(crate) api: String,
    /// CPUs of its machine.
    pub(crate) cpus: u32,
    /// Bytes of memory of its machine.
    pub(crate) memory: u64,
    /// `x86_64`, `aarch64`.
    pub(crate) arch: String,
    /// `linux`.
    pub(crate) os: String,
    /// What it cuts networks from.
    pub(crate) pools: Vec<Pool>,
}

impl EngineVersion {
    /// What its machine has.
    pub(crate) fn capacity(&self) -> Capacity {
        Capacity {
            cpus: self.cpus,
            memory: self.memory,
        }
    }
}

impl Engine {
    /// Finds the engine as `docker` does and makes sure that it answers.
    pub(crate) async fn connect() -> Result<Self, EngineError> {
        let variable = |name: &str| std::env::var(name).ok();
        let read = |path: &std::path::Path| std::fs::read_to_string(path).ok();
        Self::connect_to(locate::locate(&variable, &read)?).await
    }

    async fn connect_to(Located { endpoint, origin }: Located) -> Result<Self, EngineError> {
        let dialer = Dialer::new(endpoint.clone()).map_err(|problem| EngineError::BadEndpoint {
            origin: origin.clone(),
            problem,
        })?;
        let unreachable = |detail: String| {
            // A connection that broke says less than why the way broke it.
            let detail = dialer.last_words().unwrap_or(detail);
            EngineError::Unreachable {
                hint: dial::mend(&endpoint, &detail),
                endpoint: endpoint.to_string(),
                origin: origin.clone(),
                detail,
            }
        };
        let client = transport::over(dialer.clone(), CLIENT_LIMIT_SECS)
            .map_err(|error| unreachable(error.to_string()))?;
        let docker = tokio::time::timeout(PROMPT, client.negotiate_version())
            .await
            .map_err(|_| unreachable(format!("no answer within {} s", PROMPT.as_secs())))?
            .map_err(|error| unreachable(classify::chain(&error)))?;
        Ok(Self {
            docker,
            dialer,
            origin: origin.into(),
            version: Arc::default(),
            making: Arc::default(),
        })
    }

    /// Where it listens.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        self.dialer.endpoint()
    }

    /// Which setting led to it.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// For those who speak to it over connections of their own.
    pub(crate) fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    /// What it says about itself; asked once.
    pub(crate) async fn version(&self) -> Result<EngineVersion, EngineError> {
        self.version
            .get_or_try_init(|| self.ask_version())
            .await
            .cloned()
    }

    /// A call that makes something. It goes on where nobody waits for it any more, as the engine
    /// goes on with what it was asked.
    async fn make<T: Send + 'static>(
        &self,
        doing: String,
        call: impl Future<Output = Result<T, bollard::errors::Error>> + Send + 'static,
    ) -> Result<T, EngineError> {
        let busy = self.making.clone().read_owned().await;
        let said = doing.clone();
        let made = tokio::spawn(async move {
            let made = within(&doing, PATIENT, call).await;
            drop(busy);
            made
        });
        made.await.unwrap_or_else(|error| {
            Err(EngineError::Other {
                doing: said,
                detail: error.to_string(),
            })
        })
    }

    /// Until all that was asked for is made, or is not: what is removed then is all there is.
    pub(crate) async fn all_made(&self) {
        // Whoever asks next is told that the engine does not answer.
        let _ = tokio::time::timeout(PROMPT, self.making.write()).await;
    }

    async fn ask_version(&self) -> Result<EngineVersion, EngineError> {
        let doing = "asking the engine for its version";
        let version = within(doing, PROMPT, self.docker.version()).await?;
        let info = within(doing, PROMPT, self.docker.info()).await?;
        let Capacity { cpus, memory } = capacity(&info);
        Ok(EngineVersion {
            version: version.version.unwrap_or_default(),
            api: self.docker.client_version().to_string(),
            cpus,
            memory,
            pools: subnets::pools(&info),
            arch: info.architecture.unwrap_or_default(),
            os: info.os_type.unwrap_or_default(),
        })
    }
}

fn capacity(info: &SystemInfo) -> Capacity {
    let cpus = info.ncpu.and_then(|cpus| u32::try_from(cpus).ok());
    let memory = info.mem_total;
    Capacity {
        cpus: cpus.unwrap_or(1).max(1),
        memory: memory.map_or(0, |bytes| u64::try_from(bytes).unwrap_or(0)),
    }
}

/// A call with an end: an engine that hangs must not take devrun with it.
async fn within<T>(
    doing: &str,
    limit: Duration,
    call: impl Future<Output = Result<T, bollard::errors::Error>>,
) -> Result<T, EngineError> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => answer.map_err(|error| classify::classify(doing, error)),
        Err(_) => Err(EngineError::TimedOut {
            doing: doing.to_owned(),
            limit,
        }),
    }
}

/// Lets time pass where the engine offers no event to wait for.
async fn pause(length: Duration) {
    tokio::time::sleep_until(Instant::now() + length).await;
}

/// Absence as an answer.
fn optional<T>(result: Result<T, EngineError>) -> Result<Option<T>, EngineError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The engine's form of filters.
fn filters(list: &[(&str, &[&str])]) -> Option<HashMap<String, Vec<String>>> {
    let owned = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    Some(
        list.iter()
            .map(|(key, values)| ((*key).to_owned(), owned(values)))
            .collect(),
    )
}

fn to_hash_map(labels: &BTreeMap<String, String>) -> HashMap<String, String> {
    labels
        .iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}
