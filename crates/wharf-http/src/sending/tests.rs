//! What responses read ahead, over a file, frame by frame.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::task::ArcWake;
use futures_util::{FutureExt, StreamExt};
use http_body_util::BodyExt;
use wharf_core::{BlobBody, FileRegion};

use super::*;
use crate::accounts::Account;
use crate::addresses::TrustedProxies;
use crate::body::Body;
use crate::connections::{Connections, OpenConnection};
use crate::limits::Limits;

const BLOCK: usize = 256 * 1024;

/// Connections that share room for four blocks; an address has room for two of them, a connection for one.
fn connections() -> Connections {
    let limits = Limits {
        sending_bytes: 4 * BLOCK,
        sending_bytes_per_address: 2 * BLOCK,
        sending_bytes_per_connection: BLOCK,
        ..Limits::default()
    };
    Connections::new(&limits, TrustedProxies::All, Arc::new(Account::of_process(&limits)))
}

fn connect(connections: &Connections, address: u8) -> OpenConnection {
    connections.admit(Some([192, 0, 2, address].into())).unwrap()
}

/// A response of 64 blocks.
fn response(connection: &OpenConnection) -> SendingBody {
    let length = 64 * BLOCK;
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![7; length]).unwrap();
    let region = FileRegion::in_memory(Arc::new(file), 0, length as u64);
    sent(connection, Body::blob(BlobBody::File(region), length as u64))
}

fn sent(connection: &OpenConnection, body: Body) -> SendingBody {
    SendingBody::new(LoggedBody::unlogged(body), None, connection.busy(), connection.sending())
}

/// The next frame, which has to be there without waiting. Once in a mebibyte a body lets others have their turn first.
fn frame(body: &mut SendingBody) -> SendingFrame {
    let polled = body.frame().now_or_never().or_else(|| body.frame().now_or_never());
    polled.expect("room for a frame").unwrap().unwrap().into_data().unwrap()
}

/// A task that counts how often it is woken.
#[derive(Default)]
struct Task(AtomicUsize);

impl ArcWake for Task {
    fn wake_by_ref(task: &Arc<Self>) {
        task.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Task {
    /// Polls a response that has to wait.
    fn waits_for(self: &Arc<Self>, body: &mut SendingBody) {
        let waker = futures_util::task::waker(Arc::clone(self));
        let polled = body.frame().poll_unpin(&mut Context::from_waker(&waker));
        assert!(polled.is_pending(), "{polled:?}");
    }

    fn woken(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

/// Another connection's frames, which use up the room of all.
fn crowd(connections: &Connections) -> Vec<SendingFrame> {
    let slow = (2..=5).map(|address| frame(&mut response(&connect(connections, address))));
    slow.collect()
}

#[test]
fn one_slow_reader_takes_no_more_than_its_share_whatever_it_opens() {
    let connections = connections();
    // All of them have frames that their clients do not read.
    let slow: Vec<_> = (0..100).map(|_| connect(&connections, 1)).collect();
    let mut held = Vec::new();
    for connection in &slow {
        let (mut body, mut waiting) = (response(connection), response(connection));
        held.push(frame(&mut body));
        if held.len() > 2 {
            assert_eq!(held.last().unwrap().remaining(), SMALL_FRAME_BYTES);
            Arc::new(Task::default()).waits_for(&mut waiting);
            Arc::new(Task::default()).waits_for(&mut body);
        }
    }
    let blocks = held.iter().filter(|frame| frame.remaining() == BLOCK).count();
    assert_eq!(blocks, 2);
    assert_eq!(slow[0].sending().held()[1..], [2 * BLOCK, 2 * BLOCK]);
    // Another address does not notice.
    let other = connect(&connections, 2);
    let mut body = response(&other);
    for _ in 0..32 {
        assert_eq!(frame(&mut body).remaining(), BLOCK);
    }
}

#[test]
fn without_room_every_connection_goes_on_in_one_small_frame_at_a_time() {
    let connections = connections();
    let mut held = crowd(&connections);
    let late = connect(&connections, 1);
    let (mut body, task) = (response(&late), Arc::new(Task::default()));
    for _ in 0..32 {
        let sent = frame(&mut body);
        assert_eq!(sent.remaining(), SMALL_FRAME_BYTES);
        task.waits_for(&mut body);
        drop(sent);
        assert_eq!(task.woken(), 1);
    }
    held.clear();
    drop(frame(&mut body));
    assert_eq!(frame(&mut body).remaining(), BLOCK);
}

#[test]
fn responses_of_a_connection_without_room_have_their_turns() {
    let connections = connections();
    let _held = crowd(&connections);
    let late = connect(&connections, 1);
    let mut responses: Vec<_> = (0..10).map(|_| (response(&late), Arc::new(Task::default()))).collect();
    let mut sent = frame(&mut responses[9].0);
    for (body, task) in &mut responses {
        task.waits_for(body);
    }
    for turn in 0..100 {
        drop(sent);
        let woken: Vec<_> = responses.iter().map(|(_, task)| task.woken()).collect();
        let (body, task) = &mut responses[turn % 10];
        assert_eq!((woken.iter().sum::<usize>(), woken[turn % 10]), (1, 1), "turn {turn}");
        sent = frame(body);
        task.waits_for(body);
    }
}

/// The frame that is waited for belongs to a client that has stopped reading.
#[test]
fn room_that_another_connection_gives_back_goes_to_those_that_wait() {
    let connections = connections();
    let mut held = crowd(&connections);
    let late = [connect(&connections, 1), connect(&connections, 6)];
    let _stalled: Vec<_> = late.iter().map(|connection| frame(&mut response(connection))).collect();
    let mut waiting: Vec<_> =
        (0..8).map(|index| (response(&late[index % 2]), Arc::new(Task::default()))).collect();
    for (body, task) in &mut waiting {
        task.waits_for(body);
    }
    held.pop();
    let sent: Vec<_> = waiting
        .iter_mut()
        .map(|(body, task)| {
            assert_eq!(task.woken(), 1);
            frame(body)
        })
        .collect();
    assert!(sent.iter().all(|frame| frame.remaining() == SMALL_FRAME_BYTES));
    drop((held, sent));
    assert_eq!(late[0].sending().held(), [0, 0, 0]);
}

#[test]
fn a_response_that_is_dropped_hands_its_turn_on() {
    let connections = connections();
    let _held = crowd(&connections);
    let late = connect(&connections, 1);
    let sent = frame(&mut response(&late));
    let mut waiting: Vec<_> = (0..3).map(|_| (response(&late), Arc::new(Task::default()))).collect();
    for (body, task) in &mut waiting {
        task.waits_for(body);
    }
    let (first, _) = waiting.remove(0);
    let (second, task) = waiting.remove(0);
    // One that waits, and one whose turn has come.
    drop(first);
    drop(sent);
    assert_eq!(task.woken(), 1);
    drop(second);
    let (third, task) = &mut waiting[0];
    assert_eq!(task.woken(), 1);
    assert_eq!(frame(third).remaining(), SMALL_FRAME_BYTES);
}

#[test]
fn a_connection_that_is_closed_while_it_waits_is_passed_over() {
    let connections = connections();
    let mut held = crowd(&connections);
    let gone = connect(&connections, 1);
    let late = connect(&connections, 6);
    let stalled = [frame(&mut response(&gone)), frame(&mut response(&late))];
    let (mut of_gone, mut of_late, task) = (response(&gone), response(&late), Arc::new(Task::default()));
    Arc::new(Task::default()).waits_for(&mut of_gone);
    task.waits_for(&mut of_late);
    drop((of_gone, gone));
    held.pop();
    assert_eq!(task.woken(), 1);
    drop(stalled);
}

#[test]
fn what_comes_from_a_store_or_from_memory_is_counted_whatever_its_length() {
    let connections = connections();
    let connection = connect(&connections, 1);
    let blocks = [100, BLOCK, 5 * BLOCK].map(|length| Ok::<_, BoxError>(Bytes::from(vec![7; length])));
    let mut body = sent(&connection, Body::stream(futures_util::stream::iter(blocks).boxed(), None));
    let mut held = vec![frame(&mut body)];
    assert_eq!(connection.sending().held(), [100; 3]);
    held.push(frame(&mut body));
    assert_eq!(connection.sending().held(), [100 + BLOCK; 3]);
    // Beyond what a connection may have: one more block, of which a small frame is not counted.
    held.push(frame(&mut body));
    assert_eq!(held[2].remaining(), 4 * BLOCK);
    assert_eq!(connection.sending().held(), [100 + 6 * BLOCK - SMALL_FRAME_BYTES; 3]);
    held.push(frame(&mut body));
    assert_eq!(held[3].remaining(), BLOCK);
    drop((held, body));
    assert_eq!(connection.sending().held(), [0; 3]);
}

/// Its bytes are the store's, whatever is sent of them.
#[test]
fn a_blob_in_the_memory_of_its_store_may_be_longer_than_all_room() {
    let connections = connections();
    let connection = connect(&connections, 1);
    let length = 8 * BLOCK;
    let blob = || Body::blob(BlobBody::Bytes(vec![7; length].into()), length as u64);
    let (mut one, mut other) = (sent(&connection, blob()), sent(&connection, blob()));
    assert_eq!((one.body.buffered_bytes(), other.body.buffered_bytes()), (0, 0));
    for body in [&mut one, &mut other] {
        while !body.is_end_stream() {
            assert!(frame(body).remaining() <= BLOCK);
        }
    }
    let share = connection.sending();
    assert!(share.try_keep(100 * BLOCK).is_some(), "and so may a response, alone");
}

#[test]
fn a_response_in_memory_is_kept_while_there_is_room_and_a_short_one_in_any_case() {
    let connections = connections();
    let connection = connect(&connections, 1);
    let share = connection.sending();
    let large = share.try_keep(2 * BLOCK).unwrap();
    assert!(share.try_keep(SMALL_FRAME_BYTES + 1).is_none());
    let short = share.try_keep(SMALL_FRAME_BYTES).unwrap();
    assert!(share.try_keep(SMALL_FRAME_BYTES).is_none());
    assert!(share.try_keep(200).is_some(), "an error has to be said");
    drop(short);
    assert!(share.try_keep(SMALL_FRAME_BYTES).is_some());
    drop(large);
    let body = LoggedBody::unlogged(Body::full(vec![7; BLOCK]));
    let mut body = SendingBody::new(body, share.try_keep(BLOCK), connection.busy(), Arc::clone(&share));
    let sent = frame(&mut body);
    assert_eq!(share.held(), [BLOCK; 3]);
    drop((sent, body));
    assert_eq!(share.held(), [0; 3]);
}

#[tokio::test]
async fn what_was_read_is_given_back_however_a_body_ends() {
    let connections = connections();
    let connection = connect(&connections, 1);
    let mut body = response(&connection);
    drop(frame(&mut body));
    drop(body);
    let mut body = response(&connection);
    while let Some(frame) = body.frame().await {
        drop(frame.unwrap());
    }
    assert_eq!(connection.sending().held(), [0, 0, 0]);
}
