//! Command lines of clients without a daemon.

use std::process::Command;

use wharf_testkit::process::run_to_failure;

use super::secured::Secured;
use crate::layout::Layout;
use crate::workbench::Workbench;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    Crane,
    Skopeo,
    Oras,
    Regctl,
}

impl Tool {
    fn command(self, workbench: &Workbench, secured: &Secured) -> Command {
        let program = match self {
            Self::Crane => "crane",
            Self::Skopeo => "skopeo",
            Self::Oras => "oras",
            Self::Regctl => "regctl",
        };
        let mut command = workbench.tool(program);
        if matches!(self, Self::Crane | Self::Regctl) {
            command.env("SSL_CERT_FILE", secured.authority());
        }
        if self == Self::Skopeo {
            command.arg("--insecure-policy");
        }
        command
    }

    pub(super) fn login(self, workbench: &Workbench, secured: &Secured, password: &str) -> Command {
        let (mut command, host) = (self.command(workbench, secured), secured.host());
        match self {
            Self::Crane => command.args(["auth", "login", &host, "-u", "ci", "-p", password]),
            Self::Skopeo => {
                command.args(["login", &secured.trust_option(), "-u", "ci", "-p", password, &host])
            }
            Self::Oras => {
                command.args(["login", "--ca-file", &secured.authority(), "-u", "ci", "-p", password, &host])
            }
            Self::Regctl => command.args(["registry", "login", &host, "-u", "ci", "-p", password]),
        };
        command
    }

    /// A wrong password fails: at once, or, for clients that only note it, with the first use.
    #[track_caller]
    pub(super) fn login_fails(self, workbench: &Workbench, secured: &Secured, image: &Layout, name: &str) {
        let mut login = self.login(workbench, secured, "wrong");
        if self == Self::Crane {
            wharf_testkit::process::run(&mut login);
            run_to_failure(&mut self.push(workbench, secured, image, name));
        } else {
            run_to_failure(&mut login);
        }
    }

    pub(super) fn push(
        self,
        workbench: &Workbench,
        secured: &Secured,
        image: &Layout,
        name: &str,
    ) -> Command {
        let mut command = self.command(workbench, secured);
        let folder = image.folder().to_str().expect("a path of ours is text").to_owned();
        match self {
            Self::Crane => command.args(["push", &folder, name]),
            Self::Skopeo => command.args([
                "copy",
                &format!("--dest-cert-dir={}", secured.trust_folder()),
                &image.name("1"),
                &format!("docker://{name}"),
            ]),
            Self::Oras => {
                command.args(["cp", "--from-oci-layout", "--to-ca-file", &secured.authority()]);
                if let Some([certificate, key]) = secured.certificate() {
                    command.args(["--to-cert-file", &certificate, "--to-key-file", &key]);
                }
                command.args([&format!("{folder}:1"), name])
            }
            Self::Regctl => command.args(["image", "copy", &format!("ocidir://{folder}:1"), name]),
        };
        command
    }

    pub(super) fn pull(self, workbench: &Workbench, secured: &Secured, name: &str, to: &str) -> Command {
        let mut command = self.command(workbench, secured);
        let to = workbench.path(to).to_str().expect("a path of ours is text").to_owned();
        match self {
            Self::Crane => command.args(["pull", "--format=oci", name, &to]),
            Self::Skopeo => command.args([
                "copy",
                &format!("--src-cert-dir={}", secured.trust_folder()),
                &format!("docker://{name}"),
                &format!("oci:{to}:1"),
            ]),
            Self::Oras => {
                command.args(["cp", "--to-oci-layout", "--from-ca-file", &secured.authority()]);
                if let Some([certificate, key]) = secured.certificate() {
                    command.args(["--from-cert-file", &certificate, "--from-key-file", &key]);
                }
                command.args([name, &format!("{to}:1")])
            }
            Self::Regctl => command.args(["image", "copy", name, &format!("ocidir://{to}:1")]),
        };
        command
    }
}
