//! Several ranges in one response (RFC 9110, section 14.6).

use std::vec;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use wharf_core::{BlobBody, BoxError, ByteStream};
use wharf_oci::ByteRange;

use crate::range_reads::{Part, PartBytes, Source};

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

    /// How much of that is not the content of parts.
    pub(crate) fn headings(&self) -> u64 {
        self.length() - self.content()
    }

    /// How long the parts are together.
    pub(crate) fn content(&self) -> u64 {
        self.ranges.iter().map(|range| range.length).sum()
    }

    /// The body; `parts` are these ranges. The first read is `first`, and `open` gives the bytes of the others.
    pub(crate) fn into_stream<F, O>(
        self,
        parts: Vec<Part>,
        first: BlobBody,
        back_bytes: u64,
        open: O,
    ) -> ByteStream
    where
        O: Fn(ByteRange) -> F + Send + 'static,
        F: Future<Output = Result<BlobBody, BoxError>> + Send + 'static,
    {
        let body = MultipartBody {
            tail: Some(self.tail()),
            multipart: self,
            parts: parts.into_iter(),
            opened: Some(first),
            back_bytes,
            open,
            current: None,
            source: None,
        };
        let next = async |mut body: MultipartBody<O>| {
            Ok::<_, BoxError>(body.next().await?.map(|bytes| (bytes, body)))
        };
        stream::try_unfold(body, next).boxed()
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

/// A body that is being sent.
struct MultipartBody<O> {
    multipart: Multipart,
    parts: vec::IntoIter<Part>,
    /// The first read, until it is taken.
    opened: Option<BlobBody>,
    back_bytes: u64,
    open: O,
    source: Option<Source>,
    current: Option<PartBytes>,
    tail: Option<String>,
}

// === impl MultipartBody ===

impl<F, O> MultipartBody<O>
where
    O: Fn(ByteRange) -> F,
    F: Future<Output = Result<BlobBody, BoxError>>,
{
    async fn next(&mut self) -> Result<Option<Bytes>, BoxError> {
        if let (Some(part), Some(source)) = (&mut self.current, &mut self.source)
            && let Some(bytes) = part.next(source).await?
        {
            return Ok(Some(bytes));
        }
        let Some(part) = self.parts.next() else { return Ok(self.tail.take().map(Bytes::from)) };
        if let Some(read) = part.read {
            // What was read before is given back first.
            self.source = None;
            let body = match self.opened.take() {
                Some(body) => body,
                None => (self.open)(read).await?,
            };
            self.source = Some(Source::new(body, read.start, self.back_bytes));
        }
        self.current = self.source.as_ref().map(|source| source.part(part.range));
        Ok(Some(Bytes::from(self.multipart.head(&part.range))))
    }
}
