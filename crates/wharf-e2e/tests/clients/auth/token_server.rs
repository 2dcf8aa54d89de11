//! Another token server: a double that follows the token specification and signs with a key of its own.
//!
//! It knows one user, `ci` with the password `secret`, who gets whatever is asked for; others get nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use wharf_testkit::credentials::{Claims, Signer, basic};

/// Listens for as long as the tests run.
#[derive(Debug)]
pub(super) struct TokenServer {
    signer: Arc<Signer>,
    port: u16,
}

impl TokenServer {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        let port = listener.local_addr().expect("it listens").port();
        let signer = Arc::new(Signer::new("theirs"));
        let signing = Arc::clone(&signer);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away is its own affair.
                let _ = answer(&stream, &signing);
            }
        });
        Self { signer, port }
    }

    /// By name: clients refuse to be sent to a private address.
    pub(super) fn realm(&self) -> String {
        format!("http://localhost:{}/token", self.port)
    }

    pub(super) fn jwks(&self) -> String {
        Signer::jwks([&*self.signer])
    }
}

fn answer(stream: &TcpStream, signer: &Signer) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
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
    reader.take(length).read_to_end(&mut Vec::new())?;
    let (status, body) = match line.strip_prefix("GET ") {
        Some(rest) => token(rest.split(' ').next().unwrap_or_default(), authorization.as_deref(), signer),
        None => ("405 Method Not Allowed", json!({})),
    };
    let body = body.to_string();
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}");
    let mut stream = stream;
    stream.write_all(format!("{head}\r\nConnection: close\r\n\r\n{body}").as_bytes())
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
