//! Programs that people use, against the registry's release binary: skopeo, podman, buildah, crane, oras, regctl,
//! containerd and the Docker engine.
//!
//! Every test has a registry, a storage and a home for the clients of its own, all on the loopback and in a folder
//! that goes with the test. Images are made here; nothing is fetched. A tool that is not there is a failure.
//!
//! ```text
//! WHARF_REGISTRY=<path of the binary> cargo test -p wharf-e2e --features clients --test clients
//! ```
//!
//! What a client did (mounted, skipped, sent) is read from what the client says, and what is stored from the storage;
//! the registry's own log is only shown when a test fails.

mod auth;
mod buildah;
mod containerd;
mod crane;
mod docker;
mod layout;
mod oras;
mod podman;
mod regctl;
mod server;
mod skopeo;
mod storage;
mod workbench;
