//! A push of a manifest: the revision link, the entry among the referrers, then the tag.

use super::{Acknowledged, Manifest, Mode, Parts, Repository, step};

/// Pushes a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Push {
    /// Which.
    pub manifest: Manifest,
    /// On which condition its tag is written.
    pub write: TagWrite,
    at: PushStep,
}

/// How a push writes the tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TagWrite {
    /// Not at all: it is a push by digest.
    Never,
    /// Whatever the tag means: `Expect::Any`.
    Always,
    /// If the tag is absent, or means this manifest already: `Expect::Absent`. A tag whose manifest is gone is absent.
    IfAbsent,
    /// If the tag means this: `Expect::Is`.
    IfIs(Manifest),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum PushStep {
    Lock,
    /// What the tag meant before, for the report of the change.
    GetTagBefore,
    PutRevision,
    PutReferrer,
    /// What the condition is about.
    GetTag,
    /// Whether the manifest that the tag means is there.
    GetRevisionOfTag,
    PutTag,
    GetRevision,
    Unlock(Then),
    Acknowledge,
    Refuse,
}

/// What follows the release of the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Then {
    Acknowledge,
    Refuse,
    BeginAnew,
}

// === impl TagWrite ===

impl TagWrite {
    fn is_conditional(self) -> bool {
        matches!(self, Self::IfAbsent | Self::IfIs(_))
    }

    fn permits(self, repository: &Repository, own: Manifest) -> bool {
        match (self, repository.meaning()) {
            (Self::Never | Self::Always, _) | (Self::IfAbsent, None) => true,
            (Self::IfAbsent, Some(tag)) => tag == own || !repository.has_revision(tag),
            (Self::IfIs(expected), tag) => tag == Some(expected),
        }
    }
}

// === impl Push ===

impl Push {
    /// The first step of a push.
    pub const fn new(manifest: Manifest, write: TagWrite) -> Self {
        Self { manifest, write, at: PushStep::Lock }
    }

    fn mode(self, parts: &Parts) -> Mode {
        if self.write.is_conditional() { parts.conditional_write } else { Mode::Shared }
    }

    /// The lock that the next step acquires, if it acquires one.
    pub(super) fn wants(self, parts: &Parts) -> Option<Mode> {
        (self.at == PushStep::Lock && parts.push_locks).then(|| self.mode(parts))
    }

    pub(super) fn name(self, parts: &Parts) -> &'static str {
        match self.at {
            PushStep::Lock => self.mode(parts).step_name(),
            PushStep::PutRevision => step::PUT_REVISION,
            PushStep::PutReferrer => step::PUT_REFERRER,
            PushStep::GetTagBefore | PushStep::GetTag => step::GET_TAG,
            PushStep::GetRevisionOfTag => step::GET_REVISION,
            PushStep::PutTag => step::PUT_TAG,
            PushStep::GetRevision => step::GET_REVISION,
            PushStep::Unlock(_) => step::UNLOCK,
            PushStep::Acknowledge => step::ACKNOWLEDGE,
            PushStep::Refuse => step::REFUSE,
        }
    }

    pub(super) fn step(self, repository: &mut Repository, me: usize, parts: &Parts) -> Option<Self> {
        let is_a = self.manifest == Manifest::A;
        let after_tag = match parts.push_checks_revision {
            true => PushStep::GetRevision,
            false => PushStep::Unlock(Then::Acknowledge),
        };
        let permits = self.write.permits(repository, self.manifest);
        let next = match self.at {
            PushStep::Lock if self.write == TagWrite::Always => PushStep::GetTagBefore,
            PushStep::Lock | PushStep::GetTagBefore => PushStep::PutRevision,
            PushStep::PutRevision => {
                repository.revision |= is_a;
                PushStep::PutReferrer
            }
            PushStep::PutReferrer => {
                repository.referrer |= is_a;
                match self.write {
                    TagWrite::Never => after_tag,
                    TagWrite::Always => PushStep::PutTag,
                    TagWrite::IfAbsent | TagWrite::IfIs(_) => PushStep::GetTag,
                }
            }
            PushStep::GetTag => match (self.write, repository.meaning()) {
                (TagWrite::IfAbsent, Some(other)) if other != self.manifest => PushStep::GetRevisionOfTag,
                _ if permits => PushStep::PutTag,
                _ => PushStep::Unlock(Then::Refuse),
            },
            PushStep::GetRevisionOfTag if permits => PushStep::PutTag,
            PushStep::GetRevisionOfTag => PushStep::Unlock(Then::Refuse),
            PushStep::PutTag => {
                if !permits {
                    repository.broken = Some("a conditional write replaced a tag that it had not read");
                }
                repository.put_tag(self.manifest);
                after_tag
            }
            PushStep::GetRevision if repository.has_revision(self.manifest) => {
                PushStep::Unlock(Then::Acknowledge)
            }
            PushStep::GetRevision => PushStep::Unlock(Then::BeginAnew),
            PushStep::Unlock(then) => {
                repository.lock.release(me);
                match then {
                    Then::Acknowledge => PushStep::Acknowledge,
                    Then::Refuse => PushStep::Refuse,
                    Then::BeginAnew => PushStep::Lock,
                }
            }
            PushStep::Acknowledge => {
                *self.record(&mut repository.acknowledged) = true;
                return None;
            }
            PushStep::Refuse => return None,
        };
        Some(Self { at: next, ..self })
    }

    /// The record of this push's success.
    pub(super) fn record(self, acknowledged: &mut Acknowledged) -> &mut bool {
        match (self.manifest, self.write) {
            (Manifest::A, TagWrite::Never) => &mut acknowledged.pushed_by_digest,
            (Manifest::A, _) => &mut acknowledged.pushed,
            _ => &mut acknowledged.pushed_other,
        }
    }
}
