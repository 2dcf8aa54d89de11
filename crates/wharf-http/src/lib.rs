//! The edge: HTTP in, registry operations, HTTP out.
