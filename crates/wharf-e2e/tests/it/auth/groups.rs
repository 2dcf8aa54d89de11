//! Groups that a token of another server names, and rules about them.

use serde_json::{Value, json};
use wharf_auth::{Effect, Rule};
use wharf_oci::ErrorCode;

use super::world::{Ways, World, claims, rule};

/// Contractors are kept out of `secret/**`, admins may list, every other known caller may pull.
fn rules() -> Option<Vec<Rule>> {
    let contractors = rule("group:contractors", "pull", "secret/**");
    Some(vec![
        Rule { effect: Effect::Deny, ..contractors },
        rule("group:admins", "catalog", ""),
        rule("authenticated", "pull", ""),
    ])
}

fn token(world: &World, groups: &Value) -> String {
    let token = world.signer.token_with("mallory", &claims(None), &json!({ "groups": groups }));
    format!("Bearer {token}")
}

#[tokio::test]
async fn rules_about_groups_fit_callers_whose_token_names_them() {
    let world = World::start(Ways::Foreign, rules()).await;
    let rows = [
        (json!(["contractors"]), "/v2/secret/app/tags/list", 403),
        (json!(["staff", "contractors"]), "/v2/secret/app/tags/list", 403),
        (json!("contractors"), "/v2/secret/app/tags/list", 403),
        // Let in, and there is nothing.
        (json!(["contractors"]), "/v2/open/app/tags/list", 404),
        (json!(["contractor"]), "/v2/secret/app/tags/list", 404),
        (json!([]), "/v2/secret/app/tags/list", 404),
        (Value::Null, "/v2/secret/app/tags/list", 404),
        (json!(["admins"]), "/v2/_catalog", 200),
        (json!(["staff"]), "/v2/_catalog", 403),
    ];
    for (groups, path, status) in rows {
        let answer = world.get(Some(&token(&world, &groups)), path).await;
        assert_eq!(answer.status, status, "{groups} {path}: {answer:?}");
    }
}

#[tokio::test]
async fn a_token_whose_groups_cannot_be_read_is_refused() {
    let world = World::start(Ways::Foreign, rules()).await;
    for groups in [json!({ "0": "contractors" }), json!([["contractors"]]), json!(["staff", 7]), json!(true)]
    {
        let answer = world.get(Some(&token(&world, &groups)), "/v2/open/app/tags/list").await;
        let challenge = answer.refused(401, ErrorCode::Unauthorized);
        assert!(challenge.required("WWW-Authenticate").contains("invalid_token"), "{groups}");
    }
}

#[tokio::test]
async fn a_token_that_says_its_groups_are_elsewhere_is_refused() {
    let world = World::start(Ways::Foreign, rules()).await;
    let sources = json!({ "src1": { "endpoint": "https://example.com/groups" } });
    for (claimed, is_refused) in [
        (json!({ "_claim_names": { "groups": "src1" }, "_claim_sources": sources }), true),
        (json!({ "hasgroups": true }), true),
        (json!({ "hasgroups": "true" }), true),
        (json!({ "hasgroups": true, "groups": [] }), true),
        (json!({ "hasgroups": true, "groups": ["staff"] }), false),
        (json!({ "hasgroups": false }), false),
        (json!({ "_claim_names": { "address": "src1" } }), false),
    ] {
        let token = world.signer.token_with("mallory", &claims(None), &claimed);
        let answer = world.get(Some(&format!("Bearer {token}")), "/v2/secret/app/tags/list").await;
        if is_refused {
            let challenge = answer.refused(401, ErrorCode::Unauthorized);
            assert!(challenge.required("WWW-Authenticate").contains("invalid_token"), "{claimed}");
        } else {
            assert_eq!(answer.status, 404, "{claimed}: {answer:?}");
        }
    }
}
