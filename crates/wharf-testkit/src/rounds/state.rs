//! What two registries over one store were asked and answered, and what that may have made of the store.

/// How many tags there are.
pub(super) const TAGS: usize = 6;

/// How many images there are at a time.
pub(super) const IMAGES: usize = 4;

/// The index of a tag, below [`TAGS`].
pub(super) type Tag = usize;

/// The index of an image, below [`IMAGES`].
pub(super) type Image = usize;

/// What keeps two requests apart in the store, and with it which steps a request takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exclusion {
    /// Each repository has a lock: a push is one step, and a delete of a manifest ends in one.
    Locks,
    /// There are conditions on single objects alone: a push is three steps, and a tag whose manifest is gone is absent to
    /// readers and stays in lists.
    Conditions,
}

/// The facts of the repository that all clients use, and of the one that they mount from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct State {
    /// What each tag means.
    pub(super) tags: [Option<Image>; TAGS],
    /// Which manifests are there.
    pub(super) manifests: [bool; IMAGES],
    /// Which layers the other repository has.
    pub(super) sources: [bool; IMAGES],
}

/// A request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// PUT of a manifest under a tag.
    Put(Image, Tag),
    /// DELETE of a tag.
    DeleteTag(Tag),
    /// DELETE of a manifest by its digest.
    DeleteManifest(Image),
    /// Mount of an image's layer from the other repository.
    Mount(Image),
    /// DELETE of an image's layer in the other repository.
    DeleteSource(Image),
    /// GET of a manifest by a tag.
    Get(Tag),
}

/// How a request was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It was done: 201, or the 202 of a delete.
    Done,
    /// There was nothing to delete, to get, or to mount.
    Absent,
    /// The manifest of this image.
    Found(Image),
}

/// A request with its answer, and when: any clock that counts up, for all clients the same.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record {
    pub(super) operation: Operation,
    pub(super) answer: Answer,
    /// Before the request was sent.
    pub(super) begun: u64,
    /// After the answer was read.
    pub(super) ended: u64,
}

/// What a reader finds while no request changes anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Observation {
    /// What a GET by each tag gives.
    pub(super) tags: [Option<Image>; TAGS],
    /// Which tags are listed.
    pub(super) listed: [bool; TAGS],
    /// Which manifests a GET by digest gives.
    pub(super) manifests: [bool; IMAGES],
}

// === impl State ===

impl State {
    /// What a GET by the tag gives.
    pub(super) fn visible(&self, tag: Tag) -> Option<Image> {
        self.tags[tag].filter(|image| self.manifests[*image])
    }

    /// Whether a reader of this state finds exactly what was observed.
    pub(super) fn shows(&self, observed: &Observation) -> bool {
        self.manifests == observed.manifests
            && (0..TAGS).all(|tag| {
                self.visible(tag) == observed.tags[tag] && self.tags[tag].is_some() == observed.listed[tag]
            })
    }

    /// Whether neither a manifest nor a tag is left of the image.
    pub(super) fn is_free_of(&self, image: Image) -> bool {
        !self.manifests[image] && !self.tags.contains(&Some(image))
    }

    /// Removes every tag that means the image, and reports whether there was one.
    pub(super) fn remove_tags_of(&mut self, image: Image) -> bool {
        let mut removed = false;
        for tag in self.tags.iter_mut().filter(|tag| **tag == Some(image)) {
            *tag = None;
            removed = true;
        }
        removed
    }
}

// === impl Record ===

impl Record {
    /// Whether this request was answered before the other was sent.
    pub(super) fn precedes(&self, other: &Self) -> bool {
        self.ended < other.begun
    }
}
