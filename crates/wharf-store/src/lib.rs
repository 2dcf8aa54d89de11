//! Where a registry's bytes and facts live: the ports, the v2 tree, an in-memory store, and the suites every store passes.
