//! A bucket as a store, on a server that speaks S3.

mod counts;
mod harness;
mod suites;
