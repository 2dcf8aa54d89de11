//! A registry that speaks TLS and asks who calls, and what a client needs to trust it.

#![expect(clippy::disallowed_methods, reason = "certificates, passwords and keys are files")]

use std::path::{Path, PathBuf};

use wharf_testkit::credentials::{CHEAP, htpasswd_line};
use wharf_testkit::tls::{Authority, Pair};

use super::token_server::TokenServer;
use crate::server::Server;
use crate::workbench::Workbench;

/// How one can say who one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ways {
    /// Passwords, and who has one may do everything.
    Htpasswd,
    /// Tokens of another server.
    Foreign,
    /// Passwords and tokens of our own: anyone pulls `public/**`, ci pushes.
    Own,
    /// Certificates: those of builders may push to `acme/**`, and who shows none is nobody.
    Certificates,
    /// The same, and who shows none is not spoken with.
    CertificatesOnly,
}

#[derive(Debug)]
pub(crate) struct Secured {
    server: Server,
    folder: PathBuf,
    builder: Pair,
    /// Whether clients show a certificate.
    certified: bool,
}

impl Secured {
    /// One that `ci` may log in to with `secret`.
    #[track_caller]
    pub(crate) fn start(workbench: &Workbench, ways: Ways) -> Self {
        let folder = workbench.path("trust");
        let write = |name: &str, text: &str| write(&folder, name, text);
        let authority = Authority::new("of servers");
        let pair = authority.server("127.0.0.1");
        write("ca.crt", authority.pem());
        let (certificate, key) = (write("server.crt", &pair.certificate), write("server.key", &pair.key));
        let clients = Authority::new("of clients");
        let builder = clients.client("acme", "builder");
        let tls = format!("  tls:\n    certificate: {certificate}\n    key: {key}\n");
        let passwords = || {
            let path = write("htpasswd", &htpasswd_line("ci", "secret", CHEAP));
            format!("auth: {{htpasswd: {{realm: Registry, path: {path}}}}}\n")
        };
        let certificates = |asked: &str| {
            let ca = write("clients.crt", clients.pem());
            format!(
                "{tls}    clientcas: [{ca}]\n    clientauth: {asked}\naccess:\n  rules:\n    \
                 - {{commonnames: builder, actions: push, repositories: acme/**}}\n"
            )
        };
        let more = match ways {
            Ways::Htpasswd => format!("{tls}{}", passwords()),
            Ways::Foreign => {
                let server = TokenServer::start(&authority.server("a token server"));
                let jwks = write("jwks.json", &server.jwks());
                let realm = server.realm();
                format!(
                    "{tls}auth: {{token: {{realm: '{realm}', service: theirs, issuer: them, jwks: {jwks}}}}}\n"
                )
            }
            Ways::Own => format!(
                "  secret: b4c1f0a2d9e877365be0c3f1a2967d48\n{tls}{}access:\n  rules:\n    - {{callers: everyone, actions: pull, \
                 repositories: public/**}}\n    - {{callers: ci, actions: push}}\n",
                passwords()
            ),
            Ways::Certificates => certificates("verify-client-cert-if-given"),
            Ways::CertificatesOnly => certificates("require-and-verify-client-cert"),
        };
        let server = Server::start_with(&more);
        let secured = Self { server, folder, builder, certified: false };
        secured.write_in_trust("ca.crt", authority.pem());
        secured.write_hosts("");
        secured
    }

    /// The same, to clients that show a certificate: it is now where they look.
    pub(crate) fn with_certificate(self) -> Self {
        let certificate = self.write_in_trust("client.cert", &self.builder.certificate);
        let key = self.write_in_trust("client.key", &self.builder.key);
        self.write_hosts(&format!("  client = [[{certificate:?}, {key:?}]]\n"));
        Self { certified: true, ..self }
    }

    /// Writes a file where containers/image and the Docker engine look for what to trust and to show.
    fn write_in_trust(&self, name: &str, text: &str) -> String {
        write(Path::new(&self.trust_folder()), name, text)
    }

    /// What containerd reads, which takes the loopback for plain HTTP otherwise.
    fn write_hosts(&self, more: &str) {
        let (host, ca) = (format!("https://{}", self.host()), self.authority());
        let text = format!("server = {host:?}\n[host.{host:?}]\n  ca = {ca:?}\n{more}");
        write(&self.folder, &format!("hosts/{}/hosts.toml", self.host()), &text);
    }

    pub(crate) fn host(&self) -> String {
        self.server.host()
    }

    pub(crate) fn name(&self, reference: &str) -> String {
        self.server.name(reference)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().expect("a path of ours is text").to_owned()
    }

    /// Whom to trust, as a file.
    pub(crate) fn authority(&self) -> String {
        self.path("ca.crt")
    }

    /// The same as an option of containers/image's programs, and what to show.
    pub(crate) fn trust_option(&self) -> String {
        format!("--cert-dir={}", self.trust_folder())
    }

    pub(crate) fn trust_folder(&self) -> String {
        self.path(&format!("docker/certs.d/{}", self.docker_host()))
    }

    /// What the Docker engine has instead of `/etc/docker`.
    pub(crate) fn docker_folder(&self) -> String {
        self.path("docker")
    }

    /// The registry by an address that the Docker engine does not know for the loopback: to that it shows no
    /// certificate, and it checks none.
    pub(crate) fn docker_host(&self) -> String {
        self.host().replace("127.0.0.1", "0.0.0.0")
    }

    /// The certificate that clients show, as a file, and its key.
    pub(crate) fn certificate(&self) -> Option<[String; 2]> {
        let file = |name| format!("{}/{name}", self.trust_folder());
        self.certified.then(|| ["client.cert", "client.key"].map(file))
    }

    #[track_caller]
    pub(crate) fn stop(self) {
        self.server.stop();
    }
}

/// Writes a file and the folders it is in; gives its path.
fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder can be made");
    std::fs::write(&path, text).expect("a file can be written");
    path.to_str().expect("a path of ours is text").to_owned()
}
