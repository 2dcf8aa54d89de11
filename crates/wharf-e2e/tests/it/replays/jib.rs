//! jib, which sends a PATCH that timed out again, into the same upload (jib#4526).

use wharf_testkit::deadline::eventually;
use wharf_testkit::images::{Blob, Image};
use wharf_testkit::push;
use wharf_testkit::registry::ScratchRegistry;
use wharf_testkit::wire::{Server, chunk};

use super::{Client, assert_holds, assert_is, finish};

/// Sends the blob, of which `arrived` bytes were on their way when the client lost its patience.
async fn send_twice(jib: &mut Client, registry: &Server, blob: &Blob, arrived: usize) {
    let path = format!("/v2/acme/app/blobs/{}", blob.digest);
    let _ = jib.say(registry.head(&path)).await.expect(404);
    let mount = format!("/v2/acme/app/blobs/uploads/?mount={}&from=library/base", blob.digest);
    let opened = jib.say(registry.post(mount).body("")).await.expect(202);
    let location = opened.location();
    let patch = registry.patch(location).header("Content-Type", "application/octet-stream");

    let mut broken = registry.connect().await;
    broken.begin(&patch.clone().header("Transfer-Encoding", "chunked")).await;
    broken.write(chunk(&blob.bytes[..arrived])).await;
    drop(broken);

    // Until the server has seen the end of the first request, the second one is told to wait its turn.
    let patched = eventually("the broken request to let go", async || {
        let answer = patch.clone().chunks([blob.bytes.clone()]).send().await;
        assert!(matches!(answer.status, 202 | 416), "{answer:?}");
        (answer.status == 202).then_some(answer)
    })
    .await;
    // Not the first try and the second one, one behind the other.
    assert_eq!(patched.required("Range"), format!("0-{}", blob.bytes.len() - 1));
    let put = registry.put(finish(patched.location(), &blob.digest)).body("");
    let _ = jib.say(put).await.expect(201);
    assert_holds(&jib.say(registry.get(&path)).await, blob);
}

#[tokio::test]
async fn jib_repeats_a_patch_that_broke_and_pushes_the_image() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        push::image(&registry, "library/base", "1", &Image::random(9)).await;
        let mut jib = Client::new(&registry, "jib 3.4.6 jib-maven-plugin").await;
        let image = Image::docker(1);
        for (blob, arrived) in image.blobs().zip([1, 500, 10]) {
            send_twice(&mut jib, &registry, blob, arrived).await;
        }
        for tag in ["1", "latest"] {
            let path = format!("/v2/acme/app/manifests/{tag}");
            let put = registry.put(&path).header("Content-Type", image.manifest.media_type.as_str());
            let put = jib.say(put.body(image.manifest.bytes.clone())).await.expect(201);
            assert_eq!(put.required("Docker-Content-Digest"), image.manifest.digest.to_string());
            assert_is(&jib.say(registry.head(&path)).await, &image.manifest);
        }
    }
}
