//! Every request, and the calls of the stores it makes: which answer it gives when all is well, and which when one
//! particular call fails.

use serde_json::json;
use wharf_http::{Limits, Options};
use wharf_oci::{Digest, MediaType, Tag, referrers_tag};
use wharf_testkit::flaky::Call::{
    Abort, AllPut, Append, Begin, Children, Close, Commit, Finish, Finished, GetObject, HaveChildren, Lock,
    Put, PutObject, Read, RemoveAllObjects, RemoveObject, Renew, Repositories, Stat, Status,
};
use wharf_testkit::flaky::{Call, Faults};
use wharf_testkit::images::{Blob, Image, Manifest};
use wharf_testkit::push::{self, begin, finish};
use wharf_testkit::registry::{ScratchRegistry, Setup};
use wharf_testkit::wire::Request;

use super::SBOM;
use crate::NOBODYS;

/// The kind of store below the faults.
#[derive(Debug, Clone, Copy)]
pub(super) enum Backend {
    Memory,
    Filesystem,
}

/// A registry with something of each kind in it.
pub(super) struct World {
    pub(super) registry: ScratchRegistry,
    pub(super) faults: Faults,
    /// Under the tag `latest` of the repository `a`. A manifest refers to it, and an index with its fallback tag names it.
    pub(super) image: Image,
    /// An upload that was begun.
    pub(super) location: String,
    /// An upload that was finished, and its digest.
    pub(super) finished: (String, Digest),
}

/// The answer to a request of which one store call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// The status.
    Status(u16),
    /// The body breaks off, after a status that was right when it was sent.
    CutOff,
}

/// A request and the store calls it makes.
pub(super) struct Row {
    pub(super) what: &'static str,
    pub(super) request: fn(&World) -> Request,
    /// The status when all is well.
    pub(super) well: u16,
    /// The calls that are made, each once or several times. The failure of any of them is answered 503, but for
    /// `exceptions`.
    pub(super) calls: &'static [Call],
    /// The answers to failures of the call of this number.
    exceptions: &'static [(Call, usize, Answer)],
}

// === impl World ===

impl World {
    pub(super) async fn new(backend: Backend) -> Self {
        let faults = Faults::default();
        // Ranges are read one by one, however near they are.
        let limits = Limits { range_gap_bytes: 0, ..Limits::default() };
        let edge = Options { limits, ..Options::default() };
        let setup = Setup { faults: Some(faults.clone()), edge, ..Setup::default() };
        let registry = match backend {
            Backend::Memory => ScratchRegistry::memory_with(setup).await,
            Backend::Filesystem => ScratchRegistry::start_with(setup).await,
        };
        let image = Image::random(1);
        push::image(&registry, "a", "latest", &image).await;
        let (subject, artifact) = (&image.manifest, artifact(&image));
        push::manifest(&registry, "a", &artifact.digest.to_string(), &artifact).await;
        let fallback = referrers_tag(&subject.digest);
        push::manifest(&registry, "a", fallback.as_str(), &index(subject)).await;
        let location = begin(&registry, "a").await;
        let blob = Blob::random(76, 100);
        let finished = finish(&begin(&registry, "a").await, &blob.digest);
        let _ = registry.put(&finished).body(blob.bytes).send().await.expect(201);
        Self { registry, faults, image, location, finished: (finished, blob.digest) }
    }

    fn manifest(&self) -> String {
        format!("/v2/a/manifests/{}", self.image.manifest.digest)
    }

    fn blob(&self) -> String {
        format!("/v2/a/blobs/{}", self.image.layers[0].digest)
    }

    fn put(&self, reference: &str, manifest: &Manifest) -> Request {
        let request = self.registry.put(format!("/v2/a/manifests/{reference}"));
        request.header("Content-Type", manifest.media_type.as_str()).body(manifest.bytes.clone())
    }
}

// === impl Row ===

impl Row {
    /// The answer when only the call of this number fails. A body is cut off only where it is read in pieces, and a file
    /// is opened once.
    pub(super) fn answer(&self, backend: Backend, call: Call, number: usize) -> Answer {
        let exceptions = self.exceptions.iter();
        let mut exceptions = exceptions.filter(|(.., answer)| match (answer, backend) {
            (Answer::CutOff, Backend::Filesystem) => false,
            (Answer::CutOff, Backend::Memory) | (Answer::Status(_), _) => true,
        });
        let exception = exceptions.find(|(of, which, _)| (*of, *which) == (call, number));
        exception.map_or(Answer::Status(503), |(_, _, answer)| *answer)
    }

    const fn except(self, exceptions: &'static [(Call, usize, Answer)]) -> Self {
        Self { exceptions, ..self }
    }
}

const fn row(what: &'static str, request: fn(&World) -> Request, well: u16, calls: &'static [Call]) -> Row {
    Row { what, request, well, calls, exceptions: &[] }
}

/// An index of one manifest.
fn index(child: &Manifest) -> Manifest {
    let body = json!({ "schemaVersion": 2, "manifests": [child.descriptor()] });
    Manifest::new(MediaType::OCI_INDEX, &body)
}

/// A manifest that refers to the image and needs nothing but its config.
fn artifact(image: &Image) -> Manifest {
    let body = json!({
        "schemaVersion": 2,
        "artifactType": SBOM,
        "config": { "mediaType": MediaType::OCI_CONFIG, "digest": image.config.digest },
        "layers": [],
        "subject": image.manifest.descriptor(),
    });
    Manifest::new(MediaType::OCI_MANIFEST, &body)
}

fn fresh() -> Blob {
    Blob::random(77, 100)
}

/// Every request for something that is there, something that is absent, or a change.
pub(super) fn rows() -> Vec<Row> {
    [lists(), manifests(), blobs(), uploads(), absences(), pushes(), deletes()]
        .into_iter()
        .flatten()
        .collect()
}

fn lists() -> Vec<Row> {
    vec![
        row(
            "catalog",
            |world| world.registry.get("/v2/_catalog"),
            200,
            &[Children, HaveChildren, Repositories],
        ),
        row("tags", |world| world.registry.get("/v2/a/tags/list"), 200, &[Children]),
        row("page of tags", |world| world.registry.get("/v2/a/tags/list?n=1"), 200, &[Children]),
        row(
            "referrers",
            |world| world.registry.get(format!("/v2/a/referrers/{}", world.image.manifest.digest)),
            200,
            &[Read, GetObject, Children],
        ),
    ]
}

fn manifests() -> Vec<Row> {
    vec![
        row("manifest by tag", |world| world.registry.get("/v2/a/manifests/latest"), 200, &[Read, GetObject]),
        row(
            "head of a manifest by digest",
            |world| world.registry.head(world.manifest()),
            200,
            &[Read, GetObject],
        ),
    ]
}

fn blobs() -> Vec<Row> {
    vec![
        row("blob", |world| world.registry.get(world.blob()), 200, &[Read, GetObject]),
        row(
            "range",
            |world| world.registry.get(world.blob()).header("Range", "bytes=1-2"),
            206,
            &[Stat, Read, GetObject],
        ),
        // A range of a file is opened before the status is sent, one from memory when those before it were sent.
        row(
            "two ranges",
            |world| world.registry.get(world.blob()).header("Range", "bytes=1-2,4-5"),
            206,
            &[Stat, Read, GetObject],
        )
        .except(&[(Read, 1, Answer::CutOff)]),
        row(
            "blob that the client has",
            |world| world.registry.get(world.blob()).header("If-None-Match", "*"),
            304,
            &[Stat, GetObject],
        ),
        row("head of a blob", |world| world.registry.head(world.blob()), 200, &[Stat, GetObject]),
    ]
}

fn uploads() -> Vec<Row> {
    vec![
        row("state of an upload", |world| world.registry.get(&world.location), 204, &[Status]),
        row(
            "begin of an upload",
            |world| world.registry.post("/v2/a/blobs/uploads/").body(""),
            202,
            &[Begin],
        ),
        row("chunk", |world| world.registry.patch(&world.location).body("12345"), 202, &[Append, Status]),
        // The blob is there and linked when its upload is closed.
        row(
            "end of an upload",
            |world| world.registry.put(finish(&world.location, &fresh().digest)).body(fresh().bytes),
            201,
            &[Status, Finish, Finished, Close, PutObject, Lock],
        )
        .except(&[(Close, 0, Answer::Status(201))]),
        row(
            "end of an upload, again",
            |world| world.registry.put(&world.finished.0),
            201,
            &[Stat, Commit, GetObject, Renew, Lock],
        ),
        row(
            "upload in one request",
            |world| {
                let path = finish("/v2/a/blobs/uploads/", &fresh().digest);
                world.registry.post(path).body(fresh().bytes)
            },
            201,
            &[Begin, Finish, Finished, Close, PutObject, Lock],
        )
        .except(&[(Close, 0, Answer::Status(201))]),
        row("cancel of an upload", |world| world.registry.delete(&world.location), 204, &[Abort]),
        row(
            "mount",
            |world| {
                let blob = world.image.layers[0].digest;
                world.registry.post(format!("/v2/b/blobs/uploads/?mount={blob}&from=a")).body("")
            },
            201,
            &[Stat, GetObject, PutObject, Renew, Lock],
        ),
    ]
}

/// What is not there is answered as before; where a store could not say so, it is not.
fn absences() -> Vec<Row> {
    vec![
        row("absent blob", |world| world.registry.get(format!("/v2/a/blobs/{NOBODYS}")), 404, &[GetObject]),
        row("absent tag", |world| world.registry.get("/v2/a/manifests/nope"), 404, &[GetObject]),
        row(
            "absent manifest",
            |world| world.registry.head(format!("/v2/a/manifests/{NOBODYS}")),
            404,
            &[GetObject],
        ),
        row(
            "tags of an absent repository",
            |world| world.registry.get("/v2/none/tags/list"),
            404,
            &[Children, HaveChildren],
        ),
        row(
            "referrers of what is absent",
            |world| world.registry.get(format!("/v2/none/referrers/{NOBODYS}")),
            200,
            &[GetObject, Children],
        ),
        row(
            "absent upload",
            |world| world.registry.get("/v2/a/blobs/uploads/0189f3a4-0000-7000-8000-000000000000"),
            404,
            &[Status],
        ),
        row(
            "mount of what is absent",
            |world| world.registry.post(format!("/v2/b/blobs/uploads/?mount={NOBODYS}&from=a")).body(""),
            202,
            &[Begin, GetObject],
        ),
        row(
            "delete of an absent tag",
            |world| world.registry.delete("/v2/a/manifests/nope"),
            404,
            &[GetObject, Lock],
        ),
        row(
            "delete of an absent manifest",
            |world| world.registry.delete(format!("/v2/a/manifests/{NOBODYS}")),
            404,
            &[Read, GetObject],
        ),
        row(
            "delete of an absent blob",
            |world| world.registry.delete(format!("/v2/a/blobs/{NOBODYS}")),
            404,
            &[RemoveObject, Lock],
        ),
        // A blob is statted beside its link, and counts for nothing where there is none.
        row(
            "manifest whose blobs are absent",
            |world| world.put("again", &Image::random(2).manifest),
            400,
            &[Stat, GetObject],
        )
        .except(&[
            (Stat, 0, Answer::Status(400)),
            (Stat, 1, Answer::Status(400)),
            (Stat, 2, Answer::Status(400)),
        ]),
    ]
}

fn pushes() -> Vec<Row> {
    vec![
        row(
            "manifest",
            |world| world.put("again", &world.image.manifest),
            201,
            &[Stat, Put, GetObject, PutObject, AllPut, Renew, Lock],
        ),
        row(
            "index",
            |world| world.put("index", &index(&world.image.manifest)),
            201,
            &[Stat, Put, GetObject, PutObject, AllPut, Renew, Lock],
        ),
        row(
            "artifact, by digest and with two tags",
            |world| {
                let artifact = artifact(&world.image);
                let tags: [Tag; 2] = ["one", "two"].map(|tag| tag.parse().expect("a tag"));
                let [one, two] = &tags;
                world.put(&format!("{}?tag={one}&tag={two}", artifact.digest), &artifact)
            },
            201,
            &[Stat, Put, GetObject, PutObject, AllPut, Renew, Lock],
        ),
    ]
}

fn deletes() -> Vec<Row> {
    vec![
        row(
            "delete of a tag",
            |world| world.registry.delete("/v2/a/manifests/latest"),
            202,
            &[GetObject, RemoveObject, RemoveAllObjects, Lock],
        )
        // The tag is gone when its history is removed.
        .except(&[(RemoveAllObjects, 0, Answer::Status(202))]),
        row(
            "delete of a manifest",
            |world| world.registry.delete(world.manifest()),
            202,
            &[Read, GetObject, RemoveObject, RemoveAllObjects, Children, Lock],
        )
        .except(&[(RemoveAllObjects, 0, Answer::Status(202))]),
        row("delete of a blob", |world| world.registry.delete(world.blob()), 202, &[RemoveObject, Lock]),
    ]
}
