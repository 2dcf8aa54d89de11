//! A layer link: written by a push, renewed by an operation that relies on it, removed by a collector when it is old.

use super::{Mode, Parts, Repository, step};

/// The age of a link that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Link {
    /// Last written or renewed before the collector's limit.
    Old,
    /// Written or renewed since.
    Young,
}

/// What an actor does with the link, and how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkRole {
    /// Writes it.
    Put(LinkStep),
    /// Renews it.
    Renew(LinkStep),
    /// Removes it if it is old.
    Remove(LinkStep),
}

/// How far an actor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkStep {
    /// Stats the link: if it is young or absent, there is nothing to do.
    Stat,
    /// Takes the lock.
    Lock,
    /// Stats the link inside the lock.
    Compare,
    /// Writes, renews or removes it.
    Act,
    /// Releases the lock.
    Unlock {
        /// The condition did not hold, or there is no link.
        refused: bool,
    },
    /// Answers that the layer is in the repository.
    Acknowledge,
    /// Answers that it is not.
    Refuse,
}

// === impl LinkRole ===

impl LinkRole {
    /// The first step of a write.
    pub const PUT: Self = Self::Put(LinkStep::Lock);
    /// The first step of a renewal.
    pub const RENEW: Self = Self::Renew(LinkStep::Lock);
    /// The first step of a removal.
    pub const REMOVE: Self = Self::Remove(LinkStep::Stat);

    fn at(self) -> LinkStep {
        match self {
            Self::Put(at) | Self::Renew(at) | Self::Remove(at) => at,
        }
    }

    fn mode(self) -> Mode {
        match self {
            Self::Put(_) | Self::Renew(_) => Mode::Shared,
            Self::Remove(_) => Mode::Exclusive,
        }
    }

    /// The lock that the next step acquires, if it acquires one.
    pub(super) fn wants(self, parts: &Parts) -> Option<Mode> {
        let locks = parts.renewal_locks || !matches!(self, Self::Renew(_));
        (self.at() == LinkStep::Lock && locks).then(|| self.mode())
    }

    pub(super) fn name(self) -> &'static str {
        match (self.at(), self) {
            (LinkStep::Stat, _) | (LinkStep::Compare, Self::Renew(_)) => step::STAT_LINK,
            (LinkStep::Lock, _) => self.mode().step_name(),
            (LinkStep::Compare, _) => step::COMPARE_LINK,
            (LinkStep::Act, Self::Put(_)) => step::PUT_LINK,
            (LinkStep::Act, Self::Renew(_)) => step::RENEW_LINK,
            (LinkStep::Act, Self::Remove(_)) => step::REMOVE_LINK,
            (LinkStep::Unlock { .. }, _) => step::UNLOCK,
            (LinkStep::Acknowledge, _) => step::ACKNOWLEDGE,
            (LinkStep::Refuse, _) => step::REFUSE,
        }
    }

    pub(super) fn step(self, repository: &mut Repository, me: usize, parts: &Parts) -> Option<Self> {
        if let LinkStep::Unlock { .. } = self.at() {
            repository.lock.release(me);
        }
        match self {
            Self::Put(at) => put(at, repository).map(Self::Put),
            Self::Renew(at) => renew(at, repository).map(Self::Renew),
            Self::Remove(at) => remove(at, repository, parts).map(Self::Remove),
        }
    }
}

// === impl LinkStep ===

impl LinkStep {
    /// The end of a write or renewal.
    fn answer(self, repository: &mut Repository) -> Option<Self> {
        match self {
            Self::Unlock { refused: true } => Some(Self::Refuse),
            Self::Unlock { refused: false } => Some(Self::Acknowledge),
            Self::Acknowledge => {
                repository.acknowledged.linked = true;
                None
            }
            Self::Stat | Self::Lock | Self::Compare | Self::Act | Self::Refuse => None,
        }
    }
}

fn put(at: LinkStep, repository: &mut Repository) -> Option<LinkStep> {
    match at {
        LinkStep::Lock => Some(LinkStep::Act),
        LinkStep::Act => {
            repository.link = Some(Link::Young);
            Some(LinkStep::Unlock { refused: false })
        }
        _ => at.answer(repository),
    }
}

fn renew(at: LinkStep, repository: &mut Repository) -> Option<LinkStep> {
    match at {
        LinkStep::Lock => Some(LinkStep::Compare),
        LinkStep::Compare => Some(match repository.link {
            Some(Link::Old) => LinkStep::Act,
            Some(Link::Young) => LinkStep::Unlock { refused: false },
            None => LinkStep::Unlock { refused: true },
        }),
        LinkStep::Act => {
            // Through the open file: one that was removed meanwhile stays removed.
            repository.link = repository.link.and(Some(Link::Young));
            Some(LinkStep::Unlock { refused: false })
        }
        _ => at.answer(repository),
    }
}

fn remove(at: LinkStep, repository: &mut Repository, parts: &Parts) -> Option<LinkStep> {
    match at {
        LinkStep::Stat if repository.link == Some(Link::Old) => Some(LinkStep::Lock),
        LinkStep::Lock => Some(LinkStep::Compare),
        LinkStep::Compare => Some(match repository.link {
            Some(Link::Young) if parts.link_removal_compares_time => LinkStep::Unlock { refused: true },
            Some(_) => LinkStep::Act,
            None => LinkStep::Unlock { refused: true },
        }),
        LinkStep::Act => {
            repository.link = None;
            Some(LinkStep::Unlock { refused: false })
        }
        _ => None,
    }
}
