//! Deletes of a manifest and of a tag.

use super::{Manifest, Mode, Parts, Repository, SecondPass, Tag, step};

const REMOVED_UNREAD: &str = "a tag was removed that meant something else than was read";

/// Deletes manifest A. Each variant is a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the step of the same name")]
pub enum DeleteManifest {
    GetRevision,
    // A pass over the tags in which each is removed under a short lock of its own.
    GetTag(Pass),
    LockTag(Pass, Tag),
    CompareTag(Pass, Tag),
    RemoveTag(Pass, Tag),
    UnlockTag(Pass),
    // The rest, under one lock.
    Lock,
    GetTagUnderLock,
    CompareTagUnderLock(Tag),
    RemoveTagUnderLock(Tag),
    RemoveReferrer,
    RemoveRevision,
    Unlock,
    Acknowledge,
}

/// Which pass over the tags outside the lock. The rule has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pass {
    /// Before the revision link is removed.
    First,
    /// After it was removed. No correct delete has it.
    Late,
}

/// Deletes the tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeleteTag {
    /// Takes the lock.
    Lock,
    /// Reads what the tag means.
    GetTag,
    /// Compares it with that.
    CompareTag(Tag),
    /// Removes it.
    RemoveTag(Tag),
    /// Releases the lock.
    Unlock {
        /// The tag was removed; otherwise there was none.
        removed: bool,
    },
    /// Answers 202.
    Acknowledge,
    /// Answers 404.
    Refuse,
}

// === impl DeleteManifest ===

impl DeleteManifest {
    /// The first step.
    pub const FIRST: Self = Self::GetRevision;

    /// The lock that the next step acquires, if it acquires one.
    pub(super) fn wants(self, parts: &Parts) -> Option<Mode> {
        let locks = match self {
            Self::LockTag(..) => parts.tag_removal_locks,
            Self::Lock => parts.delete_locks,
            _ => false,
        };
        locks.then_some(Mode::Exclusive)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::GetRevision => step::GET_REVISION,
            Self::GetTag(_) | Self::GetTagUnderLock => step::GET_TAG,
            Self::LockTag(..) | Self::Lock => step::LOCK_EXCLUSIVE,
            Self::CompareTag(..) | Self::CompareTagUnderLock(_) => step::COMPARE_TAG,
            Self::RemoveTag(..) | Self::RemoveTagUnderLock(_) => step::REMOVE_TAG,
            Self::UnlockTag(_) | Self::Unlock => step::UNLOCK,
            Self::RemoveReferrer => step::REMOVE_REFERRER,
            Self::RemoveRevision => step::REMOVE_REVISION,
            Self::Acknowledge => step::ACKNOWLEDGE,
        }
    }

    pub(super) fn step(self, repository: &mut Repository, me: usize, parts: &Parts) -> Option<Self> {
        let tag = repository.tag.filter(|tag| tag.means == Manifest::A);
        Some(match self {
            Self::GetRevision if !repository.revision => return None,
            Self::GetRevision if parts.first_pass => Self::GetTag(Pass::First),
            Self::GetRevision => Self::Lock,
            Self::GetTag(pass) => tag.map_or(Self::after(pass), |read| Self::LockTag(pass, read)),
            Self::LockTag(pass, read) if parts.tag_removal_compares => Self::CompareTag(pass, read),
            Self::LockTag(pass, read) => Self::RemoveTag(pass, read),
            Self::CompareTag(pass, read) if tag == Some(read) => Self::RemoveTag(pass, read),
            Self::CompareTag(pass, _) => Self::UnlockTag(pass),
            Self::RemoveTag(pass, read) => {
                repository.remove_tag(read);
                Self::UnlockTag(pass)
            }
            Self::UnlockTag(pass) => {
                repository.lock.release(me);
                Self::after(pass)
            }
            Self::Lock if parts.second_pass == SecondPass::UnderLock => Self::GetTagUnderLock,
            Self::GetTagUnderLock => tag.map_or(Self::RemoveReferrer, Self::CompareTagUnderLock),
            Self::CompareTagUnderLock(read) if tag == Some(read) => Self::RemoveTagUnderLock(read),
            Self::Lock | Self::CompareTagUnderLock(_) => Self::RemoveReferrer,
            Self::RemoveTagUnderLock(read) => {
                repository.remove_tag(read);
                Self::RemoveReferrer
            }
            Self::RemoveReferrer => {
                repository.referrer = false;
                Self::RemoveRevision
            }
            Self::RemoveRevision => {
                repository.revision = false;
                Self::Unlock
            }
            Self::Unlock => {
                repository.lock.release(me);
                match parts.second_pass {
                    SecondPass::AfterUnlock => Self::GetTag(Pass::Late),
                    SecondPass::UnderLock | SecondPass::Never => Self::Acknowledge,
                }
            }
            Self::Acknowledge => {
                repository.acknowledged.deleted = true;
                return None;
            }
        })
    }

    /// What follows a pass over the tags.
    fn after(pass: Pass) -> Self {
        match pass {
            Pass::First => Self::Lock,
            Pass::Late => Self::Acknowledge,
        }
    }
}

// === impl DeleteTag ===

impl DeleteTag {
    /// The first step.
    pub const FIRST: Self = Self::Lock;

    /// The lock that the next step acquires, if it acquires one.
    pub(super) fn wants(self, parts: &Parts) -> Option<Mode> {
        (self == Self::Lock && parts.tag_removal_locks).then_some(Mode::Exclusive)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Lock => step::LOCK_EXCLUSIVE,
            Self::GetTag => step::GET_TAG,
            Self::CompareTag(_) => step::COMPARE_TAG,
            Self::RemoveTag(_) => step::REMOVE_TAG,
            Self::Unlock { .. } => step::UNLOCK,
            Self::Acknowledge => step::ACKNOWLEDGE,
            Self::Refuse => step::REFUSE,
        }
    }

    pub(super) fn step(self, repository: &mut Repository, me: usize) -> Option<Self> {
        Some(match self {
            Self::Lock => Self::GetTag,
            Self::GetTag => repository.tag.map_or(Self::Unlock { removed: false }, Self::CompareTag),
            Self::CompareTag(read) if repository.tag == Some(read) => Self::RemoveTag(read),
            // It has moved: without a lock that excludes this, the delete begins anew.
            Self::CompareTag(_) => Self::GetTag,
            Self::RemoveTag(read) => {
                repository.remove_tag(read);
                Self::Unlock { removed: true }
            }
            Self::Unlock { removed } => {
                repository.lock.release(me);
                if removed { Self::Acknowledge } else { Self::Refuse }
            }
            Self::Acknowledge => {
                repository.acknowledged.deleted = true;
                return None;
            }
            Self::Refuse => return None,
        })
    }
}

// === impl Repository ===

impl Repository {
    fn remove_tag(&mut self, read: Tag) {
        if self.meaning() != Some(read.means) {
            self.broken = Some(REMOVED_UNREAD);
        }
        self.tag = None;
    }
}
