//! What a page of the catalog took the last time is asked before anything else, all of it side by side.
//!
//! One question often follows from the answer to another, and every answer is a trip. Whoever asked for the same page
//! before has gone that way: the questions are remembered, never the answers. Those that turn out not to be needed cost a
//! request once; those that were not foreseen are asked when they come up. The page is what it would be without this.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::Wanted;
use crate::cloud::Cloud;
use crate::listing::{Question, Questions};

/// Questions of one page that are worth to be remembered. A page that takes more is one of a kind.
const MOST_QUESTIONS: usize = 256;

/// Questions that are remembered in all; with two keys of about a hundred bytes each, they take up to 4 MiB.
const REMEMBERED: u64 = 16 * 1024;

/// Pages of about so many questions are expected.
const EXPECTED_PAGES: usize = 1024;

/// What was asked for pages of the catalog. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Foresight(Arc<Cache<Asking, Arc<[Question]>, ByQuestions>>);

/// A page, as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Asking {
    prefix: Option<String>,
    after: Option<String>,
    limit: usize,
}

#[derive(Debug, Clone)]
struct ByQuestions;

// === impl Foresight ===

impl Foresight {
    /// Asks what was asked for this page the last time.
    pub(super) async fn ask(&self, cloud: &Arc<dyn Cloud>, page: &Asking) -> Questions {
        let questions = Questions::of(cloud);
        if let Some(remembered) = self.0.get(page) {
            questions.foresee(&remembered).await;
        }
        questions
    }

    /// Remembers what was asked for this page.
    pub(super) fn remember(&self, page: Asking, questions: &Questions) {
        let asked = questions.asked();
        if asked.len() <= MOST_QUESTIONS {
            self.0.insert(page, asked.into());
        }
    }
}

impl Default for Foresight {
    fn default() -> Self {
        Self(Arc::new(Cache::with_weighter(EXPECTED_PAGES, REMEMBERED, ByQuestions)))
    }
}

// === impl Asking ===

impl From<Wanted<'_>> for Asking {
    fn from(wanted: Wanted<'_>) -> Self {
        let prefix = wanted.prefix.map(ToString::to_string);
        Self { prefix, after: wanted.after.map(str::to_owned), limit: wanted.limit }
    }
}

// === impl ByQuestions ===

impl Weighter<Asking, Arc<[Question]>> for ByQuestions {
    fn weight(&self, _page: &Asking, questions: &Arc<[Question]>) -> u64 {
        questions.len().max(1) as u64
    }
}
