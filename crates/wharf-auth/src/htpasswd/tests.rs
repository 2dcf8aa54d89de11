//! Passwords that are right, wrong, remembered, and asked for by many at once.

use std::net::{IpAddr, Ipv4Addr};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use futures_util::future::join_all;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;
use crate::clock::manual::ManualClock;
use crate::scratch::{replace, write};

mod established;

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

/// Logins of users with the password `guess`, from one address, as far as waiting for their turn.
fn waiting<'a>(
    scratch: &'a Scratch,
    users: impl IntoIterator<Item = String>,
    origin: impl Into<LoginOrigin> + Copy + 'a,
) -> Vec<Pin<Box<impl Future<Output = Result<Verdict, HtpasswdError>> + 'a>>> {
    let login = |user: String| {
        let mut login = Box::pin(async move { scratch.htpasswd.verify(&user, "guess", origin).await });
        assert!(poll(login.as_mut()).is_pending());
        login
    };
    users.into_iter().map(login).collect()
}

fn users(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("user{number}"))
}

#[tokio::test]
async fn logins_beyond_the_bound_of_an_address_are_busy_whatever_the_name() {
    let queue = QueueOptions { per_client: 3, ..QueueOptions::default() };
    let options = HtpasswdOptions { concurrency: 1, queue, ..HtpasswdOptions::default() };
    let scratch = Scratch::with(options, &[("ann", "secret"), ("bob", "secret")]).await;
    let turns = scratch.htpasswd.checks.take_turns();
    let mut away = pin!(scratch.htpasswd.verify("bob", "secret", AWAY));
    let guesses = waiting(&scratch, users(3), HOME);
    // Known and unknown names get the same answer.
    for user in ["ann", "eve"] {
        assert_eq!(scratch.htpasswd.verify(user, "secret", HOME).await, Err(HtpasswdError::Busy));
    }
    assert!(poll(away.as_mut()).is_pending(), "another address has places of its own");

    drop(turns);
    let (guesses, away) = tokio::join!(join_all(guesses), away);
    assert!(guesses.into_iter().all(|verdict| verdict == Ok(Verdict::Refused)));
    assert_eq!(away, Ok(Verdict::Accepted));
    assert_eq!(scratch.verify("ann", "secret").await, Verdict::Accepted);
}

#[tokio::test]
async fn a_login_is_verified_before_what_another_address_has_waiting() {
    let options = HtpasswdOptions { concurrency: 1, ..HtpasswdOptions::default() };
    let scratch = Scratch::with(options, &[("ann", "secret")]).await;
    let turns = scratch.htpasswd.checks.take_turns();
    let guesses = waiting(&scratch, users(64), HOME);
    let login = async {
        let verdict = scratch.htpasswd.verify("ann", "secret", AWAY).await;
        (verdict, scratch.looked())
    };
    let mut login = Box::pin(login);
    assert!(poll(login.as_mut()).is_pending());
    drop(turns);
    let ((verdict, looked), _) = tokio::join!(login, join_all(guesses));
    assert_eq!(verdict, Ok(Verdict::Accepted));
    assert!(looked <= 4, "{looked} of 65 were verified until then");
    assert_eq!(scratch.htpasswd.checks.waiting(), 0);
}

#[tokio::test]
async fn a_password_that_was_right_passes_although_guesses_have_taken_all_places_there() {
    let options = HtpasswdOptions { concurrency: 1, ..HtpasswdOptions::default() };
    let remember = options.remember;
    let scratch = Scratch::with(options, &[("ann", "secret"), ("bob", "secret")]).await;
    assert_eq!(scratch.verify("ann", "secret").await, Verdict::Accepted);
    scratch.clock.advance(remember);
    // The file is reloaded here, so that logins wait for nothing but turns below.
    drop(scratch.htpasswd.users.get().await);
    let turns = scratch.htpasswd.checks.take_turns();
    let guesses = waiting(&scratch, users(QueueOptions::default().per_client), HOME);
    assert_eq!(scratch.htpasswd.verify("bob", "secret", HOME).await, Err(HtpasswdError::Busy));
    let mut login = pin!(scratch.verify("ann", "secret"));
    assert!(poll(login.as_mut()).is_pending());
    drop(turns);
    let (verdict, _) = tokio::join!(login, join_all(guesses));
    assert_eq!(verdict, Verdict::Accepted);
}

#[tokio::test]
async fn guesses_at_a_user_have_to_wait_and_the_right_password_passes_where_it_was_right() {
    let scratch = Scratch::new(&[("ann", "secret")]).await;
    assert_eq!(scratch.verify("ann", "secret").await, Verdict::Accepted);
    for guess in ["a", "b", "c"] {
        assert_eq!(scratch.verify("ann", guess).await, Verdict::Refused);
    }
    let looked = scratch.looked();
    let wait = Verdict::TooManyFailures { retry_after: SECOND };
    for _ in 0..20 {
        assert_eq!(scratch.verify("ann", "secret").await, Verdict::Accepted);
    }
    assert_eq!(scratch.verify("ann", "d").await, wait);
    assert_eq!(scratch.looked(), looked, "none of this was verified again");
    // With more guesses than the rate allows, it is not compared any more.
    for guess in 0..BackoffOptions::default().rechecks {
        assert_eq!(scratch.verify("ann", &guess.to_string()).await, wait);
    }
    assert_eq!(scratch.verify("ann", "secret").await, wait);
    assert_eq!(scratch.htpasswd.verify("ann", "secret", AWAY).await, Ok(Verdict::Accepted));
    scratch.clock.advance(SECOND);
    assert_eq!(scratch.verify("ann", "secret").await, Verdict::Accepted);
}

#[tokio::test]
async fn a_password_that_was_right_elsewhere_does_not_pass() {
    let scratch = Scratch::new(&[("ann", "secret")]).await;
    assert_eq!(scratch.verify("ann", "secret").await, Verdict::Accepted);
    for guess in ["a", "b", "c"] {
        assert_eq!(scratch.htpasswd.verify("ann", guess, AWAY).await, Ok(Verdict::Refused));
    }
    let wait = Verdict::TooManyFailures { retry_after: SECOND };
    assert_eq!(scratch.htpasswd.verify("ann", "secret", AWAY).await, Ok(wait), "a guesser would learn it");
}

#[tokio::test]
async fn a_password_passes_a_wait_after_it_was_forgotten_and_is_verified_again() {
    let options = HtpasswdOptions::default();
    let scratch = Scratch::with(options.clone(), &[("ann", "secret")]).await;
    assert_eq!(scratch.verify("ann", "secret").await, Verdict::Accepted);
    scratch.clock.advance(options.remember);
    for guess in 0..options.backoff.free_failures {
        assert_eq!(scratch.verify("ann", &guess.to_string()).await, Verdict::Refused);
    }
    let looked = scratch.looked();
    assert_eq!(scratch.verify("ann", "secret").await, Verdict::Accepted);
    assert_eq!(scratch.looked(), looked + 1);
    let wait = Verdict::TooManyFailures { retry_after: SECOND };
    assert_eq!(scratch.verify("ann", "guess").await, wait, "it forgives none of the guesses");

    scratch.change(&[("ann", "other")]);
    scratch.clock.advance(SECOND);
    assert_eq!(scratch.verify("ann", "secret").await, Verdict::Refused, "the line has changed");
}

#[tokio::test]
async fn one_password_cannot_be_tried_on_any_number_of_names() {
    let scratch = Scratch::with(HtpasswdOptions::default(), &[("ann", "secret")]).await;
    let free = BackoffOptions::default().address_failures;
    for user in 0..free {
        assert_eq!(scratch.verify(&format!("user{user}"), "guess").await, Verdict::Refused);
    }
    for user in ["ann", "eve"] {
        let verdict = scratch.verify(user, "guess").await;
        assert!(matches!(verdict, Verdict::TooManyFailures { .. }), "{user} {verdict:?}");
    }
    assert_eq!(scratch.looked(), u64::from(free));
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
    let backoff =
        BackoffOptions { free_failures: u32::MAX, address_failures: u32::MAX, ..BackoffOptions::default() };
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
