//! Buckets that are away, and clients that are sent elsewhere.

#![expect(clippy::disallowed_methods, reason = "the file of a test, read by another process")]

use std::fs;
use std::path::Path;

use wharf_testkit::images::Blob;
use wharf_testkit::process::{free_address, run_to_failure};
use wharf_testkit::push;

use crate::running::{Running, Sections, addr, failure, registry, serve, start, write_config};

/// A registry on a bucket at a port where nobody listens.
fn on_a_bucket_that_is_away(more: &str) -> Running {
    let (address, nobody) = (free_address(), free_address());
    let scratch = tempfile::tempdir().unwrap();
    let s3 = format!(
        "bucket: images, regionendpoint: 'http://{nobody}', accesskey: AKIA, secretkey: hidden, retrydeadline: 0s"
    );
    let text = format!("version: 0.1\nstorage: {{s3: {{{s3}}}}}\nhttp: {{addr: '{address}'}}\n{more}\n");
    let config = scratch.path().join("config.yml");
    fs::write(&config, text).unwrap();
    serve(config.to_str().unwrap(), address, scratch)
}

#[tokio::test]
async fn a_start_asks_the_bucket_nothing_and_a_bucket_that_is_away_is_no_absence() {
    let running = on_a_bucket_that_is_away("");

    assert_eq!(running.server.get("/v2/").send().await.status, 200);
    let blob = Blob::new(b"anything".to_vec());
    for target in [format!("/v2/acme/app/blobs/{}", blob.digest), "/v2/acme/app/manifests/latest".to_owned()]
    {
        let response = running.server.get(target).send().await;
        assert!((500..600).contains(&response.status), "{response:?}");
    }

    let said = running.stop_and_tell();
    assert!(said.contains("s3://images/"), "{said}");
    assert!(!said.contains("hidden"), "{said}");
}

#[tokio::test]
async fn a_bucket_that_is_away_is_a_warning_at_once_and_its_errors_name_the_request() {
    let mut running = on_a_bucket_that_is_away("log: {formatter: json, accesslog: {disabled: true}}");
    running.wait_for_log("storage does not answer");

    let response = running.server.get("/v2/acme/app/manifests/latest").send().await;
    let detail = response.json()["errors"][0]["detail"].as_str().unwrap().to_owned();
    let id = detail.strip_prefix("request id: ").unwrap().to_owned();

    let said = running.stop_and_tell();
    let lines: Vec<serde_json::Value> =
        said.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let line = |message: &str| {
        let found =
            lines.iter().find(|line| line["msg"].as_str().is_some_and(|msg| msg.starts_with(message)));
        found.unwrap_or_else(|| panic!("{message}: {said}"))
    };
    let warning = line("storage does not answer");
    assert_eq!(warning["level"], "warning");
    assert_eq!(warning["storage"], "s3://images/");
    assert!(warning["storage.endpoint"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{warning}");
    assert!(warning["error"].as_str().unwrap().contains("/images failed, 1 attempt in 0."), "{warning}");
    let failed = line("storage failed");
    assert_eq!(failed["level"], "error");
    assert_eq!(failed["http.request.id"], id);
}

#[tokio::test]
async fn a_root_directory_that_does_not_exist_is_named_and_a_storage_that_answers_is_reported() {
    let mut running = start(Sections::default());
    running.wait_for_log("msg=\"storage answers\"");

    let said = running.stop_and_tell();
    let line = said.lines().find(|line| line.contains("does not exist")).unwrap();
    assert!(line.contains("level=info") && line.contains("/data does not exist: creating it"), "{line}");
}

#[tokio::test]
async fn a_middleware_sends_clients_elsewhere_also_from_a_directory() {
    let more = "middleware: {storage: [{name: redirect, options: {baseurl: 'https://cdn.example.com/images'}}, \
                {name: rewrite, options: {host: 'mirror.example.com:8443'}}]}";
    let running = start(Sections { more, ..Sections::default() });
    let blob = Blob::new(b"anything".to_vec());
    push::blob(&running.server, "acme/app", &blob).await;

    let target = format!("/v2/acme/app/blobs/{}", blob.digest);
    let sent = running.server.get(&target).send().await.expect(307);
    let hex = blob.digest.hex();
    let path = format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]);
    assert_eq!(sent.location(), format!("https://mirror.example.com:8443/images/{path}"));
    assert_eq!(running.server.head(&target).send().await.status, 200);
}

#[tokio::test]
async fn redirects_that_are_disabled_are_off_for_every_middleware() {
    let more = "middleware: {storage: [{name: redirect, options: {baseurl: 'https://cdn.example.com'}}]}";
    let running = start(Sections { storage: "redirect: {disable: true}", more, ..Sections::default() });
    let blob = Blob::new(b"anything".to_vec());
    push::blob(&running.server, "acme/app", &blob).await;

    let target = format!("/v2/acme/app/blobs/{}", blob.digest);
    assert_eq!(running.server.get(&target).send().await.expect(200).text(), "anything");
}

#[test]
fn a_key_for_cloudfront_that_cannot_be_read_is_one_line() {
    let scratch = tempfile::tempdir().unwrap();
    let check = |key: &Path, expected: &str| {
        let options =
            format!("baseurl: cdn.example.com, keypairid: K2EXAMPLE, privatekey: '{}'", key.display());
        let text = format!(
            "version: 0.1\nstorage: {{s3: {{bucket: images, region: eu-central-1}}}}\nhttp: {{addr: '127.0.0.1:0'}}\n\
             middleware: {{storage: [{{name: cloudfront, options: {{{options}}}}}]}}\n"
        );
        let config = write_config(scratch.path(), "", Sections::default());
        fs::write(&config, text).unwrap();
        let output = run_to_failure(&mut registry(&config));
        assert_eq!(output.status.code(), Some(1));
        let file = key.display();
        assert_eq!(
            failure(&output),
            format!("error: middleware cloudfront, the file of privatekey, {file}: {expected}\n")
        );
    };

    check(&scratch.path().join("missing.pem"), "No such file or directory (os error 2)");
    let wrong = scratch.path().join("wrong.pem");
    fs::write(&wrong, "a secret that is no key").unwrap();
    check(&wrong, "the private key is no RSA key in PEM (`BEGIN RSA PRIVATE KEY` or `BEGIN PRIVATE KEY`)");
}

#[tokio::test]
async fn a_registry_in_memory_serves_and_says_that_it_loses_what_is_pushed() {
    let address = free_address();
    let scratch = tempfile::tempdir().unwrap();
    let config = write_config(scratch.path(), &addr(address), Sections::default());
    let text = format!("version: 0.1\nstorage: inmemory\nhttp: {{addr: '{address}'}}\n");
    fs::write(&config, text).unwrap();
    let running = serve(&config, address, scratch);

    let begun = running.server.post("/v2/acme/app/blobs/uploads/").send().await.expect(202);
    assert_eq!(running.server.get(begun.location()).send().await.status, 204);

    let log = running.stop_and_tell();
    assert!(log.contains("images are lost when the server stops"), "{log}");
    assert!(log.contains("storage=memory"), "{log}");
}
