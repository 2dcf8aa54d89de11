//! The client against servers that say one thing.

use tokio::net::TcpListener;

use super::*;

/// A request to a server that is known only when the test runs.
type Ask = fn(Server) -> Request;

/// What the client makes of an answer, and what it sent, to a server that reads a whole request and hangs up.
async fn exchange(
    answer: &'static [u8],
    request: impl FnOnce(Server) -> Request,
) -> (String, io::Result<Response>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server::at(listener.local_addr().unwrap());
    let request = request(server);
    let expected = request.head_bytes().len() + request.body_bytes().len();
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut received = vec![0; expected];
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut received).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await.unwrap();
        String::from_utf8(received).unwrap().replace(&server.address().to_string(), "<host>")
    };
    tokio::join!(serve, request.try_send())
}

#[tokio::test]
async fn what_is_sent_is_what_was_said() {
    let rows: [(Ask, &str); 5] = [
        (|server| server.get("/a?b"), "GET /a?b HTTP/1.1\r\nHost: <host>\r\n\r\n"),
        (
            |server| server.post("/").header("x-A", "1").header("x-A", "2").body(""),
            "POST / HTTP/1.1\r\nHost: <host>\r\nx-A: 1\r\nx-A: 2\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            |server| server.put("/").body("abc"),
            "PUT / HTTP/1.1\r\nHost: <host>\r\nContent-Length: 3\r\n\r\nabc",
        ),
        (
            |server| server.patch("/").chunks(["abc", "", "0123456789abcdef"]),
            "PATCH / HTTP/1.1\r\nHost: <host>\r\nTransfer-Encoding: chunked\r\n\r\n\
             3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n",
        ),
        (
            |server| server.put("/").header("host", "h").header("content-length", "3").body("abc"),
            "PUT / HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\nabc",
        ),
    ];
    for (request, expected) in rows {
        let (sent, response) = exchange(b"HTTP/1.1 204 No Content\r\n\r\n", request).await;
        assert_eq!(sent, expected);
        assert_eq!(response.unwrap().status, 204);
    }
}

#[tokio::test]
async fn what_is_shown_is_what_came() {
    let rows: [(&'static [u8], &str); 4] = [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef", "abc"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
            "abc0123456789",
        ),
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", "to the end"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", ""),
    ];
    for (answer, body) in rows {
        let (_, response) = exchange(answer, |server| server.get("/")).await;
        assert_eq!(response.unwrap().text(), body);
    }
    let answer = b"HTTP/1.1 404 Not Here\r\nB:  2 \r\na: 1\r\nb: 3\r\nContent-Length: 9\r\n\r\n";
    let (_, response) = exchange(answer, |server| server.head("/")).await;
    let response = response.unwrap();
    assert_eq!((response.status, response.reason.as_str()), (404, "Not Here"));
    assert_eq!(response.values("B"), ["2", "3"]);
    assert_eq!(response.headers[0], ("B".to_owned(), "2".to_owned()));
    assert!(response.body.is_empty());
}

#[tokio::test]
async fn an_answer_that_is_cut_short_is_an_error() {
    for answer in [
        b"".as_slice(),
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
        b"nonsense\r\n\r\n",
    ] {
        let (_, response) = exchange(answer, |server| server.get("/")).await;
        assert!(response.is_err(), "{response:?}");
    }
}
