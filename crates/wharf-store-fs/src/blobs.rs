//! Blobs at rest, and the whole port.

use std::fs::File;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use wharf_oci::{Algorithm, ByteRange, Digest};
use wharf_store::layout::{Dir, Key, Names};
use wharf_store::{
    Announced, BlobBody, BlobRead, BlobStat, BlobStore, ByteStream, Error, ListedBlob, Objects, PutIf,
    Result, UploadKey, UploadStatus,
};

use crate::disk::{Cached, Disk, Place, Sweep, Write, failed};
use crate::{FsStore, blocking};

#[async_trait]
impl BlobStore for FsStore {
    async fn stat(&self, digest: &Digest) -> Result<BlobStat> {
        Ok(self.open_blob(digest).await?.1)
    }

    async fn read(&self, digest: &Digest, range: Option<ByteRange>) -> Result<BlobRead> {
        let (file, stat) = self.open_blob(digest).await?;
        let whole = self.disk.region(file, stat.size);
        let region = match range {
            Some(range) => whole.slice(range),
            None => whole,
        };
        Ok(BlobRead { size: stat.size, body: BlobBody::File(region) })
    }

    async fn put(&self, digest: &Digest, bytes: Bytes) -> Result<()> {
        let (expected, hashed) = (*digest, bytes.clone());
        let hash = move || Ok(Digest::of_with(expected.algorithm(), &hashed));
        let actual = blocking(hash).await?;
        if actual != expected {
            return Err(Error::DigestMismatch { expected, actual });
        }
        let place = Place::from(&Key::BlobData(digest));
        self.write(Write { place, bytes, condition: PutIf::Any }).await.map(drop)
    }

    async fn remove(&self, digest: &Digest) -> Result<()> {
        let place = Place::from(&Key::BlobData(digest));
        self.blocking(move |disk| {
            disk.remove_aside(&place)?;
            disk.remove(&place).map(drop)
        })
        .await
    }

    async fn sweep(&self, begun_before: SystemTime) -> Result<()> {
        let mut sweep = Sweep::new(&self.disk, begun_before);
        loop {
            let disk = std::sync::Arc::clone(&self.disk);
            let (more, next) = blocking(move || Ok((sweep.step(&disk)?, sweep))).await?;
            if !more {
                return Ok(());
            }
            sweep = next;
        }
    }

    async fn remove_if_older(&self, batch: &[Digest], than: SystemTime) -> Result<Vec<Digest>> {
        let batch: Vec<(Digest, Place)> =
            batch.iter().map(|digest| (*digest, Place::from(&Key::BlobData(digest)))).collect();
        let remove = move |disk: &Disk| {
            let mut removed = Vec::new();
            for (digest, place) in batch {
                if disk.remove_if_older(&place, than)? {
                    removed.push(digest);
                }
            }
            Ok(removed)
        };
        self.blocking(remove).await
    }

    fn list(&self, after: Option<Digest>) -> BoxStream<'_, Result<ListedBlob>> {
        let after_hex =
            move |algorithm| after.filter(|after| after.algorithm() == algorithm).map(|after| after.hex());
        stream::iter(Algorithm::ALL)
            .filter(move |algorithm| {
                let due = after.is_none_or(|after| algorithm.as_str() >= after.algorithm().as_str());
                async move { due }
            })
            .then(move |algorithm| self.list_algorithm(algorithm, after_hex(algorithm)))
            .try_flatten()
            .boxed()
    }

    async fn begin(&self, key: &UploadKey, announced: Announced) -> Result<()> {
        self.begin_upload(key, announced).await
    }

    async fn append(&self, key: &UploadKey, offset: u64, bytes: ByteStream) -> Result<u64> {
        self.append_to_upload(key, offset, bytes).await
    }

    async fn status(&self, key: &UploadKey) -> Result<UploadStatus> {
        self.upload_status(key).await
    }

    async fn commit(&self, key: &UploadKey, digest: &Digest) -> Result<u64> {
        self.commit_upload(key, digest).await
    }

    async fn close(&self, key: &UploadKey) -> Result<()> {
        self.close_upload(key).await
    }

    async fn abort(&self, key: &UploadKey) -> Result<()> {
        self.abort_upload(key).await
    }

    fn uploads(&self, begun_before: SystemTime) -> BoxStream<'_, Result<UploadKey>> {
        let names = Names::new(self, None, None);
        stream::try_unfold(names, |mut names| async { Ok(names.next().await?.map(|name| (name, names))) })
            .and_then(move |repository| self.uploads_of(repository, begun_before))
            .map_ok(|keys| stream::iter(keys.into_iter().map(Ok)))
            .try_flatten()
            .boxed()
    }
}

impl FsStore {
    /// Opens a blob and looks at it; on the spot if the kernel has the names at hand.
    async fn open_blob(&self, digest: &Digest) -> Result<(File, BlobStat)> {
        let path = Key::BlobData(digest).path();
        let found = match self.disk.open_if_cached(&path) {
            Cached::Open(file) => Some(file),
            // One that is not there may be on its way back.
            Cached::Absent | Cached::Unknown => {
                let path = path.clone();
                self.blocking(move |disk| disk.open_blob(&path)).await?
            }
        };
        let file = found.ok_or(Error::BlobNotFound { digest: *digest })?;
        let stat = file.metadata().and_then(|meta| Ok((meta.is_file(), meta.len(), meta.modified()?)));
        match stat.map_err(|source| failed("look at", &self.disk.path(&path), source))? {
            (true, size, modified) => Ok((file, BlobStat { size, modified })),
            (false, ..) => Err(Error::Corrupt { path, problem: "something that is not a file".to_owned() }),
        }
    }

    /// All blobs of one algorithm, a two-digit folder at a time.
    async fn list_algorithm(
        &self,
        algorithm: Algorithm,
        after: Option<String>,
    ) -> Result<BoxStream<'_, Result<ListedBlob>>> {
        let after = after.unwrap_or_default();
        let prefixes = self.children(&Dir::BlobPrefixes(algorithm), None, usize::MAX).await?;
        let due = prefixes.into_iter().filter({
            let after = after.clone();
            move |prefix| after.is_empty() || after.get(..2).is_some_and(|first| prefix.as_str() >= first)
        });
        let names =
            stream::iter(due).then(move |prefix| {
                let after = after.clone();
                async move {
                    self.children(&Dir::Blobs(algorithm, &prefix), Some(after.as_str()), usize::MAX).await
                }
            });
        let digests =
            names.map_ok(|names| stream::iter(names.into_iter().map(Ok))).try_flatten().try_filter_map(
                move |hex| async move { Ok(format!("{algorithm}:{hex}").parse::<Digest>().ok()) },
            );
        let listed = digests.try_filter_map(move |digest| async move {
            match self.stat(&digest).await {
                Ok(stat) => Ok(Some(ListedBlob { digest, stat })),
                // Removed since the folder was read, or it stands where no digest of its name belongs.
                Err(Error::BlobNotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        });
        Ok(listed.boxed())
    }

    async fn uploads_of(
        &self,
        repository: wharf_oci::RepositoryName,
        begun_before: SystemTime,
    ) -> Result<Vec<UploadKey>> {
        let mut found = Vec::new();
        for id in self.children(&Dir::Uploads(&repository), None, usize::MAX).await? {
            let Ok(id) = id.parse() else { continue };
            let key = UploadKey { repository: repository.clone(), id };
            // An interrupted commit or abort leaves a folder that is no upload any more; it is listed to be cleared away.
            if self.upload_age(&key).await?.is_some_and(|age| age < begun_before) {
                found.push(key);
            }
        }
        Ok(found)
    }
}
