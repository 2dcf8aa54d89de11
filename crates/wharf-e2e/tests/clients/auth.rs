//! Clients that log in: over TLS, with passwords, with tokens of ours and of another server, and with certificates.
//!
//! Each is refused without a login and with a wrong password, and pushes and pulls after a right one.

mod certificates;
mod secured;
mod token_server;
mod tools;

use wharf_testkit::process::{run, run_to_failure};

use self::secured::{Secured, Ways};
use self::tools::Tool;
use crate::containerd::daemon::Daemon;
use crate::docker::engine::Engine;
use crate::layout::{Layer, Layout};
use crate::storage::Storage;
use crate::workbench::Workbench;

/// Logs in wrong and right, and is let in after the second.
#[track_caller]
fn check(tool: Tool) {
    for ways in [Ways::Htpasswd, Ways::Foreign, Ways::Own] {
        let workbench = Workbench::new();
        let secured = Secured::start(&workbench, ways);
        let image = Layout::single(&workbench, "image");
        let (private, public) = (secured.name("acme/app:1"), secured.name("public/app:1"));

        run_to_failure(&mut tool.push(&workbench, &secured, &image, &private));
        run_to_failure(&mut tool.pull(&workbench, &secured, &private, "before"));
        tool.login_fails(&workbench, &secured, &image, &private);
        run(&mut tool.login(&workbench, &secured, "secret"));
        run(&mut tool.push(&workbench, &secured, &image, &private));
        run(&mut tool.push(&workbench, &secured, &image, &public));
        run(&mut tool.pull(&workbench, &secured, &private, "after"));

        // Somebody else, who has no login.
        let stranger = Workbench::new();
        run_to_failure(&mut tool.pull(&stranger, &secured, &private, "private"));
        if ways == Ways::Own {
            run(&mut tool.pull(&stranger, &secured, &public, "public"));
            let other = Layout::multi_platform(&stranger, "other");
            run_to_failure(&mut tool.push(&stranger, &secured, &other, &secured.name("public/other:1")));
        }
        secured.stop();
    }
}

#[test]
fn crane_logs_in() {
    check(Tool::Crane);
}

#[test]
fn skopeo_logs_in() {
    check(Tool::Skopeo);
}

#[test]
fn oras_logs_in() {
    check(Tool::Oras);
}

#[test]
fn regctl_logs_in() {
    check(Tool::Regctl);
}

#[test]
fn podman_logs_in() {
    for ways in [Ways::Htpasswd, Ways::Foreign, Ways::Own] {
        let workbench = Workbench::new();
        let secured = Secured::start(&workbench, ways);
        let podman = Storage::new(&workbench, "podman");
        let layer = Layer::make(&workbench, "imported", 100_000);
        let (private, public) = (secured.name("acme/app:1"), secured.name("public/app:1"));
        let (host, trust) = (secured.host(), secured.trust_option());
        podman.run(&["import", layer.tar.to_str().unwrap(), "localhost/imported:1"]);
        let login = |password: &str| {
            let mut command = podman.command();
            command.args(["login", &trust, "--username=ci", &format!("--password={password}"), &host]);
            command
        };
        let command = |arguments: &[&str]| {
            let mut command = podman.command();
            command.args(arguments);
            command
        };
        let push = |name: &str| command(&["push", &trust, "localhost/imported:1", name]);

        run_to_failure(&mut push(&private));
        run_to_failure(&mut login("wrong"));
        run(&mut login("secret"));
        run(&mut push(&private));
        run(&mut push(&public));
        run(&mut command(&["pull", &trust, &private]));
        run(&mut command(&["logout", &host]));
        run_to_failure(&mut command(&["pull", &trust, &private]));
        if ways == Ways::Own {
            run(&mut command(&["pull", &trust, &public]));
            run_to_failure(&mut push(&public));
        }
        secured.stop();
    }
}

#[test]
fn docker_logs_in() {
    for ways in [Ways::Htpasswd, Ways::Foreign, Ways::Own] {
        let workbench = Workbench::new();
        let secured = Secured::start(&workbench, ways);
        let engine = Engine::start(&workbench);
        let layer = Layer::make(&workbench, "imported", 100_000);
        let (private, public) = (secured.name("acme/app:1"), secured.name("public/app:1"));
        let host = secured.host();
        engine.docker(["import".as_ref(), layer.tar.as_os_str(), private.as_ref()]);
        engine.docker(["tag", &private, &public]);

        engine.docker_fails(["push", &private]);
        engine.docker_fails(["login", "--username=ci", "--password=wrong", &host]);
        engine.docker(["login", "--username=ci", "--password=secret", &host]);
        engine.docker(["push", &private]);
        engine.docker(["push", &public]);
        engine.docker(["pull", &private]);
        engine.docker(["logout", &host]);
        engine.docker_fails(["pull", &private]);
        if ways == Ways::Own {
            engine.docker(["pull", &public]);
            engine.docker_fails(["push", &public]);
            // A refresh token takes the password's place, where there can be one.
            engine.docker(["login", "--username=ci", "--password=secret", &host]);
            engine.docker(["push", &public]);
        }
        engine.stop();
        secured.stop();
    }
}

#[test]
fn containerd_logs_in() {
    for ways in [Ways::Htpasswd, Ways::Foreign, Ways::Own] {
        let workbench = Workbench::new();
        let secured = Secured::start(&workbench, ways);
        let containerd = Daemon::start(&workbench);
        let image = Layout::single(&workbench, "image");
        import(&workbench, &containerd, &image, &["acme/app", "public/app"].map(|name| secured.name(name)));
        let (private, public) = (secured.name("acme/app:1"), secured.name("public/app:1"));
        let hosts = secured.path("hosts");
        let push = ["images", "push", "--hosts-dir", &hosts];
        let pull = ["images", "pull", "--snapshotter=native", "--hosts-dir", &hosts];
        let (ci, wrong) = (["--user", "ci:secret"], ["--user", "ci:wrong"]);

        containerd.ctr_fails(&[&push[..], &[&private]].concat());
        containerd.ctr(&[&push[..], &ci, &[&private]].concat());
        containerd.ctr(&[&push[..], &ci, &[&public]].concat());
        containerd.ctr(&[&pull[..], &ci, &[&private]].concat());
        containerd.ctr_fails(&[&pull[..], &[&private]].concat());
        if ways == Ways::Own {
            containerd.ctr(&[&pull[..], &[&public]].concat());
        }
        // It tries the password with every layer, which is one guess: nobody has to wait for it.
        containerd.ctr_fails(&[&pull[..], &wrong, &[&private]].concat());
        containerd.ctr_fails(&[&push[..], &wrong, &[&private]].concat());
        containerd.ctr(&[&pull[..], &ci, &[&private]].concat());
        containerd.stop();
        secured.stop();
    }
}

/// Gives containerd the image under these names, with the layout's tags.
#[track_caller]
fn import(workbench: &Workbench, containerd: &Daemon<'_>, image: &Layout, names: &[String]) {
    let archive = workbench.path("image.tar");
    run(workbench.tool("tar").arg("-cf").arg(&archive).arg("-C").arg(image.folder()).arg("."));
    let archive = archive.to_str().expect("a path of ours is text");
    for name in names {
        let import = ["images", "import", "--all-platforms", "--no-unpack", "--base-name", name, archive];
        containerd.ctr(&import);
    }
}
