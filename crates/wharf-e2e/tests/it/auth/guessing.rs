//! Wrong passwords by the hundred, and that they keep no other client out.

use futures_util::future::join_all;
use wharf_http::{Addresses, Options, TrustedProxies};
use wharf_testkit::credentials::basic;

use super::world::{Ways, World, by};

/// The address of the attacker, and of a client with the right password.
const GUESSER: &str = "203.0.113.66";
const CALLER: &str = "198.51.100.7";

/// A registry behind a proxy at loopback addresses, which is named or not.
async fn world(trusted: TrustedProxies) -> World {
    let addresses = Addresses { trusted, ..Addresses::default() };
    World::start_at(Ways::Passwords, None, Options { addresses, ..Options::default() }).await
}

fn named() -> TrustedProxies {
    TrustedProxies::Only(vec!["127.0.0.0/8".parse().expect("a network")])
}

/// The status that a login is answered with, by way of the proxy.
async fn login(world: &World, from: &str, user: &str, password: &str) -> u16 {
    let request = world.registry.get("/v2/").header("X-Forwarded-For", from);
    by(Some(&basic(user, password)), request).send().await.status
}

/// Guesses so often at the password of `ci` that the next guess has to wait.
async fn guess(world: &World, count: u32) {
    let mut seen = Vec::new();
    for guess in 0..count {
        seen.push(login(world, GUESSER, "ci", &guess.to_string()).await);
    }
    assert!(seen.iter().all(|status| matches!(status, 401 | 429)), "{seen:?}");
    assert!(seen.contains(&429), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_wrong_passwords_from_one_address_keep_no_other_address_out() {
    for trusted in [named(), TrustedProxies::All] {
        let world = world(trusted.clone()).await;
        let guesses = (0..400).map(|number| {
            let world = &world;
            async move { login(world, GUESSER, &format!("user-{number}"), "wrong").await }
        });
        // From another address, in the middle of them.
        let right = login(&world, CALLER, "alice", "secret");
        let (guesses, right) = futures_util::join!(join_all(guesses), right);
        assert_eq!(right, 200, "{trusted:?}");
        assert!(guesses.iter().all(|status| matches!(status, 401 | 429 | 503)), "{guesses:?}");
        assert!(guesses.contains(&401), "{guesses:?}");
    }
}

#[tokio::test]
async fn an_address_that_guesses_has_to_wait_whatever_the_names() {
    let world = world(named()).await;
    let mut seen = Vec::new();
    for number in 0..200 {
        seen.push(login(&world, GUESSER, &format!("user-{number}"), "wrong").await);
    }
    assert!(seen.contains(&429), "one address may try one password on any number of names");
    assert_eq!(login(&world, CALLER, "alice", "secret").await, 200);
}

#[tokio::test]
async fn guesses_through_a_proxy_that_is_not_named_lock_out_no_other_client_of_it() {
    let world = world(TrustedProxies::All).await;
    guess(&world, 30).await;
    assert_eq!(login(&world, CALLER, "ci", "secret").await, 200);
}

#[tokio::test]
async fn a_password_that_was_right_before_passes_beside_guesses_from_the_same_address() {
    // No proxy is believed: both have the address of the connection.
    let world = world(TrustedProxies::Only(Vec::new())).await;
    assert_eq!(login(&world, CALLER, "ci", "secret").await, 200);
    guess(&world, 12).await;
    for _ in 0..20 {
        assert_eq!(login(&world, CALLER, "ci", "secret").await, 200);
    }
}
