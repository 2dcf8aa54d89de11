//! Who a client is: what the certificate says whose signer was asked about, and nobody in every other case.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use wharf_auth::{
    Authorizer, Caller, ClientCertificate, Guard, Refusal, Rule, Rules, Scope, Sender, TagWrite,
};
use wharf_http::ClientCertificates;
use wharf_oci::{RepositoryName, Tag};
use wharf_testkit::registry::{ScratchRegistry, Setup};
use wharf_testkit::tls::{Authority, Client, Source, Version};

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

/// A registry that asks for certificates, its authorizer's notes, and clients with and without one.
struct World {
    registry: ScratchRegistry,
    notebook: Arc<Notebook>,
    somebody: Client,
    nobody: Client,
}

impl World {
    async fn start(meaning: ClientCertificates) -> Self {
        let (servers, clients) = (Authority::new("of servers"), Authority::new("of clients"));
        let source = Source::asking(&servers.server("a registry"), &clients, meaning);
        let notebook = Arc::new(Notebook::default());
        let authorizer = Arc::clone(&notebook) as Arc<dyn Authorizer>;
        let setup = Setup { tls: Some(Arc::new(source)), authorizer, ..Setup::default() };
        let nobody = Client::trusting(&servers);
        Self {
            registry: ScratchRegistry::memory_with(setup).await,
            notebook,
            somebody: nobody.clone().showing(&clients.client("acme", "builder")),
            nobody,
        }
    }

    fn seen(&self) -> Vec<Option<ClientCertificate>> {
        self.notebook.0.lock().expect("nobody panics with the lock").clone()
    }
}

/// What the authorizer is given of a client by `acme` and of one without a certificate, each by both protocols.
async fn seen(meaning: ClientCertificates) -> Vec<Option<ClientCertificate>> {
    let world = World::start(meaning).await;
    let registry = &world.registry;
    for client in [&world.somebody, &world.nobody] {
        let _ = client.connect(registry).await.send(registry.get("/v2/")).await.expect(200);
        let _ = client.http2(registry).await.send(registry.get("/v2/")).await.expect(200);
    }
    world.seen()
}

fn builder() -> ClientCertificate {
    ClientCertificate {
        subject: "CN=builder,O=acme".to_owned(),
        common_name: Some("builder".to_owned()),
        ..ClientCertificate::default()
    }
}

#[tokio::test]
async fn a_verified_certificate_is_an_identity() {
    let expected = [Some(builder()), Some(builder()), None, None];
    assert_eq!(seen(ClientCertificates::Verified).await, expected);
}

/// A session that is resumed shows no certificate again.
#[tokio::test]
async fn whoever_comes_back_is_who_they_were() {
    for version in [Version::Tls12, Version::Tls13] {
        let world = World::start(ClientCertificates::Verified).await;
        let registry = &world.registry;
        for client in [&world.somebody, &world.nobody] {
            let mut again = client.clone().only(version).come_back(registry).await;
            let _ = again.send(registry.get("/v2/")).await.expect(200);
        }
        assert_eq!(world.seen(), [Some(builder()), Some(builder()), None, None], "{version:?}");
    }
}

#[tokio::test]
async fn an_unverified_certificate_is_nobody() {
    assert_eq!(seen(ClientCertificates::Unverified).await, [None, None, None, None]);
}

#[tokio::test]
async fn a_comma_inside_a_value_of_a_certificate_ends_no_attribute() {
    let (servers, clients) = (Authority::new("of servers"), Authority::new("of clients"));
    let source = Source::asking(&servers.server("a registry"), &clients, ClientCertificates::Verified);
    let rule = Rule {
        subjects: vec!["CN=*,O=acme".to_owned()],
        actions: vec!["push".to_owned()],
        ..Rule::default()
    };
    let rules = Rules::new(vec![rule], std::collections::BTreeMap::new()).expect("rules");
    let guard = Guard { rules: Some(rules), ..Guard::default() };
    let setup = Setup { tls: Some(Arc::new(source)), authorizer: Arc::new(guard), ..Setup::default() };
    let registry = ScratchRegistry::memory_with(setup).await;
    for (organisation, name, status) in [
        ("acme", "builder", 202),
        ("evil", "builder", 403),
        ("evil", "x,O=acme", 403),
        ("evil,O=acme", "x", 403),
        ("evil\\,O=acme", "x", 403),
    ] {
        let client = Client::trusting(&servers).showing(&clients.client(organisation, name));
        let push = registry.post("/v2/a/blobs/uploads/");
        let answer = client.connect(&registry).await.send(push).await;
        assert_eq!(answer.status, status, "CN={name} O={organisation}: {answer:?}");
    }
}
