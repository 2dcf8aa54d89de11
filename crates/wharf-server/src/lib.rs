//! The binary `registry`.
