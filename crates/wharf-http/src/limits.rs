//! How much of everything.

use std::sync::Arc;
use std::time::Duration;

use wharf_auth::TokenIssuer;

use crate::addresses::Addresses;
use crate::extra_headers::ExtraHeaders;
use crate::log::AccessLog;
use crate::page_writes::PageWrites;

const MIB: usize = 1024 * 1024;

/// How the edge behaves.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The limits.
    pub limits: Limits,
    /// Who writes the access log; nobody if the operator switched it off.
    pub access_log: Option<Arc<dyn AccessLog>>,
    /// Under which address clients reach us.
    pub addresses: Addresses,
    /// Headers the operator adds (`http.headers`).
    pub headers: ExtraHeaders,
    /// Who gives out tokens at `/token`; nobody, and the path is not there.
    pub token_issuer: Option<Arc<dyn TokenIssuer>>,
    /// Whether nothing may be changed (`storage.maintenance.readonly`).
    pub read_only: bool,
    /// Which web pages may write.
    pub page_writes: PageWrites,
    /// Whether clients may speak HTTP/2 without TLS, knowing beforehand that we do (`http.h2c`).
    pub h2c: bool,
}

/// Every limit of the edge, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest manifest taken, in bytes; the specification asks for at least 4 MiB, and clients refuse more.
    pub manifest_bytes: usize,
    /// Bytes of request bodies that are collected whole (manifests, forms), of all requests. A request that finds no room
    /// for [`collect_wait`](Self::collect_wait) is answered 503.
    pub collected_bytes: usize,
    /// The same for the requests of one address (of IPv6: one /64).
    pub collected_bytes_per_address: usize,
    /// How long a request waits for room for its body.
    pub collect_wait: Duration,
    /// How long a body that is collected may take in all.
    pub collect_timeout: Duration,
    /// The same for the form of a request for a token.
    pub form_timeout: Duration,
    /// Most tags in a page that a client asks for (`tags.maxtags`); asking for more gives this many and a link.
    pub tags_page: usize,
    /// Most repositories in a page (`catalog.maxentries`).
    pub catalog_page: usize,
    /// Most repositories looked at to fill a page for a caller who may not see all of them.
    pub catalog_scan: usize,
    /// Most referrers in a page.
    pub referrers_page: usize,
    /// Most reads of a store for the ranges of one request; for more the whole blob is sent. Does not count for files.
    pub range_reads: usize,
    /// Ranges with fewer bytes than this between them are one read; a request can have so many bytes, for each of its
    /// reads, read and dropped.
    pub range_gap_bytes: u64,
    /// What the headings of parts may come to, in bytes, if that is more than the parts themselves; beyond it the whole blob
    /// is sent.
    pub range_headings_bytes: u64,
    /// Longest head of a request, in bytes as over HTTP/1, on both protocols (`http.limits.headerbytes`). One that is up to
    /// twice as long is answered 431 in the specification's form, a longer one by the protocol library, without a body.
    pub head_bytes: usize,
    /// Connections open at once. The next one waits in the kernel's queue.
    pub connections: usize,
    /// Connections open at once from one address (of IPv6: one /64). The next one is closed at once. Does not count for
    /// proxies that the operator has named, nor for Unix sockets. A /48 of IPv6 has half of all, or what one address has if
    /// that is more; so it is with every limit for an address.
    pub connections_per_address: usize,
    /// Requests at once on one connection of HTTP/2.
    pub streams: u32,
    /// Blobs on their way in and out at once, each of which has a file open. The next one is answered 503.
    pub transfers: usize,
    /// The same for the connections of one address.
    pub transfers_per_address: usize,
    /// Bytes that clients of HTTP/2 may send before they are read, beyond the 64 KiB that every connection has.
    pub window_bytes: usize,
    /// The same for the connections of one address.
    pub window_bytes_per_address: usize,
    /// How long a client may take to agree with us on TLS, from the opening of its connection (`http.timeouts.handshake`).
    pub handshake_timeout: Duration,
    /// How long a client may take to send a request's head: the first from the opening of its connection, others from their
    /// first byte (`http.timeouts.header`).
    pub head_timeout: Duration,
    /// The same for connections that are opened while nine tenths of all are taken; also the limit of their handshakes.
    pub crowded_head_timeout: Duration,
    /// How long a connection is kept without a request (`http.timeouts.idle`). Longer than a load balancer keeps its own,
    /// or it sends a request on a connection that is being closed and answers 502.
    pub idle_timeout: Duration,
    /// How long a body may be silent (`http.timeouts.read`). There is no limit on how long it may take in all.
    pub body_idle_timeout: Duration,
    /// How long a client may read no more of a response, on a connection or on a stream of HTTP/2 (`http.timeouts.write`).
    /// A proxy that buffers responses pauses for as long as its own client takes to read what was buffered.
    pub write_idle_timeout: Duration,
    /// Bytes of responses in memory, of all connections. Beyond it a connection may have one frame of 16 KiB and one short
    /// response; what it is to send besides waits, or is answered 503 if it is in memory already.
    pub sending_bytes: usize,
    /// The same for the connections of one address (of IPv6: one /64), but not of a proxy that the operator has named.
    pub sending_bytes_per_address: usize,
    /// The same for one connection.
    pub sending_bytes_per_connection: usize,
    /// How long requests in flight may take after the process was told to stop (`http.draintimeout`).
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            manifest_bytes: 4 * MIB,
            collected_bytes: 256 * MIB,
            collected_bytes_per_address: 64 * MIB,
            collect_wait: Duration::from_secs(5),
            collect_timeout: Duration::from_secs(60),
            form_timeout: Duration::from_secs(10),
            tags_page: 1000,
            catalog_page: 1000,
            catalog_scan: 100_000,
            referrers_page: 1000,
            range_reads: 64,
            range_gap_bytes: 256 * 1024,
            range_headings_bytes: 64 * 1024,
            head_bytes: 64 * 1024,
            connections: 16_384,
            connections_per_address: 16_384 / 4,
            streams: 100,
            transfers: 65_536,
            transfers_per_address: 65_536 / 4,
            window_bytes: 512 * MIB,
            window_bytes_per_address: 64 * MIB,
            handshake_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(75),
            crowded_head_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(620),
            body_idle_timeout: Duration::from_secs(120),
            write_idle_timeout: Duration::from_secs(600),
            sending_bytes: 256 * MIB,
            sending_bytes_per_address: 64 * MIB,
            sending_bytes_per_connection: 8 * MIB,
            drain_timeout: Duration::from_secs(10),
        }
    }
}
