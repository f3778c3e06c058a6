//! Another configuration for a running nginx: tested beside the old one, put into its place,
//! read back; the old one comes back where that fails.

use std::time::Duration;

use devrun_core::routes::{CONFIG_PATH, GENERATION_PATH, explain};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::error::ProxyError;
use super::inside::Inside;
use super::states::READABLE;

/// Beside the real one: relative `include`s mean the same there.
const NEXT: &str = "/etc/nginx/devrun-next.conf";
const LAST: &str = "/etc/nginx/devrun-last.conf";

/// `nginx -t` looks up every name in the file, and a resolver may be slow.
const COMMAND_PATIENCE: Duration = Duration::from_secs(20);
/// A reload takes some ten milliseconds.
const TAKEN_WITHIN: Duration = Duration::from_secs(5);
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// Puts `config` to work, and answers with its number once nginx does. `port` is where nginx
/// listens inside.
pub(crate) async fn apply_config(
    inside: &impl Inside,
    config: &str,
    generation: u64,
    port: u16,
) -> Result<u64, ProxyError> {
    inside.write(NEXT, config, READABLE).await?;
    let tested = inside
        .run(&["nginx", "-t", "-q", "-c", NEXT], COMMAND_PATIENCE)
        .await?;
    if tested.code != 0 {
        inside.remove(NEXT).await?;
        return Err(ProxyError::Rejected {
            output: explain(config, NEXT, &tested.output),
        });
    }
    run(inside, &["cp", "-p", CONFIG_PATH, LAST]).await?;
    if let Err(error) = put_to_work(inside, generation, port).await {
        // Best effort: what went wrong first is what people have to know.
        let _ = put_back(inside).await;
        return Err(error);
    }
    inside.remove(LAST).await?;
    Ok(generation)
}

async fn put_to_work(inside: &impl Inside, generation: u64, port: u16) -> Result<(), ProxyError> {
    run(inside, &["mv", "-f", NEXT, CONFIG_PATH]).await?;
    run(inside, &["nginx", "-s", "reload"]).await?;
    read_back(inside, generation, port).await
}

async fn put_back(inside: &impl Inside) -> Result<(), ProxyError> {
    inside.remove(NEXT).await?;
    run(inside, &["mv", "-f", LAST, CONFIG_PATH]).await?;
    run(inside, &["nginx", "-s", "reload"]).await
}

async fn run(inside: &impl Inside, argv: &[&str]) -> Result<(), ProxyError> {
    let ran = inside.run(argv, COMMAND_PATIENCE).await?;
    if ran.code == 0 {
        return Ok(());
    }
    Err(ProxyError::Command {
        command: argv.join(" "),
        code: ran.code,
        output: ran.output,
    })
}

/// The exit status of a reload says that nginx was told, not that it did it.
async fn read_back(inside: &impl Inside, generation: u64, port: u16) -> Result<(), ProxyError> {
    let url = format!("http://127.0.0.1:{port}{GENERATION_PATH}");
    let give_up = Instant::now() + TAKEN_WITHIN;
    let mut answer = String::from("no answer");
    while Instant::now() < give_up {
        let Ok(ran) = timeout_at(give_up, inside.http(&url, TAKEN_WITHIN)).await else {
            break;
        };
        let ran = ran?;
        // What was answered may have a status line before it.
        let last_line = ran.output.trim().lines().next_back().map(str::trim);
        if ran.code == 0 && last_line == Some(generation.to_string().as_str()) {
            return Ok(());
        }
        answer = ran.output;
        sleep_until(Instant::now() + ASK_AGAIN_AFTER).await;
    }
    Err(ProxyError::NotTaken {
        generation,
        seconds: TAKEN_WITHIN.as_secs(),
        answer,
    })
}
