//! Decides which of several threads makes the next step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex};

/// Threads that wait before each of their steps until it is their turn. An actor is a thread's number.
#[derive(Debug)]
pub(super) struct Stage {
    turns: Mutex<Turns>,
    /// Of each actor.
    turn_came: Vec<Condvar>,
}

/// Whose turn it is, and what was chosen so far.
#[derive(Debug)]
struct Turns {
    /// Actors that wait before a step.
    waiting: BTreeSet<usize>,
    running: Option<usize>,
    alive: usize,
    /// The choices to be made first.
    script: Vec<usize>,
    made: Vec<Choice>,
    acknowledged: bool,
    /// Of each actor that has begun, whether the blob had been acknowledged before.
    owed: BTreeMap<usize, bool>,
}

/// Which of the waiting actors ran, by its place among them, and how many there were.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice {
    pub(super) made: usize,
    pub(super) of: usize,
}

// === impl Stage ===

impl Stage {
    /// A stage for so many actors. `script` are the first choices; after those, the first of the waiting actors runs.
    pub(super) fn new(actors: usize, script: &[usize]) -> Self {
        let turns = Turns {
            waiting: BTreeSet::new(),
            running: None,
            alive: actors,
            script: script.to_vec(),
            made: Vec::new(),
            acknowledged: false,
            owed: BTreeMap::new(),
        };
        Self { turns: Mutex::new(turns), turn_came: (0..actors).map(|_| Condvar::new()).collect() }
    }

    /// Waits for this actor's turn.
    pub(super) fn wait(&self, actor: usize) {
        let mut turns = self.turns.lock().unwrap();
        turns.stop(actor);
        turns.waiting.insert(actor);
        self.choose(&mut turns);
        while turns.running != Some(actor) {
            turns = self.turn_came[actor].wait(turns).unwrap();
        }
        turns.waiting.remove(&actor);
        let acknowledged = turns.acknowledged;
        turns.owed.entry(actor).or_insert(acknowledged);
    }

    /// The actor has ended. `record` is called before another runs.
    pub(super) fn leave(&self, actor: usize, acknowledged: bool, record: impl FnOnce()) {
        let mut turns = self.turns.lock().unwrap();
        record();
        turns.alive -= 1;
        turns.acknowledged |= acknowledged;
        turns.stop(actor);
        self.choose(&mut turns);
    }

    /// When all wait, one is chosen.
    fn choose(&self, turns: &mut Turns) {
        if turns.running.is_some() || turns.waiting.len() < turns.alive || turns.alive == 0 {
            return;
        }
        let of = turns.waiting.len();
        let made = turns.script.get(turns.made.len()).map_or(0, |choice| choice % of);
        turns.made.push(Choice { made, of });
        turns.running = turns.waiting.iter().nth(made).copied();
        if let Some(actor) = turns.running {
            self.turn_came[actor].notify_one();
        }
    }

    pub(super) fn acknowledged(&self) -> bool {
        self.turns.lock().unwrap().acknowledged
    }

    /// Whether the blob had been acknowledged before the actor made its first step.
    pub(super) fn is_owed(&self, actor: usize) -> bool {
        self.turns.lock().unwrap().owed.get(&actor).is_some_and(|owed| *owed)
    }

    pub(super) fn made(&self) -> Vec<Choice> {
        self.turns.lock().unwrap().made.clone()
    }
}

// === impl Turns ===

impl Turns {
    fn stop(&mut self, actor: usize) {
        if self.running == Some(actor) {
            self.running = None;
        }
    }
}
