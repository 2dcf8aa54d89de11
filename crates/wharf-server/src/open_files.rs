//! How many files and connections the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit as far as we may.
///
/// What a shell gives is 1024, for programs that use `select(2)`. Every connection and every blob on its way is one.
pub(crate) fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => {
            tracing::debug!(from = shown(current), to = shown(maximum), "raised the limit of open files");
        }
        Err(error) => tracing::warn!(
            limit = shown(current),
            error = &error as &dyn std::error::Error,
            "could not raise the limit of open files"
        ),
    }
}

fn shown(limit: Option<u64>) -> String {
    limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string())
}
