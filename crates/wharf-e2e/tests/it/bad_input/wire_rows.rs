//! Requests byte by byte. Where one asks two readers to see two different things, the second of them would delete the
//! image that must stay.
//!
//! What the HTTP library refuses itself, before anything of ours sees it, has a status and no body: those are `Bare`.

use wharf_oci::ErrorCode as E;

use super::wire::{Answer, Answer::*, End, End::*, Exchange};

/// What must never be taken for a request.
const HIDDEN: &str = "DELETE /v2/a/manifests/latest HTTP/1.1\r\nHost: x\r\n\r\n";

/// The beginning of a request whose body nobody wants.
const NOWHERE: &str = "PATCH /v2/a/blobs/uploads/no-such-id HTTP/1.1\r\nHost: x\r\n";

pub(super) fn exchanges() -> Vec<Exchange> {
    [bodies(), lengths(), encodings(), chunks(), heads(), floods(), versions(), targets(), hang_ups()]
        .concat()
}

fn row(what: &'static str, text: impl Into<Vec<u8>>, answers: &[Answer], end: End) -> Exchange {
    Exchange { what, bytes: text.into(), answers: answers.to_vec(), end }
}

/// A request for an upload that is nowhere, with these header lines and this body.
fn nowhere(what: &'static str, headers: &str, body: &str, answers: &[Answer], end: End) -> Exchange {
    row(what, format!("{NOWHERE}{headers}\r\n{body}"), answers, end)
}

const UNKNOWN: Answer = Refused(404, E::BlobUploadUnknown);

const NAME: Answer = Refused(400, E::NameInvalid);

const HOST: Answer = Refused(400, E::Unsupported);

const SHORT: Answer = Refused(400, E::SizeInvalid);

/// Bodies that nobody asked for are not taken for requests.
fn bodies() -> Vec<Exchange> {
    let with = |what, line: &str, answers: &[Answer]| {
        let length = HIDDEN.len();
        row(what, format!("{line}\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{HIDDEN}"), answers, Goes)
    };
    let large = "x".repeat(3 * 1024 * 1024);
    vec![
        with("a body of a GET", "GET /v2/ HTTP/1.1", &[Fine(200)]),
        with("a body of a redirect", "GET /v2 HTTP/1.1", &[Fine(301)]),
        with("a body of an OPTIONS", "OPTIONS /v2/_catalog HTTP/1.1", &[Fine(200)]),
        with("a body of a GET that is refused", "GET /v2/A/tags/list HTTP/1.1", &[NAME]),
        with("a body of a DELETE", "DELETE /v2/a/blobs/uploads/no-such-id HTTP/1.1", &[UNKNOWN]),
        nowhere(
            "a body too long to be passed over",
            &format!("Content-Length: {}\r\n", large.len()),
            &large,
            &[UNKNOWN],
            Closes,
        ),
    ]
}

fn lengths() -> Vec<Exchange> {
    let hidden = |what, headers: &str, answers: &[Answer], end| nowhere(what, headers, HIDDEN, answers, end);
    let length = HIDDEN.len();
    vec![
        hidden("a length", &format!("Content-Length: {length}\r\n"), &[UNKNOWN], Goes),
        hidden(
            "the same length twice",
            &format!("Content-Length: {length}\r\nContent-Length: {length}\r\n"),
            &[UNKNOWN],
            Goes,
        ),
        hidden(
            "two different lengths",
            &format!("Content-Length: 0\r\nContent-Length: {length}\r\n"),
            &[Bare(400)],
            Closes,
        ),
        hidden(
            "two different lengths the other way",
            &format!("Content-Length: {length}\r\nContent-Length: 0\r\n"),
            &[Bare(400)],
            Closes,
        ),
        hidden("two lengths in a line", &format!("Content-Length: 0, {length}\r\n"), &[Bare(400)], Closes),
        hidden("a length with a sign", "Content-Length: +0\r\n", &[Bare(400)], Closes),
        hidden("a length below nothing", "Content-Length: -1\r\n", &[Bare(400)], Closes),
        hidden("a length in hexadecimal", "Content-Length: 0x0\r\n", &[Bare(400)], Closes),
        hidden("a length in words", "Content-Length: none\r\n", &[Bare(400)], Closes),
        hidden("an empty length", "Content-Length: \r\n", &[Bare(400)], Closes),
        hidden("a length beyond 64 bits", "Content-Length: 18446744073709551616\r\n", &[Bare(400)], Closes),
        hidden("a broken length", "Content-Length: 0.0\r\n", &[Bare(400)], Closes),
    ]
}

fn encodings() -> Vec<Exchange> {
    let body = format!("0\r\n\r\n{HIDDEN}");
    let with = |what, headers: &str| nowhere(what, headers, &body, &[Bare(400)], Closes);
    let both = |what, headers: &str| nowhere(what, headers, &body, &[UNKNOWN], Closes);
    vec![
        with("chunked, then identity", "Transfer-Encoding: chunked, identity\r\n"),
        with("chunked, then another line", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
        with("another encoding", "Transfer-Encoding: gzip\r\n"),
        with("identity alone", "Transfer-Encoding: identity\r\n"),
        with("a word that begins so", "Transfer-Encoding: chunkedx\r\n"),
        with("an empty encoding", "Transfer-Encoding: \r\n"),
        with("a control before the word", "Transfer-Encoding: \x0bchunked\r\n"),
        with("a space before the colon", "Transfer-Encoding : chunked\r\n"),
        with("the next line", "Transfer-Encoding:\r\n chunked\r\n"),
        // The encoding counts, and the connection ends there (RFC 9112, section 6.1).
        both("an encoding and a length", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
        both("a length and an encoding", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
    ]
}

fn chunks() -> Vec<Exchange> {
    let with = |what, body: &str, answers: &[Answer], end| {
        nowhere(what, "Transfer-Encoding: chunked\r\n", body, answers, end)
    };
    let broken = |what, body: &str| with(what, &format!("{body}{HIDDEN}"), &[UNKNOWN], Closes);
    vec![
        with("chunks", "5\r\nhello\r\n0\r\n\r\n", &[UNKNOWN], Goes),
        with("a chunk with an extension", "5;x=y\r\nhello\r\n0\r\n\r\n", &[UNKNOWN], Goes),
        with("a trailer", "0\r\nContent-Length: 5\r\n\r\n", &[UNKNOWN], Goes),
        broken("a length beyond 64 bits", "10000000000000000\r\n\r\n"),
        broken("a length that wraps to nothing", "100000000000000000\r\n\r\n0\r\n\r\n"),
        broken("a chunk longer than it says", "1\r\nhello\r\n0\r\n\r\n"),
        broken("a length that is none", "g\r\n\r\n0\r\n\r\n"),
        broken("a line feed in an extension", "0;x\ny\r\n\r\n"),
        broken("bare line feeds", "0\n\n"),
    ]
}

fn heads() -> Vec<Exchange> {
    let get = |what, headers: &str, answers: &[Answer], end| {
        row(what, format!("GET /v2/ HTTP/1.1\r\n{headers}\r\n"), answers, end)
    };
    let bad = |what, headers: &str| get(what, headers, &[Bare(400)], Closes);
    vec![
        bad("a folded line", "Host: x\r\nX-A: b\r\n c\r\n"),
        bad("a fold at the beginning", " Host: x\r\n"),
        bad("a space before a colon", "Host : x\r\n"),
        bad("a line without a colon", "Host: x\r\nnonsense\r\n"),
        bad("a name that is empty", "Host: x\r\n: y\r\n"),
        bad("a nothing in a value", "Host: x\r\nX-A: b\0c\r\n"),
        bad("a carriage return in a value", "Host: x\r\nX-A: b\rc\r\n"),
        bad("a name that is not ASCII", "Host: x\r\nX-\u{e9}: b\r\n"),
        get("no host", "", &[HOST], Closes),
        get("two hosts", "Host: x\r\nHost: y\r\n", &[HOST], Closes),
        get("the same host twice", "Host: x\r\nHost: x\r\n", &[HOST], Closes),
        get("a host that is none", "Host: x/y\r\n", &[HOST], Closes),
        get("a host that is empty", "Host:\r\n", &[Fine(200)], Goes),
        row("two hosts in HTTP/1.0", "GET /v2/ HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n", &[HOST], Closes),
        row("a token without a host", "GET /token HTTP/1.1\r\n\r\n", &[HOST], Closes),
        row("a whole URL without a host", "GET http://x/v2/ HTTP/1.1\r\n\r\n", &[HOST], Closes),
        get("a value that is not ASCII", "Host: x\r\nAccept: \u{e9}\r\n", &[Fine(200)], Goes),
        get("an expectation that nobody has", "Host: x\r\nExpect: 200-ok\r\n", &[Fine(200)], Goes),
        get(
            "an upgrade that nobody offers",
            "Host: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n",
            &[Fine(200)],
            Goes,
        ),
        row("bare line feeds", "GET /v2/ HTTP/1.1\nHost: x\n\n", &[Fine(200)], Goes),
        row("empty lines before", "\r\n\r\nGET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n", &[Fine(200)], Goes),
        row("nonsense", "nonsense\r\n\r\n", &[Bare(400)], Closes),
        row("another protocol", "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03", &[Bare(400)], Closes),
        row("a byte that is no text", b"GET /v2/\xff HTTP/1.1\r\nHost: x\r\n\r\n", &[Bare(400)], Closes),
    ]
}

fn floods() -> Vec<Exchange> {
    let lines =
        |count: usize| (1..count).map(|n| format!("X-{n}: y\r\n")).collect::<String>() + "Host: x\r\n";
    let get = |what, headers: &str, answers: &[Answer], end| {
        row(what, format!("GET /v2/ HTTP/1.1\r\n{headers}\r\n"), answers, end)
    };
    let long = "x".repeat(1024 * 1024);
    vec![
        get("a hundred lines", &lines(100), &[Fine(200)], Goes),
        get("a hundred and one lines", &lines(101), &[Bare(431)], Closes),
        get("ten thousand lines", &lines(10_000), &[Bare(431)], Closes),
        get("a line of 1 MiB", &format!("Host: x\r\nX: {long}\r\n"), &[Bare(431)], Closes),
        row("a target of 1 MiB", format!("GET /{long} HTTP/1.1\r\n\r\n"), &[Bare(431)], Closes),
        row("a target of 70 KiB", format!("GET /{} HTTP/1.1\r\n\r\n", &long[..70_000]), &[Bare(414)], Closes),
        row("a method of 1 MiB", format!("{long} / HTTP/1.1\r\n\r\n"), &[Bare(431)], Closes),
    ]
}

fn versions() -> Vec<Exchange> {
    let bad = |what, text: &str| row(what, text, &[Bare(400)], Closes);
    vec![
        row("HTTP/1.0", "GET /v2/ HTTP/1.0\r\n\r\n", &[Fine(200)], Closes),
        row(
            "HTTP/1.0, refused",
            "GET /v2/A/tags/list HTTP/1.0\r\n\r\n",
            &[Refused(400, E::NameInvalid)],
            Closes,
        ),
        row(
            "HTTP/1.0, kept alive",
            "GET /v2/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            &[Fine(200)],
            Goes,
        ),
        bad(
            "HTTP/1.0 in chunks",
            &format!(
                "PATCH /v2/a/blobs/uploads/x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}"
            ),
        ),
        bad("HTTP/0.9", "GET /v2/\r\n"),
        bad("HTTP/1.2", "GET /v2/ HTTP/1.2\r\nHost: x\r\n\r\n"),
        // Whoever begins like that would not understand an answer.
        row("HTTP/2.0", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[], Closes),
        bad("HTTP/9.9", "GET /v2/ HTTP/9.9\r\nHost: x\r\n\r\n"),
        bad("http/1.1", "GET /v2/ http/1.1\r\nHost: x\r\n\r\n"),
        bad("no version", "GET /v2/ \r\nHost: x\r\n\r\n"),
    ]
}

fn targets() -> Vec<Exchange> {
    let get = |what, target: &str, answers: &[Answer], end| {
        row(what, format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"), answers, end)
    };
    let bad = |what, target: &str| get(what, target, &[Bare(400)], Closes);
    vec![
        get("a whole URL", "http://elsewhere/v2/", &[Fine(200)], Goes),
        get("a whole URL without a path", "http://elsewhere", &[Fine(200)], Goes),
        get("a whole URL, refused", "http://elsewhere/v2/A/tags/list", &[Refused(400, E::NameInvalid)], Goes),
        get("a way out in a URL", "http://x/v2/../../etc/passwd", &[Refused(404, E::Unsupported)], Goes),
        get("another scheme", "file:///etc/passwd", &[Bare(400)], Closes),
        get("an authority", "elsewhere:443", &[Refused(404, E::Unsupported)], Goes),
        get("a fragment", "/v2/#/a", &[Fine(200)], Goes),
        get("letters that are not ASCII", "/v2/\u{e9}/tags/list", &[Refused(400, E::NameInvalid)], Goes),
        get("a question mark alone", "/v2/?", &[Fine(200)], Goes),
        bad("a space", "/v2/a b/tags/list"),
        bad("a nothing", "/v2/\0"),
        bad("a control", "/v2/\x07"),
        bad("no slash", "v2/"),
        bad("a backslash", "\\v2\\"),
        row("a method with a colon", "GE:T /v2/ HTTP/1.1\r\nHost: x\r\n\r\n", &[Bare(400)], Closes),
        row("no method", " /v2/ HTTP/1.1\r\nHost: x\r\n\r\n", &[Bare(400)], Closes),
    ]
}

/// Clients that stop in the middle, and may still listen. Nothing is kept of what is no upload.
fn hang_ups() -> Vec<Exchange> {
    let manifest = "PUT /v2/a/manifests/latest HTTP/1.1\r\nHost: x\r\n\
                    Content-Type: application/vnd.oci.image.index.v1+json\r\n";
    let whole = "POST /v2/a/blobs/uploads/?digest={none} HTTP/1.1\r\nHost: x\r\n";
    vec![
        row("nothing at all", "", &[], HangsUp),
        row("half a head", "GET /v2/ HTTP/1.1\r\nHos", &[], HangsUp),
        row("half a manifest", format!("{manifest}Content-Length: 100\r\n\r\n{{"), &[SHORT], HangsUp),
        row(
            "half a chunk",
            format!("{manifest}Transfer-Encoding: chunked\r\n\r\n64\r\n{{"),
            &[SHORT],
            HangsUp,
        ),
        row(
            "no last chunk",
            format!("{manifest}Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n"),
            &[SHORT],
            HangsUp,
        ),
        row("half a blob", format!("{whole}Content-Length: 100\r\n\r\nx"), &[SHORT], HangsUp),
        row(
            "half a blob in chunks",
            format!("{whole}Transfer-Encoding: chunked\r\n\r\n64\r\nx"),
            &[SHORT],
            HangsUp,
        ),
    ]
}
