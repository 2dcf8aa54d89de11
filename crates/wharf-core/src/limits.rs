//! Limits of the registry's operations.

/// Limits on what one request may make the registry do.
///
/// A push over a limit is rejected with an error that names it. A list that reaches one ends its page early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most descriptors in a pushed manifest: config, layers and members. Each costs a stat of a blob or manifest.
    /// Manifests that are stored already are not affected.
    pub manifest_references: usize,
    /// Most manifests that one request for referrers examines, whether they match its filter or not.
    pub referrers_scan: usize,
    /// Most manifests under a fallback tag that one request for referrers reads, which this registry has no entries of. One
    /// over 64 KiB counts as several.
    pub referrers_lookups: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Images have at most some hundred layers; another large registry accepts 4,200.
            manifest_references: 10_000,
            referrers_scan: 10_000,
            referrers_lookups: 1000,
        }
    }
}
