//! What one client knows of its repository: what was acknowledged, and what was asked for and never answered.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::Value;
use wharf_oci::Digest;
use wharf_testkit::images::{Blob, Image};
use wharf_testkit::push;
use wharf_testkit::wire::Server;

/// Whether something must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Present,
    Absent,
    /// A change was asked for and not answered: it may have happened or not, but not half.
    Unknown,
}

/// An upload that was left in the middle.
#[derive(Debug, Clone)]
pub(crate) struct Unfinished {
    pub(crate) location: String,
    pub(crate) blob: Blob,
    /// Bytes the registry has said that it has.
    pub(crate) acknowledged: usize,
}

#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) repository: String,
    pub(crate) blobs: BTreeMap<Digest, (Bytes, Fate)>,
    pub(crate) images: BTreeMap<Digest, (Image, Fate)>,
    /// Manifests that refer to another, with that other's digest, and whether they are listed among its referrers.
    pub(crate) referrers: BTreeMap<Digest, (Digest, Fate)>,
    /// What a tag may mean: one thing if the last change was acknowledged, several if it was not.
    pub(crate) tags: BTreeMap<String, Vec<Option<Digest>>>,
    pub(crate) unfinished: Vec<Unfinished>,
    pub(crate) changes: u64,
}

impl Ledger {
    pub(crate) fn new(client: u64) -> Self {
        Self {
            repository: format!("client-{client}/app"),
            blobs: BTreeMap::new(),
            images: BTreeMap::new(),
            referrers: BTreeMap::new(),
            tags: BTreeMap::new(),
            unfinished: Vec::new(),
            changes: 0,
        }
    }

    /// Changes the registry has said yes to.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.changes
    }

    /// Compares all that is known with what is there, and learns how the unanswered changes ended.
    pub(crate) async fn verify(&mut self, server: Server, uploads_survive: bool) {
        self.verify_blobs(server).await;
        self.verify_images(server).await;
        self.verify_tags(server).await;
        self.verify_referrers(server).await;
        for upload in std::mem::take(&mut self.unfinished) {
            self.finish(server, upload, uploads_survive).await;
        }
    }

    async fn verify_blobs(&mut self, server: Server) {
        for (digest, (bytes, fate)) in &mut self.blobs {
            let target = format!("/v2/{}/blobs/{digest}", self.repository);
            *fate = check(server, &target, bytes, *fate).await;
        }
    }

    async fn verify_images(&mut self, server: Server) {
        for (digest, (image, fate)) in &mut self.images {
            let target = format!("/v2/{}/manifests/{digest}", self.repository);
            *fate = check(server, &target, &image.manifest.bytes, *fate).await;
            if *fate == Fate::Present {
                for blob in image.blobs() {
                    let target = format!("/v2/{}/blobs/{}", self.repository, blob.digest);
                    // Promise 3: a manifest that is there has all it needs, acknowledged or not.
                    check(server, &target, &blob.bytes, Fate::Present).await;
                }
            }
        }
    }

    async fn verify_tags(&mut self, server: Server) {
        for (tag, possible) in &mut self.tags {
            let request = server.get(format!("/v2/{}/manifests/{tag}", self.repository));
            let response = request.send().await;
            let found = match response.status {
                200 => Some(response.required("Docker-Content-Digest").parse().expect("a digest")),
                404 => None,
                other => panic!("{}:{tag} is answered with {other}: {response:?}", self.repository),
            };
            assert!(possible.contains(&found), "{}:{tag} means {found:?}, not {possible:?}", self.repository);
            *possible = vec![found];
        }
    }

    async fn verify_referrers(&mut self, server: Server) {
        let mut listed: BTreeMap<Digest, BTreeSet<Digest>> = BTreeMap::new();
        for (digest, (subject, fate)) in &mut self.referrers {
            if !listed.contains_key(subject) {
                listed.insert(*subject, referrers_of(server, &self.repository, subject).await);
            }
            let found = if listed[subject].contains(digest) { Fate::Present } else { Fate::Absent };
            assert!(
                *fate == Fate::Unknown || *fate == found,
                "{digest} is {found:?} among the referrers of {subject}, not {fate:?}"
            );
            *fate = found;
        }
    }

    /// Goes on with an upload where the registry says, to its end.
    async fn finish(&mut self, server: Server, upload: Unfinished, survives: bool) {
        let response = server.get(upload.location.clone()).send().await;
        if response.status == 404 && !survives {
            return;
        }
        let response = response.expect(204);
        let range = response.required("Range").to_owned();
        let last: usize = range.strip_prefix("0-").and_then(|last| last.parse().ok()).expect("a range");
        // `0-0` is nothing or one byte; asking for the rest from 0 is right for nothing, and one byte was never sent.
        let stored = if last == 0 { 0 } else { last + 1 };
        assert!(stored <= upload.blob.bytes.len(), "{stored} bytes of {}", upload.blob.bytes.len());
        assert!(
            !survives || stored >= upload.acknowledged,
            "{stored} bytes are left of {}",
            upload.acknowledged
        );
        let target = push::finish(response.location(), &upload.blob.digest);
        let rest = upload.blob.bytes.slice(stored..);
        drop(server.put(target).body(rest).send().await.expect(201));
        self.blobs.insert(upload.blob.digest, (upload.blob.bytes, Fate::Present));
    }
}

async fn referrers_of(server: Server, repository: &str, subject: &Digest) -> BTreeSet<Digest> {
    let response = server.get(format!("/v2/{repository}/referrers/{subject}")).send().await.expect(200);
    assert_eq!(response.header("Link"), None, "more referrers than are on a page");
    let index = response.json();
    let listed = index["manifests"].as_array().expect("a list of manifests");
    let digest = |entry: &Value| entry["digest"].as_str().and_then(|text| text.parse().ok());
    listed.iter().map(|entry| digest(entry).expect("a digest")).collect()
}

/// Compares what is at `target` with what must be, and says which it is.
async fn check(server: Server, target: &str, bytes: &Bytes, fate: Fate) -> Fate {
    let response = server.get(target).send().await;
    match (response.status, fate) {
        (200, Fate::Present | Fate::Unknown) => {
            assert!(response.body == *bytes, "{target} is not what was pushed");
            Fate::Present
        }
        (404, Fate::Absent | Fate::Unknown) => Fate::Absent,
        (status, _) => panic!("{target} is answered with {status}, but it must be {fate:?}: {response:?}"),
    }
}
