//! Where else a blob can be had: addresses that are given to clients instead of its bytes.
//!
//! Which of them stand before a store, and in which order, is for who puts the registry together.

mod cloudfront;
mod kept;
mod presigned;
mod redirect;
mod rewrite;

pub use cloudfront::{CloudFront, CloudFrontError, CloudFrontOptions};
pub use presigned::{Presigned, PresignedOptions};
pub use redirect::Redirect;
pub use rewrite::{Rewrite, RewriteOptions};

#[cfg(test)]
mod tests;
