//! What this user logged in with, for base images that only they may pull.

use bollard_buildkit_proto::moby::filesync::v1::auth_server::Auth;
use bollard_buildkit_proto::moby::filesync::v1::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse,
    GetTokenAuthorityRequest, GetTokenAuthorityResponse, VerifyTokenAuthorityRequest,
    VerifyTokenAuthorityResponse,
};
use tonic::{Request, Response, Status};

use crate::client::{Login, Logins};

/// Answers the engine's question, each time from what holds now.
#[derive(Debug)]
pub(super) struct Credentials;

#[tonic::async_trait]
impl Auth for Credentials {
    async fn credentials(
        &self,
        request: Request<CredentialsRequest>,
    ) -> Result<Response<CredentialsResponse>, Status> {
        let host = request.into_inner().host;
        let unknown =
            |error: crate::client::LoginError| Status::failed_precondition(error.to_string());
        let logins = Logins::of_this_user().await.map_err(unknown)?;
        let answer = match logins.of(&host).await.map_err(unknown)? {
            Some((_, Login::Password { username, password })) => CredentialsResponse {
                username,
                secret: password,
            },
            // Without a name it is a token.
            Some((_, Login::Token(token))) => CredentialsResponse {
                username: String::new(),
                secret: token,
            },
            None => CredentialsResponse::default(),
        };
        Ok(Response::new(answer))
    }

    async fn fetch_token(
        &self,
        _: Request<FetchTokenRequest>,
    ) -> Result<Response<FetchTokenResponse>, Status> {
        Err(only_credentials())
    }

    async fn get_token_authority(
        &self,
        _: Request<GetTokenAuthorityRequest>,
    ) -> Result<Response<GetTokenAuthorityResponse>, Status> {
        Err(only_credentials())
    }

    async fn verify_token_authority(
        &self,
        _: Request<VerifyTokenAuthorityRequest>,
    ) -> Result<Response<VerifyTokenAuthorityResponse>, Status> {
        Err(only_credentials())
    }
}

fn only_credentials() -> Status {
    Status::unimplemented("ask with Credentials, and fetch the token yourself")
}
