//! What follows the question mark, and the ranges of a read.

use wharf_oci::ErrorCode as E;

use super::operations::Operation as Op;
use super::row::{Row, ask};

/// Numbers of entries that are none. Too large a number is one: it asks for as many as there may be.
const NO_NUMBERS: [&str; 11] =
    ["-1", "-0", "x", "1x", "0x10", "1e3", "1.0", "+1", "%201", "%D9%A1", "-99999999999999999999"];

const NO_ENCODINGS: [&str; 6] = ["%zz", "%", "%f", "%00", "%ff", "1%0d%0a"];

const LISTS: [(Op, &str); 3] = [
    (Op::Catalog, "/v2/_catalog"),
    (Op::ListTags, "/v2/a/tags/list"),
    (Op::ListReferrers, "/v2/a/referrers/{image}"),
];

/// None of these lies within a layer of 1024 bytes, or is a range.
const NO_RANGES: [&str; 16] = [
    "bytes=",
    "bytes=,",
    "bytes=-",
    "bytes=x-y",
    "bytes=5",
    "bytes=5-2",
    "bytes=--5",
    "bytes=0x0-0x5",
    "bytes=+0-5",
    "bytes=0-5,9-7",
    "bytes=0-5;6-7",
    "bytes=1024-",
    "bytes=1024-2048",
    "bytes=-0",
    "bytes=18446744073709551616-",
    "bytes=18446744073709551615-18446744073709551615",
];

pub(super) fn rows() -> Vec<Row> {
    [pages(), ranges(), pushes(), begins()].concat()
}

/// Request lines that look bad, and what they get all the same.
pub(super) fn odd_but_right() -> Vec<(String, u16)> {
    let mut rows = Vec::new();
    let long = "x".repeat(10_000);
    for (operation, path) in LISTS {
        for n in ["", "0", "000", "18446744073709551615", "18446744073709551616", &"9".repeat(10_000)] {
            rows.push((format!("GET {path}?n={n}"), 200));
        }
        // Lists begin after any text, be it the name of something or not; referrers are in order of their digests.
        let texts = [
            "",
            "/",
            "..",
            "../../etc",
            "%2e%2e%2f",
            "%C3%A9",
            "%F4%8F%BF%BF",
            "A",
            "a/",
            "~",
            "_uploads",
            &long,
        ];
        for last in texts.into_iter().filter(|last| last.is_empty() || operation != Op::ListReferrers) {
            rows.push((format!("GET {path}?last={last}"), 200));
            rows.push((format!("GET {path}?n=1&last={last}"), 200));
        }
        rows.push((format!("GET {path}?&&=&n&%zz=%zz&x=%00"), 200));
    }
    rows.push((format!("GET /v2/a/referrers/{{image}}?artifactType={long}&artifactType=%C3%A9"), 200));
    rows.push(("GET /v2/a/referrers/{none}?artifactType=../x".to_owned(), 200));
    rows.push(("GET /v2/nobody/referrers/{none}".to_owned(), 200));
    rows.push(("POST /v2/a/blobs/uploads/?mount=%zz&from=../..".to_owned(), 202));
    rows.push(("POST /v2/a/blobs/uploads/?mount={none}&from=A".to_owned(), 202));
    rows.push(("POST /v2/a/blobs/uploads/?mount={blob}&from=nobody".to_owned(), 202));
    rows.push((format!("GET /v2/a/manifests/latest?ns={long}"), 200));
    rows.push(("GET /v%32/%61/%6danifests/lates%74".to_owned(), 200));
    rows
}

fn pages() -> Vec<Row> {
    let mut rows = Vec::new();
    for (operation, path) in LISTS {
        for n in NO_NUMBERS {
            let row = ask(operation, format!("GET {path}?n={n}"));
            rows.push(row.is(400, E::PaginationNumberInvalid));
        }
        for bad in NO_ENCODINGS {
            for parameter in ["n", "last"] {
                let row = ask(operation, format!("GET {path}?{parameter}={bad}"));
                rows.push(row.is(400, E::NameInvalid));
            }
        }
        // The first of two counts, however they are written.
        let twice = ask(operation, format!("GET {path}?%6e=x&n=1"));
        rows.push(twice.is(400, E::PaginationNumberInvalid));
    }
    rows.extend([
        ask(Op::ListTags, "GET /v2/nobody/tags/list").is(404, E::NameUnknown),
        ask(Op::ListTags, "GET /v2/nobody/tags/list?n=0").is(404, E::NameUnknown),
        ask(Op::ListTags, "GET /v2/nobody/tags/list?n=99999999999999999999").is(404, E::NameUnknown),
        ask(Op::ListReferrers, "GET /v2/a/referrers/{image}?last=x").is(400, E::DigestInvalid),
        ask(Op::ListReferrers, "GET /v2/a/referrers/{image}?last=sha256:..").is(400, E::DigestInvalid),
        ask(Op::ListReferrers, "GET /v2/a/referrers/{image}?artifactType=%zz").is(400, E::NameInvalid),
    ]);
    rows
}

fn ranges() -> Vec<Row> {
    let many = format!("bytes={}", vec!["0-0"; 4097].join(","));
    let ranges = NO_RANGES.into_iter().chain([many.as_str()]);
    ranges
        .map(|range| {
            ask(Op::GetBlob, "GET /v2/a/blobs/{blob}").header("Range", range).is(416, E::RangeInvalid)
        })
        .collect()
}

fn pushes() -> Vec<Row> {
    let many: Vec<String> = (0..65).map(|n| format!("tag=t{n}")).collect();
    let put = |target: &str| ask(Op::PutManifest, format!("PUT /v2/a/manifests/{target}")).body("{}");
    vec![
        put(&format!("{{none}}?{}", many.join("&"))).is(414, E::TagInvalid),
        put("{none}?tag=-x").is(400, E::TagInvalid),
        put("{none}?tag=").is(400, E::TagInvalid),
        put("{none}?tag=ok&tag=..%2f..").is(400, E::TagInvalid),
        put("{none}?tag=%ff").is(400, E::NameInvalid),
        put("latest?tag=x").is(400, E::TagInvalid),
        put("latest?digest=x").is(400, E::DigestInvalid),
        put("latest?digest=sha256:AB").is(400, E::DigestInvalid),
        put("latest?digest=%zz").is(400, E::NameInvalid),
    ]
}

fn begins() -> Vec<Row> {
    let post = |query: &str| ask(Op::BeginUpload, format!("POST /v2/a/blobs/uploads/?{query}")).body("");
    let finish = |query: &str| ask(Op::FinishUpload, format!("PUT /v2/a/blobs/uploads/{{open}}{query}"));
    vec![
        post("digest-algorithm=md5").is(400, E::DigestInvalid),
        post("digest-algorithm=SHA256").is(400, E::DigestInvalid),
        post("mount={blob}&from=a&digest-algorithm=x").is(400, E::DigestInvalid),
        post("digest-algorithm=%zz").is(400, E::NameInvalid),
        post("digest=%00").is(400, E::NameInvalid),
        finish("").is(400, E::DigestInvalid),
        finish("?digest=").is(400, E::DigestInvalid),
        finish("?Digest={blob}").is(400, E::DigestInvalid),
        finish("?digest=%zz").is(400, E::NameInvalid),
    ]
}
