//! The registry's vocabulary: names, digests, manifests, routes and error codes of the OCI distribution spec, as pure values.
