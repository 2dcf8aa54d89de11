//! Where a configuration comes from: the search for a file, and reading it.

use std::fmt;
use std::path::{Path, PathBuf};

use super::environment::PATH_VARIABLE;
use super::findings::ConfigError;

/// Where the images of the registry we replace keep theirs: version 3, then version 2.
const USUAL_PLACES: [&str; 2] = ["/etc/distribution/config.yml", "/etc/docker/registry/config.yml"];

/// What a server without a file runs with: enough to push to from the same machine.
const BUILT_IN: &str = "\
version: 0.1
storage:
  filesystem:
    rootdirectory: ./registry-data
  delete:
    enabled: true
http:
  addr: 127.0.0.1:5000
";

/// What a configuration was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// No file was named and none was found.
    BuiltIn,
}

// === impl Source ===

impl Source {
    /// The argument, else the variable, else the first usual place that exists, else the defaults.
    pub(super) fn find(argument: Option<&Path>, variables: &[(String, String)]) -> Self {
        Self::find_among(argument, variables, &USUAL_PLACES.map(Path::new))
    }

    fn find_among(argument: Option<&Path>, variables: &[(String, String)], usual: &[&Path]) -> Self {
        let variable = variables.iter().find(|(name, value)| name == PATH_VARIABLE && !value.is_empty());
        // A file that cannot be looked at is taken to exist: reading it will say why.
        let exists = |path: &&&Path| path.try_exists().unwrap_or(true);
        let path = argument
            .or_else(|| variable.map(|(_, value)| Path::new(value)))
            .or_else(|| usual.iter().find(exists).copied());
        path.map_or(Self::BuiltIn, |path| Self::File(path.to_owned()))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the loading of the config")]
    pub(super) fn read(&self) -> Result<String, ConfigError> {
        match self {
            Self::BuiltIn => Ok(BUILT_IN.to_owned()),
            Self::File(path) => std::fs::read_to_string(path)
                .map_err(|source| ConfigError::Unreadable { path: path.clone(), source }),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(formatter),
            Self::BuiltIn => formatter.write_str("built-in defaults"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(argument: Option<&str>, variable: Option<&str>, usual: &[&str], expected: &str) {
        let variables: Vec<_> =
            variable.map(|value| (PATH_VARIABLE.to_owned(), value.to_owned())).into_iter().collect();
        let usual: Vec<&Path> = usual.iter().map(Path::new).collect();
        let source = Source::find_among(argument.map(Path::new), &variables, &usual);
        assert_eq!(source.to_string(), expected);
    }

    #[test]
    fn the_argument_goes_before_the_variable_before_the_usual_places() {
        check(Some("a.yml"), Some("b.yml"), &["/"], "a.yml");
        check(None, Some("b.yml"), &["/"], "b.yml");
        check(None, Some(""), &["/"], "/");
        check(None, None, &["/no/such/file", "/"], "/");
        check(None, None, &["/no/such/file"], "built-in defaults");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Source::File("/no/such/file".into()).read().unwrap_err();
        assert_eq!(error.to_string(), "/no/such/file: cannot be read");
    }
}
