//! What `Backoff` promises, one test a promise.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};

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

fn admit(backoff: &Arc<Backoff>, user: &str, address: Option<IpAddr>) -> Result<Attempt, NotAdmitted> {
    backoff.admit(user, address, new_guess())
}

fn fail(backoff: &Arc<Backoff>, user: &str, address: Option<IpAddr>) {
    admit(backoff, user, address).unwrap().failed();
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
        clock.advance(Duration::from_millis(1));
        assert!(backoff.entries().len() <= options().entries);
    }
    assert!(backoff.wait("user99", HOME).is_some());
    assert!(backoff.wait("user96", HOME).is_some());
    assert_eq!(backoff.wait("user95", HOME), None);
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
        assert!(backoff.entries().values().all(|entry| entry.refused.len() <= REMEMBERED_GUESSES));
    }
    for guess in &guesses[100 - REMEMBERED_GUESSES..] {
        assert_eq!(backoff.admit("ann", HOME, *guess).unwrap_err(), NotAdmitted::RefusedBefore);
    }
    assert!(backoff.admit("ann", HOME, guesses[0]).is_ok());
}
