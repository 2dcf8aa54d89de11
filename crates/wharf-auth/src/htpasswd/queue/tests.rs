//! The order of turns, and which logins find no place.

use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::*;

type Waiter = Pin<Box<dyn Future<Output = Result<Turn, Busy>>>>;

/// A queue whose one turn is taken, and the logins that wait, by name.
struct World {
    queue: Arc<Queue>,
    turn: Vec<Turn>,
    waiters: Vec<(String, Waiter)>,
}

impl World {
    fn new(options: QueueOptions) -> Self {
        let queue = Arc::new(Queue::new(1, options));
        let turn = queue.take_all();
        Self { queue, turn, waiters: Vec::new() }
    }

    /// Whether a login finds a place.
    fn arrives(&mut self, name: &str, origin: LoginOrigin, kind: Kind) -> bool {
        let queue = Arc::clone(&self.queue);
        let mut waiter: Waiter = Box::pin(async move { queue.turn(origin, kind).await });
        match poll(&mut waiter) {
            Poll::Pending => {
                self.waiters.push((name.to_owned(), waiter));
                true
            }
            Poll::Ready(outcome) => {
                assert_eq!(outcome.unwrap_err(), Busy);
                false
            }
        }
    }

    /// The logins that were evicted, by name.
    fn evicted(&mut self) -> Vec<String> {
        let mut evicted = Vec::new();
        self.waiters.retain_mut(|(name, waiter)| match poll(waiter) {
            Poll::Pending => true,
            Poll::Ready(Err(Busy)) => {
                evicted.push(name.clone());
                false
            }
            Poll::Ready(Ok(_)) => panic!("{name} has a turn"),
        });
        evicted
    }

    /// All waiting logins, in the order of their turns.
    fn order(mut self) -> Vec<String> {
        let mut order = Vec::new();
        self.turn.clear();
        while !self.waiters.is_empty() {
            let mut turns = Vec::new();
            self.waiters.retain_mut(|(name, waiter)| match poll(waiter) {
                Poll::Pending => true,
                Poll::Ready(turn) => {
                    order.push(name.clone());
                    turns.push(turn.unwrap());
                    false
                }
            });
            assert_eq!(turns.len(), 1, "one at a time");
        }
        assert_eq!(self.queue.waiting(), 0);
        assert_eq!(self.queue.take_all().len(), 1, "the turn is free again");
        order
    }
}

fn poll(waiter: &mut Waiter) -> Poll<Result<Turn, Busy>> {
    waiter.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

fn at(last: u8) -> LoginOrigin {
    LoginOrigin::from(Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))))
}

fn through(peer: u8, client: u8) -> LoginOrigin {
    LoginOrigin { forwarded: Some(IpAddr::V4(Ipv4Addr::new(198, 51, 100, client))), ..at(peer) }
}

#[test]
fn addresses_take_turns_and_so_do_the_clients_of_one() {
    let mut world = World::new(QueueOptions::default());
    let rows = [
        ("a1", at(1)),
        ("a2", at(1)),
        ("a3", at(1)),
        ("b1", at(2)),
        ("p-x1", through(3, 1)),
        ("p-x2", through(3, 1)),
        ("p-y1", through(3, 2)),
        ("b2", at(2)),
    ];
    for (name, origin) in rows {
        assert!(world.arrives(name, origin, Kind::Newcomer));
    }
    assert_eq!(world.order(), ["a1", "b1", "p-x1", "a2", "b2", "p-y1", "a3", "p-x2"]);
}

#[test]
fn logins_from_where_the_password_was_right_take_turns_with_all_others() {
    let mut world = World::new(QueueOptions { established: 2, newcomers: 3, ..QueueOptions::default() });
    for name in ["n1", "n2", "n3"] {
        assert!(world.arrives(name, at(1), Kind::Newcomer));
    }
    assert!(!world.arrives("n4", at(1), Kind::Newcomer));
    // They have places of their own, at the same address too.
    assert!(world.arrives("e1", at(1), Kind::Established) && world.arrives("e2", at(2), Kind::Established));
    assert!(!world.arrives("e3", at(1), Kind::Established));
    assert_eq!(world.order(), ["e1", "n1", "e2", "n2", "n3"]);
}

#[test]
fn a_client_and_an_address_have_so_many_places() {
    let mut world = World::new(QueueOptions { per_client: 2, per_peer: 3, ..QueueOptions::default() });
    assert!(world.arrives("x1", through(1, 1), Kind::Newcomer));
    assert!(world.arrives("x2", through(1, 1), Kind::Newcomer));
    assert!(!world.arrives("x3", through(1, 1), Kind::Newcomer));
    assert!(world.arrives("y1", through(1, 2), Kind::Newcomer));
    assert!(!world.arrives("y2", through(1, 2), Kind::Newcomer), "it would have as many as the longest");
    // A client without any gets the place of the longest line's latest.
    assert!(world.arrives("z1", through(1, 3), Kind::Newcomer));
    assert_eq!(world.evicted(), ["x2"]);
    assert!(!world.arrives("w1", through(1, 4), Kind::Newcomer), "no line has more than one");
    assert!(world.arrives("b1", at(2), Kind::Newcomer), "another address is not concerned");
}

#[test]
fn a_full_queue_makes_room_for_an_address_with_less_from_the_one_with_most() {
    let mut world = World::new(QueueOptions { newcomers: 6, ..QueueOptions::default() });
    for name in ["a1", "a2", "a3", "a4"] {
        assert!(world.arrives(name, at(1), Kind::Newcomer));
    }
    assert!(world.arrives("b1", at(2), Kind::Newcomer) && world.arrives("b2", at(2), Kind::Newcomer));
    assert!(!world.arrives("a5", at(1), Kind::Newcomer), "the one with most gets no more");
    assert!(world.arrives("c1", at(3), Kind::Newcomer));
    assert_eq!(world.evicted(), ["a4"]);
    assert!(world.arrives("c2", at(3), Kind::Newcomer), "two of six are fewer than three");
    assert_eq!(world.evicted(), ["a3"]);
    assert!(!world.arrives("c3", at(3), Kind::Newcomer), "all have two");
    assert!(world.arrives("d1", at(4), Kind::Newcomer));
    assert_eq!(world.evicted().len(), 1);
}

#[test]
fn a_flood_from_many_addresses_leaves_every_new_address_a_place() {
    let mut world = World::new(QueueOptions::default());
    let mut found = 0;
    for round in 0..64 {
        for address in 0..32 {
            found += usize::from(world.arrives(&format!("{address}-{round}"), at(address), Kind::Newcomer));
        }
    }
    assert_eq!(found, QueueOptions::default().newcomers);
    for address in 100..110 {
        assert!(world.arrives("late", at(address), Kind::Newcomer), "{address}");
    }
    assert_eq!(world.evicted().len(), 10);
    assert_eq!(world.queue.waiting(), found);
}

#[test]
fn a_login_that_is_given_up_leaves_its_place_and_its_turn() {
    let mut world = World::new(QueueOptions { per_client: 2, ..QueueOptions::default() });
    for name in ["a1", "a2"] {
        assert!(world.arrives(name, at(1), Kind::Newcomer));
    }
    drop(world.waiters.remove(0));
    assert_eq!(world.queue.waiting(), 1);
    assert!(world.arrives("a3", at(1), Kind::Newcomer));
    assert!(world.arrives("b1", at(2), Kind::Newcomer));
    // The turn is sent to the first login, which is given up before it takes it.
    world.turn.clear();
    drop(world.waiters.remove(0));
    assert_eq!(world.order(), ["b1", "a3"]);
}
