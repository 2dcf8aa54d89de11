//! A delete of manifest A: its tag, its entry among the referrers, then its revision link.

use super::{Bucket, DeleteOrder, Manifest, Parts, Tag, TagRemoval, step};

const A: Tag = Tag::Means(Manifest::A);

/// Deletes A.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Delete {
    /// How it removes the tag.
    pub removal: TagRemoval,
    at: DeleteStep,
}

/// How far a delete is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the step of the same name")]
pub enum DeleteStep {
    GetRevision,
    GetTag(Pass),
    RemoveTag(Pass),
    RemoveReferrer,
    RemoveRevision,
    Acknowledge,
}

/// Which pass over the tags. The rule has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pass {
    /// Before the revision link is removed, if the order is right.
    First,
    /// After that. No correct delete has it.
    Second,
}

// === impl Delete ===

impl Delete {
    /// The first step of a delete that removes the tag by `removal`.
    pub const fn new(removal: TagRemoval) -> Self {
        Self { removal, at: DeleteStep::GetRevision }
    }

    pub(super) fn name(self) -> &'static str {
        match self.at {
            DeleteStep::GetRevision => step::GET_REVISION,
            DeleteStep::GetTag(_) => step::GET_TAG,
            DeleteStep::RemoveTag(_) => step::REMOVE_TAG,
            DeleteStep::RemoveReferrer => step::REMOVE_REFERRER,
            DeleteStep::RemoveRevision => step::REMOVE_REVISION,
            DeleteStep::Acknowledge => step::ACKNOWLEDGE,
        }
    }

    pub(super) fn step(self, bucket: &mut Bucket, parts: &Parts) -> Option<Self> {
        let next = match self.at {
            DeleteStep::GetRevision if !bucket.revision => return None,
            DeleteStep::GetRevision => match parts.delete_order {
                DeleteOrder::RevisionLast => DeleteStep::GetTag(Pass::First),
                DeleteOrder::RevisionFirst => DeleteStep::RemoveReferrer,
            },
            DeleteStep::GetTag(pass) if bucket.tag == A => DeleteStep::RemoveTag(pass),
            DeleteStep::GetTag(pass) => after_tags(pass, parts),
            DeleteStep::RemoveTag(pass) => {
                if bucket.tag == A || self.removal == TagRemoval::PlainDelete {
                    bucket.put_tag(self.removal.leaves());
                }
                after_tags(pass, parts)
            }
            DeleteStep::RemoveReferrer => DeleteStep::RemoveRevision,
            DeleteStep::RemoveRevision => {
                bucket.revision = false;
                match parts.delete_order {
                    DeleteOrder::RevisionFirst => DeleteStep::GetTag(Pass::First),
                    DeleteOrder::RevisionLast if parts.second_pass => DeleteStep::GetTag(Pass::Second),
                    DeleteOrder::RevisionLast => DeleteStep::Acknowledge,
                }
            }
            DeleteStep::Acknowledge => {
                bucket.deleted = true;
                return None;
            }
        };
        Some(Self { at: next, ..self })
    }
}

fn after_tags(pass: Pass, parts: &Parts) -> DeleteStep {
    match (pass, parts.delete_order) {
        (Pass::First, DeleteOrder::RevisionLast) => DeleteStep::RemoveReferrer,
        (Pass::First, DeleteOrder::RevisionFirst) | (Pass::Second, _) => DeleteStep::Acknowledge,
    }
}
