//! Objects in parts: opened, filled in any order, published or given up.

use std::collections::BTreeMap;

use s3s::dto::*;
use s3s::{S3Result, s3_error};

use super::bucket::{Bucket, Buckets, Object as Stored, Unfinished};
use super::objects::{cut, signed};
use super::rope::Rope;
use super::sink::receive;

pub(super) fn create(
    buckets: &Buckets,
    input: CreateMultipartUploadInput,
) -> S3Result<CreateMultipartUploadOutput> {
    // The clock's and the type's only: an upload has no bytes yet.
    let empty = Stored::new(Rope::default(), input.content_type);
    let (begun, content_type) = (empty.modified, empty.content_type);
    let id = fresh_id();
    buckets.with(&input.bucket, |bucket| {
        let unfinished = Unfinished { begun, content_type, parts: BTreeMap::new() };
        bucket.unfinished.insert((input.key.clone(), id.clone()), unfinished);
        Ok(())
    })?;
    Ok(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(id),
        ..CreateMultipartUploadOutput::default()
    })
}

pub(super) async fn put_part(buckets: &Buckets, input: UploadPartInput) -> S3Result<UploadPartOutput> {
    let bytes = receive(input.body, input.content_length, buckets.sink_rate()).await?;
    let place = Place { key: input.key, id: input.upload_id, number: input.part_number };
    let e_tag = store(buckets, &input.bucket, &place, bytes)?.e_tag();
    Ok(UploadPartOutput { e_tag: Some(e_tag), ..UploadPartOutput::default() })
}

pub(super) fn copy_part(
    buckets: &Buckets,
    input: UploadPartCopyInput,
    from: &Rope,
) -> S3Result<UploadPartCopyOutput> {
    let bytes = cut(from, input.copy_source_range.as_deref())?;
    let place = Place { key: input.key, id: input.upload_id, number: input.part_number };
    let part = store(buckets, &input.bucket, &place, bytes)?;
    let result = CopyPartResult {
        e_tag: Some(part.e_tag()),
        last_modified: Some(part.modified.into()),
        ..CopyPartResult::default()
    };
    Ok(UploadPartCopyOutput { copy_part_result: Some(result), ..UploadPartCopyOutput::default() })
}

/// Publishes what is named, in the order of the numbers.
pub(super) fn complete(
    buckets: &Buckets,
    input: CompleteMultipartUploadInput,
) -> S3Result<CompleteMultipartUploadOutput> {
    let named = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
    let smallest = buckets.smallest_part();
    let e_tag = buckets.with(&input.bucket, |bucket| {
        buckets.check(
            bucket.objects.get(&input.key),
            input.if_none_match.as_ref(),
            input.if_match.as_ref(),
        )?;
        let upload = upload(bucket, &input.key, &input.upload_id)?;
        let parts = chosen(upload, &named, smallest)?;
        let mut object = Stored::new(Rope::default(), upload.content_type.clone());
        object.bytes = Rope::joined(parts.iter().map(|part| &part.bytes));
        object.tag = format!("{}-{}", tag_of(&parts), parts.len());
        let e_tag = object.e_tag();
        bucket.unfinished.remove(&(input.key.clone(), input.upload_id.clone()));
        bucket.objects.insert(input.key.clone(), object);
        Ok(e_tag)
    })?;
    Ok(CompleteMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        e_tag: Some(e_tag),
        ..CompleteMultipartUploadOutput::default()
    })
}

pub(super) fn abort(
    buckets: &Buckets,
    input: AbortMultipartUploadInput,
) -> S3Result<AbortMultipartUploadOutput> {
    buckets.with(&input.bucket, |bucket| {
        upload(bucket, &input.key, &input.upload_id)?;
        bucket.unfinished.remove(&(input.key, input.upload_id));
        Ok(AbortMultipartUploadOutput::default())
    })
}

pub(super) fn list_parts(buckets: &Buckets, input: ListPartsInput) -> S3Result<ListPartsOutput> {
    let row = |(number, part): (&i32, &Stored)| Part {
        part_number: Some(*number),
        size: Some(signed(part.bytes.len())),
        e_tag: Some(part.e_tag()),
        last_modified: Some(part.modified.into()),
        ..Part::default()
    };
    let after = input.part_number_marker.unwrap_or(0);
    let limit = usize::try_from(input.max_parts.unwrap_or(1000).clamp(0, 1000)).unwrap_or_default();
    let (parts, more) = buckets.with(&input.bucket, |bucket| {
        let upload = upload(bucket, &input.key, &input.upload_id)?;
        let mut left = upload.parts.iter().filter(|(number, _)| **number > after);
        let parts: Vec<Part> = left.by_ref().take(limit).map(row).collect();
        Ok((parts, left.next().is_some()))
    })?;
    Ok(ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        is_truncated: Some(more),
        next_part_number_marker: parts.last().and_then(|part| part.part_number),
        parts: Some(parts),
        ..ListPartsOutput::default()
    })
}

pub(super) fn list(
    buckets: &Buckets,
    input: ListMultipartUploadsInput,
) -> S3Result<ListMultipartUploadsOutput> {
    let prefix = input.prefix.clone().unwrap_or_default();
    let marker = input.key_marker.clone().unwrap_or_default();
    let id_marker = input.upload_id_marker.clone();
    // Without an id the marker is a key, and all uploads of it are behind.
    let is_due = |(key, id): &(String, String)| {
        let after = match &id_marker {
            Some(after) => (key, id) > (&marker, after),
            None => *key > marker || marker.is_empty(),
        };
        after && key.starts_with(&prefix)
    };
    let row = |((key, id), upload): (&(String, String), &Unfinished)| MultipartUpload {
        key: Some(key.clone()),
        upload_id: Some(id.clone()),
        initiated: Some(upload.begun.into()),
        ..MultipartUpload::default()
    };
    let limit = usize::try_from(input.max_uploads.unwrap_or(1000).clamp(0, 1000)).unwrap_or_default();
    let (uploads, more) = buckets.with(&input.bucket, |bucket| {
        let mut due = bucket.unfinished.iter().filter(|(place, _)| is_due(place));
        let uploads: Vec<MultipartUpload> = due.by_ref().take(limit).map(row).collect();
        Ok((uploads, due.next().is_some()))
    })?;
    let last = uploads.last().filter(|_| more).cloned();
    Ok(ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        prefix: input.prefix,
        is_truncated: Some(more),
        next_key_marker: last.as_ref().and_then(|upload| upload.key.clone()),
        next_upload_id_marker: last.and_then(|upload| upload.upload_id),
        uploads: Some(uploads),
        ..ListMultipartUploadsOutput::default()
    })
}

/// Where a part belongs.
struct Place {
    key: String,
    id: String,
    number: i32,
}

fn store(buckets: &Buckets, name: &str, place: &Place, bytes: Rope) -> S3Result<Stored> {
    if !(1..=10_000).contains(&place.number) {
        return Err(s3_error!(InvalidArgument));
    }
    let part = Stored::new(bytes, None);
    buckets.with(name, |bucket| {
        upload(bucket, &place.key, &place.id)?.parts.insert(place.number, part.clone());
        Ok(part)
    })
}

fn upload<'a>(bucket: &'a mut Bucket, key: &str, id: &str) -> S3Result<&'a mut Unfinished> {
    let place = (key.to_owned(), id.to_owned());
    bucket.unfinished.get_mut(&place).ok_or_else(|| s3_error!(NoSuchUpload))
}

/// The parts that are named, if all are there, in order and large enough.
fn chosen(upload: &Unfinished, named: &[CompletedPart], smallest: u64) -> S3Result<Vec<Stored>> {
    let numbers: Vec<i32> = named.iter().filter_map(|part| part.part_number).collect();
    if named.is_empty() || numbers.len() < named.len() {
        return Err(s3_error!(MalformedXML));
    }
    if !numbers.is_sorted_by(|one, next| one < next) {
        return Err(s3_error!(InvalidPartOrder));
    }
    let mut parts = Vec::new();
    for (number, part) in numbers.iter().zip(named) {
        let stored = upload.parts.get(number).ok_or_else(|| s3_error!(InvalidPart))?;
        if part.e_tag.as_ref().is_none_or(|tag| tag.value() != stored.tag) {
            return Err(s3_error!(InvalidPart));
        }
        parts.push(stored.clone());
    }
    let but_the_last = parts.len() - 1;
    if parts[..but_the_last].iter().any(|part| part.bytes.len() < smallest) {
        return Err(s3_error!(EntityTooSmall));
    }
    Ok(parts)
}

fn tag_of(parts: &[Stored]) -> String {
    let tags: String = parts.iter().map(|part| part.tag.as_str()).collect();
    Rope::from(bytes::Bytes::from(tags)).tag()
}

/// An id that no other upload of this process has.
fn fresh_id() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static LAST: AtomicU64 = AtomicU64::new(0);
    format!("upload-{:08}", LAST.fetch_add(1, Ordering::Relaxed))
}
