//! Bodies that are no manifests, and manifests that may not be shown or taken.

use bytes::Bytes;
use wharf_oci::ErrorCode as E;

use super::operations::Operation as Op;
use super::row::{Row, ask};

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// The most bytes a manifest has.
const LIMIT: usize = 4 * 1024 * 1024;

/// As deep as a stack must not be.
const DEPTH: usize = 10_000;

const EMPTY_INDEX: &str = r#"{"schemaVersion":2,"manifests":[]}"#;

/// Texts pushed as an index that are none.
const NO_INDEXES: [&str; 39] = [
    "",
    " ",
    "null",
    "[]",
    "{}",
    "2",
    "\"manifest\"",
    "{",
    r#"{"schemaVersion":2,"manifests":[]"#,
    "a=b&c=d",
    // Trailing bytes, or another beginning.
    r#"{"schemaVersion":2,"manifests":[]}x"#,
    r#"{"schemaVersion":2,"manifests":[]}{}"#,
    "{\"schemaVersion\":2,\"manifests\":[]}\0",
    "\u{feff}{\"schemaVersion\":2,\"manifests\":[]}",
    // Not JSON, though some readers take it.
    "{'schemaVersion':2,'manifests':[]}",
    r#"{"schemaVersion":2,"manifests":[],}"#,
    r#"{"schemaVersion":2,/**/"manifests":[]}"#,
    r#"{"schemaVersion":02,"manifests":[]}"#,
    r#"{"schemaVersion":2,"manifests":[],"x":NaN}"#,
    r#"{"schemaVersion":2,"manifests":[],"annotations":{"x":"\ud800"}}"#,
    "{\"schemaVersion\":2,\"manifests\":[],\"annotations\":{\"x\":\"a\nb\"}}",
    // Versions and numbers that are none.
    r#"{"manifests":[]}"#,
    r#"{"schemaVersion":1,"manifests":[]}"#,
    r#"{"schemaVersion":2.0,"manifests":[]}"#,
    r#"{"schemaVersion":"2","manifests":[]}"#,
    r#"{"schemaVersion":-2,"manifests":[]}"#,
    r#"{"schemaVersion":18446744073709551618,"manifests":[]}"#,
    r#"{"schemaVersion":2e999999999,"manifests":[]}"#,
    // The same key twice, also in another case.
    r#"{"schemaVersion":2,"schemaVersion":2,"manifests":[]}"#,
    r#"{"schemaVersion":2,"manifests":[],"Manifests":[]}"#,
    r#"{"schemaVersion":2,"manifests":[],"m\u0061nifests":[]}"#,
    // Another kind than it is pushed as, also to readers that ignore the case of a key.
    r#"{"schemaVersion":2,"manifests":[],"Layers":[]}"#,
    r#"{"schemaVersion":2,"manifests":[],"CONFIG":{}}"#,
    r#"{"schemaVersion":2,"manifests":[],"mediatype":"application/vnd.oci.image.manifest.v1+json"}"#,
    r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#,
    r#"{"schemaVersion":2,"manifests":[],"mediaType":"application/vnd.oci.image.manifest.v1+json"}"#,
    r#"{"schemaVersion":2,"manifests":[],"mediaType":5}"#,
    r#"{"schemaVersion":2,"manifests":null}"#,
    r#"{"schemaVersion":2,"manifests":{}}"#,
];

/// What stands in place of a member's digest and size in an index.
const NO_DESCRIPTORS: [&str; 16] = [
    r#"{}"#,
    r#"null"#,
    r#"5"#,
    r#"{"mediaType":"a/b","digest":"sha256:abc","size":1}"#,
    r#"{"mediaType":"a/b","digest":"../../etc/passwd","size":1}"#,
    r#"{"mediaType":"a/b","digest":"{none}","size":-1}"#,
    r#"{"mediaType":"a/b","digest":"{none}","size":1.5}"#,
    r#"{"mediaType":"a/b","digest":"{none}","size":99999999999999999999999}"#,
    r#"{"mediaType":"a/b","digest":"{none}","size":"1"}"#,
    // The same key twice: two readers would look for two things.
    r#"{"mediaType":"a/b","digest":"{none}","digest":"{none}","size":1}"#,
    r#"{"mediaType":"a/b","digest":"{none}","size":1,"size":1}"#,
    // Nor may a key differ only in case: clients written in Go would take it for the other.
    r#"{"mediaType":"a/b","digest":"{none}","Digest":"{none}","size":1}"#,
    r#"{"mediaType":"a/b","digest":"{none}","size":1,"\u017fize":1}"#,
    r#"{"mediaType":"a/b","digest":"{none}","SIZE":1}"#,
    r#"{"mediaType":"a/b","digest":"{none}","size":1,"platform":{"os":"linux","OS":"windows"}}"#,
    r#"{"mediaType":"a/b","digest":"{none}","size":1,"annotations":{"a":"1","a":"2"}}"#,
];

const NO_MEDIA_TYPES: [&str; 9] = [
    "",
    "x",
    "application/json",
    "application/octet-stream",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "application/vnd.oci.image.index.v1+json, application/json",
    "*/*",
];

pub(super) fn rows() -> Vec<Row> {
    [texts(), media_types(), bytes(), references(), negotiations(), unknown()].concat()
}

/// Texts that are strange, and indexes all the same.
pub(super) fn odd_but_right() -> Vec<String> {
    let with = |field: String| format!(r#"{{"schemaVersion":2,"manifests":[],"x":{field}}}"#);
    vec![
        with(nested(DEPTH)),
        with(format!("{}1{}", r#"{"x":"#.repeat(DEPTH), "}".repeat(DEPTH))),
        with("9".repeat(10_000)),
        with("1e-999999999".to_owned()),
        with(r#""\u0000""#.to_owned()),
        format!("\r\n\t {EMPTY_INDEX} \r\n"),
        r#"{"schemaVersion":2,"manifests":[],"mediaType":""}"#.to_owned(),
        r#"{"schemaVersion":2,"manifests":[],"config":null,"layers":null,"subject":null}"#.to_owned(),
    ]
}

fn put(media_type: &str, body: impl Into<Bytes>) -> Row {
    ask(Op::PutManifest, "PUT /v2/a/manifests/latest").header("Content-Type", media_type).body(body)
}

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

fn texts() -> Vec<Row> {
    let mut texts: Vec<String> = NO_INDEXES.map(ToOwned::to_owned).to_vec();
    let none = crate::NOBODYS;
    texts.extend(
        NO_DESCRIPTORS.map(|member| {
            format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, member.replace("{none}", none))
        }),
    );
    // Deep where something is looked at, and where the text ends on the way.
    for field in ["manifests", "config", "subject", "annotations", "mediaType", "schemaVersion"] {
        texts.push(format!(r#"{{"schemaVersion":2,"manifests":[],"{field}":{}}}"#, nested(DEPTH)));
    }
    texts.push(nested(DEPTH));
    texts.push("[".repeat(DEPTH));
    texts.push(format!(r#"{{"schemaVersion":2,"manifests":[],"x":{}"#, "[".repeat(DEPTH)));
    texts.push(r#"{"manifests":"#.repeat(DEPTH));
    texts.into_iter().map(|text| put(INDEX, text).is(400, E::ManifestInvalid)).collect()
}

fn media_types() -> Vec<Row> {
    let mut rows: Vec<Row> = NO_MEDIA_TYPES.map(|media_type| put(media_type, EMPTY_INDEX)).to_vec();
    rows.extend([
        // Pushed as what it is not.
        put(IMAGE, EMPTY_INDEX),
        put(DOCKER, EMPTY_INDEX),
        put(DOCKER_LIST, EMPTY_INDEX),
        put(IMAGE, r#"{"schemaVersion":2,"layers":[]}"#),
        put(IMAGE, r#"{"schemaVersion":2,"config":null,"layers":[]}"#),
        ask(Op::PutManifest, "PUT /v2/a/manifests/latest").body(EMPTY_INDEX),
    ]);
    rows.into_iter().map(|row| row.is(400, E::ManifestInvalid)).collect()
}

fn bytes() -> Vec<Row> {
    let too_long = EMPTY_INDEX.to_owned() + &" ".repeat(LIMIT + 1 - EMPTY_INDEX.len());
    let not_text = |bytes: &'static [u8]| put(INDEX, bytes).is(400, E::ManifestInvalid);
    vec![
        put(INDEX, too_long.clone()).is(413, E::ManifestInvalid),
        ask(Op::PutManifest, "PUT /v2/a/manifests/latest")
            .header("Content-Type", INDEX)
            .chunked(too_long)
            .is(413, E::ManifestInvalid),
        // In a string, in a key, as UTF-16, and compressed.
        not_text(b"{\"schemaVersion\":2,\"manifests\":[],\"x\":\"\xff\"}"),
        not_text(b"{\"schemaVersion\":2,\"manifests\":[],\"\xc0\xaf\":1}"),
        not_text(b"\xff\xfe{\0}\0"),
        not_text(b"\x1f\x8b\x08\0\0\0\0\0"),
    ]
}

fn references() -> Vec<Row> {
    let member = r#"{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{none}","size":1}"#;
    let member = member.replace("{none}", crate::NOBODYS);
    let index = format!(r#"{{"schemaVersion":2,"manifests":[{member}]}}"#);
    let image = format!(r#"{{"schemaVersion":2,"config":{member},"layers":[{member}]}}"#);
    let elsewhere = member.replace("\"size\"", "\"urls\":[\"file:///etc/passwd\"],\"size\"");
    let elsewhere = format!(r#"{{"schemaVersion":2,"config":{member},"layers":[{elsewhere}]}}"#);
    let at = |target: &str| put(INDEX, EMPTY_INDEX).target(format!("/v2/a/manifests/{target}"));
    vec![
        put(INDEX, index).is(400, E::ManifestBlobUnknown),
        put(IMAGE, image).is(400, E::ManifestBlobUnknown),
        put(IMAGE, elsewhere).is(400, E::ManifestInvalid),
        at("{none}").is(400, E::DigestInvalid),
        at("{image}").is(400, E::DigestInvalid),
        at("{none}?tag=x").is(400, E::DigestInvalid),
        at("latest?digest={none}").is(400, E::DigestInvalid),
    ]
}

/// Manifests that a client does not take: two old habits, of which clients depend on both.
fn negotiations() -> Vec<Row> {
    let mut rows = Vec::new();
    for (operation, method) in [(Op::GetManifest, "GET"), (Op::HeadManifest, "HEAD")] {
        let with =
            |target: &str, accept| ask(operation, format!("{method} {target}")).header("Accept", accept);
        rows.extend([
            with("/v2/a/manifests/latest", DOCKER).is(404, E::ManifestUnknown),
            with("/v2/a/manifests/{image}", DOCKER).is(404, E::ManifestUnknown),
            // The list has no member for the platform that such clients get.
            with("/v2/a/manifests/list", DOCKER).is(404, E::ManifestUnknown),
            with("/v2/a/manifests/list", "text/html").is(400, E::ManifestInvalid),
        ]);
    }
    rows
}

fn unknown() -> Vec<Row> {
    let mut rows = Vec::new();
    for (operation, method) in
        [(Op::GetManifest, "GET"), (Op::HeadManifest, "HEAD"), (Op::DeleteManifest, "DELETE")]
    {
        // Nor is a blob a manifest, or a manifest in one repository a manifest in another.
        for target in [
            "/v2/a/manifests/nope",
            "/v2/a/manifests/{none}",
            "/v2/a/manifests/{blob}",
            "/v2/b/manifests/latest",
        ] {
            rows.push(ask(operation, format!("{method} {target}")).is(404, E::ManifestUnknown));
        }
    }
    rows
}
