//! Passwords that are right, wrong, remembered, and asked for by many at once.

use std::net::Ipv4Addr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use futures_util::future::join_all;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;
use crate::clock::manual::ManualClock;
use crate::scratch::{replace, write};

const HOME: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
const AWAY: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)));
const SECOND: Duration = Duration::from_secs(1);

/// A file with its users, at the lowest cost there is.
struct Scratch {
    folder: TempDir,
    clock: ManualClock,
    htpasswd: Htpasswd,
}

impl Scratch {
    async fn new(users: &[(&str, &str)]) -> Self {
        let options = HtpasswdOptions {
            concurrency: 2,
            backoff: BackoffOptions { free_failures: 3, ..BackoffOptions::default() },
            ..HtpasswdOptions::default()
        };
        Self::with(options, users).await
    }

    async fn with(options: HtpasswdOptions, users: &[(&str, &str)]) -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), ManualClock::new());
        let path = folder.path().join("htpasswd");
        write(&path, lines(users));
        let htpasswd = Htpasswd::open(path, &options, Arc::new(clock.clone())).await.unwrap();
        Self { folder, clock, htpasswd }
    }

    /// Puts another file there, and lets the time pass until it is looked at.
    fn change(&self, users: &[(&str, &str)]) {
        replace(&self.folder.path().join("htpasswd"), lines(users));
        self.clock.advance(SECOND);
    }

    async fn verify(&self, user: &str, password: &str) -> Verdict {
        self.htpasswd.verify(user, password, HOME).await.unwrap()
    }

    /// How many passwords have been looked at.
    fn looked(&self) -> u64 {
        self.htpasswd.checks.looked()
    }
}

fn lines(users: &[(&str, &str)]) -> String {
    users.iter().map(|(user, password)| format!("{user}:{}\n", bcrypt::hash(password, 4).unwrap())).collect()
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn a_name_and_its_password_are_accepted_and_nothing_else_is() {
    let scratch = Scratch::new(&[("ann", "secret"), ("bob", "hunter2")]).await;
    assert_eq!(scratch.verify("ann", "secret").await, Verdict::Accepted);
    for (user, password) in [("ann", "hunter2"), ("ann", ""), ("bob", "secret"), ("eve", "secret"), ("", "")]
    {
        assert_eq!(scratch.verify(user, password).await, Verdict::Refused, "{user} {password}");
    }
}

#[tokio::test]
async fn what_is_beyond_72_bytes_of_a_password_does_not_count() {
    let long = "x".repeat(72);
    let scratch = Scratch::new(&[("ann", &long)]).await;
    for (password, expected) in [
        (format!("{long}y"), Verdict::Accepted),
        (long.clone(), Verdict::Accepted),
        ("x".repeat(71), Verdict::Refused),
    ] {
        assert_eq!(scratch.verify("ann", &password).await, expected, "{} bytes", password.len());
    }
}

#[tokio::test]
async fn what_was_found_right_is_not_looked_at_again_for_some_minutes() {
    let scratch = Scratch::new(&[("ann", "secret")]).await;
    for _ in 0..50 {
        assert_eq!(scratch.verify("ann", "secret").await, Verdict::Accepted);
    }
    assert_eq!(scratch.looked(), 1);

    scratch.clock.advance(HtpasswdOptions::default().remember);
    assert_eq!(scratch.verify("ann", "secret").await, Verdict::Accepted);
    assert_eq!(scratch.looked(), 2);
}

#[tokio::test]
async fn a_repeated_guess_is_one_failure_and_is_looked_at_once() {
    for user in ["ann", "eve"] {
        let scratch = Scratch::new(&[("ann", "secret")]).await;
        for _ in 0..50 {
            assert_eq!(scratch.verify(user, "guess").await, Verdict::Refused, "{user}");
        }
        assert_eq!(scratch.looked(), 1, "{user}");
        assert_eq!(scratch.verify("ann", "secret").await, Verdict::Accepted);
    }
}

#[tokio::test]
async fn a_repeated_guess_is_looked_at_again_from_elsewhere_and_when_failures_are_forgotten() {
    let scratch = Scratch::new(&[("ann", "secret")]).await;
    assert_eq!(scratch.verify("ann", "guess").await, Verdict::Refused);
    assert_eq!(scratch.htpasswd.verify("ann", "guess", AWAY).await, Ok(Verdict::Refused));
    assert_eq!(scratch.looked(), 2);

    scratch.clock.advance(BackoffOptions::default().forget_after);
    assert_eq!(scratch.verify("ann", "guess").await, Verdict::Refused);
    assert_eq!(scratch.looked(), 3);
}

#[tokio::test]
async fn a_guess_is_looked_at_again_when_the_line_it_was_held_against_has_changed() {
    let scratch = Scratch::new(&[("ann", "old")]).await;
    assert_eq!(scratch.verify("ann", "new").await, Verdict::Refused);
    assert_eq!(scratch.verify("eve", "new").await, Verdict::Refused);

    scratch.change(&[("ann", "new"), ("eve", "new")]);
    assert_eq!(scratch.verify("ann", "new").await, Verdict::Accepted);
    assert_eq!(scratch.verify("eve", "new").await, Verdict::Accepted);
}

#[tokio::test]
async fn a_guess_that_a_changed_line_refuses_too_is_another_failure() {
    let scratch = Scratch::new(&[("ann", "0")]).await;
    for password in ["1", "2", "3"] {
        assert_eq!(scratch.verify("ann", "guess").await, Verdict::Refused);
        scratch.change(&[("ann", password)]);
    }
    assert_eq!(scratch.looked(), 3);
    // The last change took the second that three failures cost.
    assert_eq!(scratch.verify("ann", "guess").await, Verdict::Refused);
    assert!(matches!(scratch.verify("ann", "3").await, Verdict::TooManyFailures { .. }));
}

#[tokio::test]
async fn a_changed_password_counts_at_once_and_the_old_one_no_more() {
    let scratch = Scratch::new(&[("ann", "old")]).await;
    assert_eq!(scratch.verify("ann", "old").await, Verdict::Accepted);

    scratch.change(&[("ann", "new")]);
    assert_eq!(scratch.verify("ann", "old").await, Verdict::Refused);
    assert_eq!(scratch.verify("ann", "new").await, Verdict::Accepted);

    scratch.change(&[("bob", "new")]);
    assert_eq!(scratch.verify("ann", "new").await, Verdict::Refused);
}

#[tokio::test]
async fn a_broken_file_changes_nothing() {
    let scratch = Scratch::new(&[("ann", "secret")]).await;
    replace(&scratch.folder.path().join("htpasswd"), "no colon\n");
    scratch.clock.advance(SECOND);
    assert_eq!(scratch.verify("ann", "secret").await, Verdict::Accepted);
}

#[tokio::test]
async fn a_missing_file_is_said_and_one_that_is_made_can_be_used() {
    let path = tempfile::tempdir().unwrap().path().join("htpasswd");
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new());
    let options = HtpasswdOptions::default();
    let error = Htpasswd::open(&path, &options, Arc::clone(&clock)).await.unwrap_err();
    assert!(matches!(error, WatchedError::Missing { .. }), "{error:?}");

    let password = Htpasswd::create(&path).await.unwrap();
    let htpasswd = Htpasswd::open(&path, &options, clock).await.unwrap();
    assert_eq!(htpasswd.verify("docker", password.expose(), HOME).await, Ok(Verdict::Accepted));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_identical_logins_at_once_are_looked_at_once() {
    let scratch = Arc::new(Scratch::new(&[("ann", "secret")]).await);
    let mut logins = JoinSet::new();
    for _ in 0..50 {
        let scratch = Arc::clone(&scratch);
        logins.spawn(async move { scratch.verify("ann", "secret").await });
    }
    assert!(logins.join_all().await.into_iter().all(|verdict| verdict == Verdict::Accepted));
    assert_eq!(scratch.looked(), 1);
}

#[tokio::test]
async fn identical_wrong_logins_at_once_are_one_failure() {
    let scratch = Scratch::new(&[("ann", "secret")]).await;
    let turns = scratch.htpasswd.checks.take_turns();
    let mut logins: Vec<_> = (0..50).map(|_| Box::pin(scratch.verify("ann", "guess"))).collect();
    assert!(logins.iter_mut().all(|login| poll(login.as_mut()).is_pending()));
    drop(turns);
    assert!(join_all(logins).await.into_iter().all(|verdict| verdict == Verdict::Refused));
    assert_eq!(scratch.looked(), 1);
    assert_eq!(scratch.verify("ann", "secret").await, Verdict::Accepted);
}

#[tokio::test]
async fn a_login_goes_on_when_the_one_it_shares_the_work_with_goes_away() {
    let scratch = Scratch::new(&[("ann", "secret")]).await;
    let turns = scratch.htpasswd.checks.take_turns();
    let mut second = pin!(scratch.verify("ann", "secret"));
    {
        let mut first = pin!(scratch.verify("ann", "secret"));
        assert!(poll(first.as_mut()).is_pending());
        assert!(poll(second.as_mut()).is_pending());
    }
    drop(turns);
    assert_eq!(second.await, Verdict::Accepted);
    assert_eq!(scratch.looked(), 1);
}

#[tokio::test]
async fn a_login_that_nobody_waits_for_holds_nothing_up_and_counts_as_nothing() {
    let scratch = Scratch::new(&[("ann", "secret")]).await;
    let turns = scratch.htpasswd.checks.take_turns();
    for guess in 0..20 {
        let guess = guess.to_string();
        let mut login = pin!(scratch.verify("ann", &guess));
        assert!(poll(login.as_mut()).is_pending());
    }
    drop(turns);
    assert_eq!(scratch.verify("ann", "secret").await, Verdict::Accepted);
    assert_eq!(scratch.looked(), 1);
}

#[tokio::test]
async fn more_than_the_queue_holds_are_told_that_we_are_busy() {
    let options = HtpasswdOptions { concurrency: 1, queue: 2, ..HtpasswdOptions::default() };
    let scratch = Scratch::with(options, &[("ann", "secret"), ("bob", "secret")]).await;
    let turns = scratch.htpasswd.checks.take_turns();
    let mut waiting: Vec<_> = (0..3)
        .map(|user| {
            let user = format!("user{user}");
            let htpasswd = &scratch.htpasswd;
            Box::pin(async move { htpasswd.verify(&user, "secret", HOME).await })
        })
        .collect();
    assert!(waiting.iter_mut().all(|login| poll(login.as_mut()).is_pending()));
    assert_eq!(scratch.htpasswd.verify("ann", "secret", HOME).await, Err(HtpasswdError::Busy));

    drop(turns);
    assert!(join_all(waiting).await.into_iter().all(|verdict| verdict == Ok(Verdict::Refused)));
    assert_eq!(scratch.verify("ann", "secret").await, Verdict::Accepted);
}

#[tokio::test]
async fn who_guesses_too_often_has_to_wait_whatever_the_guess() {
    let scratch = Scratch::new(&[("ann", "secret")]).await;
    assert_eq!(scratch.verify("ann", "secret").await, Verdict::Accepted, "it is remembered from now on");
    for guess in ["a", "b", "c"] {
        assert_eq!(scratch.verify("ann", guess).await, Verdict::Refused);
    }
    let looked = scratch.looked();
    let wait = Verdict::TooManyFailures { retry_after: SECOND };
    for guess in ["d", "secret"] {
        assert_eq!(scratch.verify("ann", guess).await, wait, "{guess}");
    }
    assert_eq!(scratch.looked(), looked);

    assert_eq!(scratch.htpasswd.verify("ann", "secret", AWAY).await, Ok(Verdict::Accepted));
    scratch.clock.advance(SECOND);
    assert_eq!(scratch.verify("ann", "secret").await, Verdict::Accepted);
}

#[tokio::test]
async fn who_guesses_names_that_are_not_there_has_to_wait_as_well() {
    let scratch = Scratch::new(&[("ann", "secret")]).await;
    for guess in ["a", "b", "c"] {
        assert_eq!(scratch.verify("eve", guess).await, Verdict::Refused);
    }
    assert!(matches!(scratch.verify("eve", "d").await, Verdict::TooManyFailures { .. }));
}

#[tokio::test]
async fn strangers_are_looked_at_like_everybody_else() {
    let scratch = Scratch::new(&[("ann", "secret")]).await;
    scratch.verify("eve", "secret").await;
    assert_eq!(scratch.looked(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_is_wrong_while_the_file_changes() {
    let backoff = BackoffOptions { free_failures: u32::MAX, ..BackoffOptions::default() };
    let options = HtpasswdOptions { concurrency: 2, backoff, ..HtpasswdOptions::default() };
    let scratch = Arc::new(Scratch::with(options, &[("ann", "secret"), ("bob", "one")]).await);
    let mut logins = JoinSet::new();
    for task in 0..4 {
        let scratch = Arc::clone(&scratch);
        logins.spawn(async move {
            for round in 0..25 {
                assert_eq!(scratch.verify("ann", "secret").await, Verdict::Accepted);
                let guess = format!("guess {task} {round}");
                assert_eq!(scratch.verify("ann", &guess).await, Verdict::Refused);
                assert_eq!(scratch.verify("bob", "three").await, Verdict::Refused);
            }
        });
    }
    for round in 0..20 {
        let password = if round % 2 == 0 { "two" } else { "one" };
        scratch.change(&[("ann", "secret"), ("bob", password)]);
        assert_eq!(scratch.htpasswd.verify("ann", "secret", AWAY).await, Ok(Verdict::Accepted));
    }
    logins.join_all().await;
    scratch.change(&[("ann", "secret"), ("bob", "two")]);
    assert_eq!(scratch.verify("bob", "two").await, Verdict::Accepted);
}

#[tokio::test]
async fn nothing_that_is_printed_holds_a_password_or_a_hash() {
    let scratch = Scratch::new(&[("ann", "secret")]).await;
    scratch.verify("ann", "secret").await;
    let printed = format!("{:?}", scratch.htpasswd);
    assert!(!printed.contains("secret") && !printed.contains("$2"), "{printed}");
}
