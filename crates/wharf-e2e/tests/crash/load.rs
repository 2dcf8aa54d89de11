//! Clients that push and delete until the registry is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use wharf_oci::{Digest, Manifest};
use wharf_testkit::images::{Blob, Image};
use wharf_testkit::process::let_run;
use wharf_testkit::push;
use wharf_testkit::wire::{Request, Response, Server};

use crate::ledger::{Fate, Ledger, Unfinished};

pub(crate) struct Load {
    clients: JoinSet<Ledger>,
    over: Arc<AtomicBool>,
}

/// How the registry goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// At once, perhaps with a disk that fails first: any answer will do that is no acknowledgement.
    Violent,
    /// It was asked to: what it answers is right, to the last.
    Orderly,
}

impl Load {
    pub(crate) fn begin(server: Server, ledgers: Vec<Ledger>, seed: u64, end: End) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for (number, ledger) in (1_u64..).zip(ledgers) {
            let random = Random(
                seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number.wrapping_mul(0xd134_2543_de82_ef95) | 1,
            );
            let client = Client { server, ledger, random, over: Arc::clone(&over), end };
            clients.spawn(client.run());
        }
        Self { clients, over }
    }

    pub(crate) async fn run_for(&self, time: Duration) {
        let_run(time).await;
        // What fails from here on fails because the registry is being taken down.
        self.over.store(true, Ordering::SeqCst);
    }

    /// The ledgers, when every client has noticed.
    pub(crate) async fn end(mut self) -> Vec<Ledger> {
        let mut ledgers = Vec::new();
        while let Some(ledger) = self.clients.join_next().await {
            ledgers.push(ledger.expect("a client that did not panic"));
        }
        ledgers
    }
}

/// Xorshift: the same seed asks for the same things.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn length(&mut self) -> usize {
        usize::try_from(2 + self.below(60_000)).expect("small")
    }
}

struct Client {
    server: Server,
    ledger: Ledger,
    random: Random,
    over: Arc<AtomicBool>,
    end: End,
}

/// The registry is gone, or on its way.
struct Gone;

impl Client {
    async fn run(mut self) -> Ledger {
        while self.step().await.is_ok() {}
        self.ledger
    }

    async fn step(&mut self) -> Result<(), Gone> {
        match self.random.below(10) {
            0 | 1 => self.push_blob_at_once().await,
            2 => self.push_blob_in_chunks(true).await,
            3 => self.push_blob_in_chunks(false).await,
            4 | 5 => {
                let image = Image::random(self.random.next());
                self.push_image(image).await
            }
            6 => self.push_artifact().await,
            7 => self.delete_tag().await,
            8 => self.delete_image().await,
            _ => self.delete_blob().await,
        }
    }

    /// Sends a request; an answer other than `status` is an error unless the registry is being taken down.
    async fn ask(&mut self, request: Request, status: u16) -> Result<Response, Gone> {
        match request.try_send().await {
            Ok(response) if response.status == status => Ok(response),
            // A disk without power fails everything; that is no acknowledgement.
            Ok(_) if self.end == End::Violent && self.over.load(Ordering::SeqCst) => Err(Gone),
            Ok(response) => panic!("not {status}: {response:?}"),
            Err(_) if self.over.load(Ordering::SeqCst) => Err(Gone),
            Err(error) => panic!("the registry is up and yet: {error}"),
        }
    }

    fn target(&self, rest: impl AsRef<str>) -> String {
        format!("/v2/{}/{}", self.ledger.repository, rest.as_ref())
    }

    async fn put_blob(&mut self, blob: &Blob) -> Result<(), Gone> {
        let target = self.target(format!("blobs/uploads/?digest={}", blob.digest));
        self.ask(self.server.post(target).body(blob.bytes.clone()), 201).await?;
        self.ledger.changes += 1;
        Ok(())
    }

    async fn push_blob_at_once(&mut self) -> Result<(), Gone> {
        let blob = Blob::random(self.random.next(), self.random.length());
        self.ledger.blobs.insert(blob.digest, (blob.bytes.clone(), Fate::Unknown));
        self.put_blob(&blob).await?;
        self.ledger.blobs.insert(blob.digest, (blob.bytes, Fate::Present));
        Ok(())
    }

    async fn push_blob_in_chunks(&mut self, to_the_end: bool) -> Result<(), Gone> {
        let blob = Blob::random(self.random.next(), 10 + self.random.length());
        let begun = self.ask(self.server.post(self.target("blobs/uploads/")).body(""), 202).await?;
        let mut upload =
            Unfinished { location: begun.location().to_owned(), blob: blob.clone(), acknowledged: 0 };
        let half = blob.bytes.len() / 2;
        let patch = self.server.patch(upload.location.clone()).body(blob.bytes.slice(..half));
        let patched = match self.ask(patch, 202).await {
            Ok(patched) => patched,
            Err(gone) => {
                self.ledger.unfinished.push(upload);
                return Err(gone);
            }
        };
        upload.location = patched.location().to_owned();
        upload.acknowledged = half;
        if !to_the_end {
            self.ledger.unfinished.push(upload);
            return Ok(());
        }
        self.ledger.blobs.insert(blob.digest, (blob.bytes.clone(), Fate::Unknown));
        let target = push::finish(&upload.location, &blob.digest);
        self.ask(self.server.put(target).body(blob.bytes.slice(half..)), 201).await?;
        self.ledger.changes += 1;
        self.ledger.blobs.insert(blob.digest, (blob.bytes, Fate::Present));
        Ok(())
    }

    /// An artifact that refers to an image, if there is one.
    async fn push_artifact(&mut self) -> Result<(), Gone> {
        let seed = self.random.next();
        let image = match self.image() {
            Some(subject) => Image::artifact(seed, &subject.manifest, "application/vnd.example.sbom"),
            None => Image::random(seed),
        };
        self.push_image(image).await
    }

    async fn push_image(&mut self, image: Image) -> Result<(), Gone> {
        let digest = image.manifest.digest;
        for blob in image.blobs() {
            self.put_blob(blob).await?;
        }
        let tag = format!("v{}", self.random.below(6));
        self.ledger.images.insert(digest, (image.clone(), Fate::Unknown));
        let subject = subject_of(&image);
        self.ledger.referrers.extend(subject.map(|subject| (digest, (subject, Fate::Unknown))));
        self.ledger.tags.entry(tag.clone()).or_insert_with(|| vec![None]).push(Some(digest));
        let put = self.server.put(self.target(format!("manifests/{tag}")));
        let put =
            put.header("Content-Type", image.manifest.media_type.as_str()).body(image.manifest.bytes.clone());
        self.ask(put, 201).await?;
        self.ledger.changes += 1;
        self.set_referrer(&digest, Fate::Present);
        self.ledger.images.insert(digest, (image, Fate::Present));
        self.ledger.tags.insert(tag, vec![Some(digest)]);
        Ok(())
    }

    async fn delete_tag(&mut self) -> Result<(), Gone> {
        let there =
            self.ledger.tags.iter().find(|(_, possible)| possible[..] != [None]).map(|(tag, _)| tag.clone());
        let Some(tag) = there else { return Ok(()) };
        self.ledger.tags.entry(tag.clone()).or_default().push(None);
        self.ask(self.server.delete(self.target(format!("manifests/{tag}"))), 202).await?;
        self.ledger.changes += 1;
        self.ledger.tags.insert(tag, vec![None]);
        Ok(())
    }

    async fn delete_image(&mut self) -> Result<(), Gone> {
        let Some(digest) = self.image().map(|image| image.manifest.digest) else { return Ok(()) };
        self.set_image(&digest, Fate::Unknown);
        self.set_referrer(&digest, Fate::Unknown);
        let tags = self.tags_of(digest);
        for tag in &tags {
            self.ledger.tags.entry(tag.clone()).or_default().push(None);
        }
        self.ask(self.server.delete(self.target(format!("manifests/{digest}"))), 202).await?;
        self.ledger.changes += 1;
        self.set_image(&digest, Fate::Absent);
        self.set_referrer(&digest, Fate::Absent);
        for tag in tags {
            self.ledger.tags.insert(tag, vec![None]);
        }
        Ok(())
    }

    async fn delete_blob(&mut self) -> Result<(), Gone> {
        let there =
            self.ledger.blobs.iter().find(|(_, (_, fate))| *fate == Fate::Present).map(|(digest, _)| *digest);
        let Some(digest) = there else { return Ok(()) };
        self.set_blob(&digest, Fate::Unknown);
        self.ask(self.server.delete(self.target(format!("blobs/{digest}"))), 202).await?;
        self.ledger.changes += 1;
        self.set_blob(&digest, Fate::Absent);
        Ok(())
    }

    /// An image that must be there.
    fn image(&self) -> Option<&Image> {
        self.ledger.images.values().find(|(_, fate)| *fate == Fate::Present).map(|(image, _)| image)
    }

    fn set_referrer(&mut self, digest: &Digest, fate: Fate) {
        if let Some((_, was)) = self.ledger.referrers.get_mut(digest) {
            *was = fate;
        }
    }

    fn set_image(&mut self, digest: &Digest, fate: Fate) {
        self.ledger.images.get_mut(digest).expect("a known image").1 = fate;
    }

    fn set_blob(&mut self, digest: &Digest, fate: Fate) {
        self.ledger.blobs.get_mut(digest).expect("a known blob").1 = fate;
    }

    /// The tags that mean this image.
    fn tags_of(&self, digest: Digest) -> Vec<String> {
        let meaning = |(_, possible): &(&String, &Vec<Option<Digest>>)| possible[..] == [Some(digest)];
        self.ledger.tags.iter().filter(meaning).map(|(tag, _)| tag.clone()).collect()
    }
}

fn subject_of(image: &Image) -> Option<Digest> {
    let manifest = Manifest::parse(&image.manifest.bytes, None).expect("a manifest");
    manifest.subject.map(|subject| subject.digest)
}
