//! A push of a manifest: the revision link, the entry among the referrers, then the tag.

use super::{Bucket, Parts, Tag, step};

/// What is pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Manifest {
    /// The one that is deleted.
    A,
    /// Another one, which is never deleted.
    B,
    /// A third one, which is never deleted.
    C,
}

/// How a push writes the tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TagWrite {
    /// Not at all: it is a push by digest.
    Never,
    /// Whatever the tag means: `Expect::Any`.
    Always,
    /// If the tag is absent, or means this manifest already: `Expect::Absent`.
    IfAbsent,
}

/// Pushes a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Push {
    /// Which.
    pub manifest: Manifest,
    /// On which condition its tag is written.
    pub write: TagWrite,
    at: PushStep,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum PushStep {
    /// What the tag meant before, for the report of the change.
    GetTagBefore,
    PutRevision,
    PutReferrer,
    /// What the condition is about.
    GetTag,
    /// Whether the manifest that the tag means is there, for a push that would replace a tag without one.
    GetRevisionOfTag(Tag),
    PutTag,
    PutTagIf(Tag),
    /// What the tag means instead, when the condition did not hold.
    GetTagAfter,
    GetRevision,
    Acknowledge,
    Refuse,
}

// === impl Push ===

impl Push {
    /// The first step of a push.
    pub const fn new(manifest: Manifest, write: TagWrite) -> Self {
        let at = match write {
            TagWrite::Always => PushStep::GetTagBefore,
            TagWrite::Never | TagWrite::IfAbsent => PushStep::PutRevision,
        };
        Self { manifest, write, at }
    }

    pub(super) fn name(self) -> &'static str {
        match self.at {
            PushStep::GetTagBefore | PushStep::GetTag | PushStep::GetTagAfter => step::GET_TAG,
            PushStep::PutRevision => step::PUT_REVISION,
            PushStep::PutReferrer => step::PUT_REFERRER,
            PushStep::PutTag | PushStep::PutTagIf(_) => step::PUT_TAG,
            PushStep::GetRevision | PushStep::GetRevisionOfTag(_) => step::GET_REVISION,
            PushStep::Acknowledge => step::ACKNOWLEDGE,
            PushStep::Refuse => step::REFUSE,
        }
    }

    pub(super) fn step(self, bucket: &mut Bucket, parts: &Parts) -> Option<Self> {
        let own = Tag::Means(self.manifest);
        let after_tag =
            if parts.push_checks_revision { PushStep::GetRevision } else { PushStep::Acknowledge };
        let next = match self.at {
            PushStep::GetTagBefore => PushStep::PutRevision,
            PushStep::PutRevision => {
                bucket.put_revision(self.manifest);
                PushStep::PutReferrer
            }
            PushStep::PutReferrer => match self.write {
                TagWrite::Never => after_tag,
                TagWrite::Always => PushStep::PutTag,
                TagWrite::IfAbsent => PushStep::GetTag,
            },
            PushStep::PutTag => {
                bucket.put_tag(own);
                after_tag
            }
            PushStep::GetTag => match bucket.tag {
                read @ Tag::Means(other) if other != self.manifest => match parts.replace_dangling {
                    true => PushStep::GetRevisionOfTag(read),
                    false => PushStep::Refuse,
                },
                // The tag means this manifest already: written again, on the condition that it still does.
                read => PushStep::PutTagIf(read),
            },
            PushStep::GetRevisionOfTag(read) if !bucket.has_revision(read) => PushStep::PutTagIf(read),
            PushStep::GetRevisionOfTag(_) => PushStep::Refuse,
            PushStep::PutTagIf(read) if bucket.tag == read => {
                let is_other = matches!(read, Tag::Means(other) if other != self.manifest);
                if is_other && bucket.pushed && bucket.has_revision(read) {
                    bucket.broken =
                        Some("an acknowledged tag was replaced by a write that requires it to be absent");
                }
                bucket.put_tag(own);
                after_tag
            }
            PushStep::PutTagIf(_) => PushStep::GetTagAfter,
            PushStep::GetTagAfter if bucket.tag == own => after_tag,
            PushStep::GetTagAfter => PushStep::Refuse,
            PushStep::GetRevision if bucket.has_revision(own) => PushStep::Acknowledge,
            PushStep::GetRevision => Self::new(self.manifest, self.write).at,
            PushStep::Acknowledge => {
                self.acknowledge(bucket);
                return None;
            }
            PushStep::Refuse => return None,
        };
        Some(Self { at: next, ..self })
    }

    fn acknowledge(self, bucket: &mut Bucket) {
        match (self.manifest, self.write) {
            (Manifest::A, TagWrite::Never) => bucket.pushed_by_digest = true,
            (Manifest::A, _) => bucket.pushed = true,
            _ => bucket.pushed_other = true,
        }
    }
}
