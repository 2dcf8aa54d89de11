//! Credentials that are used much, or that change while they are used.

use std::time::Duration;

use wharf_testkit::credentials::{CHEAP, Signer, basic, htpasswd_line};
use wharf_testkit::process::let_run;

use super::world::{Ways, World, claims, grant, replace};

/// How long a change of a file may take to count; it is looked at once a second.
const NOTICED: Duration = Duration::from_millis(2_500);

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "what is measured is time")]
async fn one_password_is_checked_once_for_fifty_requests() {
    let world = World::start(Ways::Passwords, None).await;
    let costly = |password: &str| {
        let begun = std::time::Instant::now();
        let line = htpasswd_line("ci", password, 11);
        (line, begun.elapsed())
    };
    let (line, once) = costly("costly");
    replace(&world.htpasswd, &line);
    let ci = basic("ci", "costly");
    // The first look at the changed file is somebody else's: whoever comes beside it is answered by what is known.
    let_run(NOTICED).await;
    let _ = world.get(Some(&basic("somebody", "else")), "/v2/").await;
    let begun = std::time::Instant::now();
    let requests = (0..50).map(|_| world.get(Some(&ci), "/v2/"));
    for answer in futures_util::future::join_all(requests).await {
        let _ = answer.expect(200);
    }
    let took = begun.elapsed();
    assert!(took < once * 15, "50 requests took {took:?}, one check {once:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_change_under_load_without_a_refused_request() {
    let world = World::start(Ways::Passwords, None).await;
    let alice = basic("alice", "secret");
    let kept = htpasswd_line("alice", "secret", CHEAP);
    let load = async {
        for round in 0..8 {
            replace(&world.htpasswd, &format!("{}{kept}", htpasswd_line("ci", &format!("p{round}"), CHEAP)));
            let requests = (0..20).map(|_| world.get(Some(&alice), "/v2/"));
            for answer in futures_util::future::join_all(requests).await {
                let _ = answer.expect(200);
            }
            let_run(Duration::from_millis(150)).await;
        }
    };
    load.await;
    let_run(NOTICED).await;
    let _ = world.get(Some(&basic("ci", "p7")), "/v2/").await.expect(200);
    let _ = world.get(Some(&basic("ci", "p0")), "/v2/").await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_change_under_load_without_a_refused_request() {
    let world = World::start(Ways::Foreign, None).await;
    let next = Signer::new("next");
    let grants = || claims(Some(grant("a", &["pull"])));
    let before = world.theirs("ci", Some(grant("a", &["pull"])));
    let after = format!("Bearer {}", next.token("ci", &grants()));
    replace(&world.jwks, &Signer::jwks([&world.signer, &next]));
    let_run(NOTICED).await;
    let _ = world.get(Some(&after), "/v2/").await.expect(200);
    for round in 0..40 {
        let (fresh, token) = match round % 2 {
            0 => (&world.signer, &before),
            _ => (&next, &after),
        };
        let fresh = format!("Bearer {}", fresh.token(&format!("user-{round}"), &grants()));
        let requests = [token, &fresh, token, &fresh].map(|token| world.get(Some(token), "/v2/"));
        for answer in futures_util::future::join_all(requests).await {
            let _ = answer.expect(200);
        }
    }
    replace(&world.jwks, &Signer::jwks([&next]));
    let_run(NOTICED).await;
    let _ = world.get(Some(&after), "/v2/").await.expect(200);
    let _ = world.get(Some(&before), "/v2/").await.expect(401);
}
