//! Two replicas on one bucket, whose clients push, move, mount and delete the same few things.

use wharf_testkit::rounds::{Exclusion, run, tags_that_move_beside_a_delete};
use wharf_testkit::s3::S3Server;

use crate::programs::{Program, Registry};

/// Rounds unless the environment says otherwise: a few seconds.
const ROUNDS: u64 = 30;

/// Tags of the manifest that is deleted.
const TAGS: usize = 300;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("a number"))
}

async fn rounds_on(server: &S3Server) {
    let replicas = [Program::tested().start(server), Program::tested().start(server)];
    let wires = [*replicas[0], *replicas[1]];
    let (rounds, seed) = (number("WHARF_ROUNDS").unwrap_or(ROUNDS), number("WHARF_SEED").unwrap_or(1));
    let summary = run(wires, Exclusion::Conditions, rounds, seed).await;
    eprintln!("{summary:?}");
    replicas.into_iter().for_each(Registry::stop);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rounds_of_pushes_and_deletes_by_two_replicas_leave_what_some_order_of_them_leaves() {
    rounds_on(&S3Server::start()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rounds_by_two_replicas_are_as_right_where_deletes_take_no_condition() {
    let server = S3Server::start();
    server.ignore_conditions_of_deletes();
    rounds_on(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tags_that_move_while_the_manifest_they_meant_is_deleted_by_another_replica_stay() {
    for conditional_deletes in [true, false] {
        let server = S3Server::start();
        if !conditional_deletes {
            server.ignore_conditions_of_deletes();
        }
        let replicas = [Program::tested().start(&server), Program::tested().start(&server)];
        let beside = tags_that_move_beside_a_delete(*replicas[0], *replicas[1], TAGS).await;
        eprintln!("{beside} pushes beside the delete");
        replicas.into_iter().for_each(Registry::stop);
    }
}
