//! Certificates in place of logins: what a rule lets their common name do is done, the rest is refused.
//!
//! Without one a client is nobody (403, as there is nothing to log in with), or is not spoken with at all. crane is not here: it has no way to show one.

#![expect(clippy::disallowed_methods, reason = "regctl takes certificates as text, which are files")]

use wharf_testkit::process::{Output, run, run_to_failure};

use super::import;
use super::secured::{Secured, Ways};
use super::tools::Tool;
use crate::containerd::daemon::Daemon;
use crate::docker::engine::Engine;
use crate::layout::{Layer, Layout};
use crate::storage::Storage;
use crate::workbench::Workbench;

const WAYS: [Ways; 2] = [Ways::Certificates, Ways::CertificatesOnly];

/// Is refused without a certificate, and let in with one where the rule says so.
#[track_caller]
fn check(tool: Tool) {
    for ways in WAYS {
        let workbench = Workbench::new();
        let secured = Secured::start(&workbench, ways);
        let image = Layout::single(&workbench, "image");
        let (ours, others) = (secured.name("acme/app:1"), secured.name("public/app:1"));
        unwelcome(ways, &run_to_failure(&mut tool.push(&workbench, &secured, &image, &ours)));

        let certified = secured.with_certificate();
        if tool == Tool::Regctl {
            set_up_regctl(&workbench, &certified);
        }
        run(&mut tool.push(&workbench, &certified, &image, &ours));
        run(&mut tool.pull(&workbench, &certified, &ours, "pulled"));
        denied(&run_to_failure(&mut tool.push(&workbench, &certified, &image, &others)));
        denied(&run_to_failure(&mut tool.pull(&workbench, &certified, &others, "refused")));
        certified.stop();
    }
}

/// A failure for want of a certificate.
#[track_caller]
fn unwelcome(ways: Ways, failed: &Output) {
    match ways {
        // The handshake ended before anything could be answered.
        Ways::CertificatesOnly => assert!(!says_denied(failed), "{failed}"),
        _ => denied(failed),
    }
}

/// A refusal by the rules.
#[track_caller]
fn denied(failed: &Output) {
    assert!(says_denied(failed), "{failed}");
}

fn says_denied(failed: &Output) -> bool {
    let said = failed.said().to_lowercase();
    ["denied", "forbidden"].iter().any(|words| said.contains(words))
}

/// regctl has no options for certificates, only a file of settings that it writes itself.
#[track_caller]
fn set_up_regctl(workbench: &Workbench, secured: &Secured) {
    let [certificate, key] = secured.certificate().expect("there is one");
    let mut command = workbench.tool("regctl");
    command.args(["registry", "set", "--skip-check", &secured.host()]);
    for (option, file) in
        [("--cacert", secured.authority()), ("--client-cert", certificate), ("--client-key", key)]
    {
        command.args([option, &std::fs::read_to_string(file).expect("a file can be read")]);
    }
    run(&mut command);
}

#[test]
fn skopeo_shows_a_certificate() {
    check(Tool::Skopeo);
}

#[test]
fn oras_shows_a_certificate() {
    check(Tool::Oras);
}

#[test]
fn regctl_shows_a_certificate() {
    check(Tool::Regctl);
}

#[test]
fn podman_shows_a_certificate() {
    for ways in WAYS {
        let workbench = Workbench::new();
        let secured = Secured::start(&workbench, ways);
        let podman = Storage::new(&workbench, "podman");
        let layer = Layer::make(&workbench, "imported", 100_000);
        let (ours, others) = (secured.name("acme/app:1"), secured.name("public/app:1"));
        let trust = secured.trust_option();
        podman.run(&["import", layer.tar.to_str().unwrap(), "localhost/imported:1"]);
        let push = ["push", &trust, "localhost/imported:1"];
        unwelcome(ways, &run_to_failure(podman.command().args(push).arg(&ours)));

        let certified = secured.with_certificate();
        podman.run(&[&push[..], &[&ours]].concat());
        podman.run(&["pull", &trust, &ours]);
        denied(&run_to_failure(podman.command().args(push).arg(&others)));
        denied(&run_to_failure(podman.command().args(["pull", &trust, &others])));
        // Of no use where no password is asked for, but some log in whatever there is.
        podman.run(&["login", &trust, "--username=ci", "--password=any", &certified.host()]);
        certified.stop();
    }
}

#[test]
fn docker_shows_a_certificate() {
    for ways in WAYS {
        let workbench = Workbench::new();
        let secured = Secured::start(&workbench, ways);
        let engine = Engine::start_with(&workbench, &secured.docker_folder());
        let layer = Layer::make(&workbench, "imported", 100_000);
        let host = secured.docker_host();
        let (ours, others) = (format!("{host}/acme/app:1"), format!("{host}/public/app:1"));
        engine.docker(["import".as_ref(), layer.tar.as_os_str(), ours.as_ref()]);
        engine.docker(["tag", &ours, &others]);
        unwelcome(ways, &engine.docker_fails(["push", &ours]));

        let certified = secured.with_certificate();
        engine.docker(["push", &ours]);
        engine.docker(["pull", &ours]);
        denied(&engine.docker_fails(["push", &others]));
        denied(&engine.docker_fails(["pull", &others]));
        engine.docker(["login", "--username=ci", "--password=any", &host]);
        engine.stop();
        certified.stop();
    }
}

#[test]
fn containerd_shows_a_certificate() {
    for ways in WAYS {
        let workbench = Workbench::new();
        let secured = Secured::start(&workbench, ways);
        let containerd = Daemon::start(&workbench);
        let image = Layout::single(&workbench, "image");
        import(&workbench, &containerd, &image, &["acme/app", "public/app"].map(|name| secured.name(name)));
        let (ours, others) = (secured.name("acme/app:1"), secured.name("public/app:1"));
        let hosts = secured.path("hosts");
        let push = |name| ["images", "push", "--hosts-dir", &hosts, name];
        let pull = |name| ["images", "pull", "--snapshotter=native", "--hosts-dir", &hosts, name];
        unwelcome(ways, &containerd.ctr_fails(&push(&ours)));

        let certified = secured.with_certificate();
        containerd.ctr(&push(&ours));
        containerd.ctr(&pull(&ours));
        denied(&containerd.ctr_fails(&push(&others)));
        denied(&containerd.ctr_fails(&pull(&others)));
        certified.stop();
        containerd.stop();
    }
}
