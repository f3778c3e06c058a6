//! Is it ready? Asked often from the first moment on, until it is or its time is over.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The first answers come within milliseconds of the start; later ones need not be so close.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The longest pause between two questions.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Probed {
    /// It is ready.
    Ready,
    /// Its time is over; the last answer.
    NotReady(String),
    /// It cannot be asked any more.
    Lost(String),
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Ready.
    Good,
    /// Not (yet): what it said.
    Bad(String),
    /// Nobody can be asked.
    Lost(String),
}

/// Asks until it is ready or `give_up` has passed; tells each answer that is not good.
pub(crate) async fn until_ready<F>(
    mut ask: impl FnMut() -> F,
    give_up: Duration,
    mut tell: impl FnMut(&str),
) -> Probed
where
    F: Future<Output = Answer>,
{
    let end = Instant::now() + give_up;
    let mut pause = FIRST_PAUSE;
    loop {
        match ask().await {
            Answer::Good => return Probed::Ready,
            Answer::Lost(why) => return Probed::Lost(why),
            Answer::Bad(output) => {
                tell(&output);
                if Instant::now() + pause > end {
                    return Probed::NotReady(output);
                }
            }
        }
        sleep_until(Instant::now() + pause).await;
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn asks_until_the_answer_is_good() {
        let mut answers = vec![
            Answer::Good,
            Answer::Bad("b".into()),
            Answer::Bad("a".into()),
        ];
        let mut told = Vec::new();
        let ended = until_ready(
            || std::future::ready(answers.pop().unwrap_or(Answer::Good)),
            Duration::from_secs(60),
            |output| told.push(output.to_owned()),
        )
        .await;
        assert_eq!(
            (ended, told),
            (Probed::Ready, vec!["a".to_owned(), "b".to_owned()])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn gives_up_with_the_last_answer() {
        let mut count = 0;
        let ended = until_ready(
            || {
                count += 1;
                std::future::ready(Answer::Bad(format!("no {count}")))
            },
            Duration::from_secs(3),
            |_| {},
        )
        .await;
        assert_eq!(ended, Probed::NotReady(format!("no {count}")));
        assert!(count > 5, "asked {count} times in 3 s");
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_asked_is_not_asked_again() {
        let lost = || std::future::ready(Answer::Lost("gone".into()));
        let ended = until_ready(lost, Duration::from_secs(3), |_| {}).await;
        assert_eq!(ended, Probed::Lost("gone".into()));
    }
}
