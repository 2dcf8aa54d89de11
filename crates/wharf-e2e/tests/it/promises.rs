//! The five promises about bytes, each by its name, with stores that fail and that wait.

mod store_calls;

use store_calls::{Answer, Backend, World};
use wharf_oci::{Digest, ErrorCode};
use wharf_store::Retry;
use wharf_store_fs::Fsync;
use wharf_testkit::deadline::within;
use wharf_testkit::flaky::{Call, Faults};
use wharf_testkit::images::{Blob, Image, Manifest};
use wharf_testkit::push::{self, begin, finish};
use wharf_testkit::registry::{ScratchRegistry, Setup};
use wharf_testkit::wire::{Request, Server};

use crate::NOBODYS;

const SBOM: &str = "application/vnd.example.sbom";

async fn assert_whole(server: &Server, image: &Image, reference: &str) {
    let response = server.get(format!("/v2/a/manifests/{reference}")).send().await.expect(200);
    assert_eq!(response.body, image.manifest.bytes);
    assert_eq!(Digest::of(&response.body), image.manifest.digest);
    for blob in image.blobs() {
        let response = server.get(format!("/v2/a/blobs/{}", blob.digest)).send().await.expect(200);
        assert_eq!(response.body, blob.bytes);
        assert_eq!(response.required("Docker-Content-Digest"), blob.digest.to_string());
    }
}

// Promise 1.

#[tokio::test]
async fn what_you_pushed_is_what_you_pull() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        for image in
            [Image::random(1), Image::docker(2), Image::artifact(3, &Image::random(1).manifest, SBOM)]
        {
            push::image(&registry, "a", "latest", &image).await;
            assert_whole(&registry, &image, "latest").await;
            assert_whole(&registry, &image, &image.manifest.digest.to_string()).await;
        }
    }
}

#[tokio::test]
async fn unverified_bytes_are_never_visible() {
    let (registry, faults) = ScratchRegistry::flaky().await;
    let blob = Blob::random(1, 1000);
    let unseen = async |digest: Digest| {
        let _ = registry.head(format!("/v2/a/blobs/{digest}")).send().await.expect(404);
        let _ =
            registry.get(format!("/v2/a/blobs/{digest}")).send().await.refused(404, ErrorCode::BlobUnknown);
    };
    let location = begin(&registry, "a").await;
    let _ = registry.patch(&location).body(blob.bytes.clone()).send().await.expect(202);
    unseen(blob.digest).await;
    let wrong = Digest::of(b"something else");
    let _ = registry.put(finish(&location, &wrong)).send().await.refused(400, ErrorCode::DigestInvalid);
    unseen(blob.digest).await;
    unseen(wrong).await;

    // All bytes have come, and are still to be checked.
    let mut gate = faults.bar(Call::Commit);
    let put = registry.put(finish(&location, &blob.digest)).send();
    let look = async {
        gate.reached().await;
        unseen(blob.digest).await;
        gate.open();
    };
    let (response, ()) = tokio::join!(put, look);
    let _ = response.expect(201);
    let _ = registry.head(format!("/v2/a/blobs/{}", blob.digest)).send().await.expect(200);
}

#[tokio::test]
async fn a_push_that_failed_leaves_nothing_to_be_seen() {
    for call in [Call::Begin, Call::Finish, Call::Finished, Call::PutObject] {
        let (registry, faults) = ScratchRegistry::flaky().await;
        let blob = Blob::random(1, 1000);
        faults.fail(call, usize::MAX);
        let request = registry.post(finish("/v2/a/blobs/uploads/", &blob.digest)).body(blob.bytes.clone());
        let _ = request.send().await.refused(503, ErrorCode::Unavailable);
        faults.mend();
        let _ = registry.head(format!("/v2/a/blobs/{}", blob.digest)).send().await.expect(404);
        push::blob(&registry, "a", &blob).await;
        let response = registry.get(format!("/v2/a/blobs/{}", blob.digest)).send().await.expect(200);
        assert_eq!(response.body, blob.bytes);
    }
}

// Promise 2. What `kill -9` and a power cut do is for tests with processes; here, nothing is left to be done after the
// answer: another registry over the same tree has it all, while the first one has not been stopped.

#[tokio::test]
async fn acknowledged_is_durable() {
    let directory = tempfile::tempdir().unwrap();
    let synced = || Setup { fsync: Fsync::Full, ..Setup::default() };
    let first = ScratchRegistry::over(directory.path(), synced()).await;
    let (image, gone) = (Image::random(1), Image::random(2));
    push::image(&first, "a", "latest", &image).await;
    push::image(&first, "a", "gone", &gone).await;
    let artifact = Image::artifact(3, &image.manifest, SBOM);
    push::image(&first, "a", "artifact", &artifact).await;
    let _ = first.delete(format!("/v2/a/manifests/{}", gone.manifest.digest)).send().await.expect(202);
    let _ = first.delete(format!("/v2/a/blobs/{}", gone.config.digest)).send().await.expect(202);

    let second = ScratchRegistry::over(directory.path(), synced()).await;

    assert_whole(&second, &image, "latest").await;
    assert_whole(&second, &artifact, "artifact").await;
    let referrers = second.get(format!("/v2/a/referrers/{}", image.manifest.digest)).send().await.expect(200);
    assert_eq!(referrers.json()["manifests"][0]["digest"], artifact.manifest.digest.to_string());
    for path in ["manifests/gone".to_owned(), format!("blobs/{}", gone.config.digest)] {
        let _ = second.get(format!("/v2/a/{path}")).send().await.expect(404);
    }
}

// Promise 3.

/// Whatever can be seen of the image leads to all of it.
async fn assert_no_gap(server: &Server, image: &Image, tag: &str) {
    let digest = image.manifest.digest.to_string();
    let tags = server.get("/v2/a/tags/list").send().await;
    let listed = tags.status == 200 && tags.text().contains(&format!("\"{tag}\""));
    let by_tag = server.get(format!("/v2/a/manifests/{tag}")).send().await;
    let subject = Image::random(1).manifest.digest;
    let referrers = server.get(format!("/v2/a/referrers/{subject}")).send().await.expect(200);
    let by_digest = server.get(format!("/v2/a/manifests/{digest}")).send().await;
    assert!(!listed || by_tag.status == 200, "a tag that is listed leads nowhere");
    let leads_there = by_tag.status == 200 || referrers.text().contains(&digest);
    assert!(!leads_there || by_digest.status == 200, "a tag or a referrer leads nowhere");
    if by_digest.status == 200 {
        assert_whole(server, image, &digest).await;
    }
}

/// Looks at the image before each of the steps that `call` is, until the request is answered.
async fn stepping(server: &Server, faults: &Faults, call: Call, request: Request, image: &Image) -> usize {
    let mut steps = 0;
    let answer = request.send();
    tokio::pin!(answer);
    loop {
        let mut gate = faults.bar(call);
        tokio::select! {
            response = &mut answer => {
                assert!(response.status < 300, "{response:?}");
                return steps;
            }
            () = gate.reached() => {
                steps += 1;
                assert_no_gap(server, image, "artifact").await;
                gate.open();
            }
        }
    }
}

#[tokio::test]
async fn a_pull_never_meets_a_gap() {
    let (registry, faults) = ScratchRegistry::flaky().await;
    let artifact = Image::artifact(2, &Image::random(1).manifest, SBOM);
    push::image(&registry, "a", "latest", &Image::random(1)).await;
    let put = || {
        let request = registry.put("/v2/a/manifests/artifact");
        let request = request.header("Content-Type", artifact.manifest.media_type.as_str());
        request.body(artifact.manifest.bytes.clone())
    };
    // Not before all it needs is there.
    for blob in artifact.blobs() {
        let response = put().send().await.expect(400);
        assert!(response.codes().iter().all(|code| *code == ErrorCode::ManifestBlobUnknown));
        assert_no_gap(&registry, &artifact, "artifact").await;
        push::blob(&registry, "a", blob).await;
    }
    let steps = stepping(&registry, &faults, Call::PutObject, put(), &artifact).await;
    assert!(steps >= 3, "revision, referrer and tag are steps of their own: {steps}");
    assert_whole(&registry, &artifact, "artifact").await;

    // And backwards.
    let delete = registry.delete(format!("/v2/a/manifests/{}", artifact.manifest.digest));
    let steps = stepping(&registry, &faults, Call::RemoveObject, delete, &artifact).await;
    assert!(steps >= 1, "{steps}");
    assert_no_gap(&registry, &artifact, "artifact").await;
    let _ = registry.get("/v2/a/manifests/artifact").send().await.expect(404);
}

#[tokio::test]
async fn a_manifest_whose_push_failed_leaves_no_tag_that_leads_nowhere() {
    for call in [Call::Put, Call::PutObject, Call::AllPut, Call::Renew] {
        for before in 0..4 {
            let (registry, faults) = ScratchRegistry::flaky().await;
            let artifact = Image::artifact(2, &Image::random(1).manifest, SBOM);
            for blob in artifact.blobs() {
                push::blob(&registry, "a", blob).await;
            }
            let put = registry
                .put("/v2/a/manifests/artifact")
                .header("Content-Type", artifact.manifest.media_type.as_str())
                .body(artifact.manifest.bytes.clone());
            faults.fail_after(call, before);
            let response = put.send().await;
            assert!(matches!(response.status, 201 | 503), "{response:?}");
            faults.mend();
            assert_no_gap(&registry, &artifact, "artifact").await;
        }
    }
}

// Promise 4.

/// The answer to a request; one whose body breaks off is one that no client takes for the whole.
async fn answer(request: Request) -> Answer {
    request.try_send().await.map_or(Answer::CutOff, |response| Answer::Status(response.status))
}

/// How often each call of the stores was made.
fn counts(faults: &Faults) -> Vec<usize> {
    Call::ALL.iter().map(|call| faults.count(*call)).collect()
}

/// Each store call of each request, failing alone, gives exactly the answer of the table: no error is swallowed, and
/// none is taken for an absence.
async fn assert_every_failure_is_answered(backend: Backend) {
    for row in store_calls::rows() {
        let world = World::new(backend).await;
        let before = counts(&world.faults);
        assert_eq!(answer((row.request)(&world)).await, Answer::Status(row.well), "{}", row.what);
        let made = counts(&world.faults).into_iter().zip(before).map(|(after, before)| after - before);
        let made: Vec<_> = Call::ALL.into_iter().zip(made).filter(|(_, count)| *count > 0).collect();
        let calls: Vec<Call> = made.iter().map(|(call, _)| *call).collect();
        assert_eq!(calls, row.calls, "{}", row.what);

        for (call, count) in made {
            for number in 0..count {
                let world = World::new(backend).await;
                world.faults.fail_once_after(call, number);
                let answer = answer((row.request)(&world)).await;
                assert_eq!(
                    answer,
                    row.answer(backend, call, number),
                    "{}, where {call:?} {number} fails",
                    row.what
                );
            }
        }
    }
}

#[tokio::test]
async fn absent_and_broken_are_different_answers() {
    assert_every_failure_is_answered(Backend::Memory).await;
}

#[tokio::test]
async fn absent_and_broken_are_different_answers_on_a_filesystem() {
    assert_every_failure_is_answered(Backend::Filesystem).await;
}

#[tokio::test]
async fn a_store_that_needs_repair_is_not_an_empty_one() {
    for row in store_calls::rows() {
        let world = World::new(Backend::Memory).await;
        world.faults.fail_everything(Retry::Never);
        assert_eq!(answer((row.request)(&world)).await, Answer::Status(500), "{}", row.what);
        // It was a failure to read: afterwards everything is as it was.
        world.faults.mend();
        assert_whole(&world.registry, &world.image, "latest").await;
        let _ = world.registry.get(&world.location).send().await.expect(204);
    }
}

async fn filled() -> (ScratchRegistry, Faults, Image) {
    let World { registry, faults, image, .. } = World::new(Backend::Memory).await;
    (registry, faults, image)
}

#[tokio::test]
async fn what_is_absent_is_absent_also_while_others_look_in_vain() {
    let (registry, faults, ..) = filled().await;
    faults.fail(Call::Stat, usize::MAX);
    faults.fail(Call::Read, usize::MAX);
    // The fact that says it is not there could be read.
    let _ = registry.get(format!("/v2/a/blobs/{NOBODYS}")).send().await.expect(404);
    let _ = registry.get("/v2/a/manifests/nope").send().await.expect(404);
}

/// A list that breaks off must not look like a shorter list.
#[tokio::test]
async fn a_list_that_cannot_be_read_to_its_end_is_cut_off() {
    let (registry, faults) = ScratchRegistry::flaky().await;
    let image = Image::random(1);
    let digest = image.manifest.digest;
    push::image(&registry, "a", &digest.to_string(), &image).await;
    for some in (0..5100).collect::<Vec<_>>().chunks(60) {
        let tags: Vec<String> = some.iter().map(|i| format!("tag=v{i:04}")).collect();
        push::manifest(&registry, "a", &format!("{digest}?{}", tags.join("&")), &image.manifest).await;
    }
    let reads = faults.count(Call::Children);
    let _ = registry.get("/v2/a/tags/list").send().await.expect(200);
    let reads = faults.count(Call::Children) - reads;
    assert!(reads > 1, "the list was read at once");

    faults.fail_after(Call::Children, reads - 1);
    let answer = registry.get("/v2/a/tags/list").try_send().await;
    match answer {
        Err(_) => {}
        Ok(response) => assert_eq!(response.status, 503, "{} bytes came", response.body.len()),
    }
}

// Promise 5.

#[tokio::test]
async fn no_one_waits_for_anothers_push() {
    for call in [Call::Begin, Call::Finish, Call::Finished, Call::Put, Call::PutObject] {
        let (registry, faults, image) = filled().await;
        let (held, other) = (Image::random(2), Image::random(3));
        let mut gate = faults.bar(call);
        let stuck = push::image(&registry, "a", "held", &held);
        let meanwhile = async {
            gate.reached().await;
            // Reads and writes, in the same repository and elsewhere.
            assert_whole(&registry, &image, "latest").await;
            push::image(&registry, "a", "other", &other).await;
            push::image(&registry, "b", "other", &other).await;
            let _ = registry.delete("/v2/b/manifests/other").send().await.expect(202);
            let _ = registry.get("/v2/_catalog").send().await.expect(200);
            gate.open();
        };
        tokio::join!(stuck, meanwhile);
        assert_whole(&registry, &held, "held").await;
    }
}

#[tokio::test]
async fn a_start_asks_no_store_for_anything() {
    let (registry, faults) = ScratchRegistry::flaky().await;
    let _ = registry.get("/v2/").send().await.expect(200);
    for call in Call::ALL {
        assert_eq!(faults.count(call), 0, "{call:?}");
    }
}

/// A tag is moved while it is read: every answer is one of the two, whole.
#[tokio::test]
async fn a_tag_that_moves_is_never_half_moved() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let images = [Image::random(1), Image::random(2)];
        for image in &images {
            push::image(&registry, "a", "latest", image).await;
        }
        let moving = async {
            for turn in 0..20 {
                push::manifest(&registry, "a", "latest", &images[turn % 2].manifest).await;
            }
        };
        let reading = async {
            for _ in 0..40 {
                let response = registry.get("/v2/a/manifests/latest").send().await.expect(200);
                let of = |manifest: &Manifest| response.body == manifest.bytes;
                assert!(images.iter().any(|image| of(&image.manifest)));
                assert_eq!(
                    response.required("Docker-Content-Digest"),
                    Digest::of(&response.body).to_string()
                );
            }
        };
        within("forty reads and twenty writes", async { tokio::join!(moving, reading) }).await;
    }
}
