//! `Range` on blobs (end-2; RFC 9110, section 14): one, several, and those that cannot be.

use wharf_oci::ErrorCode;
use wharf_testkit::flaky::Call;
use wharf_testkit::images::Blob;
use wharf_testkit::push;
use wharf_testkit::registry::ScratchRegistry;
use wharf_testkit::wire::Response;

use crate::NOBODYS;

/// One part of a `multipart/byteranges` body: its `Content-Range`, and its bytes.
type Part = (String, Vec<u8>);

/// Registries of every kind, each holding the same blob, with its path.
async fn holding(blob: &Blob) -> [(ScratchRegistry, String); 2] {
    let registries = [ScratchRegistry::start().await, ScratchRegistry::memory().await];
    for registry in &registries {
        push::blob(registry, "a", blob).await;
    }
    registries.map(|registry| (registry, format!("/v2/a/blobs/{}", blob.digest)))
}

#[tokio::test]
async fn one_range_is_exactly_its_bytes() {
    let blob = Blob::random(1, 100);
    for (registry, path) in holding(&blob).await {
        for (range, first, last) in [
            ("bytes=0-0", 0, 0),
            ("bytes=1-2", 1, 2),
            ("bytes=0-99", 0, 99),
            ("bytes=98-", 98, 99),
            ("bytes=0-", 0, 99),
            ("bytes=-1", 99, 99),
            ("bytes=-100", 0, 99),
            // Beyond the end, as regclient and stargz ask: what there is.
            ("bytes=90-100", 90, 99),
            ("bytes=90-99999999999999999999999", 90, 99),
            ("bytes=-1000", 0, 99),
            ("Bytes = 1-2", 1, 2),
            // Of several, only this one exists.
            ("bytes=1-2,500-", 1, 2),
            ("bytes=,1-2,", 1, 2),
        ] {
            let response = registry.get(&path).header("Range", range).send().await.expect(206);
            let expected = format!("bytes {first}-{last}/100");
            assert_eq!(response.header("Content-Range"), Some(expected.as_str()), "{range}");
            assert_eq!(response.body, blob.bytes[first..=last], "{range}");
            assert_eq!(response.header("Content-Type"), Some("application/octet-stream"));
            assert_eq!(response.required("Docker-Content-Digest"), blob.digest.to_string());
        }
    }
}

#[tokio::test]
async fn a_range_of_a_large_blob_is_exactly_its_bytes() {
    let blob = Blob::random(1, 3 << 20);
    for (registry, path) in holding(&blob).await {
        for (first, last) in [(1, (3 << 20) - 2), (262_143, 262_144), (1_048_575, 2_097_153)] {
            let request = registry.get(&path).header("Range", format!("bytes={first}-{last}"));
            let response = request.send().await.expect(206);
            assert!(response.body == blob.bytes.slice(first..=last), "{first}-{last}");
        }
    }
}

#[tokio::test]
async fn a_range_that_cannot_be_is_refused_with_the_length_there_is() {
    let blob = Blob::random(1, 5);
    for (registry, path) in holding(&blob).await {
        for range in ["bytes=5-", "bytes=99-", "bytes=5-9", "bytes=-0", "bytes=7-8,9-"] {
            let response = registry.get(&path).header("Range", range).send().await;
            let response = response.refused(416, ErrorCode::RangeInvalid);
            assert_eq!(response.header("Content-Range"), Some("bytes */5"), "{range}");
        }
    }
    let empty = Blob::new("");
    for (registry, path) in holding(&empty).await {
        for range in ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=5-9", "bytes=0-0,2-3"] {
            let response = registry.get(&path).header("Range", range).send().await.expect(200);
            assert_eq!((response.header("Content-Range"), response.body.len()), (None, 0), "{range}");
            assert_eq!(response.required("Docker-Content-Digest"), empty.digest.to_string());
        }
    }
}

#[tokio::test]
async fn a_range_that_makes_no_sense_is_refused() {
    let blob = Blob::random(1, 10);
    for (registry, path) in holding(&blob).await {
        let many = format!("bytes={}", "0-0,".repeat(5000));
        for range in ["bytes=5-2", "bytes=", "bytes=-", "bytes=a-b", "bytes=1-2,x", "bytes=1", &many] {
            let response = registry.get(&path).header("Range", range).send().await;
            let _ = response.refused(416, ErrorCode::RangeInvalid);
        }
    }
}

#[tokio::test]
async fn a_range_in_another_unit_and_a_range_of_a_head_do_not_count() {
    let blob = Blob::random(1, 10);
    for (registry, path) in holding(&blob).await {
        for range in ["items=0-1", "nonsense", "0-1"] {
            let response = registry.get(&path).header("Range", range).send().await.expect(200);
            assert_eq!(response.body, blob.bytes);
        }
        let response = registry.head(&path).header("Range", "bytes=0-1").send().await.expect(200);
        assert_eq!(response.header("Content-Length"), Some("10"));
    }
}

#[tokio::test]
async fn a_range_of_what_is_not_there_is_not_found() {
    let registry = ScratchRegistry::memory().await;
    for range in ["bytes=0-1", "bytes=99-", "bytes=5-2"] {
        let request = registry.get(format!("/v2/a/blobs/{NOBODYS}")).header("Range", range);
        let _ = request.send().await.refused(404, ErrorCode::BlobUnknown);
    }
}

/// RFC 9110, section 13.2.2: conditions come before ranges.
#[tokio::test]
async fn a_client_that_has_the_blob_is_told_so_whatever_range_it_asks_for() {
    let blob = Blob::random(1, 10);
    for (registry, path) in holding(&blob).await {
        for range in ["bytes=0-1", "bytes=99-", "bytes=5-2"] {
            let request = registry.get(&path).header("Range", range).header("If-None-Match", "*");
            let response = request.send().await.expect(304);
            assert_eq!(response.header("Content-Range"), None);
        }
    }
}

#[tokio::test]
async fn if_range_decides_whether_the_range_counts() {
    let blob = Blob::random(1, 10);
    for (registry, path) in holding(&blob).await {
        let digest = blob.digest.to_string();
        for (condition, status) in [
            (format!("\"{digest}\""), 206),
            (format!("\"{NOBODYS}\""), 200),
            // Weak tags and dates never match.
            (format!("W/\"{digest}\""), 200),
            ("Wed, 21 Oct 2026 07:28:00 GMT".to_owned(), 200),
        ] {
            let request = registry.get(&path).header("Range", "bytes=2-3").header("If-Range", &condition);
            let response = request.send().await.expect(status);
            let expected = if status == 206 { blob.bytes.slice(2..=3) } else { blob.bytes.clone() };
            assert_eq!(response.body, expected, "{condition}");
        }
        // A condition that fails saves from a range that cannot be.
        let request = registry.get(&path).header("Range", "bytes=99-").header("If-Range", "\"x\"");
        assert_eq!(request.send().await.expect(200).body, blob.bytes);
    }
}

#[tokio::test]
async fn several_ranges_are_several_parts_in_the_order_asked() {
    let blob = Blob::random(1, 100);
    for (registry, path) in holding(&blob).await {
        for (ranges, expected) in [
            ("0-9,20-29", vec![(0, 9), (20, 29)]),
            ("20-29, 0-9", vec![(20, 29), (0, 9)]),
            ("-5,0-0,50-", vec![(95, 99), (0, 0), (50, 99)]),
            ("0-1,500-600,2-3", vec![(0, 1), (2, 3)]),
            ("5-9,5-9", vec![(5, 9), (5, 9)]),
        ] {
            let request = registry.get(&path).header("Range", format!("bytes={ranges}"));
            let response = request.send().await.expect(206);
            assert_eq!(parts(&response), slices(&blob, &expected), "{ranges}");
            assert_eq!(response.header("Content-Range"), None);
            assert_eq!(response.header("Content-Length"), Some(response.body.len().to_string().as_str()));
        }
    }
}

#[tokio::test]
async fn a_thousand_ranges_are_served_at_once() {
    let blob = Blob::random(1, 1 << 20);
    for (registry, path) in holding(&blob).await {
        // Far apart and backwards, so that nothing can be read along.
        let asked: Vec<(usize, usize)> = (0..1024).rev().map(|i| (i * 1000 + 7, i * 1000 + 506)).collect();
        let list: Vec<String> = asked.iter().map(|(first, last)| format!("{first}-{last}")).collect();
        let request = registry.get(&path).header("Range", format!("bytes={}", list.join(",")));
        let response = request.send().await.expect(206);
        assert!(parts(&response) == slices(&blob, &asked), "the parts are not what was asked for");
    }
}

/// In a bucket a read is a request.
#[tokio::test]
async fn ranges_near_each_other_are_one_read_of_the_store() {
    let (registry, faults) = ScratchRegistry::flaky().await;
    let blob = Blob::random(1, 4 << 20);
    push::blob(&registry, "a", &blob).await;
    let path = format!("/v2/a/blobs/{}", blob.digest);
    let same = vec![(7, 7); 500];
    let near = (0..500).map(|i| (i * 8000, i * 8000 + 9)).collect();
    let backwards = (0..500).rev().map(|i| (i * 500, i * 500 + 99)).collect();
    let two_ends = vec![(0, 9), (4_000_000, 4_000_009), (10, 19)];
    for (asked, reads) in [(same, 1), (near, 1), (backwards, 1), (two_ends, 3)] {
        let before = faults.count(Call::Read);
        let response = registry.get(&path).header("Range", list(&asked)).send().await.expect(206);
        assert!(parts(&response) == slices(&blob, &asked), "the parts are not what was asked for");
        assert_eq!(faults.count(Call::Read) - before, reads, "{:?}…", &asked[..2]);
    }
}

#[tokio::test]
async fn ranges_that_would_take_too_many_reads_get_the_whole_blob() {
    let (registry, faults) = ScratchRegistry::flaky().await;
    let blob = Blob::random(1, 20 << 20);
    push::blob(&registry, "a", &blob).await;
    let path = format!("/v2/a/blobs/{}", blob.digest);
    let apart = |count: usize| (0..count).map(|i| (i * 300_000, i * 300_000 + 9)).collect::<Vec<_>>();
    let before = faults.count(Call::Read);
    let response = registry.get(&path).header("Range", list(&apart(64))).send().await.expect(206);
    assert!(parts(&response) == slices(&blob, &apart(64)), "the parts are not what was asked for");
    assert_eq!(faults.count(Call::Read) - before, 64);

    let before = faults.count(Call::Read);
    let response = registry.get(&path).header("Range", list(&apart(65))).send().await.expect(200);
    assert!(response.body == blob.bytes);
    assert_eq!(faults.count(Call::Read) - before, 1);
}

#[tokio::test]
async fn a_file_is_read_in_any_number_of_places() {
    let registry = ScratchRegistry::start().await;
    let blob = Blob::random(1, 30 << 20);
    push::blob(&registry, "a", &blob).await;
    let asked: Vec<_> = (0..100).rev().map(|i| (i * 300_000, i * 300_000 + 69_999)).collect();
    let request = registry.get(format!("/v2/a/blobs/{}", blob.digest)).header("Range", list(&asked));
    let response = request.send().await.expect(206);
    assert!(parts(&response) == slices(&blob, &asked), "the parts are not what was asked for");
}

/// A few bytes of a request must not become many of an answer.
#[tokio::test]
async fn parts_that_are_mostly_headings_are_not_sent_in_their_hundreds() {
    let blob = Blob::random(1, 10_000);
    for (registry, path) in holding(&blob).await {
        for (count, status) in [(300, 206), (4096, 200)] {
            let asked = vec![(0, 0); count];
            let response = registry.get(&path).header("Range", list(&asked)).send().await.expect(status);
            assert!(response.body.len() <= 64 * 1024, "{}", response.body.len());
        }
    }
}

/// Overlapping ranges could have a small blob sent thousands of times.
#[tokio::test]
async fn ranges_that_come_to_more_than_the_blob_get_the_blob() {
    let blob = Blob::random(1, 100);
    for (registry, path) in holding(&blob).await {
        let request = registry.get(&path).header("Range", "bytes=0-,0-,0-");
        let response = request.send().await.expect(200);
        assert_eq!(response.body, blob.bytes);
        assert_eq!(response.header("Content-Type"), Some("application/octet-stream"));
    }
}

/// containerd reads its part of an open-ended range, and is gone.
#[tokio::test]
async fn a_client_that_leaves_in_the_middle_harms_nobody() {
    let blob = Blob::random(1, 8 << 20);
    for (registry, path) in holding(&blob).await {
        for _ in 0..10 {
            let mut connection = registry.connect().await;
            connection.begin(&registry.get(&path).header("Range", "bytes=1000-")).await;
        }
        let response = registry.get(&path).header("Range", "bytes=-10").send().await.expect(206);
        assert_eq!(response.body, blob.bytes.slice(blob.bytes.len() - 10..));
        assert!(registry.stop().await.is_clean());
    }
}

fn list(ranges: &[(usize, usize)]) -> String {
    let list: Vec<String> = ranges.iter().map(|(first, last)| format!("{first}-{last}")).collect();
    format!("bytes={}", list.join(","))
}

fn slices(blob: &Blob, ranges: &[(usize, usize)]) -> Vec<Part> {
    let size = blob.bytes.len();
    let slice = |&(first, last): &(usize, usize)| {
        (format!("bytes {first}-{last}/{size}"), blob.bytes[first..=last].to_vec())
    };
    ranges.iter().map(slice).collect()
}

/// Reads a `multipart/byteranges` body strictly: preamble, parts, end, and nothing after it.
fn parts(response: &Response) -> Vec<Part> {
    let content_type = response.required("Content-Type");
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").expect("a multipart type");
    let mut rest: &[u8] = &response.body;
    let mut parts = Vec::new();
    let delimiter = format!("--{boundary}");
    // The first delimiter may stand at the very beginning; every other one has its line to itself.
    rest = rest.strip_prefix(b"\r\n").unwrap_or(rest);
    loop {
        rest = rest.strip_prefix(delimiter.as_bytes()).expect("a delimiter");
        if let Some(end) = rest.strip_prefix(b"--") {
            assert!(end.is_empty() || end == b"\r\n", "bytes after the end");
            return parts;
        }
        rest = rest.strip_prefix(b"\r\n").expect("a line end after the delimiter");
        let end = find(rest, b"\r\n\r\n").expect("headers of a part");
        let headers = std::str::from_utf8(&rest[..end]).expect("headers in text");
        assert!(headers.contains("Content-Type: application/octet-stream"), "{headers}");
        let range = headers.lines().find_map(|line| line.strip_prefix("Content-Range: "));
        let range = range.expect("the range of a part").to_owned();
        let length = length(&range);
        let body = rest[end + 4..end + 4 + length].to_vec();
        rest = rest[end + 4 + length..].strip_prefix(b"\r\n").expect("a line end after the part");
        parts.push((range, body));
    }
}

fn length(content_range: &str) -> usize {
    let range = content_range.strip_prefix("bytes ").and_then(|range| range.split_once('/'));
    let (first, last) = range.and_then(|(range, _)| range.split_once('-')).expect("a range");
    let number = |text: &str| text.parse::<usize>().expect("a number");
    number(last) - number(first) + 1
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
