//! The registry itself: uploads, manifests, tags, referrers, mounts and deletes.
