//! Rounds of pushes, retags, mounts and deletes by clients of two registries over one store.
//!
//! The clients of a round run side by side, and each request is recorded with its answer. After the round a reader that goes
//! through either registry must find a state that some order of the recorded requests leads to, and every manifest that it
//! finds must be there with all its blobs, byte for byte. So no tag means what it was not pushed as, nothing acknowledged is
//! lost, and what was deleted stays deleted unless it was pushed again.
//!
//! Knows nothing of stores: how requests exclude each other is an argument.

mod client;
mod moved;
mod orders;
mod state;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::join_all;

pub use self::moved::tags_that_move_beside_a_delete;
pub use self::state::Exclusion;

use self::client::Client;
use self::state::{IMAGES, Observation, Record, State, TAGS};
use crate::images::{self, Blob};
use crate::push;
use crate::wire::{Response, Server};

/// Clients of each registry.
const CLIENTS: usize = 2;

/// The repository that all clients push to.
const TARGET: &str = "rounds/target";

/// The repository that layers are mounted from.
const SOURCE: &str = "rounds/source";

/// A tag that no request touches, so that the repository exists in every state.
const PINNED: &str = "pinned";

/// What came of all rounds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Rounds that were run.
    pub rounds: u64,
    /// Requests that changed something or would have, and reads beside them.
    pub requests: usize,
    /// Those of them that found nothing to delete, to read or to mount.
    pub absent: usize,
    /// Images that were made: a new one whenever another is deleted with all its tags.
    pub images: u64,
}

/// All that clients of one round have in common.
struct World {
    servers: [Server; 2],
    exclusion: Exclusion,
    seed: u64,
    slots: Vec<Slot>,
    pinned: images::Image,
    /// Every state the store may be in: more than one where a reader cannot tell.
    possible: BTreeSet<State>,
    /// Counts requests and answers.
    clock: AtomicU64,
    summary: Summary,
}

/// An image, and whether all its blobs are known to be in the repository.
struct Slot {
    image: images::Image,
    complete: bool,
}

/// Runs so many rounds through two registries over one store, which has neither of the two repositories yet.
///
/// Panics with the seed and the requests of the first round that no order explains.
pub async fn run(servers: [Server; 2], exclusion: Exclusion, rounds: u64, seed: u64) -> Summary {
    let mut world = World::new(servers, exclusion, seed).await;
    for round in 0..rounds {
        world.round(round).await;
    }
    world.verify_pinned().await;
    world.summary
}

fn tag_name(tag: usize) -> String {
    format!("t{tag}")
}

// === impl World ===

impl World {
    async fn new(servers: [Server; 2], exclusion: Exclusion, seed: u64) -> Self {
        let pinned = images::Image::random(seed.wrapping_mul(1_000_000_007));
        let _ = push::image(&servers[0], TARGET, PINNED, &pinned).await;
        let mut world = Self {
            servers,
            exclusion,
            seed,
            slots: Vec::new(),
            pinned,
            possible: [State::default()].into(),
            clock: AtomicU64::new(0),
            summary: Summary::default(),
        };
        for index in 0..IMAGES {
            let slot = world.new_slot(index).await;
            world.slots.push(slot);
        }
        world
    }

    /// An image that no request has named yet, with its layer in the other repository.
    async fn new_slot(&mut self, index: usize) -> Slot {
        self.summary.images += 1;
        let image = images::Image::build(&images::ImageOptions {
            seed: self.seed.wrapping_mul(1_000_000_007).wrapping_add(self.summary.images),
            layers: 1,
            ..images::ImageOptions::default()
        });
        push::blob(&self.servers[index % 2], SOURCE, &image.layers[0]).await;
        let with_source = |mut state: State| {
            state.sources[index] = true;
            state
        };
        self.possible = self.possible.iter().copied().map(with_source).collect();
        Slot { image, complete: false }
    }

    async fn round(&mut self, round: u64) {
        for index in 0..IMAGES {
            if self.possible.iter().all(|state| state.is_free_of(index)) {
                self.slots[index] = self.new_slot(index).await;
            }
        }
        let world = &*self;
        let clients = (0..CLIENTS * 2).map(|number| Client::new(world, round, number).run());
        let records: Vec<_> = join_all(clients).await.into_iter().flatten().collect();
        let absent = records.iter().filter(|record| record.answer == state::Answer::Absent).count();
        let observed = self.observe(self.servers[usize::from(round.is_multiple_of(2))]).await;
        let reached: BTreeSet<State> = self
            .possible
            .iter()
            .flat_map(|begin| orders::outcomes(*begin, &records, self.exclusion))
            .filter(|state| state.shows(&observed))
            .collect();
        assert!(!reached.is_empty(), "{}", self.unexplained(round, &observed, &records));
        for slot in 0..IMAGES {
            self.slots[slot].complete |= observed.manifests[slot];
        }
        self.possible = reached;
        self.summary.rounds += 1;
        self.summary.requests += records.len();
        self.summary.absent += absent;
    }

    /// What a failed round is reported as.
    fn unexplained(&self, round: u64, observed: &Observation, records: &[Record]) -> String {
        let lines = |of: &mut dyn Iterator<Item = String>| of.collect::<Vec<_>>().join("\n  ");
        format!(
            "seed {}, round {round}: no order of these requests\n  {}\nleads from\n  {}\nto\n  {observed:?}",
            self.seed,
            lines(&mut records.iter().map(|record| format!("{record:?}"))),
            lines(&mut self.possible.iter().map(|state| format!("{state:?}"))),
        )
    }

    /// Reads everything, and finds that each manifest that is there is there with its blobs.
    async fn observe(&self, server: Server) -> Observation {
        let mut connection = server.connect().await;
        let mut observed =
            Observation { tags: [None; TAGS], listed: [false; TAGS], manifests: [false; IMAGES] };
        let list = connection.send(server.get(format!("/v2/{TARGET}/tags/list"))).await.expect(200);
        let list: Vec<String> = serde_json::from_value(list.json()["tags"].clone()).unwrap();
        for tag in 0..TAGS {
            let get = server.get(format!("/v2/{TARGET}/manifests/{}", tag_name(tag)));
            observed.tags[tag] = self.found(&connection.send(get).await);
            observed.listed[tag] = list.contains(&tag_name(tag));
        }
        for (index, slot) in self.slots.iter().enumerate() {
            let digest = slot.image.manifest.digest;
            let found = connection.send(server.get(format!("/v2/{TARGET}/manifests/{digest}"))).await;
            observed.manifests[index] = self.found(&found).is_some();
            if observed.manifests[index] {
                for blob in slot.image.blobs() {
                    assert_blob(&mut connection, &server, blob).await;
                }
            }
        }
        observed
    }

    /// Which image a GET of a manifest has found.
    fn found(&self, response: &Response) -> Option<usize> {
        match response.status {
            404 => None,
            200 => {
                let is_it = |slot: &Slot| slot.image.manifest.bytes == response.body;
                Some(self.slots.iter().position(is_it).expect("a manifest that the tag was pushed as"))
            }
            other => panic!("{other}: {response:?}"),
        }
    }

    async fn verify_pinned(&self) {
        for server in self.servers {
            let found = server.get(format!("/v2/{TARGET}/manifests/{PINNED}")).send().await.expect(200);
            assert_eq!(found.body, self.pinned.manifest.bytes);
        }
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }
}

async fn assert_blob(connection: &mut crate::wire::Connection, server: &Server, blob: &Blob) {
    let target = format!("/v2/{TARGET}/blobs/{}", blob.digest);
    let found = connection.send(server.get(&target)).await.expect(200);
    assert!(found.body == blob.bytes, "{target} is not what was pushed");
}
