//! `devrun up`: in this terminal, in the background, or by handing over to the session there is.

use std::ffi::{OsStr, OsString};
use std::process::Stdio;

use devrun_core::effect::Exit;
use devrun_core::notice::NoticeEvent;
use devrun_core::session::Options;
use devrun_wire::session::{Ask, Tell};
use tokio::net::UnixListener;

use super::arguments::{Format, Global, Up};
use super::client::{Client, place};
use super::context::Context;
use super::output::line;
use super::signals::Signals;
use super::{Trouble, down, ending, logs, plan};
use crate::engine::Engine;
use crate::report::paint::stderr_line;
use crate::report::{Clock, Lines, Reader, Sheet, Stamped, Volume};
use crate::session::load::{LoadOptions, load, root_hash};
use crate::session::place::Place;
use crate::session::{Begin, begin};

/// How long a session in the background may take until its socket answers.
const BACKGROUND: std::time::Duration = std::time::Duration::from_secs(20);
/// How long one that ends may take before the next one gives up.
const ENDING: std::time::Duration = std::time::Duration::from_secs(60);
/// Most are gone by then.
const WORTH_A_WORD: std::time::Duration = std::time::Duration::from_secs(1);
/// How often is looked whether it has ended.
const LOOK: std::time::Duration = std::time::Duration::from_millis(20);

pub(super) async fn run(global: &Global, options: &Up, clock: Clock) -> Result<u8, Trouble> {
    if options.dry_run {
        return plan::run(global, options).await;
    }
    if options.background {
        // Whatever becomes of the terminal, the session goes on; where that is so already, fine.
        let _ = rustix::process::setsid();
    }
    let context = Context::of(global)?;
    context.services(&options.services)?;
    // Whoever cannot reach the engine learns it here, and not from a log in the background.
    let engine = Engine::connect().await?;
    if options.remove_orphans {
        remove_orphans(global, &context, &engine).await?;
    }
    let place = place(&context)?;
    let printer = |reader| Printer::new(global, &context, clock, reader);
    let mut busy = Busy::default();
    loop {
        let lock = place.lock();
        match lock.map_err(|error| Trouble::local("the session's lock", &error))? {
            // Another `up` was quicker; whoever started this one talks to that one's session.
            Err(_) if options.background => return Ok(Exit::Done.code()),
            Err(_) => {
                let printer = printer(match options.detach {
                    true => Reader::Caller,
                    false => Reader::Guest,
                });
                same_engine(&place, &engine).await?;
                let handed = hand_over(global, options, &context, &place, printer).await?;
                if let Some(code) = handed {
                    return Ok(code);
                }
                busy.wait(global).await?;
            }
            Ok(lock) if options.detach => {
                drop(lock);
                let printer = printer(Reader::Starter);
                return detach(global, options, &context, &place, printer).await;
            }
            Ok(_lock) => {
                let printer = printer(Reader::Owner);
                return foreground(global, options, context, &place, engine, printer).await;
            }
        }
    }
}

/// There is a session that answers nobody: one that ends, or begins.
#[derive(Default)]
struct Busy {
    since: Option<tokio::time::Instant>,
    told: bool,
    signals: Option<Signals>,
}

impl Busy {
    async fn wait(&mut self, global: &Global) -> Result<(), Trouble> {
        let now = tokio::time::Instant::now();
        let waited = now - *self.since.get_or_insert(now);
        if waited > WORTH_A_WORD && !self.told && !global.quiet {
            self.told = true;
            let text = "waiting for a session of this stack that is about to end, or to begin";
            stderr_line(global.color, text);
        }
        if waited > ENDING {
            return Err(Trouble::new(
                Exit::Failed,
                "a session of this stack is starting or ending, and does not come to an end",
            )
            .hint("try again in a moment; devrun status says what it does"));
        }
        let signals = match &mut self.signals {
            Some(signals) => signals,
            none => none.insert(Signals::listen()?),
        };
        tokio::select! {
            () = tokio::time::sleep_until(now + LOOK) => Ok(()),
            () = signals.next() => Err(Trouble::new(Exit::Interrupted, "")),
        }
    }
}

async fn remove_orphans(
    global: &Global,
    context: &Context,
    engine: &Engine,
) -> Result<(), Trouble> {
    let containers = down::ours(engine.snapshot(&context.stack.name).await?, context)?;
    let orphans = plan::orphans(context, &containers).cloned().collect();
    let told = |text: &str| {
        if !global.quiet {
            stderr_line(global.color, text);
        }
    };
    ending::remove_all(engine, orphans, ending::End::Remove, told).await?;
    Ok(())
}

/// The session runs in this process, until Ctrl-C.
async fn foreground(
    global: &Global,
    options: &Up,
    context: Context,
    place: &Place,
    engine: Engine,
    mut printer: Printer,
) -> Result<u8, Trouble> {
    let listener = listen(place)?;
    let mut signals = Signals::listen()?;
    let root = root_hash(&context.stack.root);
    let (running, mut feed) = begin(Begin {
        engine: engine.clone(),
        load: context.options.clone(),
        options: session_options(global, options, root),
        parallel: global.parallel,
        shared: None,
        listener: Some(listener),
    });
    let mut shown_logs = None;
    loop {
        tokio::select! {
            stamped = feed.recv() => {
                let Some(stamped) = stamped else { break };
                printer.print(&stamped)?;
                if options.logs.is_some() && shown_logs.is_none() {
                    shown_logs = Some(logs::alongside(&engine, &context, options.logs.clone().flatten(), global.color));
                }
            }
            () = signals.next() => running.signal().await,
        }
    }
    if let Some(task) = shown_logs {
        task.abort();
    }
    let exit = running.ended().await;
    // A socket that nobody listens on is in nobody's way, but it is not nice either.
    let _ = std::fs::remove_file(place.socket());
    Ok(exit.code())
}

pub(super) fn session_options(global: &Global, options: &Up, root: String) -> Options {
    Options {
        services: options.services.clone(),
        profiles: global.profile.clone(),
        build: options.build,
        recreate: options.recreate,
        watch: !options.no_watch,
        root,
        run: None,
        first_generation: first_generation(),
    }
}

/// Seconds since 2026: larger than any number that an earlier session gave.
pub(super) fn first_generation() -> u64 {
    const START: i64 = 1_767_225_600;
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    u64::try_from(now - START).unwrap_or(0)
}

fn listen(place: &Place) -> Result<UnixListener, Trouble> {
    // The lock is ours: a socket that is there belongs to a session that was killed.
    let _ = std::fs::remove_file(place.socket());
    UnixListener::bind(place.socket())
        .map_err(|error| Trouble::local("the session's socket", &error))
}

/// Starts the session in another process, and follows it until all is ready or not to be had.
async fn detach(
    global: &Global,
    options: &Up,
    context: &Context,
    place: &Place,
    printer: Printer,
) -> Result<u8, Trouble> {
    let program =
        std::env::current_exe().map_err(|error| Trouble::local("this program", &error))?;
    let log = std::fs::File::create(place.log())
        .map_err(|error| Trouble::local("the session's log", &error))?;
    let errors = log
        .try_clone()
        .map_err(|error| Trouble::local("the session's log", &error))?;
    let mut command = std::process::Command::new(program);
    command
        .args(background_arguments(global, options, context))
        .current_dir(&context.stack.root)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors);
    let mut child = command
        .spawn()
        .map_err(|error| Trouble::local("starting the session", &error))?;
    let client = connect(place, &mut child).await?;
    follow(client, printer, true).await
}

/// What this command was told, for the process that goes on in the background.
fn background_arguments(global: &Global, options: &Up, context: &Context) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["up".into(), "--background".into(), "--file".into()];
    arguments.push(context.options.file.clone().into());
    let mut option =
        |name: &str, value: &OsStr| arguments.extend([OsString::from(name), value.to_owned()]);
    if let Some(name) = &global.project_name {
        option("--project-name", name.as_ref());
    }
    for profile in &global.profile {
        option("--profile", profile.as_ref());
    }
    if let Some(file) = &context.options.env_file {
        option("--env-file", file.as_ref());
    }
    if let Some(parallel) = global.parallel {
        option("--parallel", parallel.to_string().as_ref());
    }
    let flags = [
        ("--no-watch", options.no_watch),
        ("--build", options.build),
        ("--recreate", options.recreate),
    ];
    let wanted = flags.into_iter().filter(|(_, wanted)| *wanted);
    arguments.extend(wanted.map(|(flag, _)| flag.into()));
    arguments.extend((0..global.verbose).map(|_| "-v".into()));
    arguments.push("--".into());
    arguments.extend(options.services.iter().map(Into::into));
    arguments
}

/// Waits until the session in the background answers.
async fn connect(place: &Place, child: &mut std::process::Child) -> Result<Client, Trouble> {
    let end = tokio::time::Instant::now() + BACKGROUND;
    let mut pause = tokio::time::interval(std::time::Duration::from_millis(10));
    loop {
        pause.tick().await;
        if let Some(client) = Client::ask(place, &Ask::Follow).await? {
            return Ok(client);
        }
        let failed = child
            .try_wait()
            .ok()
            .flatten()
            .is_some_and(|status| !status.success());
        if failed || tokio::time::Instant::now() > end {
            let said = std::fs::read_to_string(place.log()).unwrap_or_default();
            return Err(Trouble::new(
                Exit::Failed,
                format!("the session did not start\n{}", said.trim()),
            ));
        }
    }
}

/// The session that runs has the engine that is meant here: there is one session for a checkout,
/// and what it starts elsewhere is not what was asked for.
pub(super) async fn same_engine(place: &Place, engine: &Engine) -> Result<(), Trouble> {
    let Some(mut client) = Client::ask(place, &Ask::Status { caught_up: false }).await? else {
        return Ok(());
    };
    let status = client.status().await?;
    let theirs = status
        .and_then(|status| status.session)
        .map(|session| session.engine);
    let ours = engine.endpoint().settled().to_string();
    match theirs.filter(|theirs| !theirs.is_empty() && *theirs != ours) {
        None => Ok(()),
        Some(theirs) => Err(Trouble::new(
            Exit::Failed,
            format!("the session of this stack runs on {theirs}, and {ours} is meant here ({})", engine.origin()),
        )
        .hint("name that engine, end that session (devrun stop), or run beside it under another name with -p")),
    }
}

/// Those of the shell that the Stackfile may use.
pub(super) fn variables(context: &Context) -> Vec<(String, String)> {
    let named = context.stack.variables.iter();
    named
        .filter_map(|variable| {
            let value = context.options.shell.get(&variable.name)?;
            Some((variable.name.clone(), value.clone()))
        })
        .collect()
}

/// There is a session: it gets what this command asks for, and is followed; `None` where it is about
/// to end, or to begin.
async fn hand_over(
    global: &Global,
    options: &Up,
    context: &Context,
    place: &Place,
    mut printer: Printer,
) -> Result<Option<u8>, Trouble> {
    let ask = Ask::Up {
        services: options.services.clone(),
        profiles: global.profile.clone(),
        variables: variables(context),
        build: options.build,
        recreate: options.recreate,
    };
    let Some(client) = Client::ask(place, &ask).await? else {
        return Ok(None);
    };
    printer.begins_with_head(&context.stack.name);
    heard(client, printer, options.detach).await
}

/// Prints what a session tells; with `until_settled` until all is ready or not to be had.
pub(super) async fn follow(
    client: Client,
    printer: Printer,
    until_settled: bool,
) -> Result<u8, Trouble> {
    let code = heard(client, printer, until_settled).await?;
    code.ok_or_else(ended)
}

fn ended() -> Trouble {
    Trouble::new(Exit::Failed, "the session ended")
}

/// The same; `None` where the session tells nothing at all.
async fn heard(
    mut client: Client,
    mut printer: Printer,
    until_settled: bool,
) -> Result<Option<u8>, Trouble> {
    let mut signals = Signals::listen()?;
    let mut told = false;
    loop {
        let tell = tokio::select! {
            tell = client.next() => tell?,
            // A terminal that only follows detaches; the session goes on.
            () = signals.next() => {
                let exit = if until_settled { Exit::Interrupted } else { Exit::Done };
                return Ok(Some(exit.code()));
            }
        };
        let Some(tell) = tell else {
            return if told { Err(ended()) } else { Ok(None) };
        };
        told = true;
        let Tell::Notice { notice } = tell else {
            continue;
        };
        let Ok(stamped) = serde_json::from_value::<Stamped>(notice) else {
            continue;
        };
        printer.print(&stamped)?;
        match stamped.notice.event {
            NoticeEvent::Settled { ready, .. } if until_settled => {
                let exit = if ready { Exit::Done } else { Exit::Failed };
                return Ok(Some(exit.code()));
            }
            NoticeEvent::SessionEnded { code } => return Ok(Some(code)),
            _ => {}
        }
    }
}

/// Prints notices as lines or objects.
pub(super) struct Printer {
    format: Format,
    color: super::arguments::Color,
    lines: Lines,
    /// Printed before all else.
    head: Option<String>,
    /// How to read the Stackfile again.
    load: LoadOptions,
}

impl Printer {
    pub(super) fn new(global: &Global, context: &Context, clock: Clock, reader: Reader) -> Printer {
        let volume = match (global.quiet, global.verbose) {
            (true, _) => Volume::Quiet,
            (false, 0) => Volume::Normal,
            (false, _) => Volume::Verbose,
        };
        let lines = Lines::new(Sheet::of(&context.stack), clock, reader, volume);
        Printer {
            format: global.format,
            color: global.color,
            lines,
            head: None,
            load: context.options.clone(),
        }
    }

    /// For somebody who joins a session: its beginning was printed elsewhere.
    fn begins_with_head(&mut self, stack: &str) {
        self.head = match self.format {
            Format::Text => self.lines.head(stack),
            Format::Json => None,
        };
    }

    pub(super) fn print(&mut self, stamped: &Stamped) -> Result<(), Trouble> {
        let head = self.head.take().into_iter();
        let texts = head.chain(self.texts(stamped));
        for text in texts {
            line(self.color, &text)?;
        }
        Ok(())
    }

    /// The lines of a notice.
    pub(super) fn texts(&mut self, stamped: &Stamped) -> Vec<String> {
        if stamped.notice.event == NoticeEvent::StackfileChanged
            && let Ok(stack) = load(&self.load).map(|loaded| loaded.stack)
            && let Ok(stack) = stack
        {
            self.lines.changed(Sheet::of(&stack));
        }
        match self.format {
            Format::Json => vec![stamped.json()],
            Format::Text => self.lines.of(stamped),
        }
    }
}
