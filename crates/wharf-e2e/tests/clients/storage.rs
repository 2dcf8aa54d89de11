//! Where podman and buildah keep images and settings: in the scratch folder, whatever this machine has under /etc.

#![expect(clippy::disallowed_methods, reason = "both read settings files, which are written for them")]

use std::process::Command;

use wharf_oci::Digest;
use wharf_testkit::process::{Output, run};

use crate::workbench::Workbench;

/// Any image is trusted.
const POLICY: &str = r#"{"default": [{"type": "insecureAcceptAnything"}]}"#;

/// A program of this family with an image store of its own. It takes the superuser: it keeps the owners of files.
#[derive(Debug)]
pub(crate) struct Storage<'a> {
    workbench: &'a Workbench,
    program: &'static str,
}

// === impl Storage ===

impl<'a> Storage<'a> {
    #[track_caller]
    pub(crate) fn new(workbench: &'a Workbench, program: &'static str) -> Self {
        let settings = workbench.path("home/.config/containers");
        std::fs::create_dir_all(&settings).expect("a folder can be made");
        std::fs::write(settings.join("policy.json"), POLICY).expect("a file can be written");
        std::fs::write(settings.join("registries.conf"), "").expect("a file can be written");
        let state = workbench.path("state");
        // The one driver that works on every file system, inside containers too.
        let storage = format!(
            "[storage]\ndriver = \"vfs\"\ngraphroot = \"{state}/root\"\nrunroot = \"{state}/runroot\"\n",
            state = state.display()
        );
        std::fs::write(settings.join("storage.conf"), storage).expect("a file can be written");
        // No locks, events, networks or control groups that other containers of this machine share.
        let engine = format!(
            "[engine]\n\
             cgroup_manager = \"cgroupfs\"\n\
             events_logger = \"none\"\n\
             lock_type = \"file\"\n\
             static_dir = \"{state}/static\"\n\
             tmp_dir = \"{state}/tmp\"\n\
             volume_path = \"{state}/volumes\"\n\
             [network]\n\
             network_config_dir = \"{state}/networks\"\n",
            state = state.display()
        );
        std::fs::write(settings.join("containers.conf"), engine).expect("a file can be written");
        Self { workbench, program }
    }

    /// The program, to be given a command and its options.
    pub(crate) fn command(&self) -> Command {
        let mut command = self.workbench.tool(self.program);
        let settings = self.workbench.path("home/.config/containers");
        command.env("CONTAINERS_CONF", settings.join("containers.conf"));
        command.env("CONTAINERS_REGISTRIES_CONF", settings.join("registries.conf"));
        command.env("CONTAINERS_STORAGE_CONF", settings.join("storage.conf"));
        command.env("BUILDAH_ISOLATION", "chroot");
        command
    }

    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        run(self.command().args(arguments))
    }

    /// Pushes `image` as `name`, and gives the digest of the manifest that was sent, and what was said.
    #[track_caller]
    pub(crate) fn push(&self, image: &str, name: &str) -> (Digest, Output) {
        self.push_with(&["push"], image, name)
    }

    /// The same by another command than `push`, or with options.
    #[track_caller]
    pub(crate) fn push_with(&self, push: &[&str], image: &str, name: &str) -> (Digest, Output) {
        let file = self.workbench.path("pushed.digest");
        let mut command = self.command();
        // What it asks the registry for, and why, is only said so.
        command.arg("--log-level=debug").args(push).arg("--tls-verify=false");
        command.arg("--digestfile").arg(&file).args([image, &format!("docker://{name}")]);
        let pushed = run(&mut command);
        let digest = std::fs::read_to_string(&file).expect("it writes the digest");
        (digest.trim().parse().expect("it writes a digest"), pushed)
    }

    #[track_caller]
    pub(crate) fn pull(&self, name: &str) -> Output {
        self.run(&["pull", "--tls-verify=false", name])
    }

    /// Takes every image away, layers and all, so that a pull has to fetch them.
    #[track_caller]
    pub(crate) fn forget_images(&self) {
        self.run(&["rmi", "--all", "--force"]);
        assert_eq!(self.run(&["images", "--quiet", "--all"]).text(), "");
    }
}

/// An id as these programs write it, which is a digest without its algorithm.
#[track_caller]
pub(crate) fn digest_of_id(id: &str) -> Digest {
    let hex = id.trim_start_matches("sha256:");
    format!("sha256:{hex}").parse().unwrap_or_else(|error| panic!("{id}: {error}"))
}
