//! Every operation, every method, every kind of caller.

use serde_json::{Value, json};
use wharf_oci::{ErrorCode, Route};
use wharf_testkit::images::{Blob, Image};
use wharf_testkit::push;
use wharf_testkit::wire::{Request, Response};

use super::world::{Kind, World, by, usual};
use crate::bad_input::operations::{Method, Operation};

/// What an operation takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Base,
    Catalog,
    Pull,
    Push,
    Delete,
}

/// What each kind of caller is answered, in the order of [`Kind::ALL`]: anonymous, reader, pusher, admin, other team,
/// certificate, token. It has no `_`: a new route does not compile until somebody has decided.
fn answers(operation: Operation) -> (Takes, [u16; 7]) {
    use Operation as Op;
    match operation {
        Op::Root | Op::Options => (Takes::Nothing, [200; 7]),
        Op::BaseWithoutSlash => (Takes::Nothing, [301; 7]),
        Op::Base => (Takes::Base, [200; 7]),
        Op::Catalog => (Takes::Catalog, [401, 200, 403, 200, 403, 403, 401]),
        Op::ListTags
        | Op::ListReferrers
        | Op::GetManifest
        | Op::HeadManifest
        | Op::GetBlob
        | Op::HeadBlob => (Takes::Pull, [401, 200, 200, 200, 403, 200, 200]),
        Op::PutManifest | Op::FinishUpload => (Takes::Push, [401, 403, 201, 201, 403, 403, 201]),
        Op::BeginUpload | Op::AppendUpload => (Takes::Push, [401, 403, 202, 202, 403, 403, 202]),
        Op::UploadStatus | Op::CancelUpload => (Takes::Push, [401, 403, 204, 204, 403, 403, 204]),
        Op::DeleteManifest | Op::DeleteBlob => (Takes::Delete, [401, 403, 403, 202, 403, 403, 401]),
    }
}

#[tokio::test]
async fn everybody_may_do_what_the_table_says_and_nothing_else() {
    let mut wrong = Vec::new();
    for operation in Operation::ALL {
        let (takes, expected) = answers(operation);
        for (&method, (kind, status)) in operation
            .methods()
            .iter()
            .flat_map(|method| Kind::ALL.into_iter().zip(expected).map(move |row| (method, row)))
        {
            let (world, request) = prepare(operation, method).await;
            let response = by(kind.name(), request).send().await;
            if let Err(problem) = check(&response, status, kind, takes, method) {
                wrong.push(format!("{method} {operation:?} by {kind:?}: {problem}: {response:?}"));
            }
            drop(world);
        }
    }
    assert!(wrong.is_empty(), "{} rows went wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// A registry with an image and an open upload in `a`, and a request that does what the operation is for.
async fn prepare(operation: Operation, method: Method) -> (World, Request) {
    let world = World::start(usual()).await;
    let image = Image::random(1);
    push::image(&world.open, "a", "latest", &image).await;
    let upload = push::begin(&world.open, "a").await;
    let path = upload.split('?').next().unwrap_or_default();
    let id = path.rsplit('/').next().unwrap_or_default();
    let last = Blob::new("last");
    let target = match operation {
        Operation::FinishUpload => format!("/v2/a/blobs/uploads/{id}?digest={}", last.digest),
        _ => operation
            .example()
            .replace("{image}", &image.manifest.digest.to_string())
            .replace("{blob}", &image.layers[0].digest.to_string())
            .replace("{open}", id),
    };
    let (path, query) =
        target.split_once('?').map_or((target.as_str(), None), |(path, query)| (path, Some(query)));
    let route = Route::parse(&method.to_string(), path, query).expect("a route");
    assert_eq!(Operation::of(&route), operation);
    let request = world.asked.request(method.to_string(), &target);
    let request = match operation {
        Operation::PutManifest => {
            request.header("Content-Type", image.manifest.media_type.as_str()).body(image.manifest.bytes)
        }
        Operation::AppendUpload | Operation::FinishUpload => request.body(last.bytes),
        Operation::BeginUpload => request.body(""),
        _ => request,
    };
    (world, request)
}

fn check(response: &Response, status: u16, kind: Kind, takes: Takes, method: Method) -> Result<(), String> {
    if response.status != status {
        return Err(format!("not {status}"));
    }
    let challenge = response.header("WWW-Authenticate");
    if challenge.is_some() != (status == 401) {
        return Err(format!("the challenge is {challenge:?}"));
    }
    if status < 400 || method == Method::Head {
        return Ok(());
    }
    let error = &response.json()["errors"][0];
    match status {
        401 => {
            let wanted = (ErrorCode::Unauthorized.as_str(), needed(takes));
            if (error["code"].as_str(), &error["detail"]) != (Some(wanted.0), &wanted.1) {
                return Err(format!("not told what is needed: {error}"));
            }
            let has_token = kind == Kind::Token;
            if challenge.is_some_and(|text| text.contains("insufficient_scope")) != has_token {
                return Err(format!("the challenge is {challenge:?}"));
            }
        }
        _ => {
            let message = error["message"].as_str().unwrap_or_default();
            let who = format!("denied: {} may not ", kind.name());
            if error["code"] != "DENIED" || !message.contains(&who) {
                return Err(format!("not told what was refused: {error}"));
            }
        }
    }
    Ok(())
}

fn needed(takes: Takes) -> Value {
    let entry = |action: &str| json!({"Type": "repository", "Class": "", "Name": "a", "Action": action});
    match takes {
        Takes::Nothing | Takes::Base => Value::Null,
        Takes::Catalog => json!([{"Type": "registry", "Class": "", "Name": "catalog", "Action": "*"}]),
        Takes::Pull => json!([entry("pull")]),
        Takes::Push => json!([entry("pull"), entry("push")]),
        Takes::Delete => json!([entry("delete")]),
    }
}

/// A client asks before it pushes, and must not be sent for another password by a repository that is not there yet.
#[tokio::test]
async fn what_one_may_make_and_is_not_there_is_not_found() {
    let world = World::start(usual()).await;
    let digest = Blob::new("x").digest;
    for path in [format!("blobs/{digest}"), "manifests/v1".to_owned(), "tags/list".to_owned()] {
        for method in ["GET", "HEAD"] {
            let ask = |name: &str| by(name, world.asked.request(method, format!("/v2/yet/to/come/{path}")));
            let status = if method == "HEAD" && path == "tags/list" { 405 } else { 404 };
            assert_eq!(ask("pusher").send().await.status, status, "{method} {path}");
            if status == 404 {
                assert_eq!(ask("").send().await.status, 401, "{method} {path}");
                assert_eq!(ask("reader").send().await.status, 403, "{method} {path}");
            }
        }
    }
}
