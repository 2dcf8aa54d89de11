//! What each actor of rule 1 does, step by step.

use super::{File, Folder, Listed, Parts, PutBack, step};

/// Uploads the blob again: its bytes are synced under another name, and then published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Publisher {
    /// Renames its file over `data`.
    Publish,
    /// Answers 201.
    Acknowledge,
}

/// Relies on bytes that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Holder {
    /// Begins: from here on, an acknowledged blob must be found.
    Begin,
    /// Opens `data`.
    Open(Search),
    /// Reads the time of the open file.
    Stat(Search, File),
    /// Sets the time of the open file.
    Renew(Search, File),
    /// Checks that `data` still leads to the open file.
    Verify(Search, File),
    /// Lists the folder in search of files aside.
    ReadFolder(Search),
    /// Links one of those back.
    LinkBack(Search, Listed),
    /// Checks whether there is a file by the name `data` by now.
    Find(Search),
    /// Publishes what needs the blob.
    Acknowledge,
    /// Answers that the blob is absent.
    Refuse(Search),
}

/// Removes the blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Remover {
    /// Reads the time of `data`, and leaves a young file alone.
    Stat,
    /// Renames `data` aside.
    RenameAside,
    /// Opens the file aside anew.
    ReopenAside,
    /// Reads its time.
    StatAside(File),
    /// Puts it back, for it is young.
    PutBack,
    /// Unlinks the name aside.
    UnlinkAside,
    /// Unlinks `data`: what a remover does that has not renamed it.
    UnlinkData,
}

/// Puts back what remover `of` left aside. That remover may be dead, or only paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NextSweep {
    of: usize,
    at: NextSweepStep,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum NextSweepStep {
    ReadFolder,
    LinkBack,
    UnlinkAside,
}

/// Pulls the blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reader {
    /// Begins: from here on, an acknowledged blob must be found.
    Begin,
    /// Opens `data`.
    OpenData(Search),
    /// Lists the folder in search of files aside.
    ReadFolder(Search),
    /// Opens one of those.
    OpenAside(Search, Listed),
    /// Answers 404.
    Refuse(Search),
}

/// What a holder or a reader carries from step to step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Search {
    /// The blob had been acknowledged when the search began.
    owed: bool,
    /// Failed attempts since the blob was last found: at `data`, aside, at `data`, and so on.
    attempts: u8,
}

// === impl Publisher ===

impl Publisher {
    /// The first step.
    pub const FIRST: Self = Self::Publish;

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Publish => step::PUBLISH,
            Self::Acknowledge => step::ACKNOWLEDGE,
        }
    }

    pub(super) fn step(self, folder: &mut Folder, me: usize) -> Option<Self> {
        match self {
            Self::Publish => {
                folder.data = File::try_from(me + 1).ok();
                Some(Self::Acknowledge)
            }
            Self::Acknowledge => {
                folder.acknowledged = true;
                None
            }
        }
    }
}

// === impl Holder ===

impl Holder {
    /// The first step.
    pub const FIRST: Self = Self::Begin;

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Begin => step::BEGIN,
            Self::Open(_) => step::OPEN_DATA,
            Self::Stat(..) => step::STAT_DATA,
            Self::Renew(..) => step::RENEW,
            Self::Verify(..) => step::VERIFY_NAME,
            Self::ReadFolder(_) => step::READ_FOLDER,
            Self::LinkBack(..) => step::LINK_BACK,
            Self::Find(_) => step::FIND_DATA,
            Self::Acknowledge => step::ACKNOWLEDGE,
            Self::Refuse(_) => step::REFUSE,
        }
    }

    pub(super) fn step(self, folder: &mut Folder, parts: &Parts) -> Option<Self> {
        Some(match self {
            Self::Begin => Self::Open(Search::begin(folder)),
            Self::Open(search) => match folder.data {
                Some(file) => Self::Stat(search, file),
                None => Self::ReadFolder(search.failed()),
            },
            Self::Stat(search, file) if folder.is_old(file) => Self::Renew(search, file),
            Self::Stat(search, file) if parts.verify_young => Self::Verify(search, file),
            Self::Stat(..) => Self::Acknowledge,
            Self::Renew(search, file) => {
                folder.renew(file);
                if parts.verify_name { Self::Verify(search, file) } else { Self::Acknowledge }
            }
            Self::Verify(_, file) if folder.data == Some(file) => Self::Acknowledge,
            Self::Verify(search, _) => Self::ReadFolder(search.failed()),
            Self::ReadFolder(search) => match folder.list() {
                0 => Self::Find(search.failed()),
                _ if !parts.link_back => Self::Acknowledge,
                listed => Self::LinkBack(search, listed),
            },
            Self::Find(search) if folder.data.is_some() => Self::Open(search.anew()),
            Self::Find(search) if search.failed().attempts < parts.holder_attempts => {
                Self::ReadFolder(search.failed())
            }
            Self::Find(search) => Self::Refuse(search),
            Self::Acknowledge => {
                folder.acknowledged = true;
                return None;
            }
            Self::Refuse(search) => {
                folder.missed |= search.owed;
                return None;
            }
            // Its outcomes are as many as there are files aside: see `link_back`.
            Self::LinkBack(..) => return None,
        })
    }

    /// Links back the file `aside`; `rest` are the others that were listed.
    pub(super) fn link_back(search: Search, aside: usize, rest: Listed, folder: &mut Folder) -> Self {
        folder.link_back(aside);
        if rest == 0 { Self::Open(search.anew()) } else { Self::LinkBack(search, rest) }
    }
}

// === impl Remover ===

impl Remover {
    /// The first step.
    pub const FIRST: Self = Self::Stat;

    pub(super) fn name(self, parts: &Parts) -> &'static str {
        match self {
            Self::Stat => step::STAT_DATA,
            Self::RenameAside => step::RENAME_ASIDE,
            Self::ReopenAside => step::REOPEN_ASIDE,
            Self::StatAside(_) => step::STAT_ASIDE,
            Self::PutBack => match parts.put_back {
                PutBack::Rename => step::PUT_BACK,
                PutBack::Link => step::LINK_BACK,
            },
            Self::UnlinkAside => step::UNLINK_ASIDE,
            Self::UnlinkData => step::UNLINK_DATA,
        }
    }

    pub(super) fn step(self, folder: &mut Folder, me: usize, parts: &Parts) -> Option<Self> {
        match self {
            Self::Stat if !folder.data.is_some_and(|file| folder.is_old(file)) => None,
            Self::Stat if parts.rename_aside => Some(Self::RenameAside),
            Self::Stat => Some(Self::UnlinkData),
            Self::RenameAside => {
                folder.aside[me] = Some(folder.data.take()?);
                Some(if parts.stat_aside { Self::ReopenAside } else { Self::UnlinkAside })
            }
            Self::ReopenAside => folder.aside[me].map(Self::StatAside),
            Self::StatAside(file) if folder.is_old(file) => Some(Self::UnlinkAside),
            Self::StatAside(_) => Some(Self::PutBack),
            Self::PutBack if parts.put_back == PutBack::Link => {
                folder.link_back(me).then_some(Self::UnlinkAside)
            }
            Self::PutBack if folder.data.is_some() => folder.aside[me].is_some().then_some(Self::UnlinkAside),
            Self::PutBack => {
                folder.data = folder.aside[me].take();
                None
            }
            Self::UnlinkAside => {
                folder.aside[me] = None;
                None
            }
            Self::UnlinkData => {
                folder.data = None;
                None
            }
        }
    }
}

// === impl NextSweep ===

impl NextSweep {
    /// The first step of a sweep that finds what remover `of`, an actor's index, left.
    pub const fn of(of: usize) -> Self {
        Self { of, at: NextSweepStep::ReadFolder }
    }

    pub(super) fn name(self) -> &'static str {
        match self.at {
            NextSweepStep::ReadFolder => step::READ_FOLDER,
            NextSweepStep::LinkBack => step::LINK_BACK,
            NextSweepStep::UnlinkAside => step::UNLINK_ASIDE,
        }
    }

    pub(super) fn step(self, folder: &mut Folder, parts: &Parts) -> Option<Self> {
        let (seen, then) = match self.at {
            NextSweepStep::ReadFolder => (folder.aside[self.of].is_some(), NextSweepStep::LinkBack),
            NextSweepStep::LinkBack => (folder.link_back(self.of), NextSweepStep::UnlinkAside),
            NextSweepStep::UnlinkAside => {
                folder.aside[self.of] = None;
                return None;
            }
        };
        (seen || !parts.see_before_unlink).then_some(Self { at: then, ..self })
    }
}

// === impl Reader ===

impl Reader {
    /// The first step.
    pub const FIRST: Self = Self::Begin;

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Begin => step::BEGIN,
            Self::OpenData(_) => step::OPEN_DATA,
            Self::ReadFolder(_) => step::READ_FOLDER,
            Self::OpenAside(..) => step::OPEN_ASIDE,
            Self::Refuse(_) => step::REFUSE,
        }
    }

    pub(super) fn step(self, folder: &mut Folder, parts: &Parts) -> Option<Self> {
        match self {
            Self::Begin => Some(Self::OpenData(Search::begin(folder))),
            Self::OpenData(_) if folder.data.is_some() => None,
            Self::OpenData(search) => Some(search.go_on(parts, Self::ReadFolder)),
            Self::ReadFolder(search) => Some(match folder.list() {
                0 => search.go_on(parts, Self::OpenData),
                listed => Self::OpenAside(search, listed),
            }),
            // Its outcomes are as many as there are files aside: see `open_aside`.
            Self::OpenAside(..) => None,
            Self::Refuse(search) => {
                folder.missed |= search.owed;
                None
            }
        }
    }

    /// Opens the file `aside`; `rest` are the others that were listed. `None` if that has found the blob.
    pub(super) fn open_aside(
        search: Search,
        aside: usize,
        rest: Listed,
        folder: &Folder,
        parts: &Parts,
    ) -> Option<Self> {
        match folder.aside[aside] {
            Some(_) => None,
            None if rest != 0 => Some(Self::OpenAside(search, rest)),
            None => Some(search.go_on(parts, Self::OpenData)),
        }
    }
}

// === impl Search ===

impl Search {
    fn begin(folder: &Folder) -> Self {
        Self { owed: folder.acknowledged, attempts: 0 }
    }

    /// After the blob was found.
    fn anew(self) -> Self {
        Self { attempts: 0, ..self }
    }

    /// After a failed attempt.
    pub(super) fn failed(self) -> Self {
        Self { attempts: self.attempts + 1, ..self }
    }

    /// After a reader's failed attempt: the next one, or the answer that the blob is absent.
    pub(super) fn go_on(self, parts: &Parts, next: fn(Self) -> Reader) -> Reader {
        let search = self.failed();
        if search.attempts < parts.reader_attempts { next(search) } else { Reader::Refuse(search) }
    }
}
