//! The descriptor cache in a real Redis: it may make answers quicker, and nothing else.
//!
//! `cargo test -p wharf-e2e --features redis --test redis`; `redis-server` must be on PATH.

mod answers;
mod outage;
mod server;
mod shared;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use server::Redis;
use wharf_core::{BlobSizes, Options};
use wharf_server::config::{RedisAddress, RedisConfig};
use wharf_server::descriptors::RedisSizes;
use wharf_testkit::deadline::within;
use wharf_testkit::flaky::{Call, Faults};
use wharf_testkit::images::Blob;
use wharf_testkit::registry::{ScratchRegistry, Setup};

/// How to speak to the Redis on this port of the loopback.
fn config(port: u16) -> RedisConfig {
    RedisConfig {
        address: RedisAddress::Tcp { host: "127.0.0.1".to_owned(), port },
        username: None,
        password: None,
        db: 0,
        dial_timeout: Duration::from_secs(1),
        command_timeout: Duration::from_millis(250),
        tls: None,
    }
}

fn sizes(config: &RedisConfig) -> Arc<RedisSizes> {
    Arc::new(RedisSizes::open(config, wharf_store::Grace::default()).expect("the configuration is right"))
}

/// A registry over a tree that remembers sizes in `sizes`, and how often its store is asked for anything.
async fn registry(tree: &Path, sizes: Arc<dyn BlobSizes>) -> (ScratchRegistry, Faults) {
    let faults = Faults::default();
    let options = Options { sizes: Some(sizes), ..Options::default() };
    let setup = Setup { registry: options, faults: Some(faults.clone()), ..Setup::default() };
    (ScratchRegistry::over(tree, setup).await, faults)
}

/// Asks for `probe`, which is kept first, until Redis answers.
async fn until_used(sizes: &RedisSizes, redis: &Redis) {
    let probe = Blob::new(&b"a probe"[..]);
    let asking = async {
        while sizes.get(&probe.digest).await.is_none() {
            sizes.keep(&probe.digest, 7).await;
            redis.pause().await;
        }
    };
    within("Redis to be used", asking).await;
}

/// How often the store was asked how long something is.
fn looks(faults: &Faults) -> usize {
    faults.count(Call::Stat)
}
