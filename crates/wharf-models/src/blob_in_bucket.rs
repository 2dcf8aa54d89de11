//! Rule 4: a blob in a bucket is swept while clients write it or rely on it.
//!
//! The collector's mark is over: the blob is old, and no manifest needed it then. A DELETE has no condition; each request is
//! atomic. Time is a counter that may advance between any two steps; one unit stands for about ten seconds. A request in
//! flight lands within one unit or not at all.
//!
//! | Actor | In the code |
//! |---|---|
//! | [`Role::Writer`] | `BlobStore::put` and `commit` |
//! | [`Role::Holder`] | `MetadataStore::hold`, `Objects::renew` |
//! | [`Role::Collector`] | the sweep: `BlobStore::remove_if_older` of a batch |
//! | [`Role::Clock`] | time |

mod actors;
#[cfg(test)]
mod tests;

pub use actors::{Collector, Holder, Recheck, Writer};

use crate::protocol::{Actor, Outcome, Protocol, State};

/// How long the collector waits after it created the sweep's object: a minute.
const WAIT: u8 = 4;
/// How long a writer may answer on what it read of the sweep's object before it wrote.
const FRESH: u8 = 2;
/// How late after the announcement of its batch a DELETE may be sent.
const DEADLINE: u8 = 1;
/// How late after it was sent a DELETE may land.
const FLIGHT: u8 = 1;
/// How long a batch must stay announced before another process takes the sweep over.
const TERM: u8 = 4;

/// Names of the steps.
pub mod step {
    /// The sweep's object is created, if it is not there.
    pub const CREATE_SWEEP: &str = "create sweep";
    /// The collector waits, so that those who read before that no sweep is on have answered.
    pub const WAIT: &str = "wait";
    /// The batch is written into the sweep's object, on the condition that it was not taken over.
    pub const ANNOUNCE: &str = "announce batch";
    /// The collector stats the blob and its renewal.
    pub const STAT_BATCH: &str = "stat batch";
    /// The DELETE is sent, if the announcement is not too old.
    pub const SEND_DELETE: &str = "send delete";
    /// The DELETE takes effect.
    pub const DELETE: &str = "delete";
    /// The next batch is announced, in which the blob is not.
    pub const ANNOUNCE_NEXT: &str = "announce next batch";
    /// The sweep's object is removed.
    pub const REMOVE_SWEEP: &str = "remove sweep";
    /// The sweep's object is read before anything is written. A process does this every few seconds for all its requests.
    pub const READ_SWEEP: &str = "get sweep";
    /// The blob's bytes are written.
    pub const PUT: &str = "put blob";
    /// The blob and its renewal are statted.
    pub const STAT: &str = "stat blob";
    /// The renewal is written.
    pub const RENEW: &str = "renew blob";
    /// Whether what was read of the sweep's object still suffices.
    pub const CHECK_CLOCK: &str = "check clock";
    /// The sweep's object is read after the write. While it names the blob, the reader waits.
    pub const READ_SWEEP_AGAIN: &str = "get sweep again";
    /// The blob is statted once no batch names it.
    pub const STAT_AGAIN: &str = "stat blob again";
    /// The request is answered with success: the client may rely on the blob.
    pub const ACKNOWLEDGE: &str = "acknowledge";
    /// The request is answered: the blob is absent.
    pub const REFUSE: &str = "refuse";
    /// Time advances.
    pub const TICK: &str = "tick";
}

/// The blob's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blob {
    /// Written before the collector's limit.
    Old,
    /// Written after it.
    Young,
    /// Not there.
    Absent,
}

/// The sweep's object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sweep {
    /// Not there: no sweep is on.
    Off,
    /// There, and no batch is announced yet.
    Begun,
    /// Names a batch with the blob in it.
    NamesBlob,
    /// Names a later batch.
    Later,
}

/// The bucket, and the time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bucket {
    /// The blob.
    pub blob: Blob,
    /// Whether the blob's renewal is there.
    pub renewed: bool,
    /// The sweep's object.
    pub sweep: Sweep,
    /// Now.
    pub now: u8,
    /// A request that relies on the blob was answered with success.
    acknowledged: bool,
    /// The collector has deleted the blob.
    deleted: bool,
}

/// What each actor does, and how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Uploads the blob again.
    Writer(Writer),
    /// Relies on the blob that is there.
    Holder(Holder),
    /// Sweeps the bucket.
    Collector(Collector),
    /// Lets time advance.
    Clock,
}

/// When a writer reads that no sweep is on, which lets it answer without a check after its write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortcut {
    /// Shortly before it writes.
    ReadBeforeWrite,
    /// After it wrote. Not the rule.
    ReadAfterWrite,
}

/// What a writer or holder checks after its write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecheckOrder {
    /// The sweep's object, then the blob.
    SweepThenBlob,
    /// The sweep's object only. Not the rule.
    SweepOnly,
    /// The blob, then the sweep's object. Not the rule.
    BlobThenSweep,
}

/// The parts of the rule. A test changes one at a time.
#[derive(Debug, Clone, Copy)]
pub struct Parts {
    /// The collector waits before its first batch.
    pub collector_waits: bool,
    /// The collector announces the batch before it stats it.
    pub announce: bool,
    /// The collector sends no DELETE later than its deadline after the announcement.
    pub deadline: bool,
    /// What a writer or holder checks after its write.
    pub recheck: RecheckOrder,
    /// When a writer reads that no sweep is on.
    pub shortcut: Shortcut,
    /// A holder checks a young blob, too: another holder may have renewed it too late for the collector.
    pub recheck_young: bool,
}

/// The rule, with the actors that take part.
#[derive(Debug)]
pub struct BlobInBucket {
    actors: Vec<Actor<Role>>,
    parts: Parts,
    /// When time stops.
    until: u8,
}

// === impl Parts ===

impl Default for Parts {
    /// The rule as it is built.
    fn default() -> Self {
        Self {
            collector_waits: true,
            announce: true,
            deadline: true,
            recheck: RecheckOrder::SweepThenBlob,
            shortcut: Shortcut::ReadBeforeWrite,
            recheck_young: true,
        }
    }
}

// === impl BlobInBucket ===

impl BlobInBucket {
    /// The rule with `parts`, between `actors`, until the time `until`.
    pub fn new(mut actors: Vec<Actor<Role>>, parts: Parts, until: u8) -> Self {
        actors.push(Actor::new("clock", Role::Clock));
        Self { actors, parts, until }
    }

    fn step(&self, bucket: &mut Bucket, role: Role) -> Option<Role> {
        match role {
            Role::Writer(at) => at.step(bucket, &self.parts).map(Role::Writer),
            Role::Holder(at) => at.step(bucket, &self.parts).map(Role::Holder),
            Role::Collector(at) => at.step(bucket, &self.parts).map(Role::Collector),
            Role::Clock => {
                bucket.now += 1;
                (bucket.now < self.until).then_some(Role::Clock)
            }
        }
    }
}

impl Protocol for BlobInBucket {
    type Shared = Bucket;
    type Step = Role;

    fn start(&self) -> Bucket {
        let (blob, sweep) = (Blob::Old, Sweep::Off);
        Bucket { blob, renewed: false, sweep, now: 0, acknowledged: false, deleted: false }
    }

    fn actors(&self) -> &[Actor<Role>] {
        &self.actors
    }

    fn name(&self, step: &Role) -> &'static str {
        match step {
            Role::Writer(at) => at.name(),
            Role::Holder(at) => at.name(),
            Role::Collector(at) => at.name(),
            Role::Clock => step::TICK,
        }
    }

    fn outcomes(&self, bucket: &Bucket, _me: usize, step: &Role) -> Vec<Outcome<Self>> {
        match step {
            Role::Collector(at) if at.must_wait(bucket) => Vec::new(),
            _ => Outcome::only(bucket, |bucket| self.step(bucket, *step)),
        }
    }

    fn violation(&self, state: &State<Self>) -> Option<&'static str> {
        let bucket = &state.shared;
        let lost = bucket.acknowledged && bucket.blob == Blob::Absent && state.all_ended();
        lost.then_some("the blob was acknowledged and is gone")
    }

    fn goal(&self, state: &State<Self>) -> bool {
        state.shared.deleted
    }
}
