//! Certificates that are renewed while the registry runs.

use std::cell::Cell;
use std::fs::{OpenOptions, remove_file};

use rustix::process::Signal;
use wharf_testkit::deadline::eventually;
use wharf_testkit::tls::Pair;

use super::{World, write};
use crate::running::fifo;

impl World {
    async fn shows(&self, pair: &Pair) -> bool {
        let agreed = self.client().agree(&self.running.server, &["h2"]).await.unwrap();
        agreed.certificate == pair.der().as_ref()
    }

    async fn comes_to_show(&self, pair: &Pair) {
        eventually("the new certificate", async || self.shows(pair).await.then_some(())).await;
    }
}

#[tokio::test]
async fn a_new_certificate_is_taken_up_by_itself() {
    let mut world = World::start("", "");
    let new = world.authority.server("the next one");
    write(world.directory.path(), &new);

    world.comes_to_show(&new).await;

    world.running.wait_for_log("TLS files loaded again");
    world.running.wait_for_log("CN=the next one");
    assert_eq!(world.running.stop().code(), Some(0));
}

#[tokio::test]
async fn files_that_cannot_be_used_are_told_and_the_old_ones_stay() {
    let mut world = World::start("", "");
    let (first, second) = (world.authority.server("first"), world.authority.server("second"));
    write(world.directory.path(), &first);
    world.comes_to_show(&first).await;

    let half = Pair { key: first.key.clone(), ..second.clone() };
    write(world.directory.path(), &half);
    world.running.signal(Signal::HUP);
    world.running.wait_for_log("the new TLS files cannot be used; the old ones stay in use");
    world.running.wait_for_log("is not the key of the certificate in");
    assert!(world.shows(&first).await);

    write(world.directory.path(), &second);
    world.comes_to_show(&second).await;
}

#[tokio::test]
async fn a_signal_has_the_files_looked_at() {
    let mut world = World::start("", "");
    world.running.signal(Signal::HUP);
    world.running.wait_for_log("the TLS files have not changed");
}

/// A disk or a network mount that does not answer keeps a thread in a system call, which nothing can end.
#[tokio::test]
async fn a_read_that_never_returns_does_not_keep_the_process_from_ending() {
    let world = World::start("", "");
    let certificate = world.directory.path().join("tls.crt");
    remove_file(&certificate).unwrap();
    fifo(&certificate);
    world.running.signal(Signal::HUP);
    // This returns when the registry has opened the file, which it then reads for as long as this end is open.
    let stuck = OpenOptions::new().write(true).open(&certificate).unwrap();

    assert_eq!(world.running.stop().code(), Some(0));

    drop(stuck);
}

/// Files are replaced again and again, one after the other, while clients come and go.
#[tokio::test]
async fn renewals_under_load_fail_no_request() {
    let world = World::start("", "");
    let (client, server) = (world.client(), world.running.server);
    let (answers, is_over) = (Cell::new(0), Cell::new(false));
    let ask = async || {
        while !is_over.get() {
            let _ = client.connect(&server).await.send(server.get("/v2/")).await.expect(200);
            answers.set(answers.get() + 1);
        }
    };
    let renew = async || {
        for turn in 1..=20 {
            let pair = world.authority.server(&format!("number {turn}"));
            write(world.directory.path(), &pair);
            world.running.signal(Signal::HUP);
            world.comes_to_show(&pair).await;
            while answers.get() < 5 * turn {
                assert!(world.shows(&pair).await);
            }
        }
        is_over.set(true);
    };

    tokio::join!(ask(), ask(), ask(), renew());
}
