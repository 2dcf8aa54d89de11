//! Bytes that no well-meaning client sends, and all that comes back until the connection is closed.

use wharf_oci::ErrorCode;
use wharf_testkit::deadline::within;
use wharf_testkit::wire::{Response, Server};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::row::codes;
use super::wire_rows;
use super::world::{Place, World};

/// Bytes, and what is answered to them.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    pub(super) what: &'static str,
    pub(super) bytes: Vec<u8>,
    pub(super) answers: Vec<Answer>,
    pub(super) end: End,
}

/// One answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// All is well.
    Fine(u16),
    /// Ours: an error in the spec's form.
    Refused(u16, ErrorCode),
    /// The HTTP library's, before anything of ours has seen the request: a status and nothing else.
    Bare(u16),
}

/// What follows the bytes, and how the connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Another request follows and is answered.
    Goes,
    /// Another request follows and is not read: the connection is closed before.
    Closes,
    /// Nothing follows: the client has no more to say and waits.
    HangsUp,
}

/// What follows the bytes of an exchange: it closes the connection if it is understood for what it is.
const NEXT: &[u8] = b"GET / HTTP/1.1\r\nHost: next\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn nothing_is_fooled_by_bytes_on_a_connection() {
    let world = World::start(Place::Usual).await;
    let mut wrong = Vec::new();
    for exchange in wire_rows::exchanges() {
        let upload = world.upload().await;
        let before = world.listing();
        if let Err(problem) = exchange.check(&world, upload.rsplit_once('/').unwrap().1).await {
            wrong.push(format!("{}: {problem}", exchange.what));
        }
        if before != world.listing() {
            wrong.push(format!("{}: the store changed", exchange.what));
        }
        let latest = world.asked.get("/v2/a/manifests/latest").send().await.expect(200);
        assert!(latest.body == world.image(), "{}", exchange.what);
    }
    assert!(wrong.is_empty(), "{} rows went wrong:\n{}", wrong.len(), wrong.join("\n"));
}

// === impl Exchange ===

impl Exchange {
    async fn check(&self, world: &World, upload: &str) -> Result<(), String> {
        let bytes = match std::str::from_utf8(&self.bytes) {
            Ok(text) => world.fill(text, upload).into_bytes(),
            Err(_) => self.bytes.clone(),
        };
        let came = talk(&world.asked, bytes, self.end).await;
        let shown = String::from_utf8_lossy(&came).chars().take(2000).collect::<String>();
        let found = answers(&came).map_err(|problem| format!("{problem} in {shown:?}"))?;
        let mut expected = self.answers.clone();
        if self.end == End::Goes {
            expected.push(Answer::Fine(200));
        }
        if found != expected {
            return Err(format!("answered {found:?}, not {expected:?}"));
        }
        Ok(())
    }
}

/// Sends bytes while it reads, to the end of the connection. A server that has its answer ready need not read on.
async fn talk(server: &Server, mut bytes: Vec<u8>, end: End) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address()).await.expect("a connection");
    let (mut reader, mut writer) = stream.split();
    let mut came = Vec::new();
    let write = async {
        if end != End::HangsUp {
            bytes.extend_from_slice(NEXT);
        }
        // A reset says no more than that the server has closed.
        let _ = writer.write_all(&bytes).await;
        if end == End::HangsUp {
            let _ = writer.shutdown().await;
        }
    };
    let read = async {
        let _ = reader.read_to_end(&mut came).await;
    };
    within("the server to close the connection", async { tokio::join!(write, read) }).await;
    came
}

/// The answers on a connection, one after the other, with nothing between them and nothing left.
fn answers(mut bytes: &[u8]) -> Result<Vec<Answer>, String> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").ok_or("no end of a head")?;
        let head = std::str::from_utf8(&bytes[..end]).map_err(|error| error.to_string())?;
        let mut response = parse_head(head).ok_or("no head of an answer")?;
        bytes = &bytes[end + 4..];
        if response.status < 200 {
            continue;
        }
        let length = match response.header("Content-Length") {
            Some(length) => length.parse::<usize>().map_err(|error| error.to_string())?,
            None if [204, 304].contains(&response.status) => 0,
            None => return Err("an answer without a length".to_owned()),
        };
        let (body, rest) = bytes.split_at_checked(length).ok_or("a body that is cut off")?;
        response.body = body.to_vec().into();
        bytes = rest;
        answers.push(Answer::of(&response)?);
    }
    Ok(answers)
}

fn parse_head(text: &str) -> Option<Response> {
    let mut lines = text.split("\r\n");
    let rest = lines.next()?.strip_prefix("HTTP/1.")?;
    let mut words = rest.splitn(3, ' ').skip(1);
    let (status, reason) = (words.next()?.parse().ok()?, words.next().unwrap_or_default().to_owned());
    let headers =
        lines.map(|line| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned())));
    Some(Response { status, reason, headers: headers.collect::<Option<_>>()?, body: Default::default() })
}

// === impl Answer ===

impl Answer {
    fn of(response: &Response) -> Result<Self, String> {
        if response.status < 400 {
            return Ok(Self::Fine(response.status));
        }
        if response.body.is_empty() {
            return Ok(Self::Bare(response.status));
        }
        let codes = codes(response)?;
        Ok(Self::Refused(response.status, codes[0]))
    }
}
