//! The span of a request on other threads: what a blocking job logs names the request it is for.

use tracing::Span;

/// `work`, which runs in the span that is current now, on whatever thread it is called.
pub fn in_current_span<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let span = Span::current();
    move || span.in_scope(work)
}
