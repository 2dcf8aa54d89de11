//! How often a request asks for memory: bounds that are met exactly, so that what is added shows.
//!
//! One test, so that nothing else runs in the process; what is counted is its own thread, which is the server's and the
//! client's too, and the client allocates nothing.

use wharf_guard::cases::Case;
use wharf_guard::client::Client;
use wharf_guard::counting::{Counting, allocations};
use wharf_guard::world;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most allocations one request may make.
const BOUNDS: &[(&str, u64)] = &[("manifest-by-tag", 28), ("blob-head", 26), ("blob-get-4k", 29)];

const REQUESTS: u64 = 50;

#[test]
fn a_request_asks_for_memory_no_more_often_than_it_did() {
    let folder = tempfile::tempdir().unwrap();
    let counted = world::run(folder.path(), async |client: &mut Client, cases: &mut [Case]| {
        let mut counted = Vec::new();
        for (name, bound) in BOUNDS {
            let case = cases.iter_mut().find(|case| case.name == *name).unwrap();
            for _ in 0..REQUESTS {
                case.run(client).await?;
            }
            let before = allocations();
            for _ in 0..REQUESTS {
                case.run(client).await?;
            }
            // Rounded down: a buffer that grows once, a date that is written once a second, are nobody's request.
            counted.push((*name, (allocations() - before) / REQUESTS, *bound));
        }
        Ok(counted)
    });
    let dearer: Vec<_> = counted.unwrap().into_iter().filter(|(_, counted, bound)| counted > bound).collect();
    assert!(
        dearer.is_empty(),
        "(case, allocations, allowed): {dearer:?}; find out where the new ones come from, or raise the bound and say why"
    );
}
