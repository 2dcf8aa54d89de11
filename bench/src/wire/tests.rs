//! Answers of every shape, from a server that is a thread with a script.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::setup::{Secrets, Setup};

/// A server that reads a request's head and then writes `answers`, piece by piece, each a packet if it can be.
fn server(answers: &'static [&'static [u8]]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        let mut request = [0; 4096];
        for answer in answers {
            let read = stream.read(&mut request).unwrap();
            assert!(request[..read].ends_with(b"\r\n\r\n"), "{}", String::from_utf8_lossy(&request[..read]));
            for piece in answer.chunks(7) {
                stream.write_all(piece).unwrap();
            }
        }
    });
    address
}

#[test]
fn answers_follow_each_other_on_one_connection() {
    let address = server(&[
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4096\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nLocation: http://example.com/v2/?a=b\r\n\r\n",
    ]);
    let mut connection = Connection::open(address).unwrap();
    let mut body = Vec::new();
    let get = Request::get("/", &[("Accept", "*/*")]);

    let first = connection.exchange_into(&get, &mut |part| body.extend_from_slice(part)).unwrap();
    assert_eq!((first.status, first.body_bytes, body.as_slice()), (200, 5, b"hello".as_slice()));
    assert_eq!(connection.exchange(&get).unwrap().body_bytes, 7);
    assert_eq!(connection.exchange(&Request::head("/")).unwrap().body_bytes, 0);
    let last = connection.exchange(&get).unwrap();
    assert_eq!(last.location.as_deref(), Some("http://example.com/v2/?a=b"));
    assert!(last.expect(201).is_err());
}

#[test]
fn an_answer_cut_short_is_an_error() {
    let address = server(&[b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"]);
    let mut connection = Connection::open(address).unwrap();

    assert!(connection.exchange(&Request::get("/", &[])).is_err());
}

/// A server with TLS and the certificate of `secrets`, which answers one request.
fn server_with_tls(secrets: &Secrets) -> SocketAddr {
    let certificate = CertificateDer::from_pem_file(&secrets.certificate).unwrap();
    let key = PrivateKeyDer::from_pem_file(&secrets.key).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), stream);
        // It fails for a client that does not trust us, which is told by the client.
        if stream.read(&mut [0; 4096]).is_ok() {
            let body = vec![b'x'; 100_000];
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).unwrap();
            stream.write_all(&body).unwrap();
        }
    });
    address
}

#[test]
fn an_answer_of_many_records_comes_through_tls() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = Secrets::make(folder.path()).unwrap();
    let endpoint = secrets.http1(Setup::Tls, server_with_tls(&secrets));
    let mut connection = Connection::open(&endpoint).unwrap();
    let mut body = Vec::new();

    let answer = connection.exchange_into(&Request::get("/", &[]), &mut |part| body.extend_from_slice(part));

    assert_eq!(answer.unwrap().body_bytes, 100_000);
    assert!(body.len() == 100_000 && body.iter().all(|byte| *byte == b'x'));
}

#[test]
fn the_certificate_of_another_run_is_not_believed() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [ours, theirs] = folders.each_ref().map(|folder| Secrets::make(folder.path()).unwrap());

    let error = Connection::open(ours.http1(Setup::Tls, server_with_tls(&theirs))).unwrap_err();

    assert!(format!("{error:#}").contains("certificate"), "{error:#}");
}
