//! How uploads begin, go on and end.

use super::*;

fn begin(line: &str, begin: BeginUpload) {
    check(line, Route::BeginUpload { name: name("a"), begin });
}

#[test]
fn an_upload_begins_in_one_of_three_ways() {
    let session = |algorithm| BeginUpload::Session { algorithm };
    let mount =
        |from: Option<&str>, algorithm| BeginUpload::Mount { digest: d0(), from: from.map(name), algorithm };
    begin("POST /v2/a/blobs/uploads/", session(None));
    begin("POST /v2/a/blobs/uploads", session(None));
    begin("POST /v2/a/blobs/uploads/?digest=", session(None));
    begin("POST /v2/a/blobs/uploads/?digest-algorithm=sha512", session(Some(Algorithm::Sha512)));
    begin("POST /v2/a/blobs/uploads/?digest=<d0>", BeginUpload::Monolithic { digest: d0() });
    begin(
        "POST /v2/a/blobs/uploads?digest=<d0>&digest-algorithm=md5",
        BeginUpload::Monolithic { digest: d0() },
    );
    begin("POST /v2/a/blobs/uploads/?mount=<d0>&from=b/c", mount(Some("b/c"), None));
    begin("POST /v2/a/blobs/uploads/?from=b%2Fc&mount=<d0>", mount(Some("b/c"), None));
    begin("POST /v2/a/blobs/uploads/?mount=<d0>", mount(None, None));
    begin("POST /v2/a/blobs/uploads/?mount=<d0>&from=", mount(None, None));
    begin(
        "POST /v2/a/blobs/uploads/?mount=<d0>&digest-algorithm=sha384",
        mount(None, Some(Algorithm::Sha384)),
    );
}

#[test]
fn a_mount_of_nonsense_is_a_session() {
    for query in [
        "mount=x&from=b",
        "mount=sha256:00&from=b",
        "mount=<d0>&from=B",
        "mount=%zz",
        "mount=<d0>&from=%zz",
        "mount=x&digest=<d0>",
    ] {
        begin(&format!("POST /v2/a/blobs/uploads/?{query}"), BeginUpload::Session { algorithm: None });
    }
}

#[test]
fn an_upload_goes_on_with_or_without_its_state() {
    let id: UploadId = ID.parse().unwrap();
    for (query, state) in [
        ("", None),
        ("_state=", None),
        ("_state=0", Some(0)),
        ("_state=12", Some(12)),
        ("x=y&_state=18446744073709551615", Some(u64::MAX)),
        ("_state=18446744073709551616", None),
        ("_state=-1", None),
        ("_state=+1", None),
        ("_state=%zz", None),
        ("_state=bXktdG9rZW4taXMtb2xk=", None),
    ] {
        let line = |method: &str| format!("{method} /v2/a/blobs/uploads/<id>?digest=<d0>&{query}");
        let (name, id) = (name("a"), id.clone());
        check(&line("PATCH"), Route::AppendUpload { name: name.clone(), id: id.clone(), state });
        check(&line("PUT"), Route::FinishUpload { name: name.clone(), id: id.clone(), digest: d0(), state });
        check(&line("GET"), Route::UploadStatus { name: name.clone(), id: id.clone() });
        check(&line("HEAD"), Route::UploadStatus { name: name.clone(), id: id.clone() });
        check(&line("DELETE"), Route::CancelUpload { name, id });
    }
}
