//! What containers print, line by line, with the time at which the engine read it.

use std::collections::VecDeque;
use std::pin::Pin;

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptions;
use futures_util::{Stream, StreamExt};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::classify::classify;
use super::containers::short;
use super::{Engine, EngineError};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogLine {
    /// When the engine read it.
    pub(crate) time: OffsetDateTime,
    /// Which output it came from; a terminal has only the standard output.
    pub(crate) stream: LogStream,
    /// Its text, without the end of line.
    pub(crate) text: String,
}

/// An output of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogStream {
    /// Standard output.
    Stdout,
    /// Error output.
    Stderr,
}

/// Which lines are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LogOptions {
    /// Go on with what is printed from now on.
    pub(crate) follow: bool,
    /// Only so many of the last ones; `None` is all.
    pub(crate) tail: Option<usize>,
    /// Only those from then on.
    pub(crate) since: Option<OffsetDateTime>,
}

/// Lines longer than this are cut into several.
const LONGEST: usize = 1 << 20;

impl Engine {
    /// The lines of a container, oldest first. With `follow` it ends when the container ends.
    pub(crate) fn logs(
        &self,
        id: &str,
        options: LogOptions,
    ) -> impl Stream<Item = Result<LogLine, EngineError>> + Send + Unpin + use<> {
        let doing = format!("reading the log of {}", short(id));
        let query = LogsOptions {
            follow: options.follow,
            stdout: true,
            stderr: true,
            timestamps: true,
            tail: options
                .tail
                .map_or_else(|| "all".into(), |lines| lines.to_string()),
            // The engine takes whole seconds here; the rest is left out below.
            since: options
                .since
                .and_then(|since| i32::try_from(since.unix_timestamp()).ok())
                .unwrap_or(0),
            ..Default::default()
        };
        let lines = Lines {
            pieces: Box::pin(self.docker.logs(id, Some(query))),
            joiner: Joiner::default(),
            ready: VecDeque::new(),
        };
        let lines = futures_util::stream::unfold(lines, |mut lines| async move {
            let next = lines.next().await?;
            Some((next, lines))
        });
        Box::pin(lines.filter_map(move |line| {
            let line = match line {
                Ok(line) if options.since.is_some_and(|since| line.time < since) => None,
                Ok(line) => Some(Ok(line)),
                Err(error) => Some(Err(classify(&doing, error))),
            };
            std::future::ready(line)
        }))
    }
}

type Pieces = Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>;

struct Lines {
    pieces: Pieces,
    joiner: Joiner,
    ready: VecDeque<LogLine>,
}

impl Lines {
    async fn next(&mut self) -> Option<Result<LogLine, bollard::errors::Error>> {
        while self.ready.is_empty() {
            match self.pieces.next().await {
                Some(Ok(piece)) => {
                    let stream = match &piece {
                        LogOutput::StdErr { .. } => LogStream::Stderr,
                        _ => LogStream::Stdout,
                    };
                    self.ready
                        .extend(self.joiner.push(stream, &piece.into_bytes()));
                }
                Some(Err(error)) => return Some(Err(error)),
                None => {
                    self.ready.extend(self.joiner.end());
                    break;
                }
            }
        }
        self.ready.pop_front().map(Ok)
    }
}

/// Puts long lines together again, which the engine's log has in several pieces, each with a
/// time of its own.
#[derive(Debug, Default)]
struct Joiner {
    begun: Vec<LogLine>,
}

impl Joiner {
    /// A piece of the log; the line that it completes, if it does.
    fn push(&mut self, stream: LogStream, piece: &[u8]) -> Option<LogLine> {
        let text = String::from_utf8_lossy(piece);
        let (time, text) = stamped(&text);
        let complete = text.ends_with('\n');
        let position = self.begun.iter().position(|line| line.stream == stream);
        let mut line = match (position, time) {
            (Some(position), _) => self.begun.swap_remove(position),
            (None, time) => LogLine {
                time: time.unwrap_or(OffsetDateTime::UNIX_EPOCH),
                stream,
                text: String::new(),
            },
        };
        line.text.push_str(text.trim_end_matches(['\n', '\r']));
        if complete || line.text.len() > LONGEST {
            return Some(line);
        }
        self.begun.push(line);
        None
    }

    /// What was begun and never completed.
    fn end(&mut self) -> Vec<LogLine> {
        std::mem::take(&mut self.begun)
    }
}

fn stamped(text: &str) -> (Option<OffsetDateTime>, &str) {
    let parsed = text
        .split_once(' ')
        .and_then(|(time, rest)| Some((OffsetDateTime::parse(time, &Rfc3339).ok()?, rest)));
    parsed.map_or((None, text), |(time, rest)| (Some(time), rest))
}

/// A time as the engine writes it, in nanoseconds since 1970; `None` for "never".
pub(crate) fn nanoseconds(time: &str) -> Option<i128> {
    let time = OffsetDateTime::parse(time, &Rfc3339).ok()?;
    (time.year() > 1).then(|| time.unix_timestamp_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_comes_back_whole_with_its_first_time() {
        let mut joiner = Joiner::default();
        assert_eq!(
            joiner.push(LogStream::Stdout, b"2024-01-02T03:04:05.5Z long "),
            None
        );
        assert_eq!(
            joiner
                .push(LogStream::Stderr, b"2024-01-02T03:04:06Z other\n")
                .map(|line| line.text),
            Some("other".into())
        );
        let line = joiner
            .push(LogStream::Stdout, b"2024-01-02T03:04:07Z line\n")
            .unwrap();
        assert_eq!(
            (line.text.as_str(), line.time.unix_timestamp()),
            ("long line", 1_704_164_645)
        );
    }

    #[test]
    fn a_terminal_s_line_loses_its_carriage_return_and_the_last_one_may_be_open() {
        let mut joiner = Joiner::default();
        let line = joiner
            .push(LogStream::Stdout, b"2024-01-02T03:04:05Z prompt\r\n")
            .unwrap();
        assert_eq!(line.text, "prompt");
        assert_eq!(
            joiner.push(LogStream::Stdout, b"2024-01-02T03:04:05Z $ "),
            None
        );
        assert_eq!(joiner.end().len(), 1);
    }

    #[test]
    fn never_is_not_a_time() {
        assert_eq!(nanoseconds("0001-01-01T00:00:00Z"), None);
        assert_eq!(
            nanoseconds("1970-01-01T00:00:01.000000002Z"),
            Some(1_000_000_002)
        );
    }
}
