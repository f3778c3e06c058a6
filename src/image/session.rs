//! The session of a build: a connection that the engine turns around to ask for files, secrets
//! and credentials, by gRPC.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::pin::Pin;

use bollard_buildkit_proto::health::health_check_response::ServingStatus;
use bollard_buildkit_proto::health::health_server::{Health, HealthServer};
use bollard_buildkit_proto::health::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
};
use bollard_buildkit_proto::moby::buildkit::secrets::v1::secrets_server::SecretsServer;
use bollard_buildkit_proto::moby::filesync::packet::file_sync_server::{FileSync, FileSyncServer};
use bollard_buildkit_proto::moby::filesync::v1::auth_server::AuthServer;
use bollard_buildkit_proto::moby::sshforward::v1::ssh_server::SshServer;
use bytes::Bytes;
use http_body_util::Full;
use hyper::server::conn::http2;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioExecutor;
use hyper_util::service::TowerToHyperService;
use tokio::task::JoinSet;
use tokio_stream::Stream;
use tonic::service::Routes;
use tonic::{Response, Status};

use super::credentials::Credentials;
use super::endpoint::{Endpoint, EngineError, refusal};
use super::filesync::Files;
use super::secrets::Secrets;
use super::ssh::Agents;

/// The methods that the engine may call; it asks for nothing else.
const METHODS: [&str; 5] = [
    "/moby.filesync.v1.FileSync/DiffCopy",
    "/moby.filesync.v1.Auth/Credentials",
    "/moby.buildkit.secrets.v1.Secrets/GetSecret",
    "/moby.sshforward.v1.SSH/CheckAgent",
    "/moby.sshforward.v1.SSH/ForwardAgent",
];

/// What the engine may ask for.
pub(super) struct Offers<F = Files> {
    pub(super) files: F,
    pub(super) secrets: Secrets,
    pub(super) agents: Agents,
}

/// An open session; `tasks` keeps it open.
pub(super) struct Session {
    /// What a build names it by.
    pub(super) id: String,
}

impl Session {
    /// Opens a session. `key` names the context: what was sent under the same key before need
    /// not be sent again.
    pub(super) async fn open(
        endpoint: &Endpoint,
        key: &str,
        offers: Offers<impl FileSync>,
        tasks: &mut JoinSet<()>,
    ) -> Result<Self, EngineError> {
        let id = random_id();
        let mut request = Request::post("/session")
            .header("Host", "engine")
            .header("Connection", "Upgrade")
            .header("Upgrade", "h2c")
            .header("X-Docker-Expose-Session-Uuid", &id)
            .header("X-Docker-Expose-Session-Name", "devrun")
            .header("X-Docker-Expose-Session-Sharedkey", key);
        for method in METHODS {
            request = request.header("X-Docker-Expose-Session-Grpc-Method", method);
        }
        let mut sender = endpoint.connect(tasks).await?;
        let response = sender
            .send_request(request.body(Full::new(Bytes::new()))?)
            .await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(refusal(response).await);
        }
        let turned = hyper::upgrade::on(response).await?;
        let services = Routes::new(HealthServer::new(Alive))
            .add_service(FileSyncServer::new(offers.files))
            .add_service(AuthServer::new(Credentials))
            .add_service(SecretsServer::new(offers.secrets))
            .add_service(SshServer::new(offers.agents));
        tasks.spawn(async move {
            // Windows of a fixed size: with adaptive ones an engine gives the session up now and
            // then while it asks for hundreds of files. The build fails then, and says so.
            let _ = http2::Builder::new(TokioExecutor::new())
                .serve_connection(turned, TowerToHyperService::new(services.prepare()))
                .await;
        });
        Ok(Self { id })
    }
}

fn random_id() -> String {
    let part = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", part(), part())
}

/// Tells the engine that the session lives: it asks every few seconds.
struct Alive;

#[tonic::async_trait]
impl Health for Alive {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn check(
        &self,
        _: tonic::Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(HealthCheckResponse {
            status: ServingStatus::Serving.into(),
        }))
    }

    async fn list(
        &self,
        _: tonic::Request<HealthListRequest>,
    ) -> Result<Response<HealthListResponse>, Status> {
        Err(Status::unimplemented("there is one service"))
    }

    async fn watch(
        &self,
        _: tonic::Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("ask with Check"))
    }
}
