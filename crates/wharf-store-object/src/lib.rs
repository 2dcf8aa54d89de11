#![doc = include_str!("../README.md")]

mod catalog;
mod cloud;
mod listing;
#[cfg(test)]
mod memory_cloud;
mod objects;
mod renewals;
mod s3;
mod store;
mod uploads;
mod urls;

pub use cloud::{
    Cloud, Condition, Conditions, CredentialExpiry, Deleted, Entry, Found, Meta, Multipart, Object, Page,
    Payload, SigningCredential, Start, Stored,
};
pub use s3::{S3Cloud, S3ConfigError, S3Options};
pub(crate) use store::normalised_root;
pub use store::{BucketOptions, BucketStore};
pub use urls::{
    CloudFront, CloudFrontError, CloudFrontOptions, Presigned, PresignedOptions, Redirect, Rewrite,
    RewriteOptions,
};
