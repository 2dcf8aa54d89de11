//! Mounts (end-11): a blob that is elsewhere in this registry need not be sent again.

use std::sync::Arc;

use async_trait::async_trait;
use wharf_auth::{Action, Authorizer, Caller, Refusal, Scope, Sender, TagWrite};
use wharf_oci::{Algorithm, RepositoryName, Tag};
use wharf_testkit::images::{Blob, noise};
use wharf_testkit::push::{self, finish};
use wharf_testkit::registry::{ScratchRegistry, Setup};
use wharf_testkit::wire::{Response, Server};

use crate::NOBODYS;

/// Everything is allowed but to pull from `secret`, and so from everywhere.
#[derive(Debug)]
struct ButForTheSecret;

#[async_trait]
impl Authorizer for ButForTheSecret {
    async fn caller(&self, _sender: Sender<'_>) -> Result<Caller, Refusal> {
        Ok(Caller::default())
    }

    async fn allow(&self, _caller: &Caller, scope: Scope<'_>) -> Result<(), Refusal> {
        match scope {
            Scope::PullEverything => Err(Refusal::Denied),
            Scope::Repository(name, Action::Pull) if name.as_str() == "secret" => Err(Refusal::Denied),
            Scope::Base | Scope::Catalog | Scope::Admin | Scope::Repository(..) => Ok(()),
        }
    }

    async fn tag_write(
        &self,
        _caller: &Caller,
        _repository: &RepositoryName,
        _tag: &Tag,
    ) -> Result<TagWrite, Refusal> {
        Ok(TagWrite::Any)
    }

    fn sees(&self, _caller: &Caller, repository: &RepositoryName) -> bool {
        repository.as_str() != "secret"
    }
}

async fn mount(server: &Server, query: &str) -> Response {
    server.post(format!("/v2/target/blobs/uploads/?{query}")).body("").send().await
}

fn assert_mounted(response: Response, blob: &Blob) {
    let response = response.expect(201);
    assert_eq!(response.location(), format!("/v2/target/blobs/{}", blob.digest));
    assert_eq!(response.required("Docker-Content-Digest"), blob.digest.to_string());
    assert_eq!(response.header("Content-Length"), Some("0"));
    assert_eq!(response.header("Docker-Upload-Uuid"), None);
}

/// A mount that cannot be is an upload, which must then work.
async fn assert_upload(server: &Server, response: Response, blob: &Blob) {
    let response = response.expect(202);
    assert_eq!(response.header("Range"), Some("0-0"));
    assert_eq!(response.header("Docker-Content-Digest"), None);
    let put = server.put(finish(response.location(), &blob.digest)).body(blob.bytes.clone());
    let _ = put.send().await.expect(201);
}

#[tokio::test]
async fn a_mounted_blob_is_the_targets_own() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        for algorithm in Algorithm::ALL {
            let blob = Blob::with(algorithm, noise(1, 1000));
            push::blob(&registry, "some/source", &blob).await;
            let path = format!("/v2/target/blobs/{}", blob.digest);
            let _ = registry.head(&path).send().await.expect(404);

            assert_mounted(mount(&registry, &format!("mount={}&from=some/source", blob.digest)).await, &blob);

            assert_eq!(registry.get(&path).send().await.expect(200).body, blob.bytes);
            // Each has its own: one delete leaves the other.
            let source = format!("/v2/some/source/blobs/{}", blob.digest);
            let _ = registry.delete(&source).send().await.expect(202);
            assert_eq!(registry.get(&path).send().await.expect(200).body, blob.bytes);
        }
    }
}

#[tokio::test]
async fn the_parameters_may_come_in_any_order_and_be_encoded() {
    let registry = ScratchRegistry::memory().await;
    for seed in 0..3 {
        let blob = Blob::random(seed, 100);
        push::blob(&registry, "some/source", &blob).await;
        let encoded = blob.digest.to_string().replace(':', "%3A");
        let query = match seed {
            0 => format!("from=some/source&mount={}", blob.digest),
            1 => format!("mount={encoded}&from=some%2Fsource"),
            _ => format!("ns=docker.io&mount={encoded}&from=some%2Fsource&x=y"),
        };
        assert_mounted(mount(&registry, &query).await, &blob);
    }
}

#[tokio::test]
async fn a_mount_of_what_the_target_has_is_a_mount() {
    let registry = ScratchRegistry::memory().await;
    let blob = Blob::random(1, 100);
    push::blob(&registry, "target", &blob).await;
    push::blob(&registry, "source", &blob).await;
    for from in ["source", "target"] {
        assert_mounted(mount(&registry, &format!("mount={}&from={from}", blob.digest)).await, &blob);
    }
}

#[tokio::test]
async fn a_mount_from_nowhere_in_particular_takes_the_blob_from_where_it_is() {
    let registry = ScratchRegistry::start().await;
    let blob = Blob::random(1, 100);
    push::blob(&registry, "somewhere", &blob).await;
    assert_mounted(mount(&registry, &format!("mount={}", blob.digest)).await, &blob);
    let nobodys = Blob::random(2, 100);
    let response = mount(&registry, &format!("mount={}", nobodys.digest)).await;
    assert_upload(&registry, response, &nobodys).await;
}

#[tokio::test]
async fn a_mount_that_cannot_be_is_an_upload() {
    let registry = ScratchRegistry::start().await;
    let blob = Blob::random(1, 100);
    let has_it = Blob::random(2, 100);
    push::blob(&registry, "source", &has_it).await;
    for query in [
        format!("mount={}&from=source", blob.digest),
        format!("mount={}&from=no/such", blob.digest),
        format!("mount={}&from=Not%20A%20Name", blob.digest),
        format!("mount={}&from=..", blob.digest),
        "mount=nonsense&from=source".to_owned(),
        "mount=sha256:abc".to_owned(),
        "mount=%zz&from=source".to_owned(),
        format!("mount={NOBODYS}&from=source"),
        "mount=&from=source".to_owned(),
        // The registry has this one, the source named does not.
        format!("mount={}&from=other", has_it.digest),
    ] {
        let response = mount(&registry, &query).await;
        assert_upload(&registry, response, &blob).await;
    }
    // Nothing came over by the way.
    let _ = registry.head(format!("/v2/target/blobs/{}", has_it.digest)).send().await.expect(404);
}

#[tokio::test]
async fn nothing_can_be_learnt_from_a_mount() {
    let setup = Setup { authorizer: Arc::new(ButForTheSecret), ..Setup::default() };
    let registry = ScratchRegistry::memory_with(setup).await;
    let blob = Blob::random(1, 100);
    push::blob(&registry, "secret", &blob).await;
    for query in [
        format!("mount={}&from=secret", blob.digest),
        format!("mount={}", blob.digest),
        format!("mount={NOBODYS}&from=secret"),
        format!("mount={NOBODYS}"),
    ] {
        let response = mount(&registry, &query).await.expect(202);
        assert_eq!(response.header("Range"), Some("0-0"), "{query}");
        let _ = registry.head(format!("/v2/target/blobs/{}", blob.digest)).send().await.expect(404);
    }
    push::blob(&registry, "open", &blob).await;
    assert_mounted(mount(&registry, &format!("mount={}&from=open", blob.digest)).await, &blob);
}
