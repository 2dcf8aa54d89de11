//! What is asked for. A new case is an entry in `Case::all`.

use std::io::Write as _;

use anyhow::{Context, Result, ensure};

use crate::client::{Body, Client};
use crate::tree::{REPOSITORY, Tree};

/// What containerd says it takes.
const ACCEPT: &str = "application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json, */*";

/// The digest of no bytes: an upload of them is all there is to an upload but hashing.
const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// One thing a client does.
#[derive(Debug)]
pub struct Case {
    /// What it is called in `counts.txt`.
    pub name: &'static str,
    work: Work,
}

#[derive(Debug)]
enum Work {
    /// One request, and the least its body must have.
    Request { request: Vec<u8>, body: Body, body_bytes: usize },
    /// POST and PUT of an empty blob.
    Upload { begin: Vec<u8>, finish: Vec<u8> },
}

impl Case {
    /// All there are.
    pub(crate) fn all(tree: &Tree) -> Vec<Self> {
        let blob = format!("/v2/{REPOSITORY}/blobs/{}", tree.blob);
        vec![
            Self::get("manifest-by-tag", &format!("/v2/{REPOSITORY}/manifests/v1.0"), 300),
            Self::request("blob-head", "HEAD", &blob, Body::Omitted, 0),
            Self::get("blob-get-4k", &blob, 4096),
            Self::get("tags-page-100", &format!("/v2/{REPOSITORY}/tags/list?n=100&last=v1.150"), 600),
            Self::get("catalog-page-100", "/v2/_catalog?n=100&last=others/app-050", 1500),
            Self {
                name: "upload-empty",
                work: Work::Upload {
                    begin: request("POST", &format!("/v2/{REPOSITORY}/blobs/uploads/")),
                    finish: Vec::with_capacity(1024),
                },
            },
        ]
    }

    /// Does it once.
    pub async fn run(&mut self, client: &mut Client) -> Result<()> {
        let name = self.name;
        match &mut self.work {
            Work::Request { request, body, body_bytes } => {
                let answer = client.ask(request, *body).await?.expect("200")?;
                ensure!(answer.body.len() >= *body_bytes, "{name}: only {} bytes came", answer.body.len());
            }
            Work::Upload { begin, finish } => {
                let answer = client.ask(begin, Body::Comes).await?.expect("202")?;
                let place = answer.header("location").context("an upload without a location")?;
                finish.clear();
                write!(
                    finish,
                    "PUT {place}&digest={EMPTY} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
                )?;
                client.ask(finish, Body::Comes).await?.expect("201")?;
            }
        }
        Ok(())
    }

    fn get(name: &'static str, path: &str, body_bytes: usize) -> Self {
        Self::request(name, "GET", path, Body::Comes, body_bytes)
    }

    fn request(name: &'static str, method: &str, path: &str, body: Body, body_bytes: usize) -> Self {
        Self { name, work: Work::Request { request: request(method, path), body, body_bytes } }
    }
}

/// A request as clients send them.
fn request(method: &str, path: &str) -> Vec<u8> {
    let length = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost:5000\r\nUser-Agent: containerd/2.0.0\r\nAccept: {ACCEPT}\r\n\
         Accept-Encoding: gzip\r\n{length}\r\n"
    )
    .into()
}
