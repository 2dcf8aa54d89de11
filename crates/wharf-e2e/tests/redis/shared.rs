//! Several registries on one tree that share one Redis; what is kept there; who is let in.

use wharf_core::BlobSizes as _;
use wharf_oci::Digest;
use wharf_server::config::RedisTls;
use wharf_store::Grace;
use wharf_testkit::push;
use wharf_testkit::tls::Authority;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_size_that_one_has_looked_up_another_does_not_look_for() {
    let (redis, tree) = (Redis::start(), tempfile::tempdir().unwrap());
    let (one, other) = (sizes(&config(redis.port())), sizes(&config(redis.port())));
    until_used(&one, &redis).await;
    until_used(&other, &redis).await;
    let ((one, _), (other, faults)) = (registry(tree.path(), one).await, registry(tree.path(), other).await);
    let blob = Blob::random(1, 1000);
    push::blob(&one, "acme/app", &blob).await;
    let target = format!("/v2/acme/app/blobs/{}", blob.digest);
    let first = one.head(&target).send().await.expect(200);
    let before = looks(&faults);

    let second = other.head(&target).send().await.expect(200);

    assert_eq!(looks(&faults), before, "it looked for itself");
    assert_eq!(second.required("Content-Length"), "1000");
    assert_eq!(first.required("Docker-Content-Digest"), second.required("Docker-Content-Digest"));

    let _ = one.delete(&target).send().await.expect(202);
    let _ = other.head(&target).send().await.expect(404);
    let _ = other.get(&target).send().await.expect(404);
    let _ = other.get(&target).header("Range", "bytes=0-1").send().await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_is_a_size_under_a_key_of_our_own_and_has_an_end() {
    let redis = Redis::start();
    let sizes = sizes(&config(redis.port()));
    until_used(&sizes, &redis).await;
    redis.say(&["FLUSHALL"]);
    let digest = Digest::of(b"layer");

    sizes.keep(&digest, 5).await;

    assert_eq!(redis.say(&["KEYS", "*"]), format!("wharf:blob:{digest}"));
    assert_eq!(redis.say(&["GET", &format!("wharf:blob:{digest}")]), "5");
    let left: u64 = redis.say(&["TTL", &format!("wharf:blob:{digest}")]).parse().unwrap();
    assert!((1..=Grace::default().size_lifetime().as_secs()).contains(&left), "{left} s left");
    sizes.forget(&digest).await;
    assert_eq!(redis.say(&["DBSIZE"]), "0");

    // What somebody else has put there is not believed, and is no outage either.
    redis.say(&["SET", &format!("wharf:blob:{digest}"), "many"]);
    assert_eq!(sizes.get(&digest).await, None);
    redis.say(&["DEL", &format!("wharf:blob:{digest}")]);
    redis.say(&["LPUSH", &format!("wharf:blob:{digest}"), "5"]);
    assert_eq!(sizes.get(&digest).await, None);
    sizes.keep(&digest, 5).await;
    assert_eq!(sizes.get(&digest).await, Some(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_full_is_asked_and_not_given_anything() {
    let redis = Redis::start();
    let sizes = sizes(&config(redis.port()));
    until_used(&sizes, &redis).await;
    let (kept, refused) = (Digest::of(b"kept"), Digest::of(b"refused"));
    sizes.keep(&kept, 4).await;
    redis.say(&["CONFIG", "SET", "maxmemory", "1"]);
    sizes.keep(&refused, 7).await;
    assert_eq!((sizes.get(&kept).await, sizes.get(&refused).await), (Some(4), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_and_a_database_are_used() {
    let redis = Redis::start_with(&["--requirepass", "hunter2"]);
    let right = RedisConfig { password: Some("hunter2".into()), db: 3, ..config(redis.port()) };
    let sizes = sizes(&right);
    until_used(&sizes, &redis).await;
    let keys = redis.say(&["--no-auth-warning", "-a", "hunter2", "-n", "3", "DBSIZE"]);
    assert_eq!(keys, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_with_tls_shows_its_certificate_and_looks_at_the_other() {
    let (authority, stranger) = (Authority::new("Acme"), Authority::new("Stranger"));
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        #[expect(clippy::disallowed_methods, reason = "a file for another program")]
        std::fs::write(&path, text).unwrap();
        path
    };
    let (ours, theirs) = (authority.client("Acme", "registry"), authority.server("localhost"));
    let (certificate, key) = (file("theirs.pem", &theirs.certificate), file("theirs.key", &theirs.key));
    let roots = file("roots.pem", authority.pem());
    let path = |path: &std::path::PathBuf| path.to_str().unwrap().to_owned();
    let redis = Redis::start_with(&[
        "--tls-cert-file",
        &path(&certificate),
        "--tls-key-file",
        &path(&key),
        "--tls-ca-cert-file",
        &path(&roots),
    ]);
    let client = Some((file("ours.pem", &ours.certificate), file("ours.key", &ours.key)));
    let with_roots = |roots| RedisConfig {
        tls: Some(RedisTls { client: client.clone(), roots: vec![roots] }),
        ..config(redis.port())
    };
    until_used(&sizes(&with_roots(roots.clone())), &redis).await;

    let another_signer = with_roots(file("strangers.pem", stranger.pem()));
    let address = RedisAddress::Tcp { host: "localhost".to_owned(), port: redis.port() };
    let another_name = RedisConfig { address, ..with_roots(roots) };
    for wrong in [another_signer, another_name] {
        let wrong = sizes(&wrong);
        for _ in 0..20 {
            wrong.keep(&Digest::of(b"secret"), 6).await;
            redis.pause().await;
        }
        assert_eq!(wrong.get(&Digest::of(b"secret")).await, None, "a stranger was believed");
    }
}
