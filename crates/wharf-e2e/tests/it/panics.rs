//! A panic in the code of a request ends that request, and nothing else.

use std::sync::{Arc, Mutex, PoisonError};

use wharf_http::{AccessEntry, AccessLog, Options};
use wharf_oci::ErrorCode;
use wharf_testkit::flaky::{Call, Faults};
use wharf_testkit::images::{Blob, Image};
use wharf_testkit::push::{self, begin, finish};
use wharf_testkit::registry::{ScratchRegistry, Setup};
use wharf_testkit::wire::Response;

/// The ids of the requests that are over.
#[derive(Debug, Default)]
struct Ids(Mutex<Vec<String>>);

impl AccessLog for Ids {
    fn record(&self, entry: &AccessEntry) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(entry.request_id.to_string());
    }
}

impl Ids {
    fn last(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last().expect("a request").clone()
    }
}

/// A registry in memory whose stores panic when the test says so.
async fn registry() -> (ScratchRegistry, Faults, Arc<Ids>) {
    let (faults, ids) = (Faults::default(), Arc::new(Ids::default()));
    let edge = Options { access_log: Some(ids.clone()), ..Options::default() };
    let setup = Setup { faults: Some(faults.clone()), edge, ..Setup::default() };
    (ScratchRegistry::memory_with(setup).await, faults, ids)
}

#[track_caller]
fn assert_is_panic_of(response: &Response, id: &str) {
    assert_eq!((response.status, response.codes()), (500, vec![ErrorCode::Unknown]), "{response:?}");
    assert_eq!(response.json()["errors"][0]["detail"], format!("request id: {id}"));
}

#[tokio::test]
async fn a_panic_in_a_handler_is_a_500_with_the_id_of_the_request_and_the_connection_goes_on() {
    let (registry, faults, ids) = registry().await;
    push::image(&registry, "a", "latest", &Image::random(1)).await;
    let mut connection = registry.connect().await;

    faults.panic_once(Call::GetObject);
    let response = connection.send(registry.get("/v2/a/manifests/latest")).await;
    assert_is_panic_of(&response, &ids.last());

    let _ = connection.send(registry.get("/v2/a/manifests/latest")).await.expect(200);
}

#[tokio::test]
async fn a_panic_in_the_task_of_a_request_is_a_500_and_the_same_request_succeeds_later() {
    let (registry, faults, ids) = registry().await;
    let blob = Blob::random(1, 1000);
    let location = begin(&registry, "a").await;
    let mut connection = registry.connect().await;

    let put = || registry.put(finish(&location, &blob.digest)).body(blob.bytes.clone());
    faults.panic_once(Call::Finish);
    assert_is_panic_of(&connection.send(put()).await, &ids.last());

    let _ = connection.send(put()).await.expect(201);
    let response = connection.send(registry.get(format!("/v2/a/blobs/{}", blob.digest))).await.expect(200);
    assert!(response.body == blob.bytes);
    assert_eq!(registry.stop().await.tasks_left, 0, "a task that panicked is over");
}

#[tokio::test]
async fn a_panic_in_the_body_of_a_response_cuts_that_response_and_no_other() {
    let (registry, faults, _) = registry().await;
    let blob = Blob::random(1, 1000);
    push::blob(&registry, "a", &blob).await;
    let get = || registry.get(format!("/v2/a/blobs/{}", blob.digest));
    let mut bystander = registry.connect().await;
    let _ = bystander.send(get()).await.expect(200);

    faults.panic_in_body();
    let mut connection = registry.connect().await;
    connection.begin(&get()).await;
    assert!(connection.closed().await.len() < 1000, "the response is not whole");

    let _ = bystander.send(get()).await.expect(200);
    let _ = get().send().await.expect(200);
}
