//! Clients that hang up: of each kind of request, at each place where that can be told apart.

use wharf_oci::{Digest, MediaType};
use wharf_testkit::deadline::eventually;
use wharf_testkit::images::{Blob, Image, Manifest};
use wharf_testkit::push;
use wharf_testkit::wire::{Request, Server as Wire};

use crate::disk::Folder;
use crate::server::Server;
use crate::tree;

/// Longer than what a connection holds on its way, so that an answer with it is cut in the middle.
const LARGE_BYTES: usize = 16 << 20;

/// Longer than what an upload writes at once.
const BODY_BYTES: usize = 500_000;

/// Where a client hangs up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// After its first byte.
    AtOnce,
    InTheHead,
    /// One byte before the head ends.
    BeforeTheBody,
    /// Between the head and the body.
    AfterTheHead,
    AfterAByteOfTheBody,
    InTheBody,
    BeforeTheLastByte,
    /// Everything is sent and nothing is waited for.
    BeforeTheAnswer,
    /// After the first byte of the answer.
    InTheAnswer,
    /// Some way into the body of the answer.
    InTheAnswersBody,
}

const CUTS: [Cut; 10] = [
    Cut::AtOnce,
    Cut::InTheHead,
    Cut::BeforeTheBody,
    Cut::AfterTheHead,
    Cut::AfterAByteOfTheBody,
    Cut::InTheBody,
    Cut::BeforeTheLastByte,
    Cut::BeforeTheAnswer,
    Cut::InTheAnswer,
    Cut::InTheAnswersBody,
];

/// What hangs up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Begin,
    PushAtOnce,
    PushAtOnceChunked,
    Mount,
    Patch,
    PatchChunked,
    FinishWithBody,
    FinishWithoutBody,
    UploadStatus,
    UploadCancel,
    PutManifest,
    GetManifest,
    HeadManifest,
    GetBlob,
    GetRange,
    GetRanges,
    Tags,
    Catalog,
    Referrers,
    DeleteTag,
}

const KINDS: [Kind; 20] = [
    Kind::Begin,
    Kind::PushAtOnce,
    Kind::PushAtOnceChunked,
    Kind::Mount,
    Kind::Patch,
    Kind::PatchChunked,
    Kind::FinishWithBody,
    Kind::FinishWithoutBody,
    Kind::UploadStatus,
    Kind::UploadCancel,
    Kind::PutManifest,
    Kind::GetManifest,
    Kind::HeadManifest,
    Kind::GetBlob,
    Kind::GetRange,
    Kind::GetRanges,
    Kind::Tags,
    Kind::Catalog,
    Kind::Referrers,
    Kind::DeleteTag,
];

/// What there is to ask for.
struct World {
    wire: Wire,
    image: Image,
    large: Blob,
}

/// One request, with what it is about.
struct Asked {
    request: Request,
    /// The bytes of the blob or the manifest that it brings.
    brought: Blob,
    /// The upload it belongs to.
    upload: Option<String>,
    tag: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_hang_up_anywhere_leave_nothing_behind() {
    let folder = Folder::new();
    let server = Server::start(folder.root());
    let (wire, process) = (server.wire(), server.process());
    let world = World { wire, image: Image::random(1), large: Blob::random(2, LARGE_BYTES) };
    let _ = push::image(&wire, "a", "v1", &world.image).await;
    push::blob(&wire, "a", &world.large).await;
    let settled = process.open();

    let mut seed = 100;
    for kind in KINDS {
        for cut in CUTS {
            seed += 1;
            let asked = world.ask(kind, seed).await;
            hang_up(wire, &asked.request, cut).await;
            world.look_after(kind, cut, asked).await;
        }
    }
    eventually("connections and files are closed", async || {
        let _ = wire.get("/v2/").send().await;
        // The connection that asks may still be there.
        (process.open().len() <= settled.len() + 1).then_some(())
    })
    .await;
    world.assert_as_before().await;
    tree::assert_sound(folder.root());
    server.stop_with_nothing_left();
}

/// Sends as much of the request, and takes as much of the answer, as the cut says, and goes.
async fn hang_up(wire: Wire, request: &Request, cut: Cut) {
    let (bytes, head) = request.parts();
    let sent = match cut {
        Cut::AtOnce => 1,
        Cut::InTheHead => head / 2,
        Cut::BeforeTheBody => head - 1,
        Cut::AfterTheHead => head,
        Cut::AfterAByteOfTheBody => bytes.len().min(head + 1),
        Cut::InTheBody => (head + bytes.len()) / 2,
        Cut::BeforeTheLastByte => bytes.len() - 1,
        Cut::BeforeTheAnswer | Cut::InTheAnswer | Cut::InTheAnswersBody => bytes.len(),
    };
    let mut connection = wire.connect().await;
    connection.write(&bytes[..sent]).await;
    match cut {
        Cut::InTheAnswer => drop(connection.read(1).await),
        Cut::InTheAnswersBody => {
            let head = connection.head().await;
            let length = head.header("Content-Length").and_then(|length| length.parse::<usize>().ok());
            if request.parts().0.starts_with(b"GET") {
                let _ = connection.read((length.unwrap_or(0) / 2).min(100_000)).await;
            }
        }
        _ => {}
    }
}

impl World {
    async fn ask(&self, kind: Kind, seed: u64) -> Asked {
        let brought = match kind {
            Kind::PutManifest => self.variant(seed),
            _ => Blob::random(seed, BODY_BYTES),
        };
        let upload = match kind {
            Kind::Patch
            | Kind::PatchChunked
            | Kind::FinishWithBody
            | Kind::FinishWithoutBody
            | Kind::UploadStatus
            | Kind::UploadCancel => Some(push::begin(&self.wire, "a").await),
            _ => None,
        };
        let tag = format!("tag-{seed}");
        if kind == Kind::DeleteTag {
            drop(push::manifest(&self.wire, "a", &tag, &self.image.manifest).await);
        }
        let mut upload = upload;
        if kind == Kind::FinishWithoutBody {
            let patch = self.wire.patch(upload.unwrap_or_default()).body(brought.bytes.clone());
            upload = Some(patch.send().await.expect(202).location().to_owned());
        }
        let request = self.request(kind, &brought, upload.as_deref().unwrap_or_default(), &tag);
        Asked { request, brought, upload, tag }
    }

    fn request(&self, kind: Kind, brought: &Blob, upload: &str, tag: &str) -> Request {
        let (wire, large) = (self.wire, &self.large.digest);
        let bytes = brought.bytes.clone();
        let pieces = [bytes.slice(..BODY_BYTES.min(bytes.len()) / 2), bytes.slice(bytes.len() / 2..)];
        let uploads = "/v2/a/blobs/uploads/";
        let get_large = || wire.get(format!("/v2/a/blobs/{large}"));
        match kind {
            Kind::Begin => wire.post(uploads).body(""),
            Kind::PushAtOnce => wire.post(format!("{uploads}?digest={}", brought.digest)).body(bytes),
            Kind::PushAtOnceChunked => {
                wire.post(format!("{uploads}?digest={}", brought.digest)).chunks(pieces)
            }
            Kind::Mount => wire.post(format!("/v2/b/blobs/uploads/?mount={large}&from=a")).body(""),
            Kind::Patch => wire.patch(upload).body(bytes),
            Kind::PatchChunked => wire.patch(upload).chunks(pieces),
            Kind::FinishWithBody => wire.put(push::finish(upload, &brought.digest)).body(bytes),
            Kind::FinishWithoutBody => wire.put(push::finish(upload, &brought.digest)).body(""),
            Kind::UploadStatus => wire.get(upload),
            Kind::UploadCancel => wire.delete(upload),
            Kind::PutManifest => {
                let put = wire.put(format!("/v2/a/manifests/{tag}"));
                put.header("Content-Type", MediaType::OCI_MANIFEST.as_str()).body(bytes)
            }
            Kind::GetManifest => wire.get("/v2/a/manifests/v1"),
            Kind::HeadManifest => wire.head("/v2/a/manifests/v1"),
            Kind::GetBlob => get_large(),
            Kind::GetRange => get_large().header("Range", "bytes=1000000-15000000"),
            Kind::GetRanges => get_large().header("Range", "bytes=5-2000000,3000000-9000000"),
            Kind::Tags => wire.get("/v2/a/tags/list"),
            Kind::Catalog => wire.get("/v2/_catalog"),
            Kind::Referrers => wire.get(format!("/v2/a/referrers/{}", self.image.manifest.digest)),
            Kind::DeleteTag => wire.delete(format!("/v2/a/manifests/{tag}")),
        }
    }

    /// A manifest of its own for the same image.
    fn variant(&self, seed: u64) -> Blob {
        let mut body: serde_json::Value =
            serde_json::from_slice(&self.image.manifest.bytes).expect("a manifest is JSON");
        body["annotations"] = serde_json::json!({"seed": seed.to_string()});
        Blob::new(Manifest::new(MediaType::OCI_MANIFEST, &body).bytes)
    }

    /// Whatever became of the request, it is all of it or nothing, and one can go on.
    async fn look_after(&self, kind: Kind, cut: Cut, asked: Asked) {
        let what = format!("{kind:?} {cut:?}");
        match kind {
            Kind::Patch
            | Kind::PatchChunked
            | Kind::FinishWithBody
            | Kind::FinishWithoutBody
            | Kind::UploadStatus => {
                let location = asked.upload.expect("it has an upload");
                eventually(&what, async || self.go_on(&location, &asked.brought).await).await;
                self.assert_blob(&asked.brought.digest, &asked.brought).await;
            }
            Kind::UploadCancel => {
                let location = asked.upload.expect("it had an upload");
                eventually(&what, async || {
                    let status = self.wire.delete(&location).send().await.status;
                    matches!(status, 204 | 404).then_some(())
                })
                .await;
            }
            Kind::PushAtOnce | Kind::PushAtOnceChunked => {
                push::blob(&self.wire, "a", &asked.brought).await;
                self.assert_blob(&asked.brought.digest, &asked.brought).await;
            }
            Kind::PutManifest => {
                let get = self.wire.get(format!("/v2/a/manifests/{}", asked.tag)).send().await;
                match get.status {
                    200 => assert_eq!(get.body, asked.brought.bytes, "{what}"),
                    404 => assert!(cut != Cut::InTheAnswer && cut != Cut::InTheAnswersBody, "{what}"),
                    other => panic!("{what}: {other}"),
                }
                let arrived = matches!(cut, Cut::BeforeTheAnswer | Cut::InTheAnswer | Cut::InTheAnswersBody);
                assert!(arrived || get.status == 404, "{what}: half a manifest made a tag");
            }
            Kind::DeleteTag => {
                let delete = self.wire.delete(format!("/v2/a/manifests/{}", asked.tag)).send().await;
                assert!(matches!(delete.status, 202 | 404), "{what}: {delete:?}");
            }
            _ => {}
        }
    }

    /// Brings what is missing of an upload and finishes it; `None` while the one before is still writing.
    async fn go_on(&self, location: &str, blob: &Blob) -> Option<()> {
        let status = self.wire.get(location).send().await;
        if status.status == 404 {
            // It was finished, by the request that nobody waited for.
            return (self.wire.head(format!("/v2/a/blobs/{}", blob.digest)).send().await.status == 200)
                .then_some(());
        }
        let status = status.expect(204);
        let last = status.required("Range").strip_prefix("0-").and_then(|last| last.parse::<usize>().ok());
        // `0-0` is nothing or one byte; the answer's own location says which.
        let last = last.expect("a range");
        let one = status.location().contains("_state=1");
        let stored = if last == 0 && !one { 0 } else { last + 1 };
        let rest = blob.bytes.slice(stored..);
        let finished = self.wire.put(push::finish(status.location(), &blob.digest)).body(rest).send().await;
        match finished.status {
            201 => Some(()),
            416 | 404 => None,
            other => panic!("{other}: {finished:?}"),
        }
    }

    async fn assert_blob(&self, digest: &Digest, blob: &Blob) {
        let got = self.wire.get(format!("/v2/a/blobs/{digest}")).send().await.expect(200);
        assert!(got.body == blob.bytes, "{digest}");
    }

    async fn assert_as_before(&self) {
        let manifest = self.wire.get("/v2/a/manifests/v1").send().await.expect(200);
        assert_eq!(manifest.body, self.image.manifest.bytes);
        self.assert_blob(&self.large.digest, &self.large).await;
        let catalog = self.wire.get("/v2/_catalog").send().await.expect(200);
        assert_eq!(catalog.json(), serde_json::json!({"repositories": ["a"]}));
        let tags = self.wire.get("/v2/a/tags/list").send().await.expect(200).json();
        for tag in tags["tags"].as_array().expect("a list") {
            let tag = tag.as_str().expect("a name");
            let _ = self.wire.get(format!("/v2/a/manifests/{tag}")).send().await.expect(200);
        }
    }
}
