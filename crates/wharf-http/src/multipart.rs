//! Several ranges in one response (RFC 9110, section 14.6).

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use wharf_core::{BlobBody, BoxError, ByteStream};
use wharf_oci::ByteRange;

/// A `multipart/byteranges` body in the making.
#[derive(Debug)]
pub(crate) struct Multipart {
    boundary: String,
    ranges: Vec<ByteRange>,
    /// The blob's whole size.
    size: u64,
}

impl Multipart {
    /// These ranges, in this order, of a blob of `size` bytes.
    pub(crate) fn new(ranges: Vec<ByteRange>, size: u64) -> Self {
        // A blob could hold any text, but not one that was thought of after it.
        Self { boundary: uuid::Uuid::now_v7().simple().to_string(), ranges, size }
    }

    pub(crate) fn content_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    /// How long the body will be.
    pub(crate) fn length(&self) -> u64 {
        let parts: u64 = self.ranges.iter().map(|range| self.head(range).len() as u64 + range.length).sum();
        parts + self.tail().len() as u64
    }

    /// The body; `open` gives the bytes of a range.
    pub(crate) fn into_stream<F, O>(self, open: O) -> ByteStream
    where
        O: Fn(ByteRange) -> F + Send + 'static,
        F: Future<Output = Result<BlobBody, BoxError>> + Send + 'static,
    {
        let tail = self.tail();
        let parts: Vec<_> = self.ranges.iter().map(|range| (self.head(range), *range)).collect();
        stream::iter(parts)
            .then(move |(head, range)| {
                let part = open(range);
                async move { Ok::<_, BoxError>(once(head).chain(blocks(part.await?))) }
            })
            .try_flatten()
            .chain(once(tail))
            .boxed()
    }

    fn head(&self, range: &ByteRange) -> String {
        format!(
            "\r\n--{}\r\nContent-Type: application/octet-stream\r\nContent-Range: {}\r\n\r\n",
            self.boundary,
            range.content_range(self.size)
        )
    }

    fn tail(&self) -> String {
        format!("\r\n--{}--\r\n", self.boundary)
    }
}

fn once(text: String) -> ByteStream {
    stream::once(async { Ok(Bytes::from(text)) }).boxed()
}

fn blocks(body: BlobBody) -> ByteStream {
    match body {
        BlobBody::File(region) => region.boxed(),
        BlobBody::Bytes(bytes) => stream::once(async { Ok(bytes) }).boxed(),
        BlobBody::Stream(stream) => stream,
    }
}
