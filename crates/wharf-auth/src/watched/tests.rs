//! What `Watched` promises, one test a promise.

use tempfile::TempDir;

use super::*;
use crate::clock::manual::ManualClock;
use crate::scratch::{replace, write};

/// A file with a number in it.
struct Number {
    folder: TempDir,
    clock: ManualClock,
}

impl Number {
    fn new(text: &str) -> Self {
        let number = Self { folder: tempfile::tempdir().unwrap(), clock: ManualClock::new() };
        write(&number.path(), text);
        number
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("number")
    }

    async fn open(&self) -> Result<Watched<u32>, WatchedError> {
        let parse = |bytes: &[u8]| Ok(str::from_utf8(bytes)?.trim().parse()?);
        Watched::open(self.path(), Arc::new(self.clock.clone()), parse).await
    }

    /// What is read when a look is due.
    async fn later(&self, watched: &Watched<u32>) -> u32 {
        self.clock.advance(CHECK_EVERY);
        *watched.get().await
    }
}

#[tokio::test]
async fn a_change_in_place_and_a_replacement_are_both_seen() {
    let number = Number::new("1");
    let watched = number.open().await.unwrap();
    assert_eq!(*watched.get().await, 1);

    write(&number.path(), "2");
    assert_eq!(number.later(&watched).await, 2);
    replace(&number.path(), "3");
    assert_eq!(number.later(&watched).await, 3);
}

#[tokio::test]
async fn a_file_is_looked_at_once_a_second_at_most() {
    let number = Number::new("1");
    let watched = number.open().await.unwrap();
    replace(&number.path(), "2");

    number.clock.advance(CHECK_EVERY - Duration::from_millis(1));
    assert_eq!(*watched.get().await, 1);
    number.clock.advance(Duration::from_millis(1));
    assert_eq!(*watched.get().await, 2);
}

#[tokio::test]
async fn the_times_of_a_file_that_has_just_changed_are_not_believed() {
    let number = Number::new("1");
    let watched = number.open().await.unwrap();
    assert_eq!(watched.0.seen.lock().unwrap().stamp, None, "a second write in one tick would not show");
    number.clock.advance(SETTLED_AFTER);
    number.later(&watched).await;
    assert!(watched.0.seen.lock().unwrap().stamp.is_some());
}

#[tokio::test]
async fn a_file_that_has_not_changed_is_not_read_again() {
    let number = Number::new("1");
    number.clock.advance(Duration::from_secs(60));
    let watched = number.open().await.unwrap();
    let stamp = watched.0.seen.lock().unwrap().stamp;
    assert!(stamp.is_some(), "an old file's times can be believed");

    let before = watched.get().await;
    number.later(&watched).await;
    assert!(Arc::ptr_eq(&before, &watched.get().await));
}

#[tokio::test]
async fn the_same_content_written_again_is_the_same_value() {
    let number = Number::new("1");
    let watched = number.open().await.unwrap();
    let before = watched.get().await;
    replace(&number.path(), "1");
    number.later(&watched).await;
    assert!(Arc::ptr_eq(&before, &watched.get().await));
}

#[tokio::test]
async fn a_version_that_cannot_be_used_changes_nothing_and_is_complained_of_once() {
    let number = Number::new("1");
    let watched = number.open().await.unwrap();

    replace(&number.path(), "one");
    assert_eq!(number.later(&watched).await, 1);
    let complaint = watched.0.seen.lock().unwrap().complaint.clone();
    assert!(complaint.is_some());
    assert_eq!(number.later(&watched).await, 1);
    assert_eq!(watched.0.seen.lock().unwrap().complaint, complaint);

    replace(&number.path(), "2");
    assert_eq!(number.later(&watched).await, 2);
    assert_eq!(watched.0.seen.lock().unwrap().complaint, None);
}

#[tokio::test]
async fn a_file_that_goes_away_leaves_what_it_said_and_may_come_back() {
    let number = Number::new("1");
    let watched = number.open().await.unwrap();
    fs::remove_file(number.path()).unwrap();
    assert_eq!(number.later(&watched).await, 1);
    write(&number.path(), "2");
    assert_eq!(number.later(&watched).await, 2);
}

#[tokio::test]
async fn a_file_that_is_missing_or_makes_no_sense_at_the_start_is_an_error() {
    let number = Number::new("one");
    let error = number.open().await.unwrap_err();
    assert!(matches!(error, WatchedError::Unusable { .. }), "{error:?}");

    fs::remove_file(number.path()).unwrap();
    let error = number.open().await.unwrap_err();
    assert!(matches!(error, WatchedError::Missing { .. }), "{error:?}");

    fs::create_dir(number.path()).unwrap();
    let error = number.open().await.unwrap_err();
    assert!(matches!(error, WatchedError::Unreadable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_parser_that_panics_changes_nothing() {
    let number = Number::new("1");
    let parse = |bytes: &[u8]| Ok(str::from_utf8(bytes).unwrap().parse::<u32>().unwrap());
    let watched = Watched::open(number.path(), Arc::new(number.clock.clone()), parse).await.unwrap();
    replace(&number.path(), "one");
    assert_eq!(number.later(&watched).await, 1);
    replace(&number.path(), "2");
    assert_eq!(number.later(&watched).await, 2);
}
