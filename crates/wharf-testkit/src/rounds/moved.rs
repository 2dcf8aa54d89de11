//! A delete of a manifest with many tags, some of which are pushed anew beside it.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use wharf_oci::MAX_TAGS;

use crate::images::Image;
use crate::push;
use crate::wire::Server;

/// How many of the tags are pushed anew: the last ones, which a delete comes to last.
const MOVED: usize = 10;

const NAME: &str = "moved/app";

/// Deletes a manifest that so many tags mean through one registry, while another manifest is pushed to the last ten of
/// them through the other registry, over the same store. Panics unless those ten, and no others, are left.
///
/// Gives how many pushes were acknowledged before the delete was.
pub async fn tags_that_move_beside_a_delete(deletes: Server, pushes: Server, tags: usize) -> usize {
    let (old, new) = (Image::random(1), Image::random(2));
    let _ = push::image(&deletes, NAME, "old", &old).await;
    let _ = push::image(&pushes, NAME, "new", &new).await;
    for first in (0..tags).step_by(MAX_TAGS) {
        let names = (first..tags.min(first + MAX_TAGS)).map(|tag| format!("tag={}", name_of(tag)));
        let names: Vec<String> = names.collect();
        let reference = format!("{}?{}", old.manifest.digest, names.join("&"));
        let _ = push::manifest(&deletes, NAME, &reference, &old.manifest).await;
    }
    let moved = tags - MOVED..tags;
    let deleted = AtomicBool::new(false);
    let delete = async {
        let _ =
            deletes.delete(format!("/v2/{NAME}/manifests/{}", old.manifest.digest)).send().await.expect(202);
        deleted.store(true, Ordering::SeqCst);
    };
    let push = async {
        let mut beside = 0;
        // Each of them once at least, and again for as long as the delete goes on.
        for (pushed, tag) in moved.clone().cycle().enumerate() {
            if pushed >= MOVED && deleted.load(Ordering::SeqCst) {
                break;
            }
            let _ = push::manifest(&pushes, NAME, &name_of(tag), &new.manifest).await;
            beside += usize::from(!deleted.load(Ordering::SeqCst));
        }
        beside
    };
    let ((), beside) = tokio::join!(delete, push);
    for server in [deletes, pushes] {
        assert_moved(server, &old, &new, moved.clone()).await;
    }
    beside
}

async fn assert_moved(server: Server, old: &Image, new: &Image, moved: Range<usize>) {
    let _ = server.get(format!("/v2/{NAME}/manifests/{}", old.manifest.digest)).send().await.expect(404);
    for tag in moved.clone() {
        let found = server.get(format!("/v2/{NAME}/manifests/{}", name_of(tag))).send().await.expect(200);
        assert_eq!(found.body, new.manifest.bytes);
    }
    let listed = server.get(format!("/v2/{NAME}/tags/list")).send().await.expect(200).json();
    let listed: Vec<String> = serde_json::from_value(listed["tags"].clone()).unwrap();
    let expected: Vec<String> = ["new".to_owned()].into_iter().chain(moved.map(name_of)).collect();
    assert_eq!(listed, expected);
}

fn name_of(tag: usize) -> String {
    format!("t{tag:04}")
}
