//! What each actor of rule 1 does, step by step.

use super::{File, Folder, Parts, step};

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
    /// Lists the folder in search of a file aside.
    ReadFolder(Search),
    /// Links that file back.
    LinkBack(Search, usize),
    /// Publishes what needs the blob.
    Acknowledge,
    /// Answers that the blob is absent.
    Refuse(Search),
}

/// Removes the blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Remover {
    /// Opens `data`.
    Open,
    /// Reads the time of the open file, and leaves it alone if it is young.
    Stat(File),
    /// Renames `data` aside.
    RenameAside,
    /// Opens the file aside anew.
    ReopenAside,
    /// Reads its time.
    StatAside(File),
    /// Links it back, for it is young.
    LinkBack,
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
    /// Lists the folder in search of a file aside.
    ReadFolder(Search),
    /// Opens that file.
    OpenAside(Search, usize),
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
            Self::Acknowledge => step::ACKNOWLEDGE,
            Self::Refuse(_) => step::REFUSE,
        }
    }

    pub(super) fn step(self, folder: &mut Folder, parts: &Parts) -> Option<Self> {
        match self {
            Self::Begin => Some(Self::Open(Search::begin(folder))),
            Self::Open(search) => Some(match folder.data {
                Some(file) => Self::Stat(search.anew(), file),
                None => search.again(parts, Self::ReadFolder, Self::Refuse),
            }),
            Self::Stat(search, file) if folder.is_old(file) => Some(Self::Renew(search, file)),
            Self::Stat(search, file) if parts.verify_young => Some(Self::Verify(search, file)),
            Self::Stat(..) => Some(Self::Acknowledge),
            Self::Renew(search, file) => {
                folder.renew(file);
                Some(if parts.verify_name { Self::Verify(search, file) } else { Self::Acknowledge })
            }
            Self::Verify(_, file) if folder.data == Some(file) => Some(Self::Acknowledge),
            Self::Verify(search, _) => Some(search.again(parts, Self::ReadFolder, Self::Refuse)),
            // Its outcomes are as many as there are files aside: see `found_aside`.
            Self::ReadFolder(_) => None,
            Self::LinkBack(..) if !parts.link_back => Some(Self::Acknowledge),
            Self::LinkBack(search, aside) => Some(match folder.link_back(aside) {
                true => Self::Open(search.anew()),
                false => search.again(parts, Self::Open, Self::Refuse),
            }),
            Self::Acknowledge => {
                folder.acknowledged = true;
                None
            }
            Self::Refuse(search) => {
                folder.missed |= search.owed;
                None
            }
        }
    }

    /// What follows [`ReadFolder`](Self::ReadFolder).
    pub(super) fn found_aside(search: Search, aside: Option<usize>, parts: &Parts) -> Self {
        match aside {
            Some(aside) => Self::LinkBack(search, aside),
            None => search.again(parts, Self::Open, Self::Refuse),
        }
    }
}

// === impl Remover ===

impl Remover {
    /// The first step.
    pub const FIRST: Self = Self::Open;

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Open => step::OPEN_DATA,
            Self::Stat(_) => step::STAT_DATA,
            Self::RenameAside => step::RENAME_ASIDE,
            Self::ReopenAside => step::REOPEN_ASIDE,
            Self::StatAside(_) => step::STAT_ASIDE,
            Self::LinkBack => step::LINK_BACK,
            Self::UnlinkAside => step::UNLINK_ASIDE,
            Self::UnlinkData => step::UNLINK_DATA,
        }
    }

    pub(super) fn step(self, folder: &mut Folder, me: usize, parts: &Parts) -> Option<Self> {
        match self {
            Self::Open => folder.data.map(Self::Stat),
            Self::Stat(file) if !folder.is_old(file) => None,
            Self::Stat(_) if parts.rename_aside => Some(Self::RenameAside),
            Self::Stat(_) => Some(Self::UnlinkData),
            Self::RenameAside => {
                folder.aside[me] = Some(folder.data.take()?);
                Some(if parts.stat_aside { Self::ReopenAside } else { Self::UnlinkAside })
            }
            Self::ReopenAside => folder.aside[me].map(Self::StatAside),
            Self::StatAside(file) if folder.is_old(file) => Some(Self::UnlinkAside),
            Self::StatAside(_) => Some(Self::LinkBack),
            Self::LinkBack => folder.link_back(me).then_some(Self::UnlinkAside),
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
            Self::OpenData(search) => Some(search.again(parts, Self::ReadFolder, Self::Refuse)),
            // Its outcomes are as many as there are files aside: see `found_aside`.
            Self::ReadFolder(_) => None,
            Self::OpenAside(_, aside) if folder.aside[aside].is_some() => None,
            Self::OpenAside(search, _) => Some(search.again(parts, Self::OpenData, Self::Refuse)),
            Self::Refuse(search) => {
                folder.missed |= search.owed;
                None
            }
        }
    }

    /// What follows [`ReadFolder`](Self::ReadFolder).
    pub(super) fn found_aside(search: Search, aside: Option<usize>, parts: &Parts) -> Self {
        match aside {
            Some(aside) => Self::OpenAside(search, aside),
            None => search.again(parts, Self::OpenData, Self::Refuse),
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

    /// After a failed attempt: the next one, or the answer that the blob is absent.
    fn again<S>(self, parts: &Parts, next: fn(Self) -> S, refuse: fn(Self) -> S) -> S {
        let search = Self { attempts: self.attempts + 1, ..self };
        if search.attempts < parts.attempts { next(search) } else { refuse(search) }
    }
}
