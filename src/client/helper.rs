//! Programs that keep logins: `docker-credential-NAME get`, the server on stdin, JSON on stdout.

use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::{Login, LoginError};

/// A helper may ask its person to unlock something.
const LIMIT: Duration = Duration::from_secs(60);
/// What a helper says that knows nothing of a server; it ends with 1 as for anything else.
const NONE: &str = "credentials not found";
/// The name under which helpers give tokens.
const TOKEN: &str = "<token>";

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username", default)]
    username: String,
    #[serde(rename = "Secret", default)]
    secret: String,
}

/// What the helper of that name keeps for a server.
pub(super) async fn ask(name: &str, server: &str) -> Result<Option<Login>, LoginError> {
    let program = format!("docker-credential-{name}");
    let failed = |detail: String| LoginError::Helper {
        program: program.clone(),
        server: server.to_owned(),
        detail,
    };
    let asked = run(&program, server);
    let output = match tokio::time::timeout(LIMIT, asked).await {
        Err(_) => return Err(failed(format!("no answer within {} s", LIMIT.as_secs()))),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(LoginError::NoHelper {
                program,
                server: server.to_owned(),
            });
        }
        Ok(Err(error)) => return Err(failed(error.to_string())),
        Ok(Ok(output)) => output,
    };
    if !output.status.success() {
        let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
        return match said.iter().any(|text| text.contains(NONE)) {
            true => Ok(None),
            false => Err(failed(said.concat().trim().to_owned())),
        };
    }
    // Its output holds the secret, and so must no message.
    let answer: Answer = serde_json::from_slice(&output.stdout)
        .map_err(|_| failed("its answer is not the JSON that helpers give".into()))?;
    Ok(Some(match answer.username == TOKEN {
        true => Login::Token(answer.secret),
        false => Login::Password {
            username: answer.username,
            password: answer.secret,
        },
    }))
}

async fn run(program: &str, server: &str) -> std::io::Result<std::process::Output> {
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read is judged by what it answers.
        let _ = stdin.write_all(server.as_bytes()).await;
    }
    child.wait_with_output().await
}
