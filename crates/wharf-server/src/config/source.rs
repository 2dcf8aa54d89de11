//! Where a configuration comes from: the search for a file, and reading it.

use std::fmt;
use std::path::{Path, PathBuf};

use super::environment::PATH_VARIABLE;
use super::findings::ConfigError;

/// Where operators of the registry we replace put their file: version 3, then version 2.
const OPERATOR_FILES: [&str; 2] = ["/etc/distribution/config.yml", "/etc/docker/registry/config.yml"];

/// The file of a package or an image. Outside of both places above, so that it never competes with an operator's file.
const PACKAGE_FILE: &str = "/usr/share/wharf/default.yml";

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
    /// The argument, else the variable, else the operator's file, else the package's, else the built-in defaults.
    ///
    /// # Errors
    /// Both operator's files exist. Choosing one would ignore the other, which may be the one that sets `auth`.
    pub(super) fn find(argument: Option<&Path>, variables: &[(String, String)]) -> Result<Self, ConfigError> {
        Self::find_among(argument, variables, OPERATOR_FILES.map(Path::new), Path::new(PACKAGE_FILE))
    }

    fn find_among(
        argument: Option<&Path>,
        variables: &[(String, String)],
        [first, second]: [&Path; 2],
        package: &Path,
    ) -> Result<Self, ConfigError> {
        let variable = variables.iter().find(|(name, value)| name == PATH_VARIABLE && !value.is_empty());
        if let Some(path) = argument.or_else(|| variable.map(|(_, value)| Path::new(value))) {
            return Ok(Self::File(path.to_owned()));
        }
        Ok(match (exists(first), exists(second)) {
            (true, true) if !is_same_file(first, second) => {
                return Err(ConfigError::TwoFiles { first: first.to_owned(), second: second.to_owned() });
            }
            (true, _) => Self::File(first.to_owned()),
            (false, true) => Self::File(second.to_owned()),
            (false, false) if exists(package) => Self::File(package.to_owned()),
            (false, false) => Self::BuiltIn,
        })
    }

    /// Whether the file holds defaults that no operator wrote: a driver set in the environment replaces theirs.
    pub(super) fn is_default(&self) -> bool {
        match self {
            Self::BuiltIn => true,
            Self::File(path) => path == Path::new(PACKAGE_FILE),
        }
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

/// A file that cannot be inspected counts as present: reading it reports why.
fn exists(path: &Path) -> bool {
    path.try_exists().unwrap_or(true)
}

/// Whether one path is a link to the other.
fn is_same_file(first: &Path, second: &Path) -> bool {
    matches!((first.canonicalize(), second.canonicalize()), (Ok(first), Ok(second)) if first == second)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABSENT: &str = "/no/such/file";

    /// `files` are the two of an operator and the one of a package.
    #[track_caller]
    fn check(argument: Option<&str>, variable: Option<&str>, files: [&str; 3], expected: &str) {
        let variables: Vec<_> =
            variable.map(|value| (PATH_VARIABLE.to_owned(), value.to_owned())).into_iter().collect();
        let [first, second, package] = files.map(Path::new);
        let source = Source::find_among(argument.map(Path::new), &variables, [first, second], package);
        let found = source.map_or_else(|error| error.to_string(), |source| source.to_string());
        assert_eq!(found, expected);
    }

    #[test]
    fn the_argument_goes_before_the_variable_before_the_operators_file_before_the_packages() {
        check(Some("a.yml"), Some("b.yml"), ["/", ABSENT, ABSENT], "a.yml");
        check(None, Some("b.yml"), ["/", ABSENT, ABSENT], "b.yml");
        check(None, Some(""), ["/", ABSENT, "/dev/null"], "/");
        check(None, None, [ABSENT, "/", "/dev/null"], "/");
        check(None, None, [ABSENT, ABSENT, "/dev/null"], "/dev/null");
        check(None, None, [ABSENT, ABSENT, ABSENT], "built-in defaults");
    }

    #[test]
    fn two_files_of_an_operator_are_an_error_that_names_both() {
        let message = "/ and /dev/null both exist, and only one can be used: remove one, or pass one as the argument \
                       or in REGISTRY_CONFIGURATION_PATH";
        check(None, None, ["/", "/dev/null", ABSENT], message);
        check(None, Some(""), ["/", "/dev/null", "/"], message);
        check(Some("a.yml"), None, ["/", "/dev/null", ABSENT], "a.yml");
        check(None, Some("b.yml"), ["/", "/dev/null", ABSENT], "b.yml");
    }

    #[test]
    fn a_link_from_one_place_to_the_other_is_one_file() {
        check(None, None, ["/dev/fd", "/proc/self/fd", ABSENT], "/dev/fd");
    }

    #[test]
    fn the_operators_files_are_those_of_the_older_images_and_the_packages_is_neither() {
        assert!(!OPERATOR_FILES.contains(&PACKAGE_FILE));
        assert_eq!(OPERATOR_FILES, ["/etc/distribution/config.yml", "/etc/docker/registry/config.yml"]);
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Source::File("/no/such/file".into()).read().unwrap_err();
        assert_eq!(error.to_string(), "/no/such/file: cannot be read");
    }
}
