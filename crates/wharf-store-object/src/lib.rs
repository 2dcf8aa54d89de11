#![doc = include_str!("../README.md")]

mod cloud;

pub use cloud::{Cloud, Condition, Entry, Found, Meta, Multipart, Object, Page, Payload, Stored};
