//! Who a client is: what the certificate says whose signer was asked about, and nobody in every other case.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use wharf_auth::{Authorizer, Caller, ClientCertificate, Refusal, Scope, Sender, TagWrite};
use wharf_http::ClientCertificates;
use wharf_oci::{RepositoryName, Tag};
use wharf_testkit::registry::{ScratchRegistry, Setup};
use wharf_testkit::tls::{Authority, Client, Source};

/// Lets everybody in and notes the certificates.
#[derive(Debug, Default)]
struct Notebook(Mutex<Vec<Option<ClientCertificate>>>);

#[async_trait]
impl Authorizer for Notebook {
    async fn caller(&self, sender: Sender<'_>) -> Result<Caller, Refusal> {
        self.0
            .lock()
            .expect("nobody panics with the lock")
            .push(sender.certificate.map(|certificate| (**certificate).clone()));
        Ok(Caller::default())
    }

    async fn allow(&self, _caller: &Caller, _scope: Scope<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    async fn tag_write(
        &self,
        _caller: &Caller,
        _repository: &RepositoryName,
        _tag: &Tag,
    ) -> Result<TagWrite, Refusal> {
        Ok(TagWrite::Any)
    }

    fn sees(&self, _caller: &Caller, _repository: &RepositoryName) -> bool {
        true
    }
}

/// What the authorizer is given of a client by `acme` and of one without a certificate, each by both protocols.
async fn seen(meaning: ClientCertificates) -> Vec<Option<ClientCertificate>> {
    let (servers, clients) = (Authority::new("of servers"), Authority::new("of clients"));
    let source = Source::asking(&servers.server("a registry"), &clients, meaning);
    let notebook = Arc::new(Notebook::default());
    let authorizer = Arc::clone(&notebook) as Arc<dyn Authorizer>;
    let setup = Setup { tls: Some(Arc::new(source)), authorizer, ..Setup::default() };
    let registry = ScratchRegistry::memory_with(setup).await;

    let nobody = Client::trusting(&servers);
    let somebody = nobody.clone().showing(&clients.client("acme", "builder"));
    for client in [somebody, nobody] {
        let _ = client.connect(&registry).await.send(registry.get("/v2/")).await.expect(200);
        let _ = client.http2(&registry).await.send(registry.get("/v2/")).await.expect(200);
    }
    let seen = notebook.0.lock().expect("nobody panics with the lock");
    seen.clone()
}

#[tokio::test]
async fn a_verified_certificate_is_an_identity() {
    let builder = ClientCertificate {
        subject: "CN=builder,O=acme".to_owned(),
        common_name: Some("builder".to_owned()),
    };
    let expected = [Some(builder.clone()), Some(builder), None, None];
    assert_eq!(seen(ClientCertificates::Verified).await, expected);
}

#[tokio::test]
async fn an_unverified_certificate_is_nobody() {
    assert_eq!(seen(ClientCertificates::Unverified).await, [None, None, None, None]);
}
