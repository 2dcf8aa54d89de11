//! Names of repositories, tags, digests and uploads that are none, and what percent-encoding makes of them.

use wharf_oci::ErrorCode as E;

use super::operations::{Method, Operation as Op};
use super::row::{Row, Upload, ask};

/// As they stand in a path.
const NO_NAMES: [&str; 38] = [
    "A",
    "a/B",
    "foo/BAR/baz",
    // Ways out of a directory.
    "..",
    ".",
    "a/..",
    "../a",
    "a/../b",
    "a..b",
    "%2e%2e",
    "a%2f..%2fb",
    "%2E%2E%2F%2E%2E%2Fetc",
    "..%5c..",
    // Empty components.
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    "a%2F",
    "%2Fa",
    // Separators where none may be.
    "-a",
    "a-",
    "a.",
    ".a",
    "a_",
    "a.-b",
    "a___b",
    "a/-b",
    // Characters no name has.
    "a%20b",
    "a+b",
    "a:b",
    "a@b",
    "%C3%A9",
    "%F0%9F%90%8B",
    "%EF%BC%8F",
    // A second decoding would make a name of it.
    "a%252fb",
    "%2561",
    "%25",
];

/// Encodings that are broken, or hide what could end a line, a name or a word. They name nothing at all, and are refused
/// before anybody asks what they are part of.
const NO_ENCODINGS: [&str; 14] = [
    "a%",
    "a%2",
    "a%zz",
    "a%%61",
    "a%u0061",
    "a%00",
    "%00",
    "a%0d%0aX:%20y",
    "a%7f",
    "%ff",
    "a%c0%af",
    "%e2%82",
    "%ed%a0%80",
    "a%C2%85",
];

const NO_TAGS: [&str; 11] =
    ["-x", ".x", "..", "%2e%2e", "x%20y", "x+y", "x@y", "%C3%A9", "x%2561", "*", "x,y"];

/// What has a colon is a digest, if a bad one, and never a tag.
const NO_DIGESTS: [&str; 15] = [
    "sha256:",
    "sha256:abc",
    ":abc",
    "md5:d41d8cd98f00b204e9800998ecf8427e",
    "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "SHA256:0000000000000000000000000000000000000000000000000000000000000000",
    "sha256:00000000000000000000000000000000000000000000000000000000000000AB",
    "sha256:000000000000000000000000000000000000000000000000000000000000000",
    "sha256:00000000000000000000000000000000000000000000000000000000000000000",
    "sha256:000000000000000000000000000000000000000000000000000000000000000g",
    "sha256:..%5c00000000000000000000000000000000000000000000000000000000000",
    "sha512:0000000000000000000000000000000000000000000000000000000000000000",
    "sha256::000000000000000000000000000000000000000000000000000000000000000",
    "sha256+b64:0000000000000000000000000000000000000000000000000000000000000000",
    "sha256%253a0000000000000000000000000000000000000000000000000000000000000000",
];

/// No digests, and no tags either, since there is no colon.
const NO_COLON: [&str; 2] =
    ["0000000000000000000000000000000000000000000000000000000000000000", "sha256-0000000000000000"];

const NO_UPLOADS: [&str; 6] =
    ["no-such-id", "01890a5d-ac96-774b-bcce-b302099a8057", "..", "%2e%2e", "a%20b", "%C3%A9"];

pub(super) fn rows() -> Vec<Row> {
    [repositories(), tags(), digests(), uploads(), nothing()].concat()
}

/// The examples of every operation on `a`, on something that is no repository.
fn repositories() -> Vec<Row> {
    let (long, deep) = ("a".repeat(256), vec!["a"; 129].join("/"));
    let names = NO_NAMES.into_iter().chain([long.as_str(), deep.as_str()]);
    let mut rows: Vec<Row> = names.flat_map(|name| on(name, false)).collect();
    rows.extend(NO_ENCODINGS.into_iter().flat_map(|name| on(name, true)));
    rows
}

fn on(name: &str, nothing_at_all: bool) -> Vec<Row> {
    let operations = Op::ALL.into_iter().filter(|operation| operation.has_name());
    let each =
        operations.flat_map(|operation| operation.methods().iter().map(move |method| (operation, *method)));
    each.map(|(operation, method)| {
        let target = operation.example().replacen("/v2/a/", &format!("/v2/{name}/"), 1);
        let meant = if nothing_at_all { None } else { Some(operation) };
        // An upload would have to be opened, and no name gets as far as its id.
        let target = target.replace("{open}", "01890a5d-ac96-774b-bcce-b302099a8057");
        ask(meant, format!("{method} {target}")).is(400, E::NameInvalid)
    })
    .collect()
}

fn tags() -> Vec<Row> {
    let long = "x".repeat(129);
    let tags = NO_TAGS.into_iter().chain(NO_COLON).chain([long.as_str()]);
    tags.flat_map(|tag| {
        let at = |operation, method: Method| ask(operation, format!("{method} /v2/a/manifests/{tag}"));
        let is_one = NO_COLON.contains(&tag);
        let mut rows = vec![
            at(Op::GetManifest, Method::Get).is(404, E::ManifestUnknown),
            at(Op::HeadManifest, Method::Head).is(404, E::ManifestUnknown),
        ];
        if is_one {
            rows.push(at(Op::DeleteManifest, Method::Delete).is(404, E::ManifestUnknown));
        } else {
            rows.push(at(Op::DeleteManifest, Method::Delete).is(400, E::TagInvalid));
            rows.push(at(Op::PutManifest, Method::Put).body("{}").is(400, E::TagInvalid));
        }
        rows
    })
    .collect()
}

fn digests() -> Vec<Row> {
    let by_digest = [
        (Op::GetBlob, "GET", "blobs"),
        (Op::HeadBlob, "HEAD", "blobs"),
        (Op::DeleteBlob, "DELETE", "blobs"),
        (Op::ListReferrers, "GET", "referrers"),
    ];
    let by_reference = [
        (Op::GetManifest, "GET", "manifests"),
        (Op::HeadManifest, "HEAD", "manifests"),
        (Op::PutManifest, "PUT", "manifests"),
        (Op::DeleteManifest, "DELETE", "manifests"),
    ];
    let mut rows = Vec::new();
    for digest in NO_DIGESTS {
        // What is encoded twice has no colon, so it is no digest in a place where a tag may be.
        let references: &[_] = if digest.contains("%25") { &[] } else { &by_reference };
        for (operation, method, word) in by_digest.iter().chain(references) {
            rows.push(ask(*operation, format!("{method} /v2/a/{word}/{digest}")).is(400, E::DigestInvalid));
        }
        let begin = format!("POST /v2/a/blobs/uploads/?digest={digest}");
        rows.push(ask(Op::BeginUpload, begin).body("x").is(400, E::DigestInvalid));
        let finish = format!("PUT /v2/a/blobs/uploads/{{open}}?digest={digest}");
        rows.push(ask(Op::FinishUpload, finish).is(400, E::DigestInvalid));
    }
    for digest in NO_COLON {
        for (operation, method, word) in by_digest {
            rows.push(ask(operation, format!("{method} /v2/a/{word}/{digest}")).is(400, E::DigestInvalid));
        }
    }
    rows.extend([
        ask(Op::GetBlob, "GET /v2/a/blobs/{none}").is(404, E::BlobUnknown),
        ask(Op::GetBlob, "GET /v2/b/blobs/{blob}").is(404, E::BlobUnknown),
        ask(Op::HeadBlob, "HEAD /v2/a/blobs/{none}").is(404, E::BlobUnknown),
        ask(Op::HeadBlob, "HEAD /v2/b/blobs/{blob}").is(404, E::BlobUnknown),
        ask(Op::DeleteBlob, "DELETE /v2/a/blobs/{none}").is(404, E::BlobUnknown),
        ask(Op::DeleteBlob, "DELETE /v2/b/blobs/{blob}").is(404, E::BlobUnknown),
    ]);
    rows
}

fn uploads() -> Vec<Row> {
    let at = |line: &str| {
        let target = format!("/v2/a/blobs/uploads/{line}");
        [
            ask(Op::UploadStatus, format!("GET {target}")),
            ask(Op::UploadStatus, format!("HEAD {target}")),
            ask(Op::AppendUpload, format!("PATCH {target}")).body("x"),
            ask(Op::FinishUpload, format!("PUT {target}?digest={{none}}")),
            ask(Op::CancelUpload, format!("DELETE {target}")),
        ]
        .map(|row| row.is(404, E::BlobUploadUnknown))
    };
    let long = "a".repeat(65);
    let ids = NO_UPLOADS.into_iter().chain([long.as_str()]);
    let mut rows: Vec<Row> = ids.flat_map(at).collect();
    for gone in [Upload::Purged, Upload::Cancelled] {
        rows.extend(at("{open}").map(|row| row.after(gone)));
    }
    // Of another repository.
    rows.extend(at("{open}").map(|row| row.elsewhere("b")));
    rows
}

/// Request lines that ask for nothing.
fn nothing() -> Vec<Row> {
    let nowhere = |line: &str| ask(None, line).is(404, E::Unsupported);
    let no_method = |line: &str| ask(None, line).is(405, E::Unsupported);
    vec![
        nowhere("GET /nothing"),
        nowhere("GET /v1/"),
        nowhere("GET /V2/"),
        nowhere("GET //v2/"),
        nowhere("GET /v2//"),
        nowhere("GET /v2/a"),
        nowhere("GET /v2/a/tags"),
        nowhere("GET /v2/a/tags/list/"),
        nowhere("GET /v2/_catalog/"),
        nowhere("GET /v2/a/manifests"),
        nowhere("GET /v2/../v2/"),
        nowhere("GET /./v2/"),
        nowhere("BREW /v2/a/pot"),
        nowhere("GET /v2/a/blobs/uploads/%2e%2e%2f%2e%2e"),
        nowhere("OPTIONS *"),
        nowhere("CONNECT localhost:443"),
        ask(None, "GET /%zz").is(400, E::NameInvalid),
        ask(None, "GET /v2/%00").is(400, E::NameInvalid),
        ask(None, "OPTIONS /v2/a%zz/tags/list").is(400, E::NameInvalid),
        ask(None, "GET /v2/a/blobs/sha256%zz").is(400, E::NameInvalid),
        ask(None, "GET /v2/a/manifests/x%0a").is(400, E::NameInvalid),
        // A client that found no id in a location.
        ask(None, "GET /v2/a/blobs/uploads/").is(404, E::BlobUploadUnknown),
        ask(None, "PATCH /v2/a/blobs/uploads/").body("x").is(404, E::BlobUploadUnknown),
        ask(None, "PUT /v2/a/blobs/uploads?digest={none}").body("x").is(404, E::BlobUploadUnknown),
        ask(None, "DELETE /v2/a/blobs/uploads/").is(404, E::BlobUploadUnknown),
        no_method("POST /v2/_catalog"),
        no_method("get /v2/_catalog"),
        no_method("Get /v2/a/tags/list"),
        no_method("DELETE /v2/a/tags/list"),
        no_method("PUT /v2/a/referrers/{none}").body("x"),
        no_method("post /v2/a/blobs/uploads/"),
        no_method("BREW /v2/a/blobs/uploads/"),
        no_method("PROPFIND /v2/a/manifests/latest"),
        no_method("delete /v2/a/manifests/latest"),
        no_method("PATCH /v2/a/manifests/latest").body("x"),
        no_method("PUT /v2/a/blobs/{blob}").body("x"),
        no_method("TRACE /v2/a/blobs/{blob}"),
        no_method("POST /v2/a/blobs/uploads/{open}").body("x"),
        no_method("patch /v2/a/blobs/uploads/{open}").body("x"),
        no_method("GETT /v2/a/blobs/uploads/{open}"),
    ]
}
