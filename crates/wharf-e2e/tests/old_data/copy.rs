//! skopeo and crane, as far as they are needed to fill a directory.

use wharf_oci::Digest;
use wharf_testkit::process::{Output, run};

use crate::programs::Server;
use crate::workbench::Workbench;

/// Copies between whatever skopeo has a name for; without options nothing is converted.
#[track_caller]
pub(crate) fn skopeo(workbench: &Workbench, options: &[&str], from: &str, to: &str) -> Output {
    let mut command = workbench.tool("skopeo");
    // `--insecure-policy`: any image is trusted, whatever policy.json of the machine says.
    command.args([
        "--insecure-policy",
        "--debug",
        "copy",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
    ]);
    let options = if options.is_empty() { &["--all", "--preserve-digests"] } else { options };
    run(command.args(options).args([from, to]))
}

/// `docker://127.0.0.1:<port>/<reference>`.
pub(crate) fn remote(server: &Server, reference: &str) -> String {
    format!("docker://{}", server.name(reference))
}

/// Runs crane.
#[track_caller]
pub(crate) fn crane(workbench: &Workbench, arguments: &[&str]) -> Output {
    run(workbench.tool("crane").arg("--insecure").args(arguments))
}

/// What crane says a tag means.
#[track_caller]
pub(crate) fn digest_of(workbench: &Workbench, server: &Server, reference: &str) -> Digest {
    crane(workbench, &["digest", &server.name(reference)]).text().parse().expect("crane prints a digest")
}
