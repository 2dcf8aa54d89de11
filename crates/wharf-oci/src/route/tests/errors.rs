//! What is refused, with which status, code and detail.

use super::*;
use crate::ErrorCode;

#[track_caller]
fn refused(line: &str, status: u16, code: ErrorCode) -> RouteError {
    let error = parse(line).expect_err(line);
    assert_eq!((error.status(), error.code()), (status, code), "{line}: {error:?}");
    error
}

#[test]
fn what_is_not_of_the_api_is_not_found() {
    for path in [
        "",
        "*",
        "//",
        "/v1/",
        "/v2//",
        "/v3/a/tags/list",
        "/v2/a",
        "/v2/a/",
        "/v2/a/tags",
        "/v2/a/tags/list/",
        "/v2/tags/list",
        "/v2/manifests/x",
        "/v2/blobs/uploads/",
        "/v2/_catalog/",
        "/v2/a/manifests",
        "/v2/a/manifests/x/",
        "/v2/_oci/ext/discover",
        "v2/a/tags/list",
    ] {
        for method in ["GET", "POST", "OPTIONS", "BREW"] {
            let error = refused(&format!("{method} {path}"), 404, ErrorCode::Unsupported);
            assert_eq!(error.detail(), None);
        }
    }
}

#[test]
fn a_wrong_method_is_told_the_right_ones() {
    for (line, expected) in [
        ("HEAD /v2/a/tags/list", "GET"),
        ("POST /v2/_catalog", "GET"),
        ("DELETE /v2/a/referrers/<d0>", "GET"),
        ("POST /v2/a/manifests/x", "DELETE, GET, HEAD, PUT"),
        ("PATCH /v2/a/manifests/x", "DELETE, GET, HEAD, PUT"),
        ("TRACE /v2/a/manifests/x", "DELETE, GET, HEAD, PUT"),
        ("PUT /v2/a/blobs/<d0>", "DELETE, GET, HEAD"),
        ("get /v2/a/blobs/<d0>", "DELETE, GET, HEAD"),
        ("TRACE /v2/a/blobs/uploads/", "POST"),
        ("POST /v2/a/blobs/uploads/<id>", "DELETE, GET, HEAD, PATCH, PUT"),
    ] {
        let error = refused(line, 405, ErrorCode::Unsupported);
        assert_eq!(error, RouteError::MethodNotAllowed { allow: expected }, "{line}");
    }
}

#[test]
fn a_bad_name_is_refused_everywhere() {
    for bad in [
        "A",
        "a/B",
        "a/../b",
        "..",
        "",
        "a//b",
        "_catalog",
        "host:5000/x",
        "a%20b",
        "caf%C3%A9",
        &"a".repeat(256),
    ] {
        for line in [
            format!("GET /v2/{bad}/tags/list"),
            format!("PUT /v2/{bad}/manifests/x"),
            format!("GET /v2/{bad}/blobs/x"),
            format!("POST /v2/{bad}/blobs/uploads/"),
            format!("GET /v2/{bad}/blobs/uploads/"),
            format!("PATCH /v2/{bad}/blobs/uploads/<id>"),
            format!("GET /v2/{bad}/referrers/<d0>"),
        ] {
            refused(&line, 400, ErrorCode::NameInvalid);
        }
    }
    let detail = refused("GET /v2/foo/BAR/tags/list", 400, ErrorCode::NameInvalid).detail().unwrap();
    assert_eq!(detail["name"], "foo/BAR");
    assert!(detail["reason"].as_str().unwrap().contains("'B'"), "{detail}");
}

#[test]
fn a_bad_tag_is_unknown_when_read_and_invalid_when_written() {
    let long = "t".repeat(129);
    for bad in ["-t", ".t", "t%20", "", &long] {
        for method in ["GET", "HEAD"] {
            let error = refused(&format!("{method} /v2/a/manifests/{bad}"), 404, ErrorCode::ManifestUnknown);
            assert!(error.detail().unwrap().as_str().unwrap().starts_with("unknown tag="));
        }
        for method in ["PUT", "DELETE"] {
            refused(&format!("{method} /v2/a/manifests/{bad}"), 400, ErrorCode::TagInvalid);
        }
    }
    refused("PUT /v2/a/manifests/<d0>?tag=ok&tag=-", 400, ErrorCode::TagInvalid);
    refused("PUT /v2/a/manifests/<d0>?tag=", 400, ErrorCode::TagInvalid);
    let error = refused("PUT /v2/a/manifests/latest?tag=other", 400, ErrorCode::TagInvalid);
    assert_eq!(error, RouteError::TagParamNeedsDigest);
}

#[test]
fn too_many_tags_are_too_long_a_request() {
    let tags = vec!["tag=t"; MAX_TAGS + 1].join("&");
    let error = refused(&format!("PUT /v2/a/manifests/<d0>?{tags}"), 414, ErrorCode::TagInvalid);
    assert_eq!(error, RouteError::TooManyTags { given: MAX_TAGS + 1 });
}

#[test]
fn a_bad_digest_is_refused() {
    for line in [
        "GET /v2/a/blobs/sha256:abc",
        "HEAD /v2/a/blobs/latest",
        "DELETE /v2/a/blobs/",
        "GET /v2/a/blobs/<d0>00",
        "GET /v2/a/manifests/md5:00",
        "PUT /v2/a/manifests/sha256:x",
        "PUT /v2/a/manifests/latest?digest=x",
        "GET /v2/a/referrers/x",
        "POST /v2/a/blobs/uploads/?digest=x",
        "POST /v2/a/blobs/uploads/?digest-algorithm=md5",
        "POST /v2/a/blobs/uploads/?mount=<d0>&digest-algorithm=md5",
        "PUT /v2/a/blobs/uploads/<id>?digest=x",
    ] {
        let error = refused(line, 400, ErrorCode::DigestInvalid);
        assert_eq!(error.detail(), Some(error.to_string().into()), "{line}");
    }
    for line in ["PUT /v2/a/blobs/uploads/<id>", "PUT /v2/a/blobs/uploads/<id>?digest=&digest=<d0>"] {
        let error = refused(line, 400, ErrorCode::DigestInvalid);
        assert_eq!(error.detail(), Some(json!("digest missing")));
    }
}

#[test]
fn an_upload_that_cannot_be_is_unknown() {
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE"] {
        for end in ["", "/", "/_", "/a.b", "/%2e%2e", "/-"] {
            refused(&format!("{method} /v2/a/blobs/uploads{end}"), 404, ErrorCode::BlobUploadUnknown);
        }
    }
}

#[test]
fn a_bad_page_size_is_sent_back() {
    for (given, detail) in [
        ("-1", json!({ "n": -1 })),
        ("x", json!({ "n": "x" })),
        ("1.5", json!({ "n": "1.5" })),
        ("%20", json!({ "n": " " })),
        ("-99999999999999999999", json!({ "n": "-99999999999999999999" })),
    ] {
        for path in ["/v2/_catalog", "/v2/a/tags/list", "/v2/a/referrers/<d0>"] {
            let error = refused(&format!("GET {path}?n={given}"), 400, ErrorCode::PaginationNumberInvalid);
            assert_eq!(error.detail(), Some(detail.clone()));
        }
    }
}

#[test]
fn broken_encoding_is_refused() {
    for path in [
        "/%",
        "/v2/a%/tags/list",
        "/v2/a%2/tags/list",
        "/v2/%zz/tags/list",
        "/v2/a%00/tags/list",
        "/v2/%ff/tags/list",
        "/v2/a%0a/tags/list",
        "/v2/\u{7f}/tags/list",
        "/%é",
    ] {
        let error = refused(&format!("GET {path}"), 400, ErrorCode::NameInvalid);
        assert_eq!(error, RouteError::Encoding { parameter: None }, "{path}");
    }
    for (line, parameter) in [
        ("GET /v2/a/tags/list?last=%0d%0a", "last"),
        ("GET /v2/a/tags/list?n=%", "n"),
        ("GET /v2/a/referrers/<d0>?artifactType=ok&artifactType=%ff", "artifactType"),
        ("PUT /v2/a/manifests/<d0>?tag=%zz", "tag"),
        ("PUT /v2/a/blobs/uploads/<id>?digest=%zz", "digest"),
    ] {
        let error = refused(line, 400, ErrorCode::NameInvalid);
        assert_eq!(error, RouteError::Encoding { parameter: Some(parameter) }, "{line}");
    }
}
