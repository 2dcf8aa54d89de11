//! Pages of keys, right also from servers that end some of them early.
//!
//! MinIO walks folders. Where `start-after` has a slash after the prefix it begins at the first name after the prefix,
//! counts what it skips on the way to the key, and says that there are no more when it has counted enough. The keys it
//! gives are right. So the end of such a page is not believed: what may come after it is asked for folder by folder, each
//! with a `start-after` that lies in the folder itself. Everything else goes on by continuation tokens, which are right
//! everywhere. Nothing more is asked while there is a next page.

use std::sync::atomic::Ordering;

use futures_util::future::try_join_all;
use http::Method;
use wharf_store::Result;

use super::Inner;
use super::answer::{self, Listing, Unreadable};
use super::send::Call;
use crate::cloud::{Entry, Found, Page, Start};

/// The most rows S3 puts on a page.
const MOST_ROWS: usize = 1000;

/// Empty pages with a token, one after the other, before the server's answers are taken for nonsense.
const MOST_EMPTY_PAGES: usize = 1000;

// === impl Inner ===

impl Inner {
    /// [`Cloud::list`](crate::Cloud::list).
    pub(super) async fn list(
        &self,
        prefix: &str,
        start: Option<&Start>,
        one_level: bool,
        limit: usize,
    ) -> Result<Page> {
        let limit = limit.clamp(1, MOST_ROWS);
        let after = match start {
            Some(Start::After(after)) if one_level => {
                let start = Start::After(past_folder(prefix, after));
                return self.page(prefix, Some(&start), true, limit).await;
            }
            Some(Start::After(after)) if in_folder(prefix, after).is_some() => after,
            start => return self.page(prefix, start, one_level, limit).await,
        };
        let mut page = self.page(prefix, start, false, limit).await?;
        if page.next.is_some() {
            return Ok(page);
        }
        let last = page.entries.last().map_or_else(|| after.clone(), |last| last.key().to_owned());
        if page.entries.len() == limit {
            page.next = Some(Start::After(last));
            return Ok(page);
        }
        let rest = self.folder_by_folder(prefix, &last, limit - page.entries.len()).await?;
        page.entries.extend(rest.entries);
        page.next = rest.next;
        Ok(page)
    }

    /// The keys after `after`, from the folder it lies in outward: side by side, as mostly there are none.
    async fn folder_by_folder(&self, prefix: &str, after: &str, limit: usize) -> Result<Page> {
        let folders = folders(prefix, after);
        let pages = folders.into_iter().map(|(folder, after)| async move {
            self.page(&folder, after.map(Start::After).as_ref(), false, limit).await
        });
        let mut all = Page::default();
        for page in try_join_all(pages).await? {
            let is_cut = page.next.is_some() || all.entries.len() + page.entries.len() > limit;
            all.entries.extend(page.entries);
            if is_cut {
                all.entries.truncate(limit);
                // The token is one of the folder's.
                all.next = all.entries.last().map(|last| Start::After(last.key().to_owned()));
                break;
            }
        }
        Ok(all)
    }

    /// A page as the server gives it; one that is empty and not the last is passed over.
    async fn page(&self, prefix: &str, start: Option<&Start>, one_level: bool, limit: usize) -> Result<Page> {
        let operation = || format!("list {prefix}");
        let mut start = start.cloned();
        for _ in 0..MOST_EMPTY_PAGES {
            let mut call = Call::new(Method::GET, "").query("list-type", "2").query("prefix", prefix);
            if one_level {
                call = call.query("delimiter", "/");
            }
            call = match &start {
                None => call,
                Some(Start::After(after)) => call.query("start-after", after),
                Some(Start::Token(token)) => call.query("continuation-token", token),
            };
            let answer = self.call(call.query("max-keys", limit.to_string())).await;
            let answer = answer.map_err(|failure| self.error(operation(), failure))?;
            self.seen.store(true, Ordering::Relaxed);
            let page = read(&answer.body).map_err(|problem| Self::unreadable(operation(), problem))?;
            if !page.entries.is_empty() || page.next.is_none() {
                return Ok(page);
            }
            start = page.next;
        }
        Err(Self::unreadable(operation(), Unreadable::Endless))
    }
}

/// The part of `after` up to the first slash after the prefix, without it.
fn in_folder<'a>(prefix: &str, after: &'a str) -> Option<&'a str> {
    let slash = after.strip_prefix(prefix)?.find('/')?;
    Some(&after[..prefix.len() + slash])
}

/// Where to go on after `after` on one level: what is in the folder that `after` lies in is folded into that. The digit 0
/// comes after the slash, and no name in the tree is a folder's name and that alone.
fn past_folder(prefix: &str, after: &str) -> String {
    in_folder(prefix, after).map_or_else(|| after.to_owned(), |folder| format!("{folder}0"))
}

/// The folders between the prefix and the key `after`, the innermost first and the prefix last, and where to begin in
/// each, so that together they have all keys after `after`.
fn folders(prefix: &str, after: &str) -> Vec<(String, Option<String>)> {
    let mut folders = Vec::new();
    let mut after = after;
    while let Some(slash) = after[prefix.len()..].rfind('/') {
        let (folder, name) = after.split_at(prefix.len() + slash + 1);
        let start = if folders.is_empty() {
            (!name.is_empty()).then(|| after.to_owned())
        } else {
            Some(format!("{after}0"))
        };
        folders.push((folder.to_owned(), start));
        after = &after[..prefix.len() + slash];
    }
    folders.push((prefix.to_owned(), Some(format!("{after}0"))));
    folders
}

fn read(body: &[u8]) -> Result<Page, Unreadable> {
    let listing: Listing = answer::document(body)?;
    let mut entries = Vec::with_capacity(listing.contents.len() + listing.common_prefixes.len());
    let levels = !listing.common_prefixes.is_empty();
    for row in listing.contents {
        let modified = answer::time(&row.last_modified)?;
        entries.push(Entry::Object(Found { key: row.key, size: row.size, modified }));
    }
    entries.extend(listing.common_prefixes.into_iter().map(|row| Entry::Level(row.prefix)));
    if levels {
        entries.sort_by(|one, other| one.key().cmp(other.key()));
    }
    let next = listing.is_truncated.then(|| match listing.next_continuation_token {
        Some(token) => Some(Start::Token(token)),
        None => entries.last().map(|last| Start::After(last.key().to_owned())),
    });
    Ok(Page { next: next.flatten(), entries })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folders_on_the_way_to_a_key_have_all_that_comes_after_it() {
        let own = |folder: &str, after: Option<&str>| (folder.to_owned(), after.map(str::to_owned));
        assert_eq!(
            folders("p/", "p/a/b/c"),
            [own("p/a/b/", Some("p/a/b/c")), own("p/a/", Some("p/a/b0")), own("p/", Some("p/a0"))]
        );
        assert_eq!(folders("p/", "p/a/"), [own("p/a/", None), own("p/", Some("p/a0"))]);
        assert_eq!(folders("", "a/b"), [own("a/", Some("a/b")), own("", Some("a0"))]);
        assert_eq!(past_folder("p/", "p/a/b/c"), "p/a0");
        assert_eq!(past_folder("p/", "p/a"), "p/a");
    }
}
