//! TLS in front of everything: the same answers, whoever asks; and what happens before there is anybody to ask.

mod conversations;
mod handshakes;
mod identities;
mod stopping;
mod streams;

use std::sync::Arc;

use wharf_http::{Limits, Options};
use wharf_testkit::registry::{ScratchRegistry, Setup};
use wharf_testkit::tls::{Authority, Client, Source};

/// A registry with a certificate, and a client that believes it.
struct World {
    registry: ScratchRegistry,
    client: Client,
    authority: Authority,
    source: Source,
}

impl World {
    async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    async fn limited(limits: Limits) -> Self {
        Self::with(Setup { edge: Options { limits, ..Options::default() }, ..Setup::default() }).await
    }

    async fn with(setup: Setup) -> Self {
        let authority = Authority::new("an authority");
        let source = Source::new(&authority.server("a registry"));
        let client = Client::trusting(&authority);
        let setup = Setup { tls: Some(Arc::new(source.clone())), ..setup };
        Self { registry: ScratchRegistry::start_with(setup).await, client, authority, source }
    }
}
