//! What each command prints, and where, and with which exit code.

use super::*;

/// Exit code, standard output, standard error.
fn run_it(arguments: &[&str], variables: &[(&str, &str)]) -> (Option<u8>, String, String) {
    let arguments = std::iter::once("registry").chain(arguments.iter().copied()).map(OsString::from);
    let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let outcome = run(arguments, environment, &mut Terminal { out: &mut out, err: &mut err }).unwrap();
    let code = match outcome {
        Outcome::Exit(code) => Some(code),
        Outcome::Serve(_) => None,
    };
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

const MINIMAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/minimal.yml");

#[test]
fn no_command_prints_usage_and_succeeds() {
    let (code, out, err) = run_it(&[], &[]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains("Usage: registry [COMMAND]"), "{out}");
    assert_eq!(run_it(&["help"], &[]).0, Some(0));
    assert_eq!(run_it(&["serve", "--help"], &[]).0, Some(0));
}

#[test]
fn the_version_has_two_flags() {
    for flag in ["-v", "--version"] {
        let expected = format!("registry wharf {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(run_it(&[flag], &[]), (Some(0), expected, String::new()));
    }
}

#[test]
fn the_version_names_the_program_as_it_was_called() {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let arguments = ["/usr/bin/registry", "--version"].map(OsString::from);
    run(arguments, [], &mut Terminal { out: &mut out, err: &mut err }).unwrap();
    let expected = format!("/usr/bin/registry wharf {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn a_mistake_on_the_command_line_is_exit_code_1() {
    let (code, out, err) = run_it(&["sever"], &[]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("unrecognized subcommand 'sever'"), "{err}");
}

#[test]
fn serve_hands_over_the_configuration() {
    assert_eq!(run_it(&["serve", MINIMAL], &[]), (None, String::new(), String::new()));
    assert_eq!(run_it(&["serve"], &[("REGISTRY_CONFIGURATION_PATH", MINIMAL)]).0, None);
}

#[test]
fn arguments_of_the_older_images_entry_point_are_understood() {
    for arguments in [&[MINIMAL][..], &["registry", "serve", MINIMAL], &["/bin/registry", MINIMAL]] {
        assert_eq!(run_it(arguments, &[]), (None, String::new(), String::new()), "{arguments:?}");
    }
    let (code, _, err) = run_it(&["/no/such/config.yaml"], &[]);
    assert_eq!(code, Some(1));
    assert!(err.starts_with("error: /no/such/config.yaml: cannot be read"), "{err}");
    let (code, out, _) = run_it(&["registry"], &[]);
    assert!(code == Some(0) && out.contains("Usage: registry"), "{out}");
}

#[test]
fn serve_names_a_file_it_cannot_read() {
    let (code, out, err) = run_it(&["serve", "/no/such/config.yml"], &[]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert_eq!(err, "error: /no/such/config.yml: cannot be read: No such file or directory (os error 2)\n");
}

#[test]
fn check_says_what_a_file_means() {
    let (code, out, err) = run_it(&["check", MINIMAL], &[("REGISTRY_PORT", "tcp://10.0.0.1:5000")]);
    assert_eq!(code, Some(0));
    assert!(out.contains("http           :5000 (every address), drains for 10s\n"), "{out}");
    assert_eq!(err, "warning: REGISTRY_PORT: ignored: it describes a service of the cluster, not a key\n");
}

#[test]
fn check_says_everything_that_is_wrong() {
    let variables =
        [("REGISTRY_AUTH", "silly"), ("REGISTRY_LOG_LEVEL", "loud"), ("REGISTRY_LOG", "{lvel: a}")];
    let (code, out, err) = run_it(&["check", MINIMAL], &variables);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert_eq!(
        err,
        "error: REGISTRY_AUTH: auth.silly: it lets in whoever sends any `Authorization` header: use htpasswd or token\n\
         error: REGISTRY_LOG: log.lvel: unknown key; did you mean level?\n\
         error: REGISTRY_LOG_LEVEL: log.level: expected error, warn, info or debug, got \"loud\"\n"
    );
}

#[test]
fn unknown_keys_stop_only_a_strict_server() {
    let variables = [("REGISTRY_LOG", "{lvel: a}")];
    assert_eq!(run_it(&["serve", MINIMAL], &variables).0, None);
    assert_eq!(run_it(&["serve", MINIMAL, "--strict"], &variables).0, Some(1));
}

#[test]
fn garbage_collection_takes_the_old_flags_and_says_that_it_cannot() {
    let (code, out, err) = run_it(&["garbage-collect", "-d", "-m", "-q", MINIMAL], &[]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert_eq!(err, "error: garbage collection is not built yet; nothing was read or deleted\n");
    for arguments in [
        &["--dry-run", "--delete-untagged", "--quiet"][..],
        &["--dry-run=true", "--delete-untagged=true", "--quiet=false"],
        &["-m=true", "-d=1"],
        &["-dmq"],
        &["-dm=T"],
    ] {
        for arguments in [[&[MINIMAL], arguments].concat(), [arguments, &[MINIMAL]].concat()] {
            let arguments = [&["garbage-collect"], arguments.as_slice()].concat();
            assert_eq!(run_it(&arguments, &[]).2, err, "{arguments:?}");
        }
    }
    let (code, _, err) = run_it(&["garbage-collect", "-m=maybe", MINIMAL], &[]);
    assert!(code == Some(1) && err.contains("invalid value 'maybe'"), "{err}");
}

#[test]
fn shells_get_their_completions() {
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let (code, out, _) = run_it(&["completion", shell], &[]);
        assert_eq!(code, Some(0));
        assert!(out.contains("garbage-collect"), "{shell}");
    }
}

#[test]
fn explain_says_which_rule_decides() {
    let rules = "{rules: [{callers: everyone, actions: pull, repositories: public/**}, {callers: ci, actions: push}]}";
    let variables = [("REGISTRY_ACCESS", rules)];
    let (code, out, err) = run_it(&["access", "explain", "ci", "push", "public/app", MINIMAL], &variables);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(
        out,
        "allowed by rule 2\n  rule 1 (allow pull of public/** by everyone): is about other actions\n  \
         rule 2 (allow push by ci): decides\n"
    );
    let (code, out, _) = run_it(&["access", "explain", "anonymous", "catalog", "-", MINIMAL], &variables);
    assert!(code == Some(0) && out.starts_with("denied: no rule is about this"), "{out}");
    let (_, out, _) = run_it(&["access", "explain", "ci", "push", "a", MINIMAL], &[]);
    assert!(out.starts_with("no rules: "), "{out}");
    let (code, _, err) = run_it(&["access", "explain", "ci", "push", "A", MINIMAL], &variables);
    assert_eq!((code, err.as_str()), (Some(1), "error: \"A\" is no name of a repository\n"));
}
