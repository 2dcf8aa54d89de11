//! Bytes for an upload that are not those that were announced, or come for another place.

use wharf_oci::ErrorCode as E;

use super::operations::Operation as Op;
use super::row::{Row, Upload, ask};
use super::world::Place;

const UPLOAD: &str = "/v2/a/blobs/uploads/{open}";

/// None of these says where the five bytes of a chunk go.
const NO_CONTENT_RANGES: [&str; 18] = [
    "",
    "x",
    "5",
    "5-",
    "-9",
    "5-x",
    "+5-9",
    "5 - 9",
    "0x5-0x9",
    "9-5",
    "bytes 5-9/9",
    "bytes 5-9/x",
    "bytes */10",
    "items 5-9",
    "5-18446744073709551616",
    "5-9,10-14",
    "5-9\u{e9}",
    "\u{ff15}-\u{ff19}",
];

/// These do, but the upload goes on at byte 5.
const ELSEWHERE: [&str; 5] = ["0-4", "4-8", "6-10", "bytes 6-10/*", "1000000-1000004"];

/// These have another length than five.
const OTHER_LENGTHS: [&str; 4] = ["5-5", "5-8", "5-10", "0-18446744073709551615"];

/// Chunks that are none; what they say breaks off at once.
const NO_CHUNKS: [&str; 9] = [
    "x\r\n",
    "-5\r\nhello\r\n0\r\n\r\n",
    "0x5\r\nhello\r\n0\r\n\r\n",
    "\r\nhello",
    "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "10000000000000005\r\nhello\r\n0\r\n\r\n",
    "5\nhello\n0\n\n",
    "5 5\r\nhello\r\n0\r\n\r\n",
    "5\rhello",
];

/// Chunks that are cut off, or longer than they say, after five bytes.
const BROKEN_CHUNKS: [&str; 3] = ["5\r\nhelloo\r\n0\r\n\r\n", "5\r\nhello\r\nx\r\n", "5\r\nhello0\r\n\r\n"];

const NO_CONTENT_TYPES: [&str; 5] = [
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/json",
    "application/octet-stream; charset=utf-8",
    "nonsense",
];

pub(super) fn rows() -> Vec<Row> {
    [positions(), types(), framing(), contents(), silences(), crowds()].concat()
}

/// A chunk and a last chunk: each is placed by the same rules.
fn either() -> [Row; 2] {
    let finish = format!("PUT {UPLOAD}?digest={{none}}");
    [ask(Op::AppendUpload, format!("PATCH {UPLOAD}")), ask(Op::FinishUpload, finish)]
}

fn positions() -> Vec<Row> {
    let with = |range: &'static str, status, code| {
        either().map(|row| row.header("Content-Range", range).body("67890").is(status, code))
    };
    let mut rows = Vec::new();
    for range in NO_CONTENT_RANGES.into_iter().chain(ELSEWHERE) {
        rows.extend(with(range, 416, E::RangeInvalid));
    }
    for range in OTHER_LENGTHS {
        rows.extend(with(range, 400, E::SizeInvalid));
    }
    // Of two lines neither can be believed.
    rows.extend(either().map(|row| {
        let row = row.header("Content-Range", "5-9").header("Content-Range", "0-4");
        row.body("67890").is(416, E::RangeInvalid)
    }));
    // A location that was given out when there were more or fewer bytes than there are.
    for state in ["4", "6", "18446744073709551615"] {
        let append = ask(Op::AppendUpload, format!("PATCH {UPLOAD}?_state={state}"));
        let finish = ask(Op::FinishUpload, format!("PUT {UPLOAD}?_state={state}&digest={{none}}"));
        rows.extend([append, finish].map(|row| row.body("67890").is(416, E::RangeInvalid)));
    }
    rows
}

fn types() -> Vec<Row> {
    let append = || ask(Op::AppendUpload, format!("PATCH {UPLOAD}"));
    NO_CONTENT_TYPES
        .into_iter()
        .map(|kind| append().header("Content-Type", kind).body("a=b").is(400, E::BlobUploadInvalid))
        .collect()
}

/// Every operation that takes a body, with one that is not framed as it says.
fn framing() -> Vec<Row> {
    let mut rows = Vec::new();
    for chunks in NO_CHUNKS.into_iter().chain(BROKEN_CHUNKS) {
        let append = ask(Op::AppendUpload, format!("PATCH {UPLOAD}")).grows();
        let finish = ask(Op::FinishUpload, format!("PUT {UPLOAD}?digest={{none}}")).grows();
        let whole = ask(Op::BeginUpload, "POST /v2/a/blobs/uploads/?digest={none}");
        let put = ask(Op::PutManifest, "PUT /v2/a/manifests/latest");
        let put = put.header("Content-Type", "application/vnd.oci.image.index.v1+json");
        let each = [append, finish, whole, put];
        rows.extend(each.map(|row| row.broken_chunks(chunks).is(400, E::SizeInvalid)));
    }
    rows
}

/// Whole, and not what the digest says. The upload stays open, with what was sent last.
fn contents() -> Vec<Row> {
    let finish = |line: &str| ask(Op::FinishUpload, format!("PUT {UPLOAD}?{line}"));
    let whole = |digest: &str| ask(Op::BeginUpload, format!("POST /v2/a/blobs/uploads/?digest={digest}"));
    let rows = vec![
        finish("digest={none}"),
        finish("digest={blob}"),
        finish("digest={none}&digest={blob}").body("67890").grows(),
        finish("digest={blob}").chunked("67890").grows(),
        finish("digest={none}").header("Content-Range", "5-9").body("67890").grows(),
        whole("{none}").body("x"),
        whole("{none}").chunked("x"),
        whole("{blob}").body("x"),
        whole("{none}").header("Content-Type", "application/x-www-form-urlencoded").body("digest={blob}"),
    ];
    rows.into_iter().map(|row| row.is(400, E::DigestInvalid)).collect()
}

/// Bodies that end before they have come, from clients that stay. Those that waited for our word are told at once; what
/// is left of another's body is first waited for.
fn silences() -> Vec<Row> {
    let whole = ask(Op::BeginUpload, "POST /v2/a/blobs/uploads/?digest={none}");
    let put = ask(Op::PutManifest, "PUT /v2/a/manifests/latest");
    let put = put.header("Content-Type", "application/vnd.oci.image.index.v1+json");
    let each = either().map(Row::grows).into_iter().chain([whole, put]);
    let told_at_once = each.flat_map(|row| {
        let row = row.header("Expect", "100-continue");
        let cut = row.clone().header("Content-Length", "10").body("67890");
        let nothing = row.clone().header("Content-Length", "10");
        let half = row.broken_chunks("a\r\n67890");
        [cut, nothing, half]
    });
    let [append, _] = either();
    let rows = told_at_once.chain([append.grows().header("Content-Length", "10").body("67890")]);
    rows.map(|row| row.at(Place::Impatient).is(408, E::SizeInvalid)).collect()
}

/// Two writers on one upload: the second is told where it stands, and the first goes on.
fn crowds() -> Vec<Row> {
    let cancel = ask(Op::CancelUpload, format!("DELETE {UPLOAD}"));
    let finish = ask(Op::FinishUpload, format!("PUT {UPLOAD}?digest={{none}}"));
    let with_bytes = either().map(|row| row.body("x"));
    let each = with_bytes.into_iter().chain([cancel, finish]);
    each.map(|row| row.after(Upload::Busy).grows().is(416, E::RangeInvalid)).collect()
}
