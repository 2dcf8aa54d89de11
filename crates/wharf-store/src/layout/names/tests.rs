//! The walk against the obvious way: all names, sorted.

use std::collections::BTreeSet;

use bytes::Bytes;
use wharf_oci::Digest;

use super::*;
use crate::layout::Key;
use crate::objects::PutIf;
use crate::{MemoryStore, Objects};

const COMPONENTS: [&str; 6] = ["a", "a--b", "a-b", "a.b", "ab", "b"];

/// Every third of all names of up to three components.
fn some_names() -> Vec<String> {
    let mut all = Vec::new();
    for one in COMPONENTS {
        all.push(one.to_owned());
        for two in COMPONENTS {
            all.push(format!("{one}/{two}"));
            all.extend(COMPONENTS.iter().map(|three| format!("{one}/{two}/{three}")));
        }
    }
    all.into_iter().step_by(3).collect()
}

async fn store_with(names: &[String]) -> MemoryStore {
    let store = MemoryStore::default();
    let digest = Digest::of(b"");
    for name in names {
        let name = name.parse().unwrap();
        store.put(&Key::RevisionLink(&name, &digest), Bytes::new(), PutIf::Any).await.unwrap();
    }
    store
}

/// All that the walk gives, folders that only lead to repositories among them.
async fn walk(store: &MemoryStore, prefix: Option<&str>, after: &str) -> Vec<String> {
    let prefix = prefix.map(|prefix| prefix.parse().unwrap());
    let mut names = Names::new(store, prefix.as_ref(), Some(after));
    let mut found = Vec::new();
    while let Some(name) = names.next().await.unwrap() {
        found.push(name.to_string());
    }
    found
}

/// The names and every folder on the way to them, sorted.
fn folders(names: &[String]) -> BTreeSet<String> {
    let above = |name: &String| -> Vec<String> {
        let slashes = name.match_indices('/').map(|(at, _)| name[..at].to_owned());
        slashes.chain([name.clone()]).collect()
    };
    names.iter().flat_map(above).collect()
}

#[tokio::test]
async fn from_wherever_it_starts_the_walk_gives_what_comes_after_in_order() {
    let names = some_names();
    let (store, all) = (store_with(&names).await, folders(&names));
    let odd = ["", "/", "a/", "a-", "a.b/", "a//b", "../..", "a/../b", "zz", "a-b/a-", "_layers", "A", "é"];
    for after in all.iter().map(String::as_str).chain(odd) {
        let expected: Vec<&String> = all.iter().filter(|name| name.as_str() > after).collect();
        assert_eq!(walk(&store, None, after).await.iter().collect::<Vec<_>>(), expected, "after {after:?}");
        let below = |name: &&&String| name.as_str() == "a-b" || name.starts_with("a-b/");
        let expected: Vec<&String> = expected.iter().filter(below).copied().collect();
        let found = walk(&store, Some("a-b"), after).await;
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "below a-b after {after:?}");
    }
}

#[tokio::test]
async fn a_folder_of_many_is_read_in_a_few_pieces() {
    let names: Vec<String> = (0..FIRST_READ * 6).map(|number| format!("r{number:05}")).collect();
    let store = store_with(&names).await;
    assert_eq!(walk(&store, None, "").await, names);
    assert_eq!(walk(&store, None, &names[FIRST_READ]).await, names[FIRST_READ + 1..]);
}
