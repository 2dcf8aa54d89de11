//! What is asked of the cloud for one page: some of it may be known before it is asked, and all of it can be told
//! afterwards.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{StreamExt, stream};
use wharf_store::Result;

use super::LOOKS_AT_ONCE;
use crate::cloud::{Cloud, Meta, Page, Start};

/// A page of keys, as [`Cloud::list`] is asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    prefix: String,
    after: Option<String>,
    one_level: bool,
    limit: usize,
}

/// Asks the cloud. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Questions {
    cloud: Arc<dyn Cloud>,
    noted: Arc<Mutex<Noted>>,
}

#[derive(Debug, Default)]
struct Noted {
    foreseen: HashMap<Question, Page>,
    asked: Vec<Question>,
}

// === impl Questions ===

impl Questions {
    pub(crate) fn of(cloud: &Arc<dyn Cloud>) -> Self {
        Self { cloud: Arc::clone(cloud), noted: Arc::default() }
    }

    /// Asks all of these now. What the cloud does not answer is not foreseen, and fails if it is really asked.
    pub(crate) async fn foresee(&self, questions: &[Question]) {
        let ask = |question: Question| async move {
            let page = self.ask(&question).await.ok()?;
            Some((question, page))
        };
        let answers = stream::iter(questions.iter().cloned()).map(ask).buffer_unordered(LOOKS_AT_ONCE);
        let foreseen = answers.filter_map(std::future::ready).collect().await;
        self.noted().foreseen = foreseen;
    }

    /// All that was really asked, by [`list`](Self::list).
    pub(crate) fn asked(&self) -> Vec<Question> {
        self.noted().asked.clone()
    }

    /// [`Cloud::list`].
    pub(crate) async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        one_level: bool,
        limit: usize,
    ) -> Result<Page> {
        let question =
            Question { prefix: prefix.to_owned(), after: after.map(str::to_owned), one_level, limit };
        let foreseen = {
            let mut noted = self.noted();
            noted.asked.push(question.clone());
            noted.foreseen.remove(&question)
        };
        match foreseen {
            Some(page) => Ok(page),
            None => self.ask(&question).await,
        }
    }

    /// [`Cloud::head`].
    pub(crate) async fn head(&self, key: &str) -> Result<Option<Meta>> {
        self.cloud.head(key).await
    }

    async fn ask(&self, question: &Question) -> Result<Page> {
        let Question { prefix, after, one_level, limit } = question;
        let start = after.clone().map(Start::After);
        self.cloud.list(prefix, start.as_ref(), *one_level, *limit).await
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
