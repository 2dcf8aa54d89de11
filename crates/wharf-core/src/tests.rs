//! Promises of the registry, over the memory store.
