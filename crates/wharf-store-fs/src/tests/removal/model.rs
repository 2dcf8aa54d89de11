//! The same actors in the model of the removal, and its verdict on what they did.

use wharf_models::blob_on_disk::step::{BEGIN, STAT_ASIDE};
use wharf_models::blob_on_disk::{BlobOnDisk, Holder, NextSweep, Parts, Publisher, Reader, Remover, Role};
use wharf_models::replay::{Replay, Trace};

use super::Actor;

/// What the actor of this number is called in traces.
pub(super) fn name(actors: &[Actor], index: usize) -> &'static str {
    let is_second = actors[..index].contains(&actors[index]);
    match (actors[index], is_second) {
        (Actor::Publisher, _) => "publisher",
        (Actor::Holder, false) => "holder",
        (Actor::Holder, true) => "second holder",
        (Actor::Remover, false) => "remover",
        (Actor::Remover, true) => "second remover",
        (Actor::KilledRemover(_), _) => "killed remover",
        (Actor::Sweep, _) => "next sweep",
        (Actor::Reader, _) => "reader",
    }
}

/// Whether what the actors did is a path of the model.
pub(super) fn accepts(actors: &[Actor], trace: &Trace) -> Result<(), String> {
    let is_remover = |actor: &Actor| matches!(actor, Actor::Remover | Actor::KilledRemover(_));
    let remover = actors.iter().position(is_remover).unwrap_or_default();
    let in_model = |(index, actor): (usize, &Actor)| {
        let role = match actor {
            Actor::Publisher => Role::Publisher(Publisher::FIRST),
            Actor::Holder => Role::Holder(Holder::FIRST),
            Actor::Remover | Actor::KilledRemover(_) => Role::Remover(Remover::FIRST),
            Actor::Sweep => Role::NextSweep(NextSweep::of(remover)),
            Actor::Reader => Role::Reader(Reader::FIRST),
        };
        let actor_in_model = wharf_models::Actor::new(name(actors, index), role);
        if matches!(actor, Actor::KilledRemover(_)) { actor_in_model.may_be_killed() } else { actor_in_model }
    };
    let model = BlobOnDisk::new(actors.iter().enumerate().map(in_model).collect(), Parts::default());
    // A time that is read through an open file is that of the moment when it was opened: what renews it in between might as
    // well have done so before.
    Replay::of(&model).without(BEGIN).without(STAT_ASIDE).accepts(trace)
}
