//! Rule 1: a blob is removed from a directory while clients publish it, rely on it and read it.
//!
//! The collector's mark is over: the blob is old, and no manifest needed it then. No lock is taken. The names of the steps
//! are those of [`step`]. Names change under an open file, and its time can be read and set through the handle.
//!
//! | Actor | In the code |
//! |---|---|
//! | [`Role::Publisher`] | `BlobStore::commit` and `put` |
//! | [`Role::Holder`] | `MetadataStore::hold`, `Objects::renew` |
//! | [`Role::Remover`] | `BlobStore::remove_if_older` |
//! | [`Role::NextSweep`] | the sweep after one whose process was killed or paused |
//! | [`Role::Reader`] | `BlobStore::stat` and `read` |

mod actors;
#[cfg(test)]
mod tests;

pub use actors::{Holder, NextSweep, Publisher, Reader, Remover, Search};

use crate::protocol::{Actor, Outcome, Protocol, State};

/// Names of the steps.
pub mod step {
    /// A finished file is renamed over `data`.
    pub const PUBLISH: &str = "rename over data";
    /// `data` is opened.
    pub const OPEN_DATA: &str = "open data";
    /// The time of `data` is read, by a remover through the name, by a holder through the open file.
    pub const STAT_DATA: &str = "stat data";
    /// Whether there is a file by the name `data`.
    pub const FIND_DATA: &str = "find data";
    /// `data` becomes `data.removing-<id>`, whatever file it leads to by now.
    pub const RENAME_ASIDE: &str = "rename aside";
    /// `data.removing-<id>` is opened anew.
    pub const REOPEN_ASIDE: &str = "reopen aside";
    /// The time of the reopened file is read.
    pub const STAT_ASIDE: &str = "stat aside";
    /// The file aside is renamed to `data`, if no other file has that name.
    pub const PUT_BACK: &str = "put back";
    /// The file aside gets the name `data` as well, if no other file has it.
    pub const LINK_BACK: &str = "link back";
    /// The name aside is removed.
    pub const UNLINK_ASIDE: &str = "unlink aside";
    /// The name `data` is removed. No correct remover does this.
    pub const UNLINK_DATA: &str = "unlink data";
    /// The time of the open file is set to now.
    pub const RENEW: &str = "utimes";
    /// Whether `data` still leads to the open file.
    pub const VERIFY_NAME: &str = "verify name";
    /// The folder is listed, in search of files aside.
    pub const READ_FOLDER: &str = "readdir";
    /// A file aside is opened for reading.
    pub const OPEN_ASIDE: &str = "open aside";
    /// A read begins.
    pub const BEGIN: &str = "begin";
    /// The request is answered with success: the client may rely on the blob.
    pub const ACKNOWLEDGE: &str = "acknowledge";
    /// The request is answered: the blob is absent.
    pub const REFUSE: &str = "refuse";
}

/// A file by its number. 0 is the one that the collector wants to remove; a publisher's is its own number plus one.
pub type File = u8;

/// Files aside that a listing has found, a bit for each actor that renamed one aside.
pub type Listed = u8;

/// How a remover puts back a young file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutBack {
    /// By `RENAME_NOREPLACE`, in one step.
    Rename,
    /// By `link` and then `unlink`, on file systems without that.
    Link,
}

/// The folder of one blob.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Folder {
    /// What `data` leads to.
    pub data: Option<File>,
    /// What `data.removing-<id>` leads to, for each actor as the id.
    pub aside: Vec<Option<File>>,
    /// Files whose time is older than the collector's limit, one bit each.
    old: u8,
    /// Whether a request that relies on the blob was answered with success.
    pub acknowledged: bool,
    /// Whether a reader or a holder found nothing although the blob had been acknowledged before it began.
    missed: bool,
}

/// What each actor does, and how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Uploads the blob again.
    Publisher(Publisher),
    /// Relies on the blob that is there: pushes a manifest, mounts, or answers a HEAD before a push.
    Holder(Holder),
    /// Removes the blob if it is old.
    Remover(Remover),
    /// Puts back what another remover left aside.
    NextSweep(NextSweep),
    /// Pulls the blob.
    Reader(Reader),
}

/// The parts of the rule. A test leaves out one at a time.
#[derive(Debug, Clone, Copy)]
pub struct Parts {
    /// The remover renames the file aside and unlinks that name. Otherwise it unlinks `data`.
    pub rename_aside: bool,
    /// The remover reads the time again once the file lies aside.
    pub stat_aside: bool,
    /// A holder checks that `data` still leads to the file it renewed.
    pub verify_name: bool,
    /// A holder checks that of a young file, too: another holder may have renewed it too late for a remover.
    pub verify_young: bool,
    /// A holder that finds the file aside links it back before it relies on it.
    pub link_back: bool,
    /// After how many failed attempts, at `data`, aside, at `data` and so on, a reader answers that the blob is absent. Each
    /// remover at work may cost it two.
    pub reader_attempts: u8,
    /// The same of a holder: at `data`, aside, at `data` and so on. A publisher may cost it an attempt, too.
    pub holder_attempts: u8,
    /// How a remover puts back a young file. Each way is right.
    pub put_back: PutBack,
    /// The next sweep unlinks a file aside only if it has seen it before it linked it back.
    pub see_before_unlink: bool,
}

/// The rule, with the actors that take part.
#[derive(Debug)]
pub struct BlobOnDisk {
    actors: Vec<Actor<Role>>,
    parts: Parts,
}

// === impl Parts ===

impl Default for Parts {
    /// The rule as it is built.
    fn default() -> Self {
        Self {
            rename_aside: true,
            stat_aside: true,
            verify_name: true,
            verify_young: true,
            link_back: true,
            reader_attempts: 7,
            holder_attempts: 7,
            put_back: PutBack::Rename,
            see_before_unlink: true,
        }
    }
}

// === impl BlobOnDisk ===

impl BlobOnDisk {
    /// The rule with `parts`, between at most seven `actors`.
    pub fn new(actors: Vec<Actor<Role>>, parts: Parts) -> Self {
        assert!(actors.len() < 8, "each actor may add a file, and there is a bit for eight");
        Self { actors, parts }
    }
}

impl Protocol for BlobOnDisk {
    type Shared = Folder;
    type Step = Role;

    fn start(&self) -> Folder {
        let aside = vec![None; self.actors.len()];
        Folder { data: Some(0), aside, old: 1, acknowledged: false, missed: false }
    }

    fn actors(&self) -> &[Actor<Role>] {
        &self.actors
    }

    fn name(&self, step: &Role) -> &'static str {
        match step {
            Role::Publisher(at) => at.name(),
            Role::Holder(at) => at.name(),
            Role::Remover(at) => at.name(&self.parts),
            Role::NextSweep(at) => at.name(),
            Role::Reader(at) => at.name(),
        }
    }

    fn outcomes(&self, folder: &Folder, me: usize, step: &Role) -> Vec<Outcome<Self>> {
        let parts = &self.parts;
        match *step {
            Role::Holder(Holder::LinkBack(search, listed)) => each(listed, |aside, rest| {
                Outcome::only(folder, |folder: &mut Folder| {
                    Some(Role::Holder(Holder::link_back(search, aside, rest, folder)))
                })
            }),
            Role::Reader(Reader::OpenAside(search, listed)) => each(listed, |aside, rest| {
                let next = Reader::open_aside(search, aside, rest, folder, parts);
                vec![Outcome { shared: folder.clone(), next: next.map(Role::Reader) }]
            }),
            // The folder may be gone, too.
            Role::Holder(Holder::ReadFolder(search)) if folder.is_empty() => {
                let next = [Holder::Refuse(search), Holder::Find(search.failed())];
                next.map(|next| Outcome { shared: folder.clone(), next: Some(Role::Holder(next)) }).into()
            }
            Role::Reader(Reader::ReadFolder(search)) if folder.is_empty() => {
                let next = [Reader::Refuse(search), search.go_on(parts, Reader::OpenData)];
                next.map(|next| Outcome { shared: folder.clone(), next: Some(Role::Reader(next)) }).into()
            }
            Role::Publisher(at) => Outcome::only(folder, |folder| at.step(folder, me).map(Role::Publisher)),
            Role::Holder(at) => Outcome::only(folder, |folder| at.step(folder, parts).map(Role::Holder)),
            Role::Remover(at) => {
                Outcome::only(folder, |folder| at.step(folder, me, parts).map(Role::Remover))
            }
            Role::NextSweep(at) => {
                Outcome::only(folder, |folder| at.step(folder, parts).map(Role::NextSweep))
            }
            Role::Reader(at) => Outcome::only(folder, |folder| at.step(folder, parts).map(Role::Reader)),
        }
    }

    fn violation(&self, state: &State<Self>) -> Option<&'static str> {
        let folder = &state.shared;
        if folder.missed {
            return Some("an acknowledged blob was not found");
        }
        if !folder.acknowledged || !state.all_ended() {
            return None;
        }
        // What a killed remover left aside is found by readers and holders, and put back by the next sweep.
        let recoverable = state.any_killed() && folder.aside.iter().any(Option::is_some);
        let lost = folder.data.is_none() && !recoverable;
        lost.then_some("the blob was acknowledged and is gone")
    }

    fn goal(&self, state: &State<Self>) -> bool {
        let folder = &state.shared;
        let removed = folder.data != Some(0) && !folder.aside.contains(&Some(0));
        let remover = |actor: &Actor<Role>| matches!(actor.first, Role::Remover(_));
        let kept = state.all_ended() && folder.acknowledged;
        if self.actors.iter().any(remover) { removed } else { kept }
    }
}

/// The outcomes of a step that acts on one of the files aside that a listing has found. Which one comes first is up to the
/// file system; `act` also gets those that are left.
fn each<T>(listed: Listed, act: impl Fn(usize, Listed) -> Vec<T>) -> Vec<T> {
    let asides = (0..Listed::BITS as usize).filter(|aside| listed & (1 << aside) != 0);
    asides.flat_map(|aside| act(aside, listed & !(1 << aside))).collect()
}

// === impl Folder ===

impl Folder {
    fn is_old(&self, file: File) -> bool {
        self.old & (1 << file) != 0
    }

    fn renew(&mut self, file: File) {
        self.old &= !(1 << file);
    }

    /// Whether there is no file: the remover that unlinked the last one may have removed the folder.
    fn is_empty(&self) -> bool {
        self.data.is_none() && self.list() == 0
    }

    /// What a listing finds aside.
    fn list(&self) -> Listed {
        let asides = self.aside.iter().enumerate().filter(|(_, file)| file.is_some());
        asides.fold(0, |listed, (aside, _)| listed | 1 << aside)
    }

    /// `link(aside, data)`, which does not overwrite; returns whether there is still a file aside.
    fn link_back(&mut self, aside: usize) -> bool {
        let file = self.aside[aside];
        self.data = self.data.or(file);
        file.is_some()
    }
}
