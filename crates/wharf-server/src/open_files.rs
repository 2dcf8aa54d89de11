//! How many files and connections the process may have open, and what clients may open of that.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use wharf_http::Limits;

/// Open files that are not for connections and blobs: logs, locks, keys, and what an operation opens for a moment. A
/// quarter of all, within these limits, and never more than half.
const OWN_FILES: (usize, usize) = (256, 4096);

/// Where there is less than was wanted, one address has half of it at most, but so many where there is little.
const LEAST_OF_ADDRESS: usize = 16;

/// Fewer connections than this are worth a warning, whatever was asked for: by default one address may have as many.
const FEW_CONNECTIONS: usize = 4096;

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

/// Limits that the process has enough open files for; a warning if these are fewer connections than the operator has
/// asked for, or few.
pub(crate) fn fit(wanted: Limits) -> Limits {
    let current = getrlimit(Resource::Nofile).current;
    let files = current.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
    let limits = within(wanted, files);
    let is_asked_for = wanted.connections != Limits::default().connections;
    if limits.connections < wanted.connections && (is_asked_for || limits.connections < FEW_CONNECTIONS) {
        let (connections, transfers) = (limits.connections, limits.transfers);
        let needed = 2 * wanted.connections + OWN_FILES.1;
        tracing::warn!(
            "the limit of open files is {files}: no more than {connections} connections and {transfers} blobs in transfer \
             at once, and not the {} of http.limits.connections; raise it to {needed} (ulimit -n, LimitNOFILE)",
            wanted.connections
        );
    }
    limits
}

/// Half of what is left for clients is for connections, and what these leave is for blobs.
fn within(wanted: Limits, files: usize) -> Limits {
    let own = (files / 4).clamp(OWN_FILES.0, OWN_FILES.1).min(files / 2);
    let left = files - own;
    let connections = wanted.connections.min(left / 2).max(1);
    let transfers = wanted.transfers.min(left.saturating_sub(connections)).max(1);
    let of_address = |wanted: usize, before: usize, all: usize| {
        if all < before { wanted.min((all / 2).max(LEAST_OF_ADDRESS)).min(all) } else { wanted }
    };
    Limits {
        connections,
        connections_per_address: of_address(wanted.connections_per_address, wanted.connections, connections),
        transfers,
        transfers_per_address: of_address(wanted.transfers_per_address, wanted.transfers, transfers),
        ..wanted
    }
}

fn shown(limit: Option<u64>) -> String {
    limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_open_no_more_than_the_process_may() {
        let wanted = Limits::default();
        let rows = [
            // Files, then connections and blobs in transfer: of all, of one address.
            (usize::MAX, 16_384, 4096, 65_536, 16_384),
            (1 << 20, 16_384, 4096, 65_536, 16_384),
            (65_536, 16_384, 4096, 45_056, 16_384),
            (4096, 1536, 768, 1536, 768),
            (1024, 384, 192, 384, 192),
            (64, 16, 16, 16, 16),
            (0, 1, 1, 1, 1),
        ];
        for (files, connections, connections_per_address, transfers, transfers_per_address) in rows {
            let expected =
                Limits { connections, connections_per_address, transfers, transfers_per_address, ..wanted };
            assert_eq!(within(wanted, files), expected, "{files} open files");
        }
        let few = Limits { connections: 10, connections_per_address: 10, ..wanted };
        assert_eq!(within(few, 1024).connections_per_address, 10, "what was written and fits stays");
    }
}
