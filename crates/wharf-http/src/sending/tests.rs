//! What bodies read ahead, over a file, frame by frame.

use std::io::Write;
use std::sync::Arc;

use http_body_util::BodyExt;
use wharf_core::{BlobBody, FileRegion};

use super::*;
use crate::addresses::TrustedProxies;
use crate::body::Body;
use crate::connections::{Connections, OpenConnection};

const BLOCK: usize = 256 * 1024;

/// Connections that share room for four blocks; an address has room for two of them, a connection for one.
fn connections() -> Connections {
    let limits = Limits {
        sending_bytes: 4 * BLOCK,
        sending_bytes_per_address: 2 * BLOCK,
        sending_bytes_per_connection: BLOCK,
        ..Limits::default()
    };
    Connections::new(&limits, TrustedProxies::All, Arc::new(SendingBudget::new(&limits)))
}

fn connect(connections: &Connections, address: u8) -> OpenConnection {
    connections.admit(Some([192, 0, 2, address].into())).unwrap()
}

/// A response of 64 blocks.
fn response(connection: &OpenConnection) -> SendingBody {
    let length = 64 * BLOCK;
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![7; length]).unwrap();
    let region = FileRegion::new(Arc::new(file), 0, length as u64);
    let body = LoggedBody::unlogged(Body::blob(BlobBody::File(region), length as u64));
    SendingBody::new(body, connection.busy(), connection.sending())
}

async fn frame(body: &mut SendingBody) -> SendingFrame {
    body.frame().await.unwrap().unwrap().into_data().unwrap()
}

#[tokio::test]
async fn a_body_whose_frames_are_not_sent_reads_on_in_small_blocks() {
    let connections = connections();
    let connection = connect(&connections, 1);
    let mut body = response(&connection);
    let first = frame(&mut body).await;
    assert_eq!(first.remaining(), BLOCK);
    let second = frame(&mut body).await;
    assert_eq!(second.remaining(), SMALL_FRAME_BYTES);
    drop(first);
    assert_eq!(frame(&mut body).await.remaining(), BLOCK);
}

#[tokio::test]
async fn one_slow_reader_takes_no_more_than_its_share_whatever_it_opens() {
    let connections = connections();
    // All of them have frames that their clients do not read.
    let slow: Vec<_> = (0..100).map(|_| connect(&connections, 1)).collect();
    let mut held = Vec::new();
    for connection in &slow {
        let mut body = response(connection);
        held.push(frame(&mut body).await);
    }
    let blocks = held.iter().filter(|frame| frame.remaining() == BLOCK).count();
    assert_eq!(blocks, 2);
    assert!(held[2..].iter().all(|frame| frame.remaining() == SMALL_FRAME_BYTES));
    // Another address does not notice.
    let other = connect(&connections, 2);
    let mut body = response(&other);
    for _ in 0..32 {
        assert_eq!(frame(&mut body).await.remaining(), BLOCK);
    }
}

#[tokio::test]
async fn beyond_the_limit_of_all_every_reader_goes_on_in_small_blocks() {
    let connections = connections();
    let mut held = Vec::new();
    for address in 1..=4 {
        let connection = connect(&connections, address);
        held.push(frame(&mut response(&connection)).await);
    }
    let late = connect(&connections, 5);
    let mut body = response(&late);
    for _ in 0..32 {
        assert_eq!(frame(&mut body).await.remaining(), SMALL_FRAME_BYTES);
    }
    held.clear();
    assert_eq!(frame(&mut body).await.remaining(), BLOCK);
}

#[tokio::test]
async fn what_was_read_is_given_back_however_a_body_ends() {
    let connections = connections();
    let connection = connect(&connections, 1);
    let mut body = response(&connection);
    drop(frame(&mut body).await);
    drop(body);
    let mut body = response(&connection);
    while let Some(frame) = body.frame().await {
        drop(frame.unwrap());
    }
    let counted: Vec<_> = connection.sending().counters().map(|held| held.load(Ordering::Relaxed)).collect();
    assert_eq!(counted, [0, 0, 0]);
}
