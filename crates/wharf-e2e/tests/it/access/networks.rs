//! Rules about where somebody calls from.

use std::sync::Arc;

use wharf_auth::Rule;
use wharf_http::{Addresses, Options, TrustedProxies};
use wharf_testkit::images::Image;
use wharf_testkit::push;
use wharf_testkit::registry::Setup;

use super::world::{ByRules, World, list, rule, rules};

/// What a pull is answered that says to come from `said`, where `network` may pull.
async fn answer(trusted: TrustedProxies, network: &str, said: &str) -> u16 {
    let rules = rules([Rule { networks: list(network), ..rule("everyone", "pull", "") }]);
    let addresses = Addresses { trusted, ..Addresses::default() };
    let edge = Options { addresses, ..Options::default() };
    let world =
        World::start_with(Setup { authorizer: Arc::new(ByRules(rules)), edge, ..Setup::default() }).await;
    push::image(&world.open, "a", "latest", &Image::random(1)).await;
    world.asked.get("/v2/a/tags/list").header("X-Forwarded-For", said).send().await.status
}

#[tokio::test]
async fn nobody_gets_into_a_network_by_saying_so() {
    let here = || TrustedProxies::Only(vec!["127.0.0.0/8".parse().expect("a network")]);
    let other = || TrustedProxies::Only(vec!["10.0.0.0/8".parse().expect("a network")]);
    for (trusted, network, said, status) in [
        (TrustedProxies::All, "127.0.0.0/8", "192.0.2.1", 200),
        (TrustedProxies::All, "192.0.2.0/24", "192.0.2.1", 401),
        (other(), "192.0.2.0/24", "192.0.2.1", 401),
        // A proxy that is named has seen somebody from there; what they have written themselves stands before it.
        (here(), "192.0.2.0/24", "192.0.2.1", 200),
        (here(), "192.0.2.0/24", "192.0.2.1, 198.51.100.7", 401),
        (here(), "127.0.0.0/8", "198.51.100.7", 401),
        // However the proxy writes it, and also where it does not say it: never as the proxy itself.
        (here(), "127.0.0.0/8", "198.51.100.7:4711", 401),
        (here(), "127.0.0.0/8", "[2001:db8::1]:443", 401),
        (here(), "127.0.0.0/8", "unknown", 401),
        (here(), "127.0.0.0/8", "198.51.100.7, ", 401),
        (here(), "198.51.100.0/24", "198.51.100.7:4711", 200),
    ] {
        assert_eq!(answer(trusted.clone(), network, said).await, status, "{trusted:?} {network} {said}");
    }
}
