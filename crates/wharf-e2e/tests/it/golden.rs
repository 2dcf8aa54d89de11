//! Answers to the last letter: those observed of the old registry, but for what was decided to be better.
//!
//! An answer is shown as its status line, its headers in the order of their names but for `Date`, and its body. Only
//! what differs from run to run has a placeholder: `<id>` for the id of an upload, and digests as a test names them.

mod blobs;
mod listings;
mod manifests;
mod paths;
mod uploads;

use wharf_testkit::wire::Response;

/// The answer is exactly this text. `names` are digests and the like, with what stands for them.
#[track_caller]
fn shows(response: &Response, names: &[(&str, &str)], expected: &str) {
    let mut headers: Vec<_> = response.headers.iter().filter(|(name, _)| name != "Date").collect();
    headers.sort();
    let mut text = format!("{} {}\n", response.status, response.reason);
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\n"));
    }
    if !response.body.is_empty() {
        text.push_str(&format!("\n{}", response.text()));
    }
    if let Some(id) = response.header("Docker-Upload-Uuid") {
        text = text.replace(id, "<id>");
    }
    for (value, name) in names {
        text = text.replace(value, name);
    }
    let expected: Vec<&str> = expected.trim().lines().map(str::trim_start).collect();
    let shown: Vec<&str> = text.trim_end().lines().collect();
    assert_eq!(shown, expected, "\n{text}");
}
