//! Taking in what is sent: whole into memory, or at a rate into nothing.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use s3s::dto::StreamingBlob;
use s3s::{S3Result, s3_error};
use tokio::time::Instant;

use super::rope::Rope;

/// What a sink still keeps: records and links must be read again.
const KEPT_BYTES: i64 = 1 << 20;

/// Reads a body to its end.
pub(super) async fn receive(
    body: Option<StreamingBlob>,
    announced: Option<i64>,
    rate: Option<u64>,
) -> S3Result<Rope> {
    let Some(body) = body else { return Ok(Rope::from(Bytes::new())) };
    match rate {
        Some(rate) if announced.is_none_or(|bytes| bytes > KEPT_BYTES) => drop_slowly(body, rate).await,
        _ => keep(body, announced).await,
    }
}

async fn keep(mut body: StreamingBlob, announced: Option<i64>) -> S3Result<Rope> {
    let capacity = announced.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or_default();
    let mut bytes = Vec::with_capacity(capacity);
    while let Some(piece) = body.next().await {
        bytes.extend_from_slice(&piece.map_err(|_| s3_error!(IncompleteBody))?);
    }
    if announced.is_some_and(|announced| u64::try_from(announced) != Ok(bytes.len() as u64)) {
        return Err(s3_error!(IncompleteBody));
    }
    Ok(Rope::from(Bytes::from(bytes)))
}

async fn drop_slowly(mut body: StreamingBlob, rate: u64) -> S3Result<Rope> {
    let begun = Instant::now();
    let mut length = 0_u64;
    while let Some(piece) = body.next().await {
        length += piece.map_err(|_| s3_error!(IncompleteBody))?.len() as u64;
        let due = Duration::from_micros(length.saturating_mul(1_000_000) / rate.max(1));
        tokio::time::sleep_until(begun + due).await;
    }
    Ok(Rope::of_dropped(length))
}
