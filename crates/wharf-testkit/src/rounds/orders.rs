//! Which states some order of overlapping requests leads to, given how each of them was answered.
//!
//! Every order is tried in which no step of a request comes before the request was sent or after its answer was read, and in
//! which every answer is the one that was given.

use std::collections::{BTreeSet, HashSet};

use super::state::{Answer, Exclusion, Image, Operation, Record, State, TAGS, Tag};

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    Waiting,
    /// A push has written its revision link.
    Revised,
    /// … and its tag.
    Tagged,
    /// A delete of a manifest has listed the tags and has some of them left to remove.
    Listed {
        left: [bool; TAGS],
        removed: bool,
    },
    /// A delete has found what it is about to remove.
    Found {
        removed: bool,
    },
    /// A read by tag has read the tag.
    Read(Option<Image>),
    Ended,
}

/// A point in an order: the state, and how far each request is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Point {
    state: State,
    phases: Vec<Phase>,
}

struct Search<'a> {
    records: &'a [Record],
    exclusion: Exclusion,
}

/// All states that the requests may have led to from `begin`; none if no order explains the answers.
pub(super) fn outcomes(begin: State, records: &[Record], exclusion: Exclusion) -> BTreeSet<State> {
    let search = Search { records, exclusion };
    let first = Point { state: begin, phases: vec![Phase::Waiting; records.len()] };
    let (mut ends, mut seen, mut open) = (BTreeSet::new(), HashSet::new(), vec![first]);
    while let Some(point) = open.pop() {
        if point.phases.iter().all(|phase| *phase == Phase::Ended) {
            ends.insert(point.state);
        }
        for next in search.next(&point) {
            if seen.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    ends
}

// === impl Search ===

impl Search<'_> {
    /// Every point that is one step further.
    fn next(&self, point: &Point) -> Vec<Point> {
        let mut next = Vec::new();
        for (index, record) in self.records.iter().enumerate() {
            let may_run = self.records.iter().zip(&point.phases);
            if may_run.into_iter().all(|(other, phase)| *phase == Phase::Ended || !other.precedes(record)) {
                for (state, phase) in self.steps(point.state, point.phases[index], record) {
                    let mut phases = point.phases.clone();
                    phases[index] = phase;
                    next.push(Point { state, phases });
                }
            }
        }
        next
    }

    fn steps(&self, state: State, phase: Phase, record: &Record) -> Vec<(State, Phase)> {
        let answer = record.answer;
        match (record.operation, phase) {
            (_, Phase::Ended) => Vec::new(),
            (Operation::Put(image, tag), phase) => self.put(state, phase, image, tag),
            (Operation::DeleteTag(tag), _) => delete_tag(state, answer, tag),
            (Operation::DeleteManifest(image), phase) => self.delete_manifest(state, phase, image, answer),
            (Operation::Mount(image), _) => mount(state, answer, image),
            (Operation::DeleteSource(image), phase) => self.delete_source(state, phase, image, answer),
            (Operation::Get(tag), phase) => get(state, phase, tag, answer),
        }
    }

    /// Under a lock the steps are one. Without it the revision link is read again at the end, and if a delete has removed
    /// it, the push begins anew.
    fn put(&self, mut state: State, phase: Phase, image: Image, tag: Tag) -> Vec<(State, Phase)> {
        let next = match (self.exclusion, phase) {
            (Exclusion::Locks, _) => {
                state.manifests[image] = true;
                state.tags[tag] = Some(image);
                Phase::Ended
            }
            (Exclusion::Conditions, Phase::Revised) => {
                state.tags[tag] = Some(image);
                Phase::Tagged
            }
            (Exclusion::Conditions, Phase::Tagged) if state.manifests[image] => Phase::Ended,
            (Exclusion::Conditions, _) => {
                state.manifests[image] = true;
                Phase::Revised
            }
        };
        vec![(state, next)]
    }

    fn delete_manifest(
        &self,
        mut state: State,
        phase: Phase,
        image: Image,
        answer: Answer,
    ) -> Vec<(State, Phase)> {
        match phase {
            Phase::Waiting if state.manifests[image] => {
                vec![(state, Phase::Listed { left: self.to_visit(&state, image), removed: false })]
            }
            Phase::Waiting => ended(state, answer, Answer::Absent),
            Phase::Listed { left, removed } => self.remove_tags(state, left, removed, image, answer),
            Phase::Found { removed } => {
                state.manifests[image] = false;
                ended(state, answer, done(removed))
            }
            Phase::Revised | Phase::Tagged | Phase::Read(_) | Phase::Ended => Vec::new(),
        }
    }

    /// The listed tags that mean the image or may come to mean it: the delete passes over all others in any order.
    fn to_visit(&self, state: &State, image: Image) -> [bool; TAGS] {
        let may_mean = |tag: Tag| {
            let put = Operation::Put(image, tag);
            state.tags[tag] == Some(image) || self.records.iter().any(|record| record.operation == put)
        };
        std::array::from_fn(|tag| state.tags[tag].is_some() && may_mean(tag))
    }

    /// One tag is removed, if it still means the image, or the last step is done.
    fn remove_tags(
        &self,
        state: State,
        left: [bool; TAGS],
        removed: bool,
        image: Image,
        answer: Answer,
    ) -> Vec<(State, Phase)> {
        let mut next = Vec::new();
        for tag in (0..TAGS).filter(|tag| left[*tag]) {
            let (mut state, mut left, means) = (state, left, state.tags[tag] == Some(image));
            left[tag] = false;
            if means {
                state.tags[tag] = None;
            }
            next.push((state, Phase::Listed { left, removed: removed || means }));
        }
        let mut state = state;
        match self.exclusion {
            Exclusion::Locks => {
                let removed = removed | state.remove_tags_of(image) | state.manifests[image];
                state.manifests[image] = false;
                next.extend(ended(state, answer, done(removed)));
            }
            Exclusion::Conditions if left.contains(&true) => {}
            Exclusion::Conditions if state.manifests[image] => {
                next.push((state, Phase::Found { removed: true }));
            }
            Exclusion::Conditions => next.extend(ended(state, answer, done(removed))),
        }
        next
    }

    fn delete_source(
        &self,
        mut state: State,
        phase: Phase,
        image: Image,
        answer: Answer,
    ) -> Vec<(State, Phase)> {
        let there = state.sources[image] || matches!(phase, Phase::Found { .. });
        if there && phase == Phase::Waiting && self.exclusion == Exclusion::Conditions {
            return vec![(state, Phase::Found { removed: true })];
        }
        state.sources[image] = false;
        ended(state, answer, done(there))
    }
}

fn delete_tag(mut state: State, answer: Answer, tag: Tag) -> Vec<(State, Phase)> {
    let there = state.tags[tag].take().is_some();
    ended(state, answer, done(there))
}

fn mount(state: State, answer: Answer, image: Image) -> Vec<(State, Phase)> {
    ended(state, answer, done(state.sources[image]))
}

/// The tag is read, then whether its manifest is there.
fn get(state: State, phase: Phase, tag: Tag, answer: Answer) -> Vec<(State, Phase)> {
    let Phase::Read(read) = phase else { return vec![(state, Phase::Read(state.tags[tag]))] };
    let found = read.filter(|image| state.manifests[*image]).map_or(Answer::Absent, Answer::Found);
    ended(state, answer, found)
}

fn done(there: bool) -> Answer {
    if there { Answer::Done } else { Answer::Absent }
}

/// The end of a request, if what it would answer here is what it answered.
fn ended(state: State, answered: Answer, answers: Answer) -> Vec<(State, Phase)> {
    if answered == answers { vec![(state, Phase::Ended)] } else { Vec::new() }
}
