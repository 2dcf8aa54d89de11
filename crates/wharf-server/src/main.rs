//! The binary `registry`.

use std::io;
use std::process::ExitCode;

use wharf_server::cli::{self, Outcome, Terminal};
use wharf_server::serve;

fn main() -> ExitCode {
    // A variable that is not Unicode can be no key's value.
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    // Not locked: the server's log goes to the same streams, from other threads.
    let mut terminal = Terminal { out: &mut io::stdout(), err: &mut io::stderr() };
    match cli::run(std::env::args_os(), environment, &mut terminal) {
        Ok(Outcome::Exit(code)) => ExitCode::from(code),
        Ok(Outcome::Serve(config)) => serve::run(*config),
        Err(_) => ExitCode::FAILURE,
    }
}
