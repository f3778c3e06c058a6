//! Commands inside running containers.

use std::time::Duration;

use bollard::models::ExecConfig;
use tokio::io::{ReadHalf, WriteHalf};

use super::containers::short;
use super::demux::{Demux, Stdout, Tail};
use super::hijack::{self, Duplex};
use super::{Engine, EngineError, PROMPT, pause, within};

/// A command that runs, with its streams. Its input ends with `shutdown()`, not by being dropped.
#[derive(Debug)]
pub(crate) struct ExecStream {
    /// To its standard input; unbuffered.
    pub(crate) stdin: WriteHalf<Duplex>,
    /// From its standard output, as it comes; ends when the command has ended.
    pub(crate) stdout: Stdout<ReadHalf<Duplex>>,
    /// The end of its error output, filled while `stdout` is read.
    pub(crate) stderr: Tail,
}

/// Asks for the exit code of a command, once its output has ended.
#[derive(Debug, Clone)]
pub(crate) struct ExecExit {
    engine: Engine,
    exec: String,
}

/// What a command came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExecOutcome {
    /// Its exit code; 124 where its time ran out.
    pub(crate) code: i64,
    /// The end of both outputs, in the order in which they came.
    pub(crate) output: String,
    /// Its time ran out. It goes on inside: no call of the engine ends it.
    pub(crate) timed_out: bool,
}

/// How a command is run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ExecOptions<'a> {
    pub(super) user: Option<&'a str>,
    pub(super) stdin: bool,
    pub(super) tty: bool,
    pub(super) env: &'a [String],
}

/// Keys that leave a terminal session, in a row that nobody types: with the engine's own choice,
/// Ctrl-P would reach the program only with the key after it.
const DETACH_KEYS: &str = "ctrl-@,ctrl-_,ctrl-^,ctrl-@";

impl Engine {
    /// Runs a command with its input and output in the caller's hands, as `user`, else as the
    /// container's user.
    pub(crate) async fn exec_stream(
        &self,
        id: &str,
        argv: &[String],
        user: Option<&str>,
    ) -> Result<ExecStream, EngineError> {
        let (duplex, _) = self
            .exec_start(
                id,
                argv,
                ExecOptions {
                    user,
                    stdin: true,
                    ..Default::default()
                },
            )
            .await?;
        let (reader, stdin) = tokio::io::split(duplex);
        let stdout = Stdout::new(reader);
        Ok(ExecStream {
            stdin,
            stderr: stdout.stderr(),
            stdout,
        })
    }

    /// Runs a command without input to its end, but no longer than `limit`.
    pub(crate) async fn exec_run(
        &self,
        id: &str,
        argv: &[String],
        limit: Duration,
    ) -> Result<ExecOutcome, EngineError> {
        let output = Tail::default();
        let run = async {
            let (mut duplex, exit) = self.exec_start(id, argv, ExecOptions::default()).await?;
            let mut demux = Demux::new(&mut duplex);
            while let Some((_, bytes)) = demux.next().await.map_err(|error| exit.lost(&error))? {
                output.push(bytes);
            }
            exit.code().await
        };
        let ended = tokio::time::timeout(limit, run).await;
        let (code, timed_out) = match ended {
            Ok(code) => (code?, false),
            Err(_) => (124, true),
        };
        Ok(ExecOutcome {
            code,
            output: output.text(),
            timed_out,
        })
    }

    /// Runs a command without input to its end, with these variables (`NAME=VALUE`) besides the
    /// container's; what it prints can be read from `output` meanwhile. Answers with its exit code.
    pub(crate) async fn exec_told(
        &self,
        id: &str,
        argv: &[String],
        env: &[String],
        output: &Tail,
    ) -> Result<i64, EngineError> {
        let options = ExecOptions {
            env,
            ..Default::default()
        };
        let (mut duplex, exit) = self.exec_start(id, argv, options).await?;
        let mut demux = Demux::new(&mut duplex);
        while let Some((_, bytes)) = demux.next().await.map_err(|error| exit.lost(&error))? {
            output.push(bytes);
        }
        exit.code().await
    }

    pub(super) async fn exec_start(
        &self,
        id: &str,
        argv: &[String],
        options: ExecOptions<'_>,
    ) -> Result<(Duplex, ExecExit), EngineError> {
        let command = argv.first().map_or("", String::as_str);
        let doing = format!("running {command} in {}", short(id));
        let config = ExecConfig {
            cmd: Some(argv.to_vec()),
            user: options.user.map(str::to_owned),
            attach_stdin: Some(options.stdin),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(options.tty),
            detach_keys: options.tty.then(|| DETACH_KEYS.to_owned()),
            env: Some(options.env.to_vec()),
            ..Default::default()
        };
        let exec = within(&doing, PROMPT, self.docker.create_exec(id, config))
            .await?
            .id;
        let path = format!("/v{}/exec/{exec}/start", self.docker.client_version());
        let body = format!(r#"{{"Detach":false,"Tty":{}}}"#, options.tty);
        let duplex = hijack::post(&self.dialer, &path, body, &doing).await?;
        Ok((
            duplex,
            ExecExit {
                engine: self.clone(),
                exec,
            },
        ))
    }
}

impl ExecExit {
    /// The exit code. To be asked after the output has ended.
    pub(crate) async fn code(&self) -> Result<i64, EngineError> {
        let doing = "asking how a command ended";
        let asked = async {
            loop {
                let answer =
                    within(doing, PROMPT, self.engine.docker.inspect_exec(&self.exec)).await?;
                match (answer.running, answer.exit_code) {
                    (Some(false), Some(code)) => return Ok(code),
                    // The output ends a moment before the engine has noted the end.
                    _ => pause(Duration::from_millis(5)).await,
                }
            }
        };
        let timed_out = |_| EngineError::TimedOut {
            doing: doing.to_owned(),
            limit: PROMPT,
        };
        tokio::time::timeout(PROMPT, asked)
            .await
            .map_err(timed_out)?
    }

    /// Tells the terminal of the command its size; true if it was taken.
    pub(super) async fn resize(&self, rows: u16, columns: u16) -> bool {
        let options = bollard::query_parameters::ResizeExecOptions {
            h: rows.into(),
            w: columns.into(),
        };
        let call = self.engine.docker.resize_exec(&self.exec, options);
        within("resizing the terminal", PROMPT, call).await.is_ok()
    }

    pub(super) fn lost(&self, error: &std::io::Error) -> EngineError {
        EngineError::Lost {
            doing: "reading the output of a command".into(),
            detail: error.to_string(),
        }
    }
}
