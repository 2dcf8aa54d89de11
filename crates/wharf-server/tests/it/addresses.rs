//! Under which address clients are told to go on.

use crate::running::{Sections, start};

#[tokio::test]
async fn everything_lies_below_the_prefix() {
    let running = start(Sections { http: "prefix: /reg/", ..Sections::default() });
    let server = running.server;

    assert_eq!(server.get("/reg/v2/").send().await.status, 200);
    assert_eq!(server.get("/v2/").send().await.status, 404);
    let begun = server.post("/reg/v2/acme/app/blobs/uploads/").send().await.expect(202);
    let location = begun.location();
    assert!(location.starts_with("/reg/v2/acme/app/blobs/uploads/"), "{location}");
    assert_eq!(server.get(location).send().await.status, 204);
}

#[tokio::test]
async fn a_host_stands_before_every_location() {
    let http = "prefix: /reg/, host: 'https://registry.example.com/reg/'";
    let running = start(Sections { http, ..Sections::default() });

    let begun = running.server.post("/reg/v2/acme/app/blobs/uploads/").send().await.expect(202);

    let location = begun.location();
    let expected = "https://registry.example.com/reg/v2/acme/app/blobs/uploads/";
    assert!(location.starts_with(expected), "{location}");
}

#[tokio::test]
async fn whole_urls_are_what_the_trusted_proxy_says() {
    for (trusted, expected) in [("127.0.0.1", "https://registry.example.com/v2/"), ("10.0.0.0/8", "http://")]
    {
        let http = format!("relativeurls: false, trustedproxies: [{trusted}]");
        let running = start(Sections { http: &http, ..Sections::default() });

        let begun = running
            .server
            .post("/v2/acme/app/blobs/uploads/")
            .header("X-Forwarded-Proto", "https")
            .header("X-Forwarded-Host", "registry.example.com")
            .send()
            .await
            .expect(202);

        let location = begun.location();
        assert!(location.starts_with(expected), "{trusted}: {location}");
    }
}
