//! Passwords that were right before, beside guesses at them.

use super::*;

#[tokio::test]
async fn old_passwords_that_clients_repeat_lock_out_no_password_that_was_right_there() {
    let scratch = Scratch::new(&[("ann", "secret")]).await;
    assert_eq!(scratch.verify("ann", "secret").await, Verdict::Accepted);
    for guess in ["a", "b", "c"] {
        assert_eq!(scratch.verify("ann", guess).await, Verdict::Refused);
    }
    let wait = Verdict::TooManyFailures { retry_after: SECOND };
    for _ in 0..50 {
        // One that was refused before the wait, and two that came while it lasted.
        for old in ["a", "old", "older"] {
            assert_eq!(scratch.verify("ann", old).await, wait);
        }
        assert_eq!(scratch.verify("ann", "secret").await, Verdict::Accepted);
    }
}

#[tokio::test]
async fn a_password_that_cannot_be_guessed_passes_where_it_was_right_beside_any_number_of_guesses() {
    let generated = "8f6c0f9a2b1de4730c5f1f7b9a3e6d24";
    let scratch = Scratch::new(&[("ann", generated), ("bob", "secret")]).await;
    for (user, password) in [("ann", generated), ("bob", "secret")] {
        assert_eq!(scratch.verify(user, password).await, Verdict::Accepted);
        for guess in 0..100 {
            assert_ne!(scratch.verify(user, &format!("guess {guess}")).await, Verdict::Accepted);
        }
    }
    let looked = scratch.looked();
    for _ in 0..20 {
        assert_eq!(scratch.verify("ann", generated).await, Verdict::Accepted);
    }
    assert_eq!(scratch.looked(), looked, "none of this was verified again");
    // One that can be guessed is not compared any more: this would tell a guesser that it is right.
    assert!(matches!(scratch.verify("bob", "secret").await, Verdict::TooManyFailures { .. }));
    // Where it was not right before, it has to wait like any other.
    for guess in ["a", "b", "c"] {
        assert_eq!(scratch.htpasswd.verify("ann", guess, AWAY).await, Ok(Verdict::Refused));
    }
    let wait = Verdict::TooManyFailures { retry_after: SECOND };
    assert_eq!(scratch.htpasswd.verify("ann", generated, AWAY).await, Ok(wait));
}

#[tokio::test]
async fn addresses_that_a_client_invents_evict_no_other_login_from_those_that_were_right() {
    let options = HtpasswdOptions { established: 2, ..HtpasswdOptions::default() };
    let scratch = Scratch::with(options, &[("ann", "secret"), ("bob", "hunter2")]).await;
    assert_eq!(scratch.verify("ann", "secret").await, Verdict::Accepted);
    let invented = |number: u16| LoginOrigin {
        address: AWAY,
        forwarded: Some(Ipv4Addr::from_bits(0x0a00_0000 + u32::from(number)).into()),
    };
    // Another user, and a client that shares the password.
    for (user, password) in [("bob", "hunter2"), ("ann", "secret")] {
        // Again and again, as clients do whose passwords are worth remembering.
        for number in (0..1_000).flat_map(|number| [number; 4]) {
            let verdict = scratch.htpasswd.verify(user, password, invented(number)).await;
            assert_eq!(verdict, Ok(Verdict::Accepted));
        }
    }
    for guess in 0..BackoffOptions::default().free_failures {
        assert_eq!(scratch.verify("ann", &guess.to_string()).await, Verdict::Refused);
    }
    assert!(matches!(scratch.verify("ann", "guess").await, Verdict::TooManyFailures { .. }));
    assert_eq!(scratch.verify("ann", "secret").await, Verdict::Accepted);
    assert_eq!(scratch.looked(), 2 + u64::from(BackoffOptions::default().free_failures));
}
