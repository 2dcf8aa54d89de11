//! Removing a blob beside those who publish, rely on and read it: every order of their steps, on files.
//!
//! Each process runs on a thread of its own and stops before each of its steps until it is its turn. All orders are tried,
//! or, where there are too many, some of all kinds; which is the same each time. What they do is compared with the model.

mod model;
mod stage;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use wharf_models::blob_on_disk::step;
use wharf_models::replay::{ActorRecorder, ENDED, KILLED, Recorder, Trace};

use self::stage::{Choice, Stage};
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
    /// It had been acknowledged when this reader or holder began, and was not found.
    Missed,
}

/// What happened in one order.
struct Run {
    order: Vec<Choice>,
    outcomes: Vec<Option<Outcome>>,
    trace: Trace,
}

/// Stops a thread as a kill stops a process.
struct Killed;

/// An actor with its process, whose steps wait for their turn and are recorded.
struct Process {
    actor: Actor,
    index: usize,
    stage: Arc<Stage>,
    recorder: ActorRecorder,
    disk: Arc<Disk>,
    /// How many the disk has come to.
    steps: Arc<AtomicUsize>,
}

// === impl Process ===

impl Process {
    fn new(
        actors: &[Actor],
        index: usize,
        root: &std::path::Path,
        stage: &Arc<Stage>,
        recorder: &Recorder,
    ) -> Self {
        let (actor, recorder) = (actors[index], recorder.actor(model::name(actors, index)));
        let disk = Disk::open(root.to_owned(), Fsync::None, ProcessLocks::Detect).unwrap();
        let killed_at = if let Actor::KilledRemover(at) = actor { at } else { usize::MAX };
        let steps = Arc::new(AtomicUsize::new(0));
        let (at_turn, records, count) = (Arc::clone(stage), recorder.clone(), Arc::clone(&steps));
        disk.steps.hook(move |step| {
            at_turn.wait(index);
            if count.fetch_add(1, Ordering::Relaxed) == killed_at {
                std::panic::resume_unwind(Box::new(Killed));
            }
            records.record(step);
        });
        Self { actor, index, stage: Arc::clone(stage), recorder, disk: Arc::new(disk), steps }
    }

    /// Runs to the end; `None` if it was killed.
    fn run(&self, place: &Place, now: SystemTime) -> Option<Outcome> {
        let act = || self.act(place, now);
        let outcome = match std::panic::catch_unwind(std::panic::AssertUnwindSafe(act)) {
            Ok(outcome) => Some(outcome),
            Err(panic) if panic.is::<Killed>() => None,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        let is_answer = self.actor != Actor::Reader;
        let relied = is_answer && outcome == Some(Outcome::Relied);
        self.stage.leave(self.index, relied, || {
            match outcome {
                Some(Outcome::Relied) if is_answer => self.recorder.record(step::ACKNOWLEDGE),
                Some(Outcome::Absent | Outcome::Missed) => self.recorder.record(step::REFUSE),
                Some(Outcome::Relied | Outcome::Done) | None => {}
            }
            self.recorder.record(if outcome.is_some() { ENDED } else { KILLED });
        });
        outcome
    }

    fn act(&self, place: &Place, now: SystemTime) -> Outcome {
        let disk = &self.disk;
        let found = match self.actor {
            Actor::Publisher => {
                let bytes = Bytes::from_static(CONTENT);
                let write = Write { place: place.clone(), bytes, condition: wharf_store::PutIf::Any };
                self.stage.wait(self.index);
                disk.write(write).unwrap();
                self.recorder.record(step::PUBLISH);
                true
            }
            Actor::Holder => disk.renew(place, HOUR / 2, now).unwrap(),
            Actor::Remover | Actor::KilledRemover(_) => {
                disk.remove_if_older(place, now - HOUR).unwrap();
                return Outcome::Done;
            }
            Actor::Sweep => {
                self.sweep(now);
                return Outcome::Done;
            }
            Actor::Reader => disk.open_blob(&place.path).unwrap().is_some(),
        };
        match found {
            true => Outcome::Relied,
            false if self.stage.is_owed(self.index) => Outcome::Missed,
            false => Outcome::Absent,
        }
    }

    /// The walk over the tree is one step. It lists a folder once more if it has seen a file aside there.
    fn sweep(&self, now: SystemTime) {
        self.stage.wait(self.index);
        let mut sweep = Sweep::new(&self.disk, now - HOUR);
        while sweep.step(&self.disk).unwrap() {}
        if self.steps.load(Ordering::Relaxed) == 0 {
            self.recorder.record(step::READ_FOLDER);
        }
    }
}

/// Runs the actors in one order.
fn run(actors: &[Actor], script: &[usize]) -> Run {
    let root = in_memory();
    let now = SystemTime::now();
    let digest = Digest::of(CONTENT);
    let place = Place::from(&Key::BlobData(&digest));
    let path = root.path().join(&place.path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, CONTENT).unwrap();
    std::fs::File::open(&path).unwrap().set_modified(now - 2 * HOUR).unwrap();
    let (stage, recorder) = (Arc::new(Stage::new(actors.len(), script)), Recorder::default());
    let outcomes: Vec<Option<Outcome>> = std::thread::scope(|scope| {
        let processes =
            (0..actors.len()).map(|index| Process::new(actors, index, root.path(), &stage, &recorder));
        let place = &place;
        let threads: Vec<_> = processes.map(|process| scope.spawn(move || process.run(place, now))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no actor fails")).collect()
    });
    let trace = recorder.trace();
    let story = || format!("{actors:?}: {outcomes:?}\n{trace}");
    assert!(!outcomes.contains(&Some(Outcome::Missed)), "it was acknowledged and missed: {}", story());
    let killed = actors.iter().any(|actor| matches!(actor, Actor::KilledRemover(_)));
    let disk = Disk::open(root.path().to_owned(), Fsync::None, ProcessLocks::Detect).unwrap();
    let there = match killed {
        true => disk.open_blob(&place.path).unwrap().is_some(),
        false => path.exists(),
    };
    assert!(there || !stage.acknowledged(), "it was acknowledged and is gone: {}", story());
    if let Err(problem) = model::accepts(actors, &trace) {
        panic!("{problem}: {}", story());
    }
    Run { order: stage.made(), outcomes, trace }
}

/// A folder on no disk, where there is one: nothing here is about what stays.
fn in_memory() -> TempDir {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// The next order in which something is different; `None` after the last.
fn next(order: &[Choice]) -> Option<Vec<usize>> {
    let last = order.iter().rposition(|choice| choice.made + 1 < choice.of)?;
    let mut script: Vec<usize> = order[..last].iter().map(|choice| choice.made).collect();
    script.push(order[last].made + 1);
    Some(script)
}

fn check(actors: &[Actor]) {
    let mut script = Vec::new();
    for _ in 0..ORDERS {
        match next(&run(actors, &script).order) {
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

#[test]
fn a_holder_finds_what_a_remover_moves_between_its_looks() {
    let actors = [Actor::Holder, Actor::Remover, Actor::Publisher, Actor::Holder];
    let [holder, remover, publisher, second_holder] = [0, 1, 2, 3];
    // The remover finds the blob old, and then another holder renews it.
    let mut order = vec![remover, second_holder, second_holder, second_holder, second_holder];
    // The holder opens that file, and its name leads to another one by the time it is verified. Nothing lies aside.
    order.extend([holder, holder, publisher, holder, holder]);
    // Then the remover moves that.
    order.extend([remover, holder]);
    let run = run(&actors, &order);
    assert_eq!(run.outcomes[holder], Some(Outcome::Relied), "{}", run.trace);
}

#[test]
fn a_holder_that_did_not_verify_the_name_would_be_found() {
    let actors = [Actor::Holder, Actor::Remover];
    let trace = run(&actors, &[]).trace;
    let without_verify = trace.to_string().replace("holder: verify name\n", "");
    assert_eq!(
        model::accepts(&actors, &without_verify.parse().unwrap()),
        Err("line 4, `holder: acknowledge`: the model permits `holder: verify name`".into())
    );
}
