//! One bucket, two programs: what distribution 3.1.1 wrote ours serves, the other way round, and both at once.

use wharf_oci::{Digest, ManifestKind};
use wharf_testkit::images::{Blob, Image, Manifest};
use wharf_testkit::push;
use wharf_testkit::s3::{BUCKET, S3Server};
use wharf_testkit::wire::Server;

use crate::programs::Program;
use crate::served::{assert_blob, assert_image, catalog, manifest, tags};
use crate::uploads::in_chunks;

/// How many images each of the two is sent when both run.
const IMAGES: u64 = 12;

/// What was pushed through one program.
struct Pushed {
    images: Vec<(&'static str, &'static str, Image)>,
    large: Blob,
    chunked: Blob,
    subject: Digest,
    referrer: Digest,
}

/// Two repositories with tags that move and that sort in an awkward order, a blob of several parts, one that came in
/// chunks, a tag and a manifest that were deleted, and a referrer under its fallback tag.
async fn push_everything(server: &Server) -> Pushed {
    let _ = push::image(server, "acme/app", "moves", &Image::random(1)).await;
    let images = [
        ("acme/app", "moves", Image::random(2)),
        ("acme/app", "1.0", Image::docker(3)),
        ("acme/app", "1.0-alpine", Image::random(4)),
        ("acme/app", "1.0.1", Image::random(5)),
        ("acme/other", "latest", Image::random(6)),
    ];
    for (repository, tag, image) in &images {
        let _ = push::image(server, repository, tag, image).await;
    }
    let doomed = Image::random(7);
    let _ = push::image(server, "acme/app", "doomed", &doomed).await;
    let target = format!("/v2/acme/app/manifests/{}", doomed.manifest.digest);
    let _ = server.delete(target).send().await.expect(202);

    let large = Blob::random(8, 25 << 20);
    push::blob(server, "acme/app", &large).await;
    let chunked = Blob::random(9, 13 << 20);
    in_chunks(&[server], "acme/app", &chunked, 3 << 20).await;

    let subject = images[4].2.manifest.clone();
    let artifact = Image::artifact(10, &subject, "application/vnd.example.sbom");
    let digest = artifact.manifest.digest;
    let _ = push::image(server, "acme/other", &digest.to_string(), &artifact).await;
    let index = Manifest::index(ManifestKind::OciIndex, &[(&artifact.manifest, "")]);
    let fallback = format!("sha256-{}", subject.digest.hex());
    let _ = push::manifest(server, "acme/other", &fallback, &index).await;
    Pushed { images: images.into(), large, chunked, subject: subject.digest, referrer: digest }
}

async fn assert_everything(server: &Server, program: Program, pushed: &Pushed) {
    for (repository, tag, image) in &pushed.images {
        assert_image(server, repository, tag, image).await;
    }
    for blob in [&pushed.large, &pushed.chunked] {
        assert_blob(server, "acme/app", blob).await;
    }
    let _ = manifest(server, "acme/app", "doomed").await.expect(404);
    assert_eq!(catalog(server).await, ["acme/app", "acme/other"]);
    assert_eq!(tags(server, "acme/app").await, ["1.0", "1.0-alpine", "1.0.1", "moves"]);
    let fallback = format!("sha256-{}", pushed.subject.hex());
    let index = manifest(server, "acme/other", &fallback).await.expect(200).json();
    assert_eq!(index["manifests"][0]["digest"], pushed.referrer.to_string());
    if program == Program::Wharf {
        let target = format!("/v2/acme/other/referrers/{}", pushed.subject);
        let index = server.get(target).send().await.expect(200).json();
        assert_eq!(index["manifests"][0]["digest"], pushed.referrer.to_string());
    }
}

async fn one_writes_and_another_serves(writer: Program, reader: Program) {
    let server = S3Server::start();
    let written_by = writer.start(&server);
    let pushed = push_everything(&written_by).await;
    assert_everything(&written_by, writer, &pushed).await;
    assert_eq!(server.unfinished(BUCKET), [""; 0]);
    written_by.stop();

    let read_by = reader.start(&server);
    assert_everything(&read_by, reader, &pushed).await;
    read_by.stop();
}

#[tokio::test]
async fn what_distribution_wrote_into_a_bucket_we_serve() {
    one_writes_and_another_serves(Program::V3, Program::tested()).await;
}

#[tokio::test]
async fn what_we_wrote_into_a_bucket_distribution_serves() {
    one_writes_and_another_serves(Program::tested(), Program::V3).await;
}

/// Tags of equal length: distribution 3.1.1 does not list `t10` in a bucket after it has listed `t1`.
fn tag(who: &str, number: u64) -> String {
    format!("{who}-{number:02}")
}

/// The same images on both sides, so that they meet at blobs and links as well as at tags.
async fn lane(server: &Server, who: &str, parity: u64) {
    for number in (0..IMAGES).filter(|number| number % 2 == parity) {
        let image = Image::random(1000 + number);
        let _ = push::image(server, "acme/app", &tag(who, number), &image).await;
        for tag in ["latest", &tag("shared", number)] {
            let _ = push::manifest(server, "acme/app", tag, &image.manifest).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_are_pushed_to_side_by_side() {
    let server = S3Server::start();
    let (ours, theirs) = (Program::tested().start(&server), Program::V3.start(&server));

    tokio::join!(
        lane(&ours, "ours", 0),
        lane(&ours, "ours", 1),
        lane(&theirs, "old", 0),
        lane(&theirs, "old", 1)
    );

    for each in [&ours, &theirs] {
        for number in 0..IMAGES {
            let image = Image::random(1000 + number);
            for who in ["ours", "old", "shared"] {
                assert_image(each, "acme/app", &tag(who, number), &image).await;
            }
        }
        let listed = tags(each, "acme/app").await;
        assert_eq!(listed.len() as u64, 3 * IMAGES + 1, "{listed:?}");
    }
    let [one, other] =
        [manifest(&ours, "acme/app", "latest").await, manifest(&theirs, "acme/app", "latest").await];
    assert_eq!(one.body, other.body);
    assert_eq!(server.unfinished(BUCKET), [""; 0]);
    ours.stop();
    theirs.stop();
}

/// Nobody can go on with it: what stands in a bucket for a hash that is half done is each program's own.
#[tokio::test]
async fn an_upload_that_the_other_began_is_not_there_and_harms_nothing() {
    let server = S3Server::start();
    let (ours, theirs) = (Program::Wharf.start(&server), Program::V3.start(&server));
    let blob = Blob::random(11, 7 << 20);
    let location = push::begin(&theirs, "acme/app").await;
    let id = location.split('?').next().expect("a split has a first part");

    let _ = ours.get(id).send().await.expect(404);

    let _ =
        theirs.put(push::finish(&location, &blob.digest)).body(blob.bytes.clone()).send().await.expect(201);
    assert_blob(&ours, "acme/app", &blob).await;
    ours.stop();
    theirs.stop();
}
