//! The four modes of `clientauth`: who is let in.

use wharf_testkit::tls::{Authority, Client, Version};
use wharf_testkit::wire::Server;

use super::World;

/// Whether a client without a certificate, one with a certificate by an authority that is trusted, and one by another.
#[derive(Debug, PartialEq, Eq)]
struct LetIn {
    without: bool,
    ours: bool,
    foreign: bool,
}

const EVERYBODY: LetIn = LetIn { without: true, ours: true, foreign: true };

async fn is_let_in(client: Client, server: Server) -> bool {
    let mut answers = Vec::new();
    for version in [Version::Tls12, Version::Tls13] {
        let answer = async {
            let mut connection = client.clone().only(version).try_connect(&server).await?;
            connection.try_send(server.get("/v2/")).await
        };
        answers.push(answer.await.is_ok_and(|response| response.status == 200));
    }
    assert_eq!(answers[0], answers[1], "both versions are the same to a client");
    answers[0]
}

#[expect(clippy::disallowed_methods, reason = "the file of a test, read by another process")]
async fn check(auth: &str, expected: LetIn) {
    let (clients, others) = (Authority::new("of clients"), Authority::new("of others"));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("clients.crt");
    std::fs::write(&file, clients.pem()).unwrap();
    let world = World::start(&format!("clientcas: ['{}'], {auth}", file.display()), "");
    let (client, server) = (world.client(), world.running.server);

    let found = LetIn {
        without: is_let_in(client.clone(), server).await,
        ours: is_let_in(client.clone().showing(&clients.client("acme", "builder")), server).await,
        foreign: is_let_in(client.showing(&others.client("acme", "builder")), server).await,
    };

    assert_eq!(found, expected, "{auth}");
    assert_eq!(world.running.stop().code(), Some(0));
}

#[tokio::test]
async fn a_certificate_that_is_asked_for_is_not_demanded() {
    check("clientauth: request-client-cert", EVERYBODY).await;
}

#[tokio::test]
async fn any_certificate_may_be_demanded() {
    check("clientauth: require-any-client-cert", LetIn { without: false, ..EVERYBODY }).await;
}

#[tokio::test]
async fn a_certificate_may_be_verified_if_there_is_one() {
    check("clientauth: verify-client-cert-if-given", LetIn { foreign: false, ..EVERYBODY }).await;
}

#[tokio::test]
async fn a_verified_certificate_may_be_demanded_and_is_by_default() {
    let expected = || LetIn { without: false, ours: true, foreign: false };
    check("clientauth: require-and-verify-client-cert", expected()).await;
    check("", expected()).await;
}
