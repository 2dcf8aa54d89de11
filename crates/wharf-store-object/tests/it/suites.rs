//! The store keeps the promises of the ports.

use std::sync::Arc;

use wharf_store::LayoutMetadata;

use crate::harness::scratch;

mod blobs {
    use super::scratch;

    wharf_store::blob_store_suite!(scratch().await);
}

mod objects {
    use super::scratch;

    wharf_store::objects_suite!(scratch().await);
}

mod metadata {
    use super::*;

    wharf_store::metadata_store_suite!({
        let (server, store) = scratch().await;
        (server, LayoutMetadata::new(Arc::new(store)))
    });
}
