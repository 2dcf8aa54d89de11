//! Versions, suites and protocols.

use wharf_testkit::tls::{Client, Version};

use super::World;

impl World {
    /// What is agreed with a client, as version and suite; `None` if nothing is.
    async fn agreed(&self, client: Client) -> Option<(Version, String)> {
        let agreed = client.agree(&self.running.server, &["h2", "http/1.1"]).await.ok()?;
        Some((agreed.version, agreed.suite))
    }
}

#[tokio::test]
async fn an_older_version_than_the_oldest_is_refused() {
    let usual = World::start("", "");
    for version in [Version::Tls12, Version::Tls13] {
        let agreed = usual.agreed(usual.client().only(version)).await.expect("an agreement");
        assert_eq!(agreed.0, version);
    }

    let newest = World::start("minimumtls: tls1.3", "");
    assert_eq!(newest.agreed(newest.client().only(Version::Tls12)).await, None);
    assert!(newest.agreed(newest.client().only(Version::Tls13)).await.is_some());
}

#[tokio::test]
async fn only_the_suites_of_the_list_are_offered() {
    const CHOSEN: &str = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
    let world = World::start(&format!("ciphersuites: [{CHOSEN}]"), "");
    let with = |suite| world.client().with_suite(suite);
    let expected = (Version::Tls12, CHOSEN.to_owned());

    assert_eq!(world.agreed(with(CHOSEN)).await, Some(expected));
    assert_eq!(world.agreed(with("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384")).await, None);
    // A list about TLS 1.2 has no say in 1.3.
    assert!(world.agreed(with("TLS13_CHACHA20_POLY1305_SHA256")).await.is_some());

    let world = World::start("ciphersuites: [TLS_AES_128_GCM_SHA256]", "");
    let with = |suite| world.client().with_suite(suite);
    assert!(world.agreed(with("TLS13_AES_128_GCM_SHA256")).await.is_some());
    assert_eq!(world.agreed(with("TLS13_AES_256_GCM_SHA384")).await, None);
    assert_eq!(world.agreed(with(CHOSEN)).await, None);
}

#[tokio::test]
async fn http_2_is_spoken_unless_it_is_switched_off() {
    let protocol = async |http: &str| {
        let world = World::start("", http);
        let agreed = world.client().agree(&world.running.server, &["h2", "http/1.1"]).await.unwrap();
        agreed.protocol
    };
    assert_eq!(protocol("").await.as_deref(), Some("h2"));
    assert_eq!(protocol("http2: {disabled: true}").await.as_deref(), Some("http/1.1"));
}
