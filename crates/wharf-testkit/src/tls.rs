//! TLS for tests: certificates made when a test runs, what a server needs to speak with them, and clients.
//!
//! It knows nothing of configuration files; whatever a server under test reads, a test writes.

mod authority;
mod client;
mod http2;
mod source;

pub use authority::{Authority, Pair};
pub use client::{Agreed, Client, Version};
pub use http2::{Answering, Http2};
pub use source::Source;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};

/// The one provider, passed by hand as in what ships.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
