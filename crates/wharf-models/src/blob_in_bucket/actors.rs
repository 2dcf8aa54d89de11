//! What each actor of rule 4 does, step by step.

use super::{Blob, Bucket, DEADLINE, FLIGHT, FRESH, Parts, RecheckOrder, Shortcut, Sweep, TERM, WAIT, step};

/// Sweeps the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Collector {
    /// Creates the sweep's object.
    CreateSweep,
    /// Waits until those who read before that no sweep is on have answered.
    Wait {
        /// When the sweep's object was created.
        since: u8,
    },
    /// Announces the batch with the blob.
    Announce,
    /// Stats the blob.
    Stat {
        /// When the batch was announced.
        announced: u8,
    },
    /// Sends the DELETE.
    Send {
        /// When the batch was announced.
        announced: u8,
    },
    /// The DELETE lands.
    Delete {
        /// When it was sent.
        sent: u8,
    },
    /// Announces a later batch.
    AnnounceNext,
    /// Removes the sweep's object.
    RemoveSweep,
}

/// Uploads the blob again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Writer {
    /// Reads the sweep's object.
    ReadSweep,
    /// Writes the blob.
    Put {
        /// When it read that no sweep is on, if it did.
        off_at: Option<u8>,
    },
    /// Answers at once if no sweep was on shortly before.
    CheckClock {
        /// When it read that no sweep is on, if it did.
        off_at: Option<u8>,
    },
    /// Checks its write, and writes the blob again where it has gone.
    Recheck(Recheck),
}

/// Relies on the blob that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Holder {
    /// Reads the sweep's object.
    ReadSweep,
    /// Stats the blob.
    Stat {
        /// When it read that no sweep is on, if it did.
        off_at: Option<u8>,
    },
    /// Renews it.
    Renew {
        /// When it read that no sweep is on, if it did.
        off_at: Option<u8>,
    },
    /// Answers at once if no sweep was on shortly before.
    CheckClock {
        /// When it read that no sweep is on, if it did.
        off_at: Option<u8>,
    },
    /// Checks its renewal, and refuses where the blob has gone.
    Recheck(Recheck),
    /// Answers that the blob is absent.
    Refuse,
}

/// The checks after a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Recheck {
    /// Reads the sweep's object, and waits while it names the blob.
    ReadSweep {
        /// When it first read that the sweep names the blob, if it did.
        seen: Option<u8>,
    },
    /// Stats the blob.
    Stat,
    /// Answers.
    Acknowledge,
}

/// What follows a check.
enum After {
    /// Another check.
    Check(Recheck),
    /// The blob has gone.
    Gone,
    /// The request was answered with success.
    Ended,
}

// === impl Collector ===

impl Collector {
    /// The first step.
    pub const FIRST: Self = Self::CreateSweep;

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::CreateSweep => step::CREATE_SWEEP,
            Self::Wait { .. } => step::WAIT,
            Self::Announce => step::ANNOUNCE,
            Self::Stat { .. } => step::STAT_BATCH,
            Self::Send { .. } => step::SEND_DELETE,
            Self::Delete { .. } => step::DELETE,
            Self::AnnounceNext => step::ANNOUNCE_NEXT,
            Self::RemoveSweep => step::REMOVE_SWEEP,
        }
    }

    pub(super) fn must_wait(self, bucket: &Bucket) -> bool {
        matches!(self, Self::Wait { since } if bucket.now - since < WAIT)
    }

    pub(super) fn step(self, bucket: &mut Bucket, parts: &Parts) -> Option<Self> {
        match self {
            // Another collector is at work.
            Self::CreateSweep if bucket.sweep != Sweep::Off => None,
            Self::CreateSweep => {
                bucket.sweep = Sweep::Begun;
                Some(if parts.collector_waits { Self::Wait { since: bucket.now } } else { Self::Announce })
            }
            Self::Wait { .. } => Some(Self::Announce),
            // Taken over by another process.
            Self::Announce if bucket.sweep != Sweep::Begun => None,
            Self::Announce => {
                if parts.announce {
                    bucket.sweep = Sweep::NamesBlob;
                }
                Some(Self::Stat { announced: bucket.now })
            }
            Self::Stat { announced } if bucket.blob == Blob::Old && !bucket.renewed => {
                Some(Self::Send { announced })
            }
            Self::Stat { .. } => Some(Self::AnnounceNext),
            Self::Send { announced } if parts.deadline && bucket.now - announced > DEADLINE => {
                Some(Self::AnnounceNext)
            }
            Self::Send { .. } => Some(Self::Delete { sent: bucket.now }),
            Self::Delete { sent } => {
                if bucket.now - sent <= FLIGHT {
                    bucket.blob = Blob::Absent;
                    bucket.deleted = true;
                }
                Some(Self::AnnounceNext)
            }
            // Taken over by another process.
            Self::AnnounceNext if matches!(bucket.sweep, Sweep::Off | Sweep::Later) => None,
            Self::AnnounceNext => {
                bucket.sweep = Sweep::Later;
                Some(Self::RemoveSweep)
            }
            Self::RemoveSweep => {
                bucket.sweep = Sweep::Off;
                None
            }
        }
    }
}

// === impl Writer ===

impl Writer {
    /// The first step.
    pub const FIRST: Self = Self::ReadSweep;

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ReadSweep => step::READ_SWEEP,
            Self::Put { .. } => step::PUT,
            Self::CheckClock { .. } => step::CHECK_CLOCK,
            Self::Recheck(at) => at.name(),
        }
    }

    pub(super) fn step(self, bucket: &mut Bucket, parts: &Parts) -> Option<Self> {
        match self {
            Self::ReadSweep => Some(Self::Put { off_at: bucket.off_at() }),
            Self::Put { off_at } => {
                bucket.blob = Blob::Young;
                Some(Self::CheckClock { off_at })
            }
            Self::CheckClock { off_at } => {
                let off_at = match parts.shortcut {
                    Shortcut::ReadBeforeWrite => off_at,
                    Shortcut::ReadAfterWrite => bucket.off_at(),
                };
                Some(Self::Recheck(Recheck::first(bucket, parts, off_at)))
            }
            Self::Recheck(at) => match at.step(bucket, parts) {
                After::Check(next) => Some(Self::Recheck(next)),
                After::Gone => Some(Self::Put { off_at: None }),
                After::Ended => None,
            },
        }
    }
}

// === impl Holder ===

impl Holder {
    /// The first step.
    pub const FIRST: Self = Self::ReadSweep;

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ReadSweep => step::READ_SWEEP,
            Self::Stat { .. } => step::STAT,
            Self::Renew { .. } => step::RENEW,
            Self::CheckClock { .. } => step::CHECK_CLOCK,
            Self::Recheck(at) => at.name(),
            Self::Refuse => step::REFUSE,
        }
    }

    pub(super) fn step(self, bucket: &mut Bucket, parts: &Parts) -> Option<Self> {
        match self {
            Self::ReadSweep => Some(Self::Stat { off_at: bucket.off_at() }),
            Self::Stat { off_at } => Some(match bucket.blob {
                Blob::Absent => Self::Refuse,
                Blob::Old if !bucket.renewed => Self::Renew { off_at },
                Blob::Old | Blob::Young if parts.recheck_young => Self::CheckClock { off_at },
                Blob::Old | Blob::Young => Self::Recheck(Recheck::Acknowledge),
            }),
            Self::Renew { off_at } => {
                bucket.renewed = true;
                Some(Self::CheckClock { off_at })
            }
            Self::CheckClock { off_at } => Some(Self::Recheck(Recheck::first(bucket, parts, off_at))),
            Self::Recheck(at) => match at.step(bucket, parts) {
                After::Check(next) => Some(Self::Recheck(next)),
                After::Gone => Some(Self::Refuse),
                After::Ended => None,
            },
            Self::Refuse => None,
        }
    }
}

// === impl Recheck ===

impl Recheck {
    /// The first check, or none where the sweep was off at `off_at` and that is a short while ago.
    fn first(bucket: &Bucket, parts: &Parts, off_at: Option<u8>) -> Self {
        match parts.recheck {
            _ if off_at.is_some_and(|at| bucket.now - at < FRESH) => Self::Acknowledge,
            RecheckOrder::SweepThenBlob | RecheckOrder::SweepOnly => Self::ReadSweep { seen: None },
            RecheckOrder::BlobThenSweep => Self::Stat,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::ReadSweep { .. } => step::READ_SWEEP_AGAIN,
            Self::Stat => step::STAT_AGAIN,
            Self::Acknowledge => step::ACKNOWLEDGE,
        }
    }

    fn step(self, bucket: &mut Bucket, parts: &Parts) -> After {
        let after_sweep = match parts.recheck {
            RecheckOrder::SweepThenBlob => Self::Stat,
            RecheckOrder::SweepOnly | RecheckOrder::BlobThenSweep => Self::Acknowledge,
        };
        match self {
            Self::ReadSweep { seen } if bucket.sweep == Sweep::NamesBlob => {
                let since = seen.unwrap_or(bucket.now);
                if bucket.now - since < TERM {
                    return After::Check(Self::ReadSweep { seen: Some(since) });
                }
                // Its collector is dead or paused: a conditional write takes the sweep over.
                bucket.sweep = Sweep::Later;
                After::Check(after_sweep)
            }
            Self::ReadSweep { .. } => After::Check(after_sweep),
            Self::Stat if bucket.blob == Blob::Absent => After::Gone,
            Self::Stat if parts.recheck == RecheckOrder::BlobThenSweep => {
                After::Check(Self::ReadSweep { seen: None })
            }
            Self::Stat => After::Check(Self::Acknowledge),
            Self::Acknowledge => {
                bucket.acknowledged = true;
                After::Ended
            }
        }
    }
}

// === impl Bucket ===

impl Bucket {
    /// Now, if no sweep is on.
    fn off_at(&self) -> Option<u8> {
        (self.sweep == Sweep::Off).then_some(self.now)
    }
}
