//! The command line: the one of the registry we replace, and `check`.
//!
//! It reads arguments, loads the configuration and writes what there is to say; running a server is left to the caller.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand};

use crate::config::{Config, ConfigError, UnknownKeys};
use crate::explain::Question;

/// What the program is called where nobody says otherwise.
const NAME: &str = "registry";

/// What every failure ends with; a mistake on the command line is no exception, as it never was.
const FAILURE: u8 = 1;

/// Stores and serves container images and other artifacts.
#[derive(Debug, Parser)]
#[command(name = NAME, disable_version_flag = true)]
struct Arguments {
    /// Print the version
    #[arg(short, long)]
    version: bool,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the registry's HTTP API
    Serve {
        #[command(flatten)]
        file: File,
        /// Refuse to start with keys nobody knows
        #[arg(long)]
        strict: bool,
    },
    /// Say what a configuration means, or everything that is wrong with it
    Check {
        #[command(flatten)]
        file: File,
    },
    /// Ask the rules of `access` a question
    Access {
        #[command(subcommand)]
        command: AccessCommand,
    },
    /// Delete what no manifest references
    GarbageCollect {
        #[command(flatten)]
        file: File,
        /// Do everything except remove the blobs
        #[arg(short, long, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
            default_value = "false", default_missing_value = "true", value_parser = switch, hide_default_value = true)]
        dry_run: bool,
        /// Delete manifests that no tag references
        #[arg(short = 'm', long, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
            default_value = "false", default_missing_value = "true", value_parser = switch, hide_default_value = true)]
        delete_untagged: bool,
        /// Silence output
        #[arg(short, long, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
            default_value = "false", default_missing_value = "true", value_parser = switch, hide_default_value = true)]
        quiet: bool,
    },
    /// Print a completion script for a shell
    Completion {
        /// The shell to complete in
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Subcommand)]
enum AccessCommand {
    /// Say which rule decides whether somebody may do something, and why the others do not
    Explain {
        #[command(flatten)]
        question: Question,
        #[command(flatten)]
        file: File,
    },
}

#[derive(Debug, Args)]
struct File {
    /// The configuration; without it $REGISTRY_CONFIGURATION_PATH, the one of /etc/distribution/config.yml and
    /// /etc/docker/registry/config.yml that exists, /usr/share/wharf/default.yml, or built-in defaults
    #[arg(value_name = "config.yml")]
    path: Option<PathBuf>,
}

/// What the arguments came to.
#[derive(Debug)]
pub enum Outcome {
    /// A server is to run with this.
    Serve(Box<Config>),
    /// Everything is done; the process ends with this code.
    Exit(u8),
}

/// The two streams of a terminal.
#[expect(missing_debug_implementations, reason = "a stream has nothing to show")]
pub struct Terminal<'a> {
    /// Answers.
    pub out: &'a mut dyn Write,
    /// Errors and warnings.
    pub err: &'a mut dyn Write,
}

/// Does what `arguments` ask, the first of which is the program's name.
///
/// Warnings of a configuration to serve are left to the caller, whose log they belong in.
///
/// # Errors
/// The terminal cannot be written to.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (String, String)>,
    terminal: &mut Terminal<'_>,
) -> io::Result<Outcome> {
    let arguments = expand(arguments.into_iter().collect());
    let program = arguments.first().map_or(NAME.into(), |program| program.to_string_lossy().into_owned());
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error, terminal).map(Outcome::Exit),
    };
    match arguments.command {
        _ if arguments.version => version(&program, terminal).map(Outcome::Exit),
        None => help(terminal).map(Outcome::Exit),
        Some(Command::Serve { file, strict }) => {
            let unknown_keys = if strict { UnknownKeys::Refuse } else { UnknownKeys::Warn };
            serve(file.path.as_deref(), environment, unknown_keys, terminal)
        }
        Some(Command::Check { file }) => {
            check(file.path.as_deref(), environment, terminal).map(Outcome::Exit)
        }
        Some(Command::Access { command: AccessCommand::Explain { question, file } }) => {
            explain(&question, file.path.as_deref(), environment, terminal).map(Outcome::Exit)
        }
        Some(Command::GarbageCollect { .. }) => garbage_collect(terminal).map(Outcome::Exit),
        Some(Command::Completion { shell }) => completion(shell, terminal).map(Outcome::Exit),
    }
}

/// Applies the rules of the entry point of the older images, where `docker run IMAGE config.yml` serves a file, and
/// `docker run IMAGE registry serve` names the program again.
fn expand(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let names_program = |argument: &OsString| Path::new(argument).file_name() == Some(NAME.as_ref());
    if arguments.get(1).is_some_and(names_program) {
        arguments.remove(1);
    }
    let is_file = |argument: &OsString| {
        [&b".yml"[..], b".yaml"].iter().any(|end| argument.as_encoded_bytes().ends_with(end))
    };
    if arguments.get(1).is_some_and(is_file) {
        arguments.insert(1, "serve".into());
    }
    arguments
}

/// The value of a switch as the command line of the older registries accepts it: `--delete-untagged=true`, `-m=1`.
fn switch(text: &str) -> Result<bool, &'static str> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("expected true or false"),
    }
}

fn usage(error: &clap::Error, terminal: &mut Terminal<'_>) -> io::Result<u8> {
    if matches!(error.kind(), ErrorKind::DisplayHelp) {
        write!(terminal.out, "{error}")?;
        return Ok(0);
    }
    write!(terminal.err, "{error}")?;
    Ok(FAILURE)
}

fn version(program: &str, terminal: &mut Terminal<'_>) -> io::Result<u8> {
    writeln!(terminal.out, "{program} wharf {}", env!("CARGO_PKG_VERSION"))?;
    Ok(0)
}

fn help(terminal: &mut Terminal<'_>) -> io::Result<u8> {
    write!(terminal.out, "{}", Arguments::command().render_help())?;
    Ok(0)
}

fn serve(
    path: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    unknown_keys: UnknownKeys,
    terminal: &mut Terminal<'_>,
) -> io::Result<Outcome> {
    match Config::load(path, environment, unknown_keys) {
        Ok(config) => Ok(Outcome::Serve(Box::new(config))),
        Err(errors) => report(&errors, terminal).map(Outcome::Exit),
    }
}

fn check(
    path: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    terminal: &mut Terminal<'_>,
) -> io::Result<u8> {
    match Config::load(path, environment, UnknownKeys::Refuse) {
        Ok(config) => {
            for warning in &config.warnings {
                writeln!(terminal.err, "warning: {warning}")?;
            }
            writeln!(terminal.out, "{config}")?;
            Ok(0)
        }
        Err(errors) => report(&errors, terminal),
    }
}

fn explain(
    question: &Question,
    path: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    terminal: &mut Terminal<'_>,
) -> io::Result<u8> {
    let config = match Config::load(path, environment, UnknownKeys::Warn) {
        Ok(config) => config,
        Err(errors) => return report(&errors, terminal),
    };
    match question.answer(config.auth.rules.as_ref()) {
        Ok(answer) => {
            writeln!(terminal.out, "{answer}")?;
            Ok(0)
        }
        Err(problem) => {
            writeln!(terminal.err, "error: {problem}")?;
            Ok(FAILURE)
        }
    }
}

fn report(errors: &[ConfigError], terminal: &mut Terminal<'_>) -> io::Result<u8> {
    for error in errors {
        write!(terminal.err, "error: {error}")?;
        match std::error::Error::source(error) {
            Some(source) => writeln!(terminal.err, ": {source}")?,
            None => writeln!(terminal.err)?,
        }
    }
    Ok(FAILURE)
}

fn garbage_collect(terminal: &mut Terminal<'_>) -> io::Result<u8> {
    writeln!(terminal.err, "error: garbage collection is not built yet; nothing was read or deleted")?;
    Ok(FAILURE)
}

fn completion(shell: clap_complete::Shell, terminal: &mut Terminal<'_>) -> io::Result<u8> {
    clap_complete::generate(shell, &mut Arguments::command(), NAME, &mut terminal.out);
    Ok(0)
}

#[cfg(test)]
mod tests;
