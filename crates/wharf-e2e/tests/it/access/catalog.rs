//! The catalog of somebody who may not see everything.

use std::sync::Arc;

use wharf_http::{Limits, Options};
use wharf_oci::ErrorCode;
use wharf_testkit::images::Image;
use wharf_testkit::push;
use wharf_testkit::registry::Setup;
use wharf_testkit::wire::Response;

use super::world::{ByRules, World, by, deny, rule, rules};

/// A third of the repositories is hidden, here and there and all of `h`.
const NAMES: [&str; 12] =
    ["a/1", "a/2", "b", "b/1", "h/1", "h/2", "h/3", "h/4", "p/1", "p/2", "q/hidden", "z"];
const SEEN: [&str; 7] = ["a/1", "a/2", "b", "b/1", "p/1", "p/2", "z"];

async fn world(scan: usize) -> World {
    let rules = rules([
        rule("reader nobody", "catalog", ""),
        deny(rule("everyone", "*", "h/** **/hidden")),
        rule("reader", "pull", "**"),
    ]);
    let edge = Options { limits: Limits { catalog_scan: scan, ..Limits::default() }, ..Options::default() };
    let world =
        World::start_with(Setup { authorizer: Arc::new(ByRules(rules)), edge, ..Setup::default() }).await;
    for name in NAMES {
        push::image(&world.open, name, "latest", &Image::random(1)).await;
    }
    world
}

async fn list(world: &World, who: &str, target: &str) -> Response {
    by(who, world.asked.get(target)).send().await
}

fn names(response: &Response) -> Vec<String> {
    serde_json::from_value(response.json()["repositories"].clone()).expect("names")
}

/// Where the next page is.
fn next(response: &Response) -> Option<String> {
    let link = response.header("Link")?;
    Some(link.strip_prefix('<')?.split_once('>')?.0.to_owned())
}

#[tokio::test]
async fn only_what_may_be_pulled_is_shown_on_pages_that_are_full() {
    let world = world(1000).await;
    for n in 1..=8 {
        let (mut seen, mut target) = (Vec::new(), Some(format!("/v2/_catalog?n={n}")));
        while let Some(page) = target {
            let response = list(&world, "reader", &page).await.expect(200);
            assert!(!response.header("Link").unwrap_or_default().contains("hidden"));
            let names = names(&response);
            target = next(&response);
            // Full, unless it is the last; and no page leads to nothing.
            assert!(names.len() == n || (target.is_none() && !names.is_empty()), "{n}: {names:?}");
            seen.extend(names);
        }
        assert_eq!(seen, SEEN, "{n}");
    }
    let response = list(&world, "nobody", "/v2/_catalog").await.expect(200);
    assert_eq!((names(&response), next(&response)), (Vec::new(), None));
}

#[tokio::test]
async fn no_more_names_are_looked_at_than_the_limit_says() {
    // The page ends before what is hidden, names nothing of it, and from there one sees no further.
    let world = world(4).await;
    let first = list(&world, "reader", "/v2/_catalog?n=10").await.expect(200);
    assert_eq!(names(&first), SEEN[..4]);
    assert_eq!(next(&first).unwrap(), "/v2/_catalog?last=b%2F1&n=10");
    let response = list(&world, "reader", &next(&first).unwrap()).await;
    let refused = response.refused(503, ErrorCode::Unavailable);
    assert!(refused.json()["errors"][0]["message"].as_str().unwrap().contains("`last`"));
    let beyond = list(&world, "reader", "/v2/_catalog?n=10&last=p").await.expect(200);
    assert_eq!(names(&beyond), ["p/1", "p/2", "z"]);
}
