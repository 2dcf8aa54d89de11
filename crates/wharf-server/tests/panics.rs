//! What the log says of a panic. In a process of its own: a panic hook is the whole process's.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use wharf_server::panics::log_panics;
use wharf_testkit::flaky::Call;
use wharf_testkit::registry::ScratchRegistry;

/// The log, for a test.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_panic_is_one_line_with_its_place_and_the_id_of_the_request() {
    let written = Written::default();
    let out = written.clone();
    let log = tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::ERROR);
    log.with_writer(move || out.clone()).init();
    log_panics();
    let (registry, faults) = ScratchRegistry::flaky().await;

    // In the request itself, and in the task that it waits for.
    for (call, request) in [
        (Call::GetObject, registry.get("/v2/a/manifests/latest")),
        (Call::Begin, registry.post("/v2/a/blobs/uploads/").body("")),
    ] {
        faults.panic_once(call);
        let response = request.send().await.expect(500);

        let detail = response.json()["errors"][0]["detail"].as_str().unwrap().to_owned();
        let id = detail.strip_prefix("request id: ").unwrap();
        let text = String::from_utf8(std::mem::take(&mut *written.0.lock().unwrap())).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        for part in ["ERROR", id, "panicked: ", "a test said so", "flaky.rs:"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
