//! What is wrong with a configuration: all of it, each as one line saying where.

use std::path::PathBuf;

use super::tree::Place;

/// Why a server cannot start with this configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there or may not be read.
    #[error("{}: cannot be read", path.display())]
    Unreadable {
        /// The file asked for.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Both places in which an operator's file is searched have one.
    #[error(
        "{} and {} both exist, and only one can be used: remove one, or pass one as the argument or in \
         REGISTRY_CONFIGURATION_PATH",
        first.display(),
        second.display()
    )]
    TwoFiles {
        /// Where version 3 has it.
        first: PathBuf,
        /// Where version 2 has it.
        second: PathBuf,
    },
    /// The file is not YAML.
    #[error("{at}: {message}")]
    Malformed {
        /// `file:line:column`.
        at: String,
        /// What the parser met.
        message: String,
    },
    /// A key is missing, has a value it cannot have, or asks for what this version does not do.
    #[error("{at}: {key}: {message}")]
    Key {
        /// `file:line:column`, the name of the environment variable, or the file where something is missing.
        at: String,
        /// The key, as `http.tls.key` or `health.file[0].interval`.
        key: String,
        /// What was expected and what was found.
        message: String,
    },
}

/// What a key that nobody knows is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownKeys {
    /// A warning: files written for another registry, or another version, go on working.
    Warn,
    /// An error: `serve --strict` and `check`.
    Refuse,
}

/// Collects errors and warnings while a configuration is read, so that one run tells them all.
#[derive(Debug)]
pub(super) struct Findings {
    /// The file's name as the operator gave it, or what stands for it.
    file: String,
    unknown_keys: UnknownKeys,
    pub(super) errors: Vec<ConfigError>,
    pub(super) warnings: Vec<String>,
}

// === impl Findings ===

impl Findings {
    pub(super) fn new(file: String, unknown_keys: UnknownKeys) -> Self {
        Self { file, unknown_keys, errors: Vec::new(), warnings: Vec::new() }
    }

    pub(super) fn error(&mut self, place: &Place, key: impl Into<String>, message: impl Into<String>) {
        let at = self.locate(place);
        self.errors.push(ConfigError::Key { at, key: key.into(), message: message.into() });
    }

    pub(super) fn malformed(&mut self, place: &Place, message: String) {
        let at = self.locate(place);
        self.errors.push(ConfigError::Malformed { at, message });
    }

    pub(super) fn warning(&mut self, place: &Place, key: &str, message: &str) {
        let at = self.locate(place);
        self.warnings.push(format!("{at}: {key}: {message}"));
    }

    pub(super) fn unknown_key(&mut self, place: &Place, key: &str, nearest: Option<&str>) {
        let message = unknown("unknown key", nearest);
        match self.unknown_keys {
            UnknownKeys::Warn => self.warning(place, key, &message),
            UnknownKeys::Refuse => self.error(place, key, message),
        }
    }

    /// Never an error: other programs name their variables as they like.
    pub(super) fn ignored_variable(&mut self, name: &str, reason: &str) {
        self.warnings.push(format!("{name}: ignored: {reason}"));
    }

    fn locate(&self, place: &Place) -> String {
        match place {
            Place::File { line, column } => format!("{}:{line}:{column}", self.file),
            Place::Variable(name) => name.clone(),
            Place::Unwritten => self.file.clone(),
        }
    }
}

/// `unknown key; did you mean addr?`
pub(super) fn unknown(what: &str, nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("{what}; did you mean {nearest}?"),
        None => what.to_owned(),
    }
}
