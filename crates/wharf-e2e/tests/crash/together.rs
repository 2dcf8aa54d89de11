//! Two registries, each a process of its own, on one directory.

use wharf_testkit::rounds::{self, Exclusion};

use crate::disk::Folder;
use crate::server::{Options, Server};
use crate::{number, tree};

/// Rounds unless the environment says otherwise: a few seconds.
const ROUNDS: u64 = 40;

/// Tags of the manifest that is deleted.
const TAGS: usize = 1000;

fn two_on(folder: &Folder) -> [Server; 2] {
    let options = Options { fsync: Some("none"), ..Options::default() };
    [Server::start_with(options, folder.root()), Server::start_with(options, folder.root())]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rounds_of_pushes_and_deletes_by_two_processes_leave_what_some_order_of_them_leaves() {
    let folder = Folder::new();
    let servers = two_on(&folder);
    let wires = [servers[0].wire(), servers[1].wire()];
    let (count, seed) = (number("WHARF_ROUNDS").unwrap_or(ROUNDS), number("WHARF_SEED").unwrap_or(1));
    let summary = rounds::run(wires, Exclusion::Locks, count, seed).await;
    eprintln!("{summary:?}");
    servers.into_iter().for_each(Server::stop);
    tree::assert_sound(folder.root());
}

/// The delete reads a thousand tags and removes them one after the other. What is pushed to one of them meanwhile stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tags_that_move_while_the_manifest_they_meant_is_deleted_by_another_process_stay() {
    let folder = Folder::new();
    let servers = two_on(&folder);
    let beside = rounds::tags_that_move_beside_a_delete(servers[0].wire(), servers[1].wire(), TAGS).await;
    eprintln!("{beside} pushes beside the delete");
    servers.into_iter().for_each(Server::stop);
    tree::assert_sound(folder.root());
}
