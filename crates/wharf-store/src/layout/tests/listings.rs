//! How many store calls a page takes where most of what is listed does not count.

use std::time::SystemTime;

use futures_util::FutureExt;
use wharf_oci::{Descriptor, Digest, MediaType, RepositoryName, Tag};

use super::stepwise::{Atomicity, World, run};
use crate::layout::Dir;
use crate::metadata::{Change, Expect, ManifestFacts, MetadataStore, TagWrite};

const CHANGE: Change<'static> = Change { actor: None, request_id: "r", at: SystemTime::UNIX_EPOCH };

fn name() -> RepositoryName {
    "acme/app".parse().unwrap()
}

/// The answer of an operation, and how many store calls it made.
fn calls<'a, T: 'a>(operation: impl Future<Output = T> + 'a) -> (T, usize) {
    let mut answer = None;
    let polls = run(&mut [Box::pin(async { answer = Some(operation.await) })], &[]);
    (answer.unwrap(), polls.len() - 1)
}

#[test]
fn a_page_behind_thousands_of_names_that_do_not_count_takes_few_reads() {
    let world = World::new(Atomicity::Conditions);
    let tags: Vec<TagWrite> = (0..3000)
        .map(|number| format!("v{number:04}").parse::<Tag>().unwrap())
        .map(|tag| TagWrite { tag, expect: Expect::Any })
        .collect();
    let digest = Digest::of(b"m");
    let facts = ManifestFacts { digest: &digest, references: &[], subject: None, tags: &tags };
    world.direct.put_manifest(&CHANGE, &name(), &facts).now_or_never().unwrap().unwrap();
    let (name, counts) = (name(), |name: &str| (name == "v0000" || name > "v2990").then(|| name.to_owned()));
    for wanted in [2, 5, 10] {
        let dir = Dir::Tags(&name);
        let named = world.stepwise.named(&dir, None, wanted, counts);
        let (found, reads) = calls(named);
        let found = found.unwrap();
        assert_eq!(found.len(), wanted.min(10));
        assert_eq!((found[0].as_str(), found[1].as_str()), ("v0000", "v2991"));
        assert!(reads < 12, "{reads} reads for {wanted}");
    }
}

#[test]
fn a_page_of_referrers_behind_many_that_are_gone_is_whole_and_takes_few_reads() {
    let world = World::new(Atomicity::Conditions);
    let (name, subject) = (name(), Digest::of(b"subject"));
    let mut digests: Vec<Digest> = (0..400_u32).map(|number| Digest::of(&number.to_le_bytes())).collect();
    digests.sort_unstable();
    for (index, digest) in digests.iter().enumerate() {
        let descriptor = Descriptor::new(MediaType::OCI_MANIFEST, *digest, 1);
        let subject = Some((&subject, &descriptor));
        let facts = ManifestFacts { digest, references: &[], subject, tags: &[] };
        world.direct.put_manifest(&CHANGE, &name, &facts).now_or_never().unwrap().unwrap();
        // An older registry deletes the manifest and leaves the entry.
        if (1..390).contains(&index) {
            let key = crate::layout::Key::RevisionLink(&name, digest);
            crate::Objects::remove(&world.store, &key).now_or_never().unwrap().unwrap();
        }
    }
    let left: Vec<Digest> = std::iter::once(digests[0]).chain(digests[390..].iter().copied()).collect();
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let page = world.stepwise.referrers(&name, &subject, after.as_ref(), 3);
        let (page, calls) = calls(page);
        let page = page.unwrap();
        // One for each entry that is looked at, and those of the listing.
        assert!(calls < 450, "{calls} calls");
        listed.extend(page.items.iter().map(|item| item.digest));
        after = page.items.last().map(|item| item.digest);
        if !page.more {
            break;
        }
        assert_eq!(page.items.len(), 3);
    }
    assert_eq!(listed, left);
}
