//! devrun: what a Stackfile declares, running, and kept in step with every save.

mod cli;
mod client;
mod engine;
mod image;
mod probe;
mod proxy;
mod report;
mod session;
mod sync;
mod tls;
mod watch;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::complete();
    // Before there are other threads: afterwards the local time cannot be asked for safely.
    let clock = report::Clock::local();
    let arguments = match cli::parse() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    arguments.start_tracing();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return cli::Trouble::local("starting", &error).report(arguments.color()),
    };
    let code = runtime.block_on(cli::run(arguments, clock));
    // What still blocks (a read of the terminal's input, say) must not keep the program.
    runtime.shutdown_background();
    code
}
