//! The filesystem backend.
