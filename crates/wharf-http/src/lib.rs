#![doc = include_str!("../README.md")]

mod accounts;
mod addresses;
mod asked;
mod body;
mod body_budget;
mod connections;
mod context;
mod details;
mod dispatch;
mod errors;
mod extra_headers;
mod handlers;
mod limits;
mod listener;
mod log;
mod multipart;
mod origin;
mod range_reads;
mod request_body;
mod request_id;
mod respond;
mod sending;
mod serve;
mod service;
mod stall;
mod streams;
mod tls;

pub use addresses::{Addresses, TrustedProxies};
pub use body::Body;
pub use extra_headers::ExtraHeaders;
pub use limits::{Limits, Options};
pub use listener::Listener;
pub use log::{AccessEntry, AccessLog, LOG_FIELD_BYTES, log_field};
pub use serve::{Drained, serve};
pub use service::{Remote, Service, Tls};
pub use tls::{ClientCertificates, Handshake, TlsSource, subject_of};
