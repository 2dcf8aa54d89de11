//! What `Backoff` promises, one test a promise.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};

use super::rechecks::REMEMBERED_GUESSES;
use super::*;
use crate::clock::manual::ManualClock;

const HOME: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
const AWAY: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)));

fn options() -> BackoffOptions {
    BackoffOptions {
        free_failures: 3,
        first_delay: Duration::from_secs(1),
        longest_delay: Duration::from_secs(10),
        forget_after: Duration::from_secs(60),
        entries: 4,
        ..BackoffOptions::default()
    }
}

fn backoff() -> (Arc<Backoff>, ManualClock) {
    let clock = ManualClock::new();
    (Arc::new(Backoff::new(options(), Arc::new(clock.clone()))), clock)
}

/// A guess that nobody has made yet.
fn new_guess() -> Guess {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let mut guess = Guess::default();
    guess[..8].copy_from_slice(&LAST.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    guess
}

fn entry(backoff: &Backoff, user: &str, address: Option<IpAddr>) -> (Place, u64) {
    (Place::Client(address.into()), backoff.names.hash_one(user))
}

fn forwarded(last: u8) -> LoginOrigin {
    LoginOrigin { address: HOME, forwarded: Some(IpAddr::V4(Ipv4Addr::new(198, 51, 100, last))) }
}

fn admit(backoff: &Arc<Backoff>, user: &str, origin: impl Into<LoginOrigin>) -> Result<Attempt, NotAdmitted> {
    backoff.admit(user, origin, new_guess())
}

fn fail(backoff: &Arc<Backoff>, user: &str, origin: impl Into<LoginOrigin>) {
    admit(backoff, user, origin).unwrap().failed();
}

#[test]
fn the_wait_doubles_with_each_failure_up_to_a_limit() {
    let (backoff, clock) = backoff();
    for free in 1..3 {
        fail(&backoff, "ann", HOME);
        assert_eq!(backoff.wait("ann", HOME), None, "after {free}");
    }
    for expected in [1, 2, 4, 8, 10, 10] {
        fail(&backoff, "ann", HOME);
        let expected = Duration::from_secs(expected);
        assert_eq!(backoff.wait("ann", HOME), Some(expected));
        assert_eq!(admit(&backoff, "ann", HOME).unwrap_err(), NotAdmitted::Wait(expected));
        clock.advance(expected);
        assert_eq!(backoff.wait("ann", HOME), None);
    }
}

#[test]
fn nobody_is_kept_out_by_failures_from_another_address_or_for_another_name() {
    let (backoff, _clock) = backoff();
    (0..3).for_each(|_| fail(&backoff, "ann", AWAY));

    assert!(backoff.wait("ann", AWAY).is_some());
    for (user, address) in [("ann", HOME), ("ann", None), ("bob", AWAY)] {
        assert_eq!(backoff.wait(user, address), None, "{user} {address:?}");
        assert!(admit(&backoff, user, address).is_ok(), "{user} {address:?}");
    }
}

#[test]
fn a_network_of_ipv6_addresses_is_one_address_and_a_mapped_ipv4_address_is_itself() {
    let (backoff, _clock) = backoff();
    let v6 = |last| Some(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, last)));
    (0..3).for_each(|last| fail(&backoff, "ann", v6(last)));
    assert!(backoff.wait("ann", v6(9)).is_some());

    (0..3).for_each(|_| fail(&backoff, "bob", HOME));
    let mapped = Some(IpAddr::V6(Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped()));
    assert!(backoff.wait("bob", mapped).is_some());
}

#[test]
fn a_success_forgets_the_failures_before_it() {
    let (backoff, _clock) = backoff();
    (0..2).for_each(|_| fail(&backoff, "ann", HOME));
    admit(&backoff, "ann", HOME).unwrap().succeeded();
    (0..2).for_each(|_| fail(&backoff, "ann", HOME));
    assert_eq!(backoff.wait("ann", HOME), None);
}

#[test]
fn failures_are_forgotten_in_the_end() {
    let (backoff, clock) = backoff();
    (0..3).for_each(|_| fail(&backoff, "ann", HOME));
    clock.advance(options().forget_after);
    (0..2).for_each(|_| fail(&backoff, "ann", HOME));
    assert_eq!(backoff.wait("ann", HOME), None);
}

#[test]
fn many_tries_at_once_are_no_way_around_the_wait() {
    let (backoff, _clock) = backoff();
    let attempts: Vec<_> = (0..100).filter_map(|_| admit(&backoff, "ann", HOME).ok()).collect();
    assert_eq!(attempts.len(), 3);
    attempts.into_iter().for_each(Attempt::failed);
    assert!(backoff.wait("ann", HOME).is_some());
}

#[test]
fn after_the_wait_one_may_try_at_a_time() {
    let (backoff, clock) = backoff();
    (0..3).for_each(|_| fail(&backoff, "ann", HOME));
    clock.advance(Duration::from_secs(1));
    let one = admit(&backoff, "ann", HOME).unwrap();
    assert!(admit(&backoff, "ann", HOME).is_err());
    drop(one);
    assert!(admit(&backoff, "ann", HOME).is_ok(), "a try that came to nothing stands in nobody's way");
}

#[test]
fn what_is_remembered_has_a_bound_and_the_oldest_goes_first() {
    let (backoff, clock) = backoff();
    for user in 0..100 {
        (0..3).for_each(|_| fail(&backoff, &format!("user{user}"), HOME));
        clock.advance(Duration::from_secs(3));
        assert!(backoff.state().users.proven.len() <= options().entries);
    }
    let known = |user: &str| backoff.state().users.proven.get(&entry(&backoff, user, HOME)).is_some();
    assert!(known("user99") && known("user96") && !known("user95"));
}

#[test]
fn clients_that_an_address_invents_evict_no_failures_but_theirs() {
    let (backoff, _clock) = backoff();
    (0..3).for_each(|_| fail(&backoff, "ann", AWAY));
    let guess = new_guess();
    backoff.admit("bob", AWAY, guess).unwrap().failed();
    (0..options().rechecks).for_each(|_| assert!(!backoff.recheck("ann", AWAY, new_guess(), || false)));
    for client in 0..200 {
        fail(&backoff, &format!("eve{client}"), forwarded(client));
        assert!(!backoff.recheck("eve", forwarded(client), new_guess(), || false));
    }
    assert!(backoff.wait("ann", AWAY).is_some());
    assert_eq!(backoff.admit("bob", AWAY, guess).unwrap_err(), NotAdmitted::RefusedBefore);
    assert!(!backoff.recheck("ann", AWAY, new_guess(), || true), "the rate is used up");
    assert!(backoff.state().users.unproven.len() <= options().entries);
}

#[test]
fn a_repeated_guess_is_one_failure() {
    let (backoff, _clock) = backoff();
    let guess = new_guess();
    let at_once = [backoff.admit("ann", HOME, guess).unwrap(), backoff.admit("ann", HOME, guess).unwrap()];
    at_once.into_iter().for_each(Attempt::failed);
    for _ in 0..100 {
        assert_eq!(backoff.admit("ann", HOME, guess).unwrap_err(), NotAdmitted::RefusedBefore);
    }
    fail(&backoff, "ann", HOME);
    assert_eq!(backoff.wait("ann", HOME), None, "two of three");
    fail(&backoff, "ann", HOME);
    assert!(backoff.wait("ann", HOME).is_some(), "different guesses count each");
}

#[test]
fn a_repeated_guess_has_to_wait_like_any_other() {
    let (backoff, clock) = backoff();
    let guess = new_guess();
    backoff.admit("ann", HOME, guess).unwrap().failed();
    (0..2).for_each(|_| fail(&backoff, "ann", HOME));
    let second = Duration::from_secs(1);
    assert_eq!(backoff.admit("ann", HOME, guess).unwrap_err(), NotAdmitted::Wait(second));
    clock.advance(second);
    assert_eq!(backoff.admit("ann", HOME, guess).unwrap_err(), NotAdmitted::RefusedBefore);
}

#[test]
fn a_guess_is_known_again_only_for_its_user_and_address_and_until_failures_are_forgotten() {
    let (backoff, clock) = backoff();
    let guess = new_guess();
    backoff.admit("ann", HOME, guess).unwrap().failed();
    assert!(backoff.admit("ann", AWAY, guess).is_ok());
    assert!(backoff.admit("bob", HOME, guess).is_ok());
    clock.advance(options().forget_after);
    assert!(backoff.admit("ann", HOME, guess).is_ok());
}

#[test]
fn the_guesses_that_are_remembered_have_a_bound_and_the_oldest_goes_first() {
    let (backoff, clock) = backoff();
    let guesses: Vec<_> = (0..100).map(|_| new_guess()).collect();
    for guess in &guesses {
        backoff.admit("ann", HOME, *guess).unwrap().failed();
        clock.advance(options().longest_delay);
        assert!(backoff.state().users.proven.values().all(|entry| entry.refused.len() <= REMEMBERED_GUESSES));
    }
    for guess in &guesses[100 - REMEMBERED_GUESSES..] {
        assert_eq!(backoff.admit("ann", HOME, *guess).unwrap_err(), NotAdmitted::RefusedBefore);
    }
    assert!(backoff.admit("ann", HOME, guesses[0]).is_ok());
}

#[test]
fn an_address_has_so_many_failures_over_all_users_and_then_one_in_an_interval() {
    let (backoff, clock) = backoff();
    let BackoffOptions { address_failures, address_interval, .. } = options();
    for user in 0..address_failures {
        assert_eq!(backoff.wait("ann", HOME), None, "{user}");
        fail(&backoff, &format!("user{user}"), HOME);
    }
    assert_eq!(backoff.wait("ann", HOME), Some(address_interval));
    assert_eq!(admit(&backoff, "eve", HOME).unwrap_err(), NotAdmitted::Wait(address_interval));
    assert_eq!(backoff.wait("ann", AWAY), None);

    clock.advance(address_interval);
    fail(&backoff, "user", HOME);
    assert!(backoff.wait("ann", HOME).is_some());
    clock.advance(address_interval * 2);
    // A right password is none of the failures, and pays for none of them.
    admit(&backoff, "ann", HOME).unwrap().succeeded();
    fail(&backoff, "a", HOME);
    fail(&backoff, "b", HOME);
    assert!(backoff.wait("ann", HOME).is_some());
}

#[test]
fn a_repeated_guess_costs_its_address_one_failure() {
    let (backoff, _clock) = backoff();
    let guess = new_guess();
    backoff.admit("ann", HOME, guess).unwrap().failed();
    for _ in 0..1_000 {
        assert_eq!(backoff.admit("ann", HOME, guess).unwrap_err(), NotAdmitted::RefusedBefore);
    }
    assert_eq!(backoff.wait("bob", HOME), None);
}

#[test]
fn clients_that_one_address_speaks_for_are_counted_apart_and_together() {
    let (backoff, clock) = backoff();
    (0..3).for_each(|_| fail(&backoff, "ann", forwarded(1)));
    assert!(backoff.wait("ann", forwarded(1)).is_some());
    for (user, origin) in [("ann", forwarded(2)), ("bob", forwarded(1)), ("ann", HOME.into())] {
        assert_eq!(backoff.wait(user, origin), None, "{user} {origin:?}");
    }
    // An address that invents clients comes to an end for one user...
    clock.advance(options().forget_after);
    let BackoffOptions { free_failures, peer_factor, .. } = options();
    let mut client = 0;
    let mut invent = |user: &str| {
        client += 1;
        fail(&backoff, user, forwarded(client));
    };
    (0..free_failures * peer_factor).for_each(|_| invent("ann"));
    assert_eq!(backoff.wait("ann", forwarded(0)), Some(options().first_delay));
    assert_eq!(backoff.wait("bob", forwarded(0)), None);
    assert_eq!(backoff.wait("ann", AWAY), None);
}

#[test]
fn an_address_that_invents_clients_comes_to_an_end_over_all_users() {
    let (backoff, _clock) = backoff();
    let BackoffOptions { address_failures, address_interval, peer_factor, .. } = options();
    for failure in 0..address_failures * peer_factor {
        let [client, user] = [failure % 200, failure].map(|number| u8::try_from(number % 256).unwrap());
        assert_eq!(backoff.wait("ann", forwarded(250)), None, "{failure}");
        fail(&backoff, &format!("user{failure}-{user}"), forwarded(client));
    }
    assert_eq!(backoff.wait("ann", forwarded(250)), Some(address_interval / peer_factor));
    assert_eq!(backoff.wait("ann", HOME), None, "what is not forwarded is another client");
}

#[test]
fn what_was_right_before_is_compared_as_often_as_it_comes_and_others_so_often_as_the_rate_allows() {
    let (backoff, clock) = backoff();
    let BackoffOptions { rechecks, recheck_interval, .. } = options();
    let compared = std::cell::Cell::new(0);
    let wrong = || {
        backoff.recheck("ann", HOME, new_guess(), || {
            compared.set(compared.get() + 1);
            false
        })
    };
    for _ in 0..100 {
        assert!(backoff.recheck("ann", HOME, new_guess(), || true));
    }
    for _ in 0..1_000 {
        assert!(!wrong());
    }
    assert_eq!(compared.get(), rechecks, "the rest is refused without a comparison");
    assert!(!backoff.recheck("ann", HOME, new_guess(), || true));
    assert!(
        backoff.recheck("ann", AWAY, new_guess(), || true)
            && backoff.recheck("bob", HOME, new_guess(), || true)
    );
    clock.advance(recheck_interval);
    assert!(backoff.recheck("ann", HOME, new_guess(), || true));
    (0..10).for_each(|_| assert!(!wrong()));
    assert_eq!(compared.get(), rechecks + 1);
}
