//! Another token server: a double that follows the token specification and signs with a key of its own.
//!
//! It knows one user, `ci` with the password `secret`, who gets whatever is asked for; others get nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use wharf_testkit::credentials::{Claims, Signer, basic};
use wharf_testkit::tls::Pair;

/// Listens for as long as the tests run.
#[derive(Debug)]
pub(super) struct TokenServer {
    signer: Arc<Signer>,
    port: u16,
}

impl TokenServer {
    /// Clients that have come by TLS go on to nothing less.
    pub(super) fn start(pair: &Pair) -> Self {
        let tls = tls(pair);
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        let port = listener.local_addr().expect("it listens").port();
        let signer = Arc::new(Signer::new("theirs"));
        let signing = Arc::clone(&signer);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = ServerConnection::new(Arc::clone(&tls)).expect("TLS can begin");
                // A client that goes away is its own affair.
                let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
                let _ = answer(StreamOwned::new(connection, stream), &signing);
            }
        });
        Self { signer, port }
    }

    pub(super) fn realm(&self) -> String {
        format!("https://127.0.0.1:{}/token", self.port)
    }

    pub(super) fn jwks(&self) -> String {
        Signer::jwks([&*self.signer])
    }
}

fn tls(pair: &Pair) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("a key");
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_no_client_auth();
    Arc::new(config.with_single_cert(vec![certificate], key).expect("a certificate with its key"))
}

fn answer(stream: StreamOwned<ServerConnection, TcpStream>, signer: &Signer) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut authorization, mut length) = (String::new(), None, 0);
    reader.read_line(&mut line)?;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => authorization = Some(value.to_owned()),
            "content-length" => length = value.parse().unwrap_or(0),
            _ => {}
        }
    }
    reader.by_ref().take(length).read_to_end(&mut Vec::new())?;
    let (status, body) = match line.strip_prefix("GET ") {
        Some(rest) => token(rest.split(' ').next().unwrap_or_default(), authorization.as_deref(), signer),
        None => ("405 Method Not Allowed", json!({})),
    };
    let body = body.to_string();
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}");
    let mut stream = reader.into_inner();
    stream.write_all(format!("{head}\r\nConnection: close\r\n\r\n{body}").as_bytes())?;
    stream.conn.send_close_notify();
    stream.flush()
}

fn token(target: &str, authorization: Option<&str>, signer: &Signer) -> (&'static str, Value) {
    let subject = match authorization {
        None => "",
        Some(header) if header == basic("ci", "secret") => "ci",
        Some(_) => return ("401 Unauthorized", json!({ "details": "wrong name or password" })),
    };
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let decoded = query.replace("%3A", ":").replace("%2F", "/").replace("%2C", ",").replace('+', " ");
    let scopes = decoded.replace("%20", " ");
    let scopes =
        scopes.split('&').filter_map(|pair| pair.strip_prefix("scope=")).flat_map(str::split_whitespace);
    let access: Vec<Value> = scopes
        .filter(|_| subject == "ci")
        .filter_map(|scope| {
            let (kind, rest) = scope.split_once(':')?;
            let (name, actions) = rest.rsplit_once(':')?;
            let actions: Vec<&str> = actions.split(',').collect();
            Some(json!({ "type": kind, "name": name, "actions": actions }))
        })
        .collect();
    let claims = Claims {
        issuer: "them".to_owned(),
        audience: "theirs".to_owned(),
        access: Some(Value::from(access)),
        lifetime: Duration::from_secs(300),
    };
    ("200 OK", json!({ "token": signer.token(subject, &claims), "expires_in": 300 }))
}
