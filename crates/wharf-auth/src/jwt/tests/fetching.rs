//! Keys that are somewhere else, which may be slow, wrong, or not there.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// A source in the hands of a test.
#[derive(Debug, Default)]
struct Shelf {
    /// What is there; `None` if it is not to be had.
    document: Mutex<Option<String>>,
    asked: AtomicUsize,
}

impl Shelf {
    fn put(&self, document: Option<String>) {
        *self.document.lock().unwrap() = document;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl JwksSource for Shelf {
    async fn fetch(&self) -> Result<Vec<u8>, FetchError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        let document = self.document.lock().unwrap().clone();
        document
            .map(String::into_bytes)
            .ok_or(FetchError::Timeout { url: "https://example.com/keys".to_owned() })
    }
}

struct Scene {
    shelf: Arc<Shelf>,
    clock: ManualClock,
    verifier: TokenVerifier,
    old: Issuer,
    new: Issuer,
}

impl Scene {
    fn new() -> Self {
        let (shelf, clock) = (Arc::new(Shelf::default()), ManualClock::new());
        let source = Arc::clone(&shelf);
        let trusted = TrustedKeys::fetched(source, RefreshOptions::default(), Arc::new(clock.clone()));
        let verifier = verifier(vec![trusted], &clock);
        Self { shelf, clock, verifier, old: Issuer::p256(), new: Issuer::p256() }
    }

    /// A token nobody has seen before.
    fn token(&self, issuer: &Issuer) -> String {
        static SERIAL: AtomicUsize = AtomicUsize::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        issuer.token(&claims_but(&self.clock, "jti", json!(serial)))
    }

    async fn verify(&self, issuer: &Issuer) -> Result<Arc<crate::Token>, TokenError> {
        self.verifier.verify(&self.token(issuer)).await
    }

    fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

macro_rules! assert_error {
    ($outcome:expr, $error:pat) => {
        let outcome = $outcome;
        assert!(matches!(outcome, Err($error)), "{outcome:?}");
    };
}

#[tokio::test]
async fn keys_are_fetched_when_the_first_token_comes_and_again_when_they_are_old() {
    let scene = Scene::new();
    scene.shelf.put(Some(jwks(&[(&scene.old, "old")])));
    assert_eq!(scene.shelf.asked(), 0);
    for _ in 0..5 {
        scene.verify(&scene.old).await.unwrap();
    }
    assert_eq!(scene.shelf.asked(), 1);
    scene.wait(15 * 60);
    scene.verify(&scene.old).await.unwrap();
    scene.verify(&scene.old).await.unwrap();
    assert_eq!(scene.shelf.asked(), 2);
}

#[tokio::test]
async fn a_token_with_a_new_key_has_the_keys_fetched_but_not_too_often() {
    let scene = Scene::new();
    scene.shelf.put(Some(jwks(&[(&scene.old, "old")])));
    scene.verify(&scene.old).await.unwrap();
    scene.shelf.put(Some(jwks(&[(&scene.old, "old"), (&scene.new, "new")])));
    assert_error!(scene.verify(&scene.new).await, TokenError::UnknownKey);
    assert_eq!(scene.shelf.asked(), 1);

    scene.wait(10);
    scene.verify(&scene.new).await.unwrap();
    assert_eq!(scene.shelf.asked(), 2);
    let stranger = Issuer::p256();
    for _ in 0..20 {
        assert_error!(scene.verify(&stranger).await, TokenError::UnknownKey);
    }
    assert_eq!(scene.shelf.asked(), 2);
}

#[tokio::test]
async fn keys_that_cannot_be_had_are_not_keys_that_are_not_there() {
    let scene = Scene::new();
    assert_error!(scene.verify(&scene.old).await, TokenError::KeysUnavailable(FetchError::Timeout { .. }));
    assert_error!(scene.verify(&scene.old).await, TokenError::KeysUnavailable(_));
    assert_eq!(scene.shelf.asked(), 1, "it is not asked again at once");

    scene.shelf.put(Some(jwks(&[(&scene.old, "old")])));
    scene.wait(10);
    scene.verify(&scene.old).await.unwrap();
}

#[tokio::test]
async fn what_is_known_stays_in_force_while_nothing_can_be_fetched() {
    let scene = Scene::new();
    scene.shelf.put(Some(jwks(&[(&scene.old, "old")])));
    scene.verify(&scene.old).await.unwrap();

    for document in [None, Some("<html>".to_owned()), Some("{\"keys\":[]}".to_owned())] {
        scene.shelf.put(document);
        scene.wait(15 * 60);
        scene.verify(&scene.old).await.unwrap();
        assert_error!(scene.verify(&scene.new).await, TokenError::KeysUnavailable(_));
    }
    scene.shelf.put(Some(jwks(&[(&scene.new, "new")])));
    scene.wait(10);
    scene.verify(&scene.new).await.unwrap();
    assert_error!(scene.verify(&scene.old).await, TokenError::UnknownKey);
}

#[tokio::test]
async fn a_remembered_token_is_looked_at_again_when_the_keys_have_changed() {
    let scene = Scene::new();
    scene.shelf.put(Some(jwks(&[(&scene.old, "old")])));
    let token = scene.old.token(&claims_but(&scene.clock, "exp", json!(seconds(&scene.clock) + 100_000)));
    let first = scene.verifier.verify(&token).await.unwrap();
    scene.wait(15 * 60);
    let again = scene.verifier.verify(&token).await.unwrap();
    assert!(Arc::ptr_eq(&first, &again), "the same document is the same keys");

    scene.shelf.put(Some(jwks(&[(&scene.new, "new")])));
    scene.wait(15 * 60);
    assert_error!(scene.verifier.verify(&token).await, TokenError::UnknownKey);
}

#[tokio::test]
async fn many_tokens_at_once_have_the_keys_fetched_once() {
    let scene = Scene::new();
    scene.shelf.put(Some(jwks(&[(&scene.old, "old")])));
    let outcomes = join_all((0..50).map(|_| scene.verify(&scene.old))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(scene.shelf.asked(), 1);
}

#[tokio::test]
async fn a_secret_that_everybody_can_fetch_is_none() {
    let scene = Scene::new();
    let secret = Issuer::with(Algorithm::Hs256);
    scene.shelf.put(Some(jwks(&[(&secret, "secret"), (&scene.old, "old")])));
    assert_error!(scene.verify(&secret).await, TokenError::UnknownKey);
    scene.verify(&scene.old).await.unwrap();
}

/// Answers one request with these bytes.
async fn answer(bytes: Vec<u8>) -> (String, impl Future<Output = String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys?v=1", listener.local_addr().unwrap());
    let served = async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4_096];
        let length = stream.read(&mut request).await.unwrap();
        // A client that has heard enough hangs up.
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        String::from_utf8(request[..length].to_vec()).unwrap()
    };
    (url, served)
}

async fn fetch(bytes: Vec<u8>) -> (Result<Vec<u8>, FetchError>, String) {
    let (url, served) = answer(bytes).await;
    let source = HttpJwks::new(&url).await.unwrap();
    tokio::join!(source.fetch(), served)
}

#[tokio::test]
async fn a_document_is_fetched_from_a_url() {
    let (document, request) =
        fetch(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"keys\":[]}".to_vec()).await;
    assert_eq!(document.unwrap(), b"{\"keys\":[]}");
    assert!(request.starts_with("GET /keys?v=1 HTTP/1.1\r\n"), "{request}");
    assert!(request.to_lowercase().contains("\r\nhost: 127.0.0.1:"), "{request}");
}

#[tokio::test]
async fn an_answer_that_is_no_document_is_an_error_of_its_kind() {
    let (outcome, _) =
        fetch(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
    assert_error!(outcome, FetchError::Status { status: 302, .. });
    let (outcome, _) = fetch(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"keys".to_vec()).await;
    assert_error!(outcome, FetchError::Transport { .. });
    let (outcome, _) = fetch(b"SSH-2.0-OpenSSH\r\n".to_vec()).await;
    assert_error!(outcome, FetchError::Transport { .. });
    let endless = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b' '; 3 << 20]].concat();
    let (outcome, _) = fetch(endless).await;
    assert_error!(outcome, FetchError::TooLarge { .. });
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let source = HttpJwks::new(&format!("http://{}/keys", listener.local_addr().unwrap())).await.unwrap();
    assert_error!(source.fetch().await, FetchError::Timeout { .. });
}

#[tokio::test]
async fn what_is_no_url_to_fetch_from_is_said_at_the_start() {
    for url in ["", "keys.json", "/etc/keys.json", "ftp://example.com/keys", "https:///keys", "https://"] {
        assert_error!(HttpJwks::new(url).await, FetchError::Url { .. });
    }
}
