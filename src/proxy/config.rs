//! Another configuration for a running nginx: tested beside the old one, put into its place,
//! read back; the old one comes back where that fails.

use std::time::Duration;

use devrun_core::effect::PutFile;
use devrun_core::routes::{CLOSING_PATH, CONFIG_PATH, explain};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::error::ProxyError;
use super::inside::{Inside, Ran};
use super::states::READABLE;

/// Beside the real one: relative `include`s mean the same there.
const NEXT: &str = "/etc/nginx/devrun-next.conf";
const LAST: &str = "/etc/nginx/devrun-last.conf";

/// `nginx -t` looks up every name in the file, and a resolver may be slow.
const COMMAND_PATIENCE: Duration = Duration::from_secs(20);
/// A reload takes some ten milliseconds.
const TAKEN_WITHIN: Duration = Duration::from_secs(5);
/// Then it is asked for once more: nginx may have been about to do something else.
const TOLD_AGAIN_AFTER: Duration = Duration::from_secs(1);
pub(super) const ASK_AGAIN_AFTER: Duration = Duration::from_millis(20);
/// nginx tells its old workers to take no connections 100 ms after it has started new ones; until
/// then either may answer.
const OLD_ONES_ANSWER: Duration = Duration::from_millis(120);

/// A client that asks one thing after the other has asked for the next one by then, and was told that
/// its connection ends.
const CLOSING: Duration = Duration::from_millis(50);

/// Puts `config` to work, and answers with its number once nginx does. It is asked at `url`,
/// inside.
pub(crate) async fn apply_config(
    inside: &impl Inside,
    config: &str,
    certificate: Option<PutFile>,
    generation: u64,
    url: &str,
) -> Result<u64, ProxyError> {
    if let Some(file) = certificate {
        // nginx has the one from before in memory, and the one from before this configuration
        // names the same place: whichever starts next finds one that is whole.
        let text = String::from_utf8_lossy(&file.content.0);
        inside.write(&file.path, &text, file.mode).await?;
    }
    // A reload ends connections between two requests, and a request may be on its way.
    inside.write(CLOSING_PATH, "", READABLE).await?;
    let closed = Instant::now() + CLOSING;
    let applied = put_to_work(inside, config, closed, (generation, url)).await;
    inside.remove(CLOSING_PATH).await?;
    applied.map(|()| generation)
}

async fn put_to_work(
    inside: &impl Inside,
    config: &str,
    closed: Instant,
    (generation, url): (u64, &str),
) -> Result<(), ProxyError> {
    test(inside, config).await?;
    arrange(inside, &["cp", "-p", CONFIG_PATH, LAST]).await?;
    let taken = async {
        arrange(inside, &["mv", "-f", NEXT, CONFIG_PATH]).await?;
        sleep_until(closed).await;
        taken(inside, generation, url).await
    };
    if let Err(error) = taken.await {
        // Best effort: what went wrong first is what people have to know.
        let _ = put_back(inside).await;
        return Err(error);
    }
    Ok(inside.remove(LAST).await?)
}

/// Has nginx look at it, beside the one that is at work.
async fn test(inside: &impl Inside, config: &str) -> Result<(), ProxyError> {
    inside.write(NEXT, config, READABLE).await?;
    let tested = inside
        .run(&["nginx", "-t", "-q", "-c", NEXT], COMMAND_PATIENCE)
        .await?;
    if tested.code == 0 {
        return Ok(());
    }
    inside.remove(NEXT).await?;
    Err(ProxyError::Rejected {
        output: explain(config, NEXT, &tested.output),
    })
}

/// Reloads until the configuration of that number is at work.
async fn taken(inside: &impl Inside, generation: u64, url: &str) -> Result<(), ProxyError> {
    reload(inside).await?;
    let answer = match read_back(inside, generation, url, TOLD_AGAIN_AFTER).await? {
        Answer::Taken => return Ok(()),
        Answer::Other(_) => {
            reload(inside).await?;
            read_back(inside, generation, url, TAKEN_WITHIN).await?
        }
    };
    match answer {
        Answer::Taken => Ok(()),
        Answer::Other(answer) => Err(ProxyError::NotTaken {
            generation,
            seconds: (TOLD_AGAIN_AFTER + TAKEN_WITHIN).as_secs(),
            answer,
        }),
    }
}

async fn reload(inside: &impl Inside) -> Result<(), ProxyError> {
    let argv = ["nginx", "-s", "reload"];
    well(&argv, inside.run(&argv, COMMAND_PATIENCE).await?)
}

async fn put_back(inside: &impl Inside) -> Result<(), ProxyError> {
    inside.remove(NEXT).await?;
    arrange(inside, &["mv", "-f", LAST, CONFIG_PATH]).await?;
    reload(inside).await
}

async fn arrange(inside: &impl Inside, argv: &[&str]) -> Result<(), ProxyError> {
    well(argv, inside.arrange(argv, COMMAND_PATIENCE).await?)
}

fn well(argv: &[&str], ran: Ran) -> Result<(), ProxyError> {
    if ran.code == 0 {
        return Ok(());
    }
    Err(ProxyError::Command {
        command: argv.join(" "),
        code: ran.code,
        output: ran.output,
    })
}

/// What nginx answers.
enum Answer {
    Taken,
    /// What it answered last.
    Other(String),
}

/// The exit status of a reload says that nginx was told, not that it did it.
async fn read_back(
    inside: &impl Inside,
    generation: u64,
    url: &str,
    within: Duration,
) -> Result<Answer, ProxyError> {
    let give_up = Instant::now() + within;
    let mut answer = String::from("no answer");
    let mut since = None;
    while Instant::now() < give_up {
        let Ok(ran) = timeout_at(give_up, inside.http(url, within)).await else {
            break;
        };
        let ran = ran?;
        if is_number(&ran, generation) {
            let first = *since.get_or_insert_with(Instant::now);
            if first.elapsed() >= OLD_ONES_ANSWER {
                return Ok(Answer::Taken);
            }
        } else {
            since = None;
            answer = ran.output;
        }
        sleep_until(Instant::now() + ASK_AGAIN_AFTER).await;
    }
    Ok(Answer::Other(answer))
}

pub(super) fn is_number(ran: &Ran, generation: u64) -> bool {
    // What was answered may have a status line before it.
    let last_line = ran.output.trim().lines().next_back().map(str::trim);
    ran.code == 0 && last_line == Some(generation.to_string().as_str())
}
