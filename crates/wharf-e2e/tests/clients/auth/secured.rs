//! A registry that speaks TLS and asks who calls, and what a client needs to trust it.

#![expect(clippy::disallowed_methods, reason = "certificates, passwords and keys are files")]

use std::path::PathBuf;

use wharf_testkit::credentials::{CHEAP, htpasswd_line};
use wharf_testkit::tls::Authority;

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
    /// Certificates: those of builders may push.
    Certificates,
}

#[derive(Debug)]
pub(crate) struct Secured {
    server: Server,
    folder: PathBuf,
    /// Whether clients show a certificate.
    certified: bool,
}

impl Secured {
    /// One that `ci` may log in to with `secret`.
    #[track_caller]
    pub(crate) fn start(workbench: &Workbench, ways: Ways) -> Self {
        let folder = workbench.path("trust");
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder can be made");
            std::fs::write(&path, text).expect("a file can be written");
            path.to_str().expect("a path of ours is text").to_owned()
        };
        let authority = Authority::new("of servers");
        let pair = authority.server("127.0.0.1");
        write("ca.crt", authority.pem());
        write("both/ca.crt", authority.pem());
        let (certificate, key) = (write("server.crt", &pair.certificate), write("server.key", &pair.key));
        let clients = Authority::new("of clients");
        let builder = clients.client("acme", "builder");
        write("both/client.cert", &builder.certificate);
        write("both/client.key", &builder.key);
        // The folder that containers/image takes its trust from, without a certificate of its own.
        write("one/ca.crt", authority.pem());
        let tls = format!("  tls:\n    certificate: {certificate}\n    key: {key}\n");
        let passwords = || {
            let path = write("htpasswd", &htpasswd_line("ci", "secret", CHEAP));
            format!("auth: {{htpasswd: {{realm: Registry, path: {path}}}}}\n")
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
                "  secret: of the operator\n{tls}{}access:\n  rules:\n    - {{callers: everyone, actions: pull, \
                 repositories: public/**}}\n    - {{callers: ci, actions: push}}\n",
                passwords()
            ),
            Ways::Certificates => {
                let ca = write("clients.crt", clients.pem());
                format!(
                    "{tls}    clientcas: [{ca}]\n    clientauth: verify-client-cert-if-given\n\
                     access: {{rules: [{{commonnames: builder, actions: push}}]}}\n"
                )
            }
        };
        let server = Server::start_with(&more);
        // As containerd reads it, which takes the loopback for plain HTTP otherwise.
        let host = format!("https://{}", server.host());
        let ca = folder.join("ca.crt");
        write(
            &format!("hosts/{}/hosts.toml", server.host()),
            &format!("server = {host:?}\n[host.{host:?}]\n  ca = {ca:?}\n"),
        );
        Self { server, folder, certified: false }
    }

    /// The same, to clients that show a certificate.
    pub(crate) fn with_certificate(self) -> Self {
        Self { certified: true, ..self }
    }

    pub(crate) fn is_certified(&self) -> bool {
        self.certified
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
        self.path(if self.certified { "both" } else { "one" })
    }

    #[track_caller]
    pub(crate) fn stop(self) {
        self.server.stop();
    }
}
