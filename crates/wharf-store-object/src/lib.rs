#![doc = include_str!("../README.md")]

mod cloud;
mod stand_in;
mod urls;

pub use cloud::{Cloud, Condition, Entry, Found, Meta, Multipart, Object, Page, Payload, Stored};
pub use stand_in::{BucketOptions, BucketStore, S3Cloud, S3ConfigError, S3Options};
pub use urls::{
    CloudFront, CloudFrontError, CloudFrontOptions, Presigned, PresignedOptions, Redirect, Rewrite,
    RewriteOptions,
};
