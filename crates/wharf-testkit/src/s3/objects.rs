//! S3's operations on what is stored.

use std::sync::Arc;

use futures_util::stream;
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

use super::bucket::{Buckets, Object as Stored, Row};
use super::multipart;
use super::rope::Rope;
use super::sink::receive;

/// The most rows of a page, which S3 has too.
const PAGE: i32 = 1000;

/// The buckets as S3 serves them.
#[derive(Debug, Clone)]
pub(super) struct Api(pub(super) Arc<Buckets>);

// === impl Api ===

#[async_trait::async_trait]
impl S3 for Api {
    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.0.with(&req.input.bucket, |_| Ok(()))?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn create_bucket(
        &self,
        req: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        self.0.create(&req.input.bucket);
        Ok(S3Response::new(CreateBucketOutput::default()))
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = req.input;
        let bytes = receive(input.body, input.content_length, self.0.sink_rate()).await?;
        let object = Stored::new(bytes, input.content_type);
        let e_tag = Some(object.e_tag());
        self.0.with(&input.bucket, |bucket| {
            let present = bucket.objects.get(&input.key);
            self.0.check(present, input.if_none_match.as_ref(), input.if_match.as_ref())?;
            bucket.objects.insert(input.key, object);
            Ok(())
        })?;
        Ok(S3Response::new(PutObjectOutput { e_tag, ..PutObjectOutput::default() }))
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = req.input;
        let object = self.0.with(&input.bucket, |bucket| bucket.object(&input.key).cloned())?;
        check_read(&object, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let size = object.bytes.len();
        let range = match &input.range {
            Some(range) => Some(range.check(size).map_err(|_| s3_error!(InvalidRange))?),
            None => None,
        };
        let body = range.clone().map_or_else(|| object.bytes.clone(), |range| object.bytes.slice(range));
        let content_range = range.map(|range| format!("bytes {}-{}/{size}", range.start, range.end - 1));
        let e_tag = Some(object.e_tag());
        let pieces = body.pieces().into_iter().map(Ok::<_, std::io::Error>);
        Ok(S3Response::new(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(signed(body.len())),
            body: Some(StreamingBlob::wrap(stream::iter(pieces))),
            content_range,
            content_type: input.response_content_type.or(object.content_type),
            content_disposition: input.response_content_disposition,
            e_tag,
            last_modified: Some(object.modified.into()),
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = req.input;
        let object = self.0.with(&input.bucket, |bucket| bucket.object(&input.key).cloned())?;
        check_read(&object, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(signed(object.bytes.len())),
            e_tag: Some(object.e_tag()),
            content_type: object.content_type,
            last_modified: Some(object.modified.into()),
            ..HeadObjectOutput::default()
        }))
    }

    async fn delete_object(
        &self,
        req: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = req.input;
        self.0.with(&input.bucket, |bucket| {
            self.0.check_delete(bucket.objects.get(&input.key), input.if_match.as_ref())?;
            Ok(bucket.objects.remove(&input.key))
        })?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(
        &self,
        req: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let DeleteObjectsInput { bucket, delete, .. } = req.input;
        if delete.objects.len() > 1000 {
            return Err(s3_error!(MalformedXML));
        }
        let keys: Vec<_> = delete.objects.into_iter().map(|object| object.key).collect();
        self.0.with(&bucket, |bucket| {
            keys.iter().for_each(|key| drop(bucket.objects.remove(key)));
            Ok(())
        })?;
        let row = |key| DeletedObject { key: Some(key), ..DeletedObject::default() };
        let told = delete.quiet != Some(true);
        let deleted = told.then(|| keys.into_iter().map(row).collect());
        Ok(S3Response::new(DeleteObjectsOutput { deleted, ..DeleteObjectsOutput::default() }))
    }

    async fn copy_object(&self, req: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = req.input;
        let from = self.source(&input.copy_source)?;
        let content_type = from.content_type.or(input.content_type);
        let copy = Stored { tag: from.tag, ..Stored::new(from.bytes, content_type) };
        let result = CopyObjectResult {
            e_tag: Some(copy.e_tag()),
            last_modified: Some(copy.modified.into()),
            ..CopyObjectResult::default()
        };
        self.0.with(&input.bucket, |bucket| Ok(bucket.objects.insert(input.key, copy)))?;
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(result),
            ..CopyObjectOutput::default()
        }))
    }

    async fn list_objects_v2(
        &self,
        req: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.0.with(&req.input.bucket.clone(), |bucket| {
            let input = req.input;
            let prefix = input.prefix.clone().unwrap_or_default();
            let delimiter = input.delimiter.clone().unwrap_or_default();
            let after = input.continuation_token.as_ref().or(input.start_after.as_ref());
            let limit = input.max_keys.unwrap_or(PAGE).clamp(0, PAGE);
            let count = usize::try_from(limit).unwrap_or_default();
            let after = after.map_or("", String::as_str);
            // One more tells whether there are more.
            let mut rows = bucket.list(&prefix, &delimiter, after, count + usize::from(count > 0));
            if self.0.ends_listings_early() && input.continuation_token.is_none() {
                // As many as MinIO's walk takes, which is a few more than it needs.
                let walked = count + 1 + 4 + (count + 1) / 16;
                rows.truncate(walked.saturating_sub(bucket.passed_over(&prefix, after)));
            }
            let more = rows.len() > count;
            rows.truncate(count);
            Ok(S3Response::new(page(input, &rows, more, limit)))
        })
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        multipart::create(&self.0, req.input).map(S3Response::new)
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        multipart::put_part(&self.0, req.input).await.map(S3Response::new)
    }

    async fn upload_part_copy(
        &self,
        req: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let from = self.source(&req.input.copy_source)?;
        multipart::copy_part(&self.0, req.input, &from.bytes).map(S3Response::new)
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        multipart::complete(&self.0, req.input).map(S3Response::new)
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        multipart::abort(&self.0, req.input).map(S3Response::new)
    }

    async fn list_parts(&self, req: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        multipart::list_parts(&self.0, req.input).map(S3Response::new)
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        multipart::list(&self.0, req.input).map(S3Response::new)
    }
}

impl Api {
    fn source(&self, source: &CopySource) -> S3Result<Stored> {
        let CopySource::Bucket { bucket, key, .. } = source else { return Err(s3_error!(NotImplemented)) };
        self.0.with(bucket, |bucket| bucket.object(key).cloned())
    }
}

fn check_read(
    object: &Stored,
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<()> {
    if if_match.is_some_and(|condition| !object.is(condition)) {
        return Err(s3_error!(PreconditionFailed));
    }
    if if_none_match.is_some_and(|condition| object.is(condition)) {
        return Err(s3_error!(NotModified));
    }
    Ok(())
}

fn page(input: ListObjectsV2Input, rows: &[Row<'_>], more: bool, limit: i32) -> ListObjectsV2Output {
    let mut contents = Vec::new();
    let mut levels = Vec::new();
    for row in rows {
        match row {
            Row::Object(key, object) => contents.push(Object {
                key: Some((*key).to_owned()),
                size: Some(signed(object.bytes.len())),
                e_tag: Some(object.e_tag()),
                last_modified: Some(object.modified.into()),
                ..Object::default()
            }),
            Row::Level(level) => levels.push(CommonPrefix { prefix: Some(level.clone()) }),
        }
    }
    ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: input.prefix,
        delimiter: input.delimiter,
        start_after: input.start_after,
        continuation_token: input.continuation_token,
        max_keys: Some(limit),
        key_count: i32::try_from(rows.len()).ok(),
        is_truncated: Some(more),
        next_continuation_token: rows.last().filter(|_| more).map(Row::place),
        contents: Some(contents),
        common_prefixes: Some(levels),
        ..ListObjectsV2Output::default()
    }
}

/// Sizes have a sign in S3's grammar.
pub(super) fn signed(length: u64) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// A part of an object that is copied: `bytes=0-9`, both ends in it.
pub(super) fn cut(bytes: &Rope, range: Option<&str>) -> S3Result<Rope> {
    let Some(range) = range else { return Ok(bytes.clone()) };
    let range = Range::parse(range).map_err(|_| s3_error!(InvalidArgument))?;
    let range = range.check(bytes.len()).map_err(|_| s3_error!(InvalidRange))?;
    Ok(bytes.slice(range))
}
