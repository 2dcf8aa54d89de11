//! Descriptors, as the image spec's chapter of that name has them: what a manifest says of each thing it
//! points to.

use serde::{Deserialize, Serialize};

use crate::{
    Digest, MediaType,
    lenient::{Annotations, annotations, empty_as_none, null_as_default},
};

/// A pointer to content: its type, digest and size.
///
/// Read leniently (a missing media type or size, `null` for an empty list, fields of later specs), since what
/// a client pushed is kept as it is; written without empty fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The type of the content; empty if it was left out.
    #[serde(default, deserialize_with = "null_as_default")]
    pub media_type: MediaType,
    /// The digest of the content.
    pub digest: Digest,
    /// The size of the content in bytes; zero if it was left out.
    #[serde(default, deserialize_with = "null_as_default")]
    pub size: u64,
    /// Where else the content may be had.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Free-form facts about the content.
    #[serde(default, deserialize_with = "annotations", skip_serializing_if = "Annotations::is_empty")]
    pub annotations: Annotations,
    /// What kind of artifact the content is, if it is a manifest; what referrers are filtered by (end-12b).
    #[serde(default, deserialize_with = "empty_as_none", skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// What the content runs on, in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The content itself in base64, if small; not decoded or checked here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

/// What an image runs on, as an index says of its members. Empty where it was left out.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Platform {
    /// Such as `amd64`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub architecture: String,
    /// Such as `linux`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub os: String,
    /// Such as `10.0.14393.1066`.
    #[serde(default, rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Such as `win32k`.
    #[serde(
        default,
        rename = "os.features",
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub os_features: Vec<String>,
    /// Such as `v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

// === impl Descriptor ===

impl Descriptor {
    /// A descriptor of these three facts and no more.
    pub const fn new(media_type: MediaType, digest: Digest, size: u64) -> Self {
        Self {
            media_type,
            digest,
            size,
            urls: Vec::new(),
            annotations: Annotations::new(),
            artifact_type: None,
            platform: None,
            data: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZEROS: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

    fn parse(json: &str) -> Result<Descriptor, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn gaps_and_nulls_are_empty() {
        let bare = Descriptor::new(MediaType::default(), ZEROS.parse().unwrap(), 0);
        for json in [
            format!(r#"{{"digest":"{ZEROS}"}}"#),
            format!(
                r#"{{"mediaType":null,"digest":"{ZEROS}","size":null,"urls":null,"annotations":null,
                "artifactType":"","platform":null,"data":null,"later":{{"than":["us"]}}}}"#
            ),
        ] {
            assert_eq!(parse(&json).unwrap(), bare, "{json}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for json in [
            "{}".to_owned(),
            format!(r#"{{"digest":"{}"}}"#, &ZEROS[..70]),
            format!(r#"{{"digest":"{ZEROS}","size":-1}}"#),
            format!(r#"{{"digest":"{ZEROS}","size":"1"}}"#),
            format!(r#"{{"digest":"{ZEROS}","digest":"{ZEROS}"}}"#),
        ] {
            assert!(parse(&json).is_err(), "{json}");
        }
    }

    #[test]
    fn empty_fields_are_not_written() {
        let mut descriptor = Descriptor::new(MediaType::OCI_CONFIG, ZEROS.parse().unwrap(), 2);
        let json = format!(r#"{{"mediaType":"{}","digest":"{ZEROS}","size":2}}"#, MediaType::OCI_CONFIG);
        assert_eq!(serde_json::to_string(&descriptor).unwrap(), json);

        descriptor.urls.push("https://example.org/layer".to_owned());
        descriptor.annotations.insert("k".to_owned(), "v".to_owned());
        descriptor.artifact_type = Some("application/x".to_owned());
        descriptor.data = Some("e30=".to_owned());
        descriptor.platform = Some(Platform {
            architecture: "arm".to_owned(),
            os: "linux".to_owned(),
            os_version: Some("1".to_owned()),
            os_features: vec!["f".to_owned()],
            variant: Some("v7".to_owned()),
        });
        let json = serde_json::to_string(&descriptor).unwrap();
        assert!(json.contains(r#""artifactType":"application/x""#), "{json}");
        assert!(json.contains(r#""os.version":"1","os.features":["f"],"variant":"v7""#), "{json}");
        assert_eq!(parse(&json).unwrap(), descriptor);
    }
}
