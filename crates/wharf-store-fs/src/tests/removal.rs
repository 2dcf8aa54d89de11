//! Removing a blob beside those who publish, rely on and read it: every order of their steps, on files.
//!
//! Each process runs on a thread of its own and stops before each of its steps until it is its turn. All orders are tried,
//! or, where there are too many, some of all kinds; which is the same each time.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, SystemTime};

use super::*;
use crate::ProcessLocks;
use crate::disk::{Disk, Place, Sweep, Write};

const HOUR: Duration = Duration::from_secs(3600);

const CONTENT: &[u8] = b"content";

/// So many orders are tried one after the other, and as many that are scattered; all of them, where there are fewer.
const ORDERS: usize = 600;

/// More choices than there are in any order of them.
const LONGEST: usize = 64;

/// Something that runs beside others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Actor {
    /// Publishes the blob anew.
    Publisher,
    /// Relies on the blob that is there.
    Holder,
    /// Finds it old.
    Remover,
    /// The same, and is killed before the step of this number.
    KilledRemover(usize),
    /// Puts back what others have left aside.
    Sweep,
    /// Reads it.
    Reader,
}

/// What came of an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The blob was promised to a client, or read.
    Relied,
    /// It was not there.
    Absent,
    Done,
    /// It was there for a client when this reader began, and was not found.
    Missed,
}

/// Whose turn it is, and what was chosen so far.
#[derive(Debug, Default)]
struct Turns {
    /// Actors that wait before a step.
    waiting: BTreeMap<usize, &'static str>,
    running: Option<usize>,
    alive: usize,
    /// The choices to be made first, and how many there were at each point.
    script: Vec<usize>,
    made: Vec<(usize, usize)>,
    acknowledged: bool,
}

#[derive(Debug, Default)]
struct Stage {
    turns: Mutex<Turns>,
    /// One for each actor.
    chosen: Vec<Condvar>,
}

struct Killed;

impl Stage {
    /// Waits for this actor's turn.
    fn wait(&self, actor: usize, step: &'static str) {
        let mut turns = self.turns.lock().unwrap();
        if turns.running == Some(actor) {
            turns.running = None;
        }
        turns.waiting.insert(actor, step);
        self.choose(&mut turns);
        while turns.running != Some(actor) {
            turns = self.chosen[actor].wait(turns).unwrap();
        }
        turns.waiting.remove(&actor);
    }

    fn leave(&self, actor: usize, acknowledged: bool) {
        let mut turns = self.turns.lock().unwrap();
        turns.alive -= 1;
        turns.acknowledged |= acknowledged;
        if turns.running == Some(actor) {
            turns.running = None;
        }
        self.choose(&mut turns);
    }

    /// When all wait, one is chosen.
    fn choose(&self, turns: &mut Turns) {
        if turns.running.is_some() || turns.waiting.len() < turns.alive || turns.alive == 0 {
            return;
        }
        let open: Vec<usize> = turns.waiting.keys().copied().collect();
        let choice = turns.script.get(turns.made.len()).map_or(0, |choice| choice % open.len());
        turns.made.push((choice, open.len()));
        turns.running = Some(open[choice]);
        self.chosen[open[choice]].notify_one();
    }

    fn acknowledged(&self) -> bool {
        self.turns.lock().unwrap().acknowledged
    }
}

/// One process on `root`, whose steps wait for their turn.
fn disk(root: &std::path::Path, stage: &Arc<Stage>, actor: usize, killed_at: usize) -> Arc<Disk> {
    let disk = Disk::open(root.to_owned(), Fsync::None, ProcessLocks::Detect).unwrap();
    let (stage, steps) = (Arc::clone(stage), std::sync::atomic::AtomicUsize::new(0));
    disk.steps.hook(move |step| {
        stage.wait(actor, step);
        if steps.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == killed_at {
            std::panic::resume_unwind(Box::new(Killed));
        }
    });
    Arc::new(disk)
}

fn act(
    actor: Actor,
    disk: &Arc<Disk>,
    stage: &Stage,
    index: usize,
    place: &Place,
    now: SystemTime,
) -> Outcome {
    match actor {
        Actor::Publisher => {
            let write = Write {
                place: place.clone(),
                bytes: Bytes::from_static(CONTENT),
                condition: wharf_store::PutIf::Any,
            };
            stage.wait(index, "rename");
            disk.write(write).unwrap();
            Outcome::Relied
        }
        Actor::Holder => match disk.renew(place, HOUR / 2, now).unwrap() {
            true => Outcome::Relied,
            false => Outcome::Absent,
        },
        Actor::Remover | Actor::KilledRemover(_) => {
            disk.remove_if_older(place, now - HOUR).unwrap();
            Outcome::Done
        }
        Actor::Sweep => {
            let mut sweep = Sweep::new(disk, now - HOUR);
            while sweep.step(disk).unwrap() {}
            Outcome::Done
        }
        Actor::Reader => {
            stage.wait(index, "start");
            let owed = stage.acknowledged();
            match disk.open_blob(&place.path).unwrap() {
                Some(_) => Outcome::Relied,
                None if owed => Outcome::Missed,
                None => Outcome::Absent,
            }
        }
    }
}

/// Runs the actors in one order; returns the choices that were made.
fn run(actors: &[Actor], script: &[usize]) -> Vec<(usize, usize)> {
    let root = in_memory();
    let now = SystemTime::now();
    let digest = Digest::of(CONTENT);
    let place = Place::from(&Key::BlobData(&digest));
    let path = root.path().join(&place.path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, CONTENT).unwrap();
    std::fs::File::open(&path).unwrap().set_modified(now - 2 * HOUR).unwrap();
    let turns = Turns { alive: actors.len(), script: script.to_vec(), ..Turns::default() };
    let stage =
        Arc::new(Stage { turns: Mutex::new(turns), chosen: actors.iter().map(|_| Condvar::new()).collect() });
    let outcomes: Vec<Option<Outcome>> = std::thread::scope(|scope| {
        let threads = actors.iter().enumerate().map(|(index, actor)| {
            let (stage, place) = (Arc::clone(&stage), place.clone());
            let killed_at = if let Actor::KilledRemover(at) = actor { *at } else { usize::MAX };
            let disk = disk(root.path(), &stage, index, killed_at);
            scope.spawn(move || {
                let act = || act(*actor, &disk, &stage, index, &place, now);
                let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
                let relied = matches!(outcome, Ok(Outcome::Relied)) && *actor != Actor::Reader;
                stage.leave(index, relied);
                outcome
                    .map_err(|panic| panic.downcast::<Killed>().map(drop))
                    .map_or_else(|killed| killed.map(|()| None), |outcome| Ok(Some(outcome)))
            })
        });
        let threads: Vec<_> = threads.collect();
        threads.into_iter().map(|thread| thread.join().unwrap().expect("no actor fails")).collect()
    });
    let made = stage.turns.lock().unwrap().made.clone();
    let order: Vec<usize> = made.iter().map(|(choice, _)| *choice).collect();
    let story = || format!("{actors:?} in the order {order:?}: {outcomes:?}");
    assert!(!outcomes.contains(&Some(Outcome::Missed)), "a reader missed it: {}", story());
    let killed = actors.iter().any(|actor| matches!(actor, Actor::KilledRemover(_)));
    let disk = Disk::open(root.path().to_owned(), Fsync::None, ProcessLocks::Detect).unwrap();
    let there = match killed {
        true => disk.open_blob(&place.path).unwrap().is_some(),
        false => path.exists(),
    };
    assert!(there || !stage.acknowledged(), "it was acknowledged and is gone: {}", story());
    made
}

/// A folder on no disk, where there is one: nothing here is about what stays.
fn in_memory() -> TempDir {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// The next order in which something is different; `None` after the last.
fn next(made: &[(usize, usize)]) -> Option<Vec<usize>> {
    let last = made.iter().rposition(|(choice, open)| choice + 1 < *open)?;
    let mut script: Vec<usize> = made[..last].iter().map(|(choice, _)| *choice).collect();
    script.push(made[last].0 + 1);
    Some(script)
}

fn check(actors: &[Actor]) {
    let mut script = Vec::new();
    for _ in 0..ORDERS {
        match next(&run(actors, &script)) {
            Some(following) => script = following,
            None => return,
        }
    }
    // Those so far differ in their last choices alone.
    for order in noise(ORDERS * LONGEST).chunks(LONGEST) {
        let script: Vec<usize> = order.iter().map(|byte| usize::from(*byte)).collect();
        run(actors, &script);
    }
}

#[test]
fn a_blob_is_kept_for_its_holder_or_was_gone_when_held() {
    check(&[Actor::Remover, Actor::Holder]);
    check(&[Actor::Holder, Actor::Remover]);
}

#[test]
fn a_blob_published_while_it_is_removed_stays() {
    check(&[Actor::Publisher, Actor::Remover, Actor::Remover]);
}

#[test]
fn two_holders_both_keep_it() {
    check(&[Actor::Holder, Actor::Holder, Actor::Remover]);
}

#[test]
fn two_removers_take_nothing_that_is_held() {
    check(&[Actor::Remover, Actor::Remover, Actor::Holder]);
}

#[test]
fn a_reader_finds_what_was_promised_at_every_moment() {
    check(&[Actor::Remover, Actor::Reader, Actor::Holder]);
    check(&[Actor::Reader, Actor::Remover, Actor::Publisher]);
}

#[test]
fn what_a_killed_remover_left_is_put_back_and_is_read_meanwhile() {
    for at in 0..4 {
        check(&[Actor::KilledRemover(at), Actor::Sweep, Actor::Holder]);
        check(&[Actor::KilledRemover(at), Actor::Holder, Actor::Reader]);
    }
}

#[test]
fn a_sweep_beside_a_living_remover_loses_nothing() {
    check(&[Actor::Remover, Actor::Sweep, Actor::Holder]);
}
