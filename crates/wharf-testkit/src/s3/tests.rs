//! The server's own promises: order, ropes, kinds of requests, signatures and faults.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri};

use super::bucket::Row;
use super::operation::Asked;
use super::rope::Rope;
use super::*;
use crate::wire::Server;

fn listed(keys: &[&str], prefix: &str, after: &str, limit: usize) -> Vec<String> {
    let buckets = Buckets::default();
    for key in keys {
        buckets.seed(BUCKET, key, Bytes::new());
    }
    buckets
        .with(BUCKET, |bucket| Ok(bucket.list(prefix, "/", after, limit).iter().map(Row::place).collect()))
        .unwrap()
}

#[test]
fn a_page_is_in_byte_order_and_folds_levels() {
    let keys = ["t/1.0-alpine/link", "t/1.0.1/link", "t/1.0/current/link", "t/1.0/index/x", "t/z", "u/1"];
    assert_eq!(listed(&keys, "t/", "", 9), ["t/1.0-alpine/", "t/1.0.1/", "t/1.0/", "t/z"]);
    assert_eq!(listed(&keys, "t/", "t/1.0", 2), ["t/1.0-alpine/", "t/1.0.1/"]);
    assert_eq!(listed(&keys, "t/", "t/1.0.1/", 9), ["t/1.0/", "t/z"]);
    assert_eq!(listed(&keys, "t/", "t/1.0/index/a", 9), ["t/z"]);
    assert_eq!(listed(&keys, "", "", 9), ["t/", "u/"]);
    assert_eq!(listed(&keys, "", "t/", 9), ["u/"]);
}

#[test]
fn a_rope_is_cut_anywhere_and_known_by_what_it_holds() {
    let rope = Rope::joined(&[Rope::from(Bytes::from("abc")), Rope::from(Bytes::from("defg"))]);
    assert_eq!(rope.slice(2..5).to_vec(), b"cde");
    assert_eq!(rope.slice(0..7).to_vec(), b"abcdefg");
    assert_eq!(rope.slice(3..3).len(), 0);
    assert_eq!(rope.tag(), rope.clone().tag());
    assert_ne!(rope.tag(), Rope::from(Bytes::from("abcdefh")).tag());
    assert_eq!(Rope::of_dropped(200_000).len(), 200_000);
}

#[test]
fn a_request_is_told_by_method_address_and_source() {
    let copy = HeaderMap::from_iter([(
        http::HeaderName::from_static("x-amz-copy-source"),
        HeaderValue::from_static("wharf/a"),
    )]);
    let check = |method: &str, target: &str, copies: bool, operation| {
        let headers = if copies { copy.clone() } else { HeaderMap::new() };
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let asked = Asked::of(&method, &target.parse::<Uri>().unwrap(), &headers);
        assert_eq!(asked.operation, operation, "{method} {target}");
        asked
    };
    assert_eq!(check("GET", "/wharf/a%20b/c?x-id=GetObject", false, Operation::GetObject).key, "a b/c");
    assert_eq!(check("GET", "/wharf?list-type=2", false, Operation::ListObjects).bucket, "wharf");
    let _ = check("GET", "/wharf/?uploads&prefix=a", false, Operation::ListMultipartUploads);
    let _ = check("PUT", "/wharf/a?partNumber=1&uploadId=u", false, Operation::UploadPart);
    let _ = check("PUT", "/wharf/a?partNumber=1&uploadId=u", true, Operation::UploadPartCopy);
    let _ = check("PUT", "/wharf/a", true, Operation::CopyObject);
    let _ = check("POST", "/wharf/a?uploads", false, Operation::CreateMultipartUpload);
    let _ = check("POST", "/wharf?delete", false, Operation::DeleteObjects);
    let _ = check("DELETE", "/wharf/a?uploadId=u", false, Operation::AbortMultipartUpload);
    let _ = check("HEAD", "/wharf", false, Operation::Other);
}

#[tokio::test]
async fn who_does_not_sign_gets_nothing() {
    let server = S3Server::start();
    server.put(BUCKET, "a", "secret");

    let answer = Server::at(server.address()).get("/wharf/a").send().await.expect(403);

    assert!(answer.text().contains("AccessDenied"), "{}", answer.text());
    let [record] = &server.log()[..] else { panic!("{:?}", server.log()) };
    assert_eq!((record.operation, record.key.as_str(), record.status), (Operation::GetObject, "a", 403));
    assert_eq!(record.bytes_out, answer.body.len() as u64);
}

#[tokio::test]
async fn each_fault_strikes_when_it_is_to() {
    let server = S3Server::start();
    let wire = Server::at(server.address());
    server.fail(Rule::nth(2, Fault::SlowDown).of(Operation::GetObject));
    server.fail(Rule::nth(1, Fault::ResetBefore).key("doomed"));
    server.fail(Rule::nth(3, Fault::Truncated).of(Operation::GetObject));

    let _ = wire.get("/wharf/a").send().await.expect(403);
    let _ = wire.head("/wharf/a").send().await.expect(403);
    let slow = wire.get("/wharf/a").send().await.expect(503);
    assert!(slow.text().contains("<Code>SlowDown</Code>"), "{}", slow.text());
    let error = wire.get("/wharf/doomed").try_send().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(server.failed(), 2);
    server.heal();
    let _ = wire.get("/wharf/doomed").send().await.expect(403);

    server.fail(Rule::always(Fault::Truncated).times(1));
    wire.get("/wharf/a").try_send().await.unwrap_err();
    server.fail(Rule::always(Fault::Stalled(Duration::from_millis(1))));
    assert!(wire.get("/wharf/a").send().await.expect(403).text().ends_with("</Error>"));
}
