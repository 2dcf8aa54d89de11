#![doc = include_str!("../README.md")]

mod cloud;
#[cfg(test)]
mod memory_cloud;
mod store;
mod uploads;

pub use cloud::{Cloud, Condition, Entry, Found, Meta, Multipart, Object, Page, Payload, Stored};
pub use store::{BucketOptions, BucketStore};
