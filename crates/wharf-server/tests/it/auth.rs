//! `auth` and `access` as an operator meets them: the examples, a file that is missing, and secrets that stay secret.

#![expect(clippy::disallowed_methods, reason = "the files of a test, read by another process")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use wharf_testkit::credentials::{CHEAP, Claims, Signer, basic, htpasswd_line};
use wharf_testkit::images::Image;
use wharf_testkit::process::{Child, free_address, run_to_failure};
use wharf_testkit::wire::{Request, Server};

use crate::running::{LIMIT, Sections, registry, start};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");

/// An example, a request that it allows and one that it refuses: who, method, path, status.
struct Row {
    example: &'static str,
    allowed: (&'static str, &'static str, &'static str, u16),
    refused: (&'static str, &'static str, &'static str, u16),
}

const UPLOADS: &str = "/v2/acme/app/blobs/uploads/";

const ROWS: [Row; 5] = [
    Row {
        example: "access-passwords.yml",
        allowed: ("ops", "POST", UPLOADS, 202),
        refused: ("", "GET", "/v2/", 401),
    },
    Row {
        example: "access-public.yml",
        allowed: ("", "GET", "/v2/public/app/tags/list", 404),
        refused: ("", "POST", "/v2/public/app/blobs/uploads/", 401),
    },
    Row {
        example: "access-teams.yml",
        allowed: ("ci", "POST", "/v2/team-a/app/blobs/uploads/", 202),
        refused: ("bob", "POST", "/v2/team-a/app/blobs/uploads/", 403),
    },
    Row {
        example: "access-token-server.yml",
        allowed: ("token", "POST", UPLOADS, 202),
        refused: ("token", "POST", "/v2/acme/other/blobs/uploads/", 403),
    },
    Row {
        example: "access-network.yml",
        allowed: ("", "GET", "/v2/acme/app/tags/list", 404),
        refused: ("", "POST", UPLOADS, 401),
    },
];

/// The example with its folders in the test's, and a port of its own.
fn placed(example: &str, folder: &Path, address: &str) -> String {
    let text = fs::read_to_string(Path::new(EXAMPLES).join(example)).unwrap();
    let text = text.replace("/etc/registry", folder.to_str().unwrap());
    let text = text.replace("/var/lib/registry", folder.join("data").to_str().unwrap());
    assert!(text.contains("addr: :5000"), "{example}");
    text.replace("addr: :5000", &format!("addr: '{address}'"))
}

fn authorization(who: &str, signer: &Signer) -> Option<String> {
    match who {
        "" => None,
        "token" => {
            let claims = Claims {
                issuer: "auth.example.com".to_owned(),
                audience: "registry.example.com".to_owned(),
                access: None,
                lifetime: Duration::from_secs(300),
            };
            // What a job of CI is for is in a claim of its own.
            Some(format!(
                "Bearer {}",
                signer.token_with("job", &claims, &json!({ "repository": "acme/app" }))
            ))
        }
        user => Some(basic(user, "secret")),
    }
}

fn by(authorization: Option<&str>, request: Request) -> Request {
    match authorization {
        Some(authorization) => request.header("Authorization", authorization),
        None => request,
    }
}

#[tokio::test]
async fn every_set_up_of_the_guide_allows_and_refuses() {
    for Row { example, allowed, refused } in ROWS {
        let folder = tempfile::tempdir().unwrap();
        let lines = ["ops", "bob", "ci"].map(|user| htpasswd_line(user, "secret", CHEAP)).concat();
        let signer = Signer::new("theirs");
        fs::write(folder.path().join("htpasswd"), lines).unwrap();
        fs::write(folder.path().join("secret"), "b4c1f0a2d9e877365be0c3f1a2967d48\n").unwrap();
        fs::write(folder.path().join("jwks.json"), Signer::jwks([&signer])).unwrap();
        let address = free_address();
        let config = folder.path().join("config.yml");
        fs::write(&config, placed(example, folder.path(), &address.to_string())).unwrap();
        let mut child = Child::spawn(&mut registry(config.to_str().unwrap()), &folder.path().join("log"));
        child.wait_for_port(address, LIMIT);

        for (who, method, path, status) in [allowed, refused] {
            let request = Server::at(address).request(method, path).body("");
            let answer = by(authorization(who, &signer).as_deref(), request).send().await;
            assert_eq!(answer.status, status, "{example}: {who} {method} {path}: {answer:?}");
        }
        assert!(child.stop(LIMIT).success());
    }
}

#[test]
fn every_set_up_of_the_guide_is_in_the_table() {
    let files =
        fs::read_dir(EXAMPLES).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<String> = files.filter(|name| name.starts_with("access-")).collect();
    let mut rows: Vec<&str> = ROWS.iter().map(|row| row.example).collect();
    files.sort();
    rows.sort_unstable();
    assert_eq!(files, rows);
}

#[tokio::test]
async fn a_missing_file_of_passwords_is_made_and_its_password_shown_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/htpasswd");
    let auth = format!("auth: {{htpasswd: {{realm: R, path: '{}'}}}}", path.display());
    let mut running = start(Sections { more: &auth, ..Sections::default() });
    running.wait_for_log("serving");
    let said = running.child.last_words();
    let shown: Vec<&str> = said.lines().filter_map(|line| line.trim().strip_prefix("password  ")).collect();
    let [password] = shown.as_slice() else { panic!("{said}") };

    let _ = running.server.get("/v2/").send().await.expect(401);
    let docker = basic("docker", password);
    let _ = by(Some(&docker), running.server.get("/v2/")).send().await.expect(200);
    assert_eq!(said.matches(password).count(), 1, "{said}");
    assert!(!fs::read_to_string(&path).unwrap().contains(password));
    assert!(running.stop().success());
}

#[tokio::test]
async fn a_login_through_a_proxy_that_is_not_named_is_one_warning() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("htpasswd");
    fs::write(&path, htpasswd_line("ci", "secret", CHEAP)).unwrap();
    let more = format!("auth: {{htpasswd: {{realm: R, path: '{}'}}}}", path.display());
    for (http, warnings) in [("", 1), ("trustedproxies: []", 0), ("trustedproxies: [127.0.0.1]", 0)] {
        let running = start(Sections { http, more: &more, ..Sections::default() });
        for password in ["secret", "wrong", "secret"] {
            let request = running.server.get("/v2/").header("X-Forwarded-For", "192.0.2.1");
            let _ = by(Some(&basic("ci", password)), request).send().await;
        }
        let said = running.stop_and_tell();
        let found = said.lines().filter(|line| line.contains("name your proxies in http.trustedproxies"));
        assert_eq!(found.count(), warnings, "{http}: {said}");
    }
}

#[tokio::test]
async fn no_secret_is_in_the_log_of_a_login_a_push_and_a_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("htpasswd");
    fs::write(&path, htpasswd_line("ci", "hunter2", CHEAP)).unwrap();
    let more = format!(
        "log: {{level: debug}}\nauth: {{htpasswd: {{realm: R, path: '{}'}}}}\naccess: {{rules: [{{callers: everyone, \
         actions: pull, repositories: public/**}}, {{callers: ci, actions: push}}]}}",
        path.display()
    );
    let running = start(Sections {
        http: "secret: swordfish-c1f0a2d9e877365be0c3f1",
        more: &more,
        ..Sections::default()
    });
    let server = running.server;
    let (right, wrong) = (basic("ci", "hunter2"), basic("ci", "hunter3"));
    let mut secrets =
        vec!["hunter2".to_owned(), "hunter3".to_owned(), "swordfish".to_owned(), "$2b$".to_owned()];
    secrets.extend([&right, &wrong].map(|header| header.trim_start_matches("Basic ").to_owned()));

    let _ = by(Some(&wrong), server.get("/v2/")).send().await.expect(401);
    let _ = by(Some(&wrong), server.get("/token")).send().await.expect(401);
    let query = "/token?service=registry&offline_token=true&scope=repository:acme/app:pull,push";
    let answer = by(Some(&right), server.get(query)).send().await.expect(200).json();
    let form = "grant_type=password&username=ci&password=hunter3".to_owned();
    let form = server.post("/token").header("Content-Type", "application/x-www-form-urlencoded").body(form);
    let _ = form.send().await.expect(401);
    for name in ["token", "refresh_token"] {
        // Its signature is what makes it one.
        let token = answer[name].as_str().unwrap();
        secrets.push(token.rsplit('.').next().unwrap().to_owned());
    }
    let token = format!("Bearer {}", answer["token"].as_str().unwrap());
    push(server, &token).await;
    let _ = by(Some(&format!("{token}x")), server.get("/v2/")).send().await.expect(401);

    let said = running.stop_and_tell();
    assert!(said.contains("/token?service=registry"), "{said}");
    for secret in secrets {
        assert!(!said.contains(&secret), "{secret} is in\n{said}");
    }
}

async fn push(server: Server, authorization: &str) {
    let image = Image::random(3);
    for blob in image.blobs() {
        let to = server.post(format!("/v2/acme/app/blobs/uploads/?digest={}", blob.digest));
        let _ = by(Some(authorization), to).body(blob.bytes.clone()).send().await.expect(201);
    }
    let manifest = server.put("/v2/acme/app/manifests/1");
    let manifest = manifest.header("Content-Type", image.manifest.media_type.to_string());
    let pushed = by(Some(authorization), manifest).body(image.manifest.bytes.clone()).send().await;
    let _ = pushed.expect(201);
}

#[tokio::test]
async fn our_token_server_is_below_the_prefix_and_its_keys_are_changed_while_it_serves() {
    let folder = tempfile::tempdir().unwrap();
    let [htpasswd, new, old] = ["htpasswd", "new.pem", "old.pem"].map(|name| folder.path().join(name));
    fs::write(&htpasswd, htpasswd_line("ci", "secret", CHEAP)).unwrap();
    let (first, second) = (signing_key(), signing_key());
    fs::write(&new, &first).unwrap();
    fs::write(&old, &first).unwrap();
    let more = format!(
        "auth: {{htpasswd: {{realm: R, path: {htpasswd:?}}}}}\naccess: {{tokens: {{enabled: true, keys: [{new:?}, {old:?}]}}}}"
    );
    let running = start(Sections { http: "prefix: /reg/", more: &more, ..Sections::default() });
    let server = running.server;
    let challenge = server.get("/reg/v2/").send().await.expect(401);
    let realm = format!(r#"Bearer realm="http://{}/reg/token",service="registry""#, server.address());
    assert_eq!(challenge.header("WWW-Authenticate"), Some(realm.as_str()));

    let ci = basic("ci", "secret");
    let token = async || {
        let answer = by(Some(&ci), server.get("/reg/token?scope=repository:a:pull")).send().await.expect(200);
        format!("Bearer {}", answer.json()["token"].as_str().unwrap())
    };
    let before = token().await;
    let next = folder.path().join("next.pem");
    fs::write(&next, &second).unwrap();
    fs::rename(&next, &new).unwrap();
    // Files are looked at once a second, by whoever needs them then.
    let mut after = token().await;
    while kind(&after) == kind(&before) {
        after = token().await;
    }
    for token in [before, after] {
        let _ = by(Some(&token), server.get("/reg/v2/a/tags/list")).send().await.expect(404);
    }
    assert!(running.stop().success());
}

/// The header of a token, which names its key.
fn kind(token: &str) -> &str {
    token.split('.').next().unwrap()
}

/// As `openssl genpkey -algorithm ed25519` writes one.
fn signing_key() -> String {
    Signer::new("ours").to_pem()
}

#[test]
fn what_cannot_be_opened_keeps_the_server_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let short = folder.path().join("short");
    fs::write(&short, "swordfish\n").unwrap();
    let short = format!("secretfile: {short:?}");
    let rows: [(&str, Value, &str); 4] = [
        (
            &short,
            json!({ "htpasswd": { "realm": "R", "path": folder.path().join("htpasswd") } }),
            "short: 9 bytes are too few to sign tokens with, 32 are needed; make it with `openssl rand -hex 32`",
        ),
        ("", json!({ "htpasswd": { "realm": "R", "path": "/proc/nowhere/htpasswd" } }), "auth.htpasswd.path"),
        (
            "",
            json!({ "token": { "realm": "https://a/t", "service": "s", "issuer": "i", "jwks": "/no/such/file" } }),
            "the file of auth.token.jwks: /no/such/file does not exist",
        ),
        (
            "secretfile: /no/such/secret",
            json!({ "htpasswd": { "realm": "R", "path": folder.path().join("htpasswd") } }),
            "the file of http.secretfile, /no/such/secret",
        ),
    ];
    for (http, auth, expected) in rows {
        let more = format!("auth: {auth}\naccess: {{rules: [{{callers: everyone, actions: pull}}]}}");
        let sections = Sections { http, more: &more, ..Sections::default() };
        let config = crate::running::write_config(folder.path(), "addr: '127.0.0.1:0'", sections);
        let said = run_to_failure(&mut registry(&config)).said();
        assert!(said.contains(expected), "{said}");
    }
}
