//! Where bytes live, as values: a directory or a bucket, and what stands between clients and them.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use wharf_auth::Secret;

use super::Fsync;

/// Where the tree is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageDriver {
    /// In a directory (`storage.filesystem`).
    Filesystem {
        /// The directory that holds `docker/registry/v2` (`rootdirectory`).
        root: PathBuf,
        /// What is synced before a write is acknowledged (`fsync`).
        fsync: Fsync,
        /// How writers of other processes are excluded (`locks`).
        locks: ProcessLocks,
    },
    /// In the memory of this process (`storage.inmemory`): for tests, lost when it stops, not limited.
    InMemory,
    /// In a bucket of S3 or of what speaks like it (`storage.s3`, `storage.s3aws`).
    S3(Box<S3Config>),
}

/// How writers of other processes on the same directory are excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProcessLocks {
    /// By `flock`, where that works.
    #[default]
    Detect,
    /// Not at all: there is one process only.
    None,
}

/// A bucket and how it is spoken to. Fields have the words of the file where those say what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are the operator's switches, each by itself")]
pub struct S3Config {
    /// Its name.
    pub bucket: String,
    /// Where it is; `None` beside an endpoint that needs none.
    pub region: Option<String>,
    /// A server that is not Amazon's (`regionendpoint`), a URL or a host.
    pub endpoint: Option<String>,
    /// The server that clients are sent to instead (`redirectendpoint`).
    pub redirect_endpoint: Option<String>,
    /// Whether the bucket is in the path and not in the host (`forcepathstyle`), where it was written.
    pub path_style: Option<bool>,
    /// What stands before every key (`rootdirectory`): empty, or with a slash at its end and none at its beginning.
    pub root: String,
    /// Who we are; `None` to be found in the environment.
    pub credentials: Option<S3Credentials>,
    /// Whether objects are encrypted by the server, and how (`encrypt`, `keyid`).
    pub encryption: Encryption,
    /// Whether TLS is spoken, where the endpoint names no scheme.
    pub secure: bool,
    /// Whether any certificate is believed (`skipverify`).
    pub skip_verify: bool,
    /// `STANDARD`, or what else is written (`storageclass`).
    pub storage_class: String,
    /// `private`, or what else is written (`objectacl`).
    pub acl: String,
    /// What we call ourselves (`useragent`).
    pub user_agent: Option<String>,
    /// Amazon's hosts with IPv6 (`usedualstack`).
    pub dual_stack: bool,
    /// Amazon's accelerated hosts (`accelerate`).
    pub accelerate: bool,
    /// Amazon's hosts for FIPS 140 (`usefipsendpoint`).
    pub fips: bool,
    /// The size of a part of an upload, in bytes (`chunksize`).
    pub part_bytes: u64,
    /// How many parts of an upload are on their way at once (`uploadpartsinflight`).
    pub upload_parts_in_flight: usize,
    /// The size of a part of a copy, in bytes (`multipartcopychunksize`).
    pub copy_part_bytes: u64,
    /// How many parts of a copy are made at once (`multipartcopymaxconcurrency`).
    pub copy_concurrency: usize,
    /// From which size on a copy is made in parts (`multipartcopythresholdsize`).
    pub copy_threshold_bytes: u64,
    /// How many requests are under way at once (`maxrequests`).
    pub max_requests: usize,
    /// For how long what failed is tried again (`retrydeadline`).
    pub retry_deadline: Duration,
    /// How long an address that a client is sent to is good (`redirectlifetime`).
    pub redirect_lifetime: Duration,
}

/// Who we are to a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Credentials {
    /// The key's id (`accesskey`).
    pub access_key: String,
    /// The key (`secretkey`).
    pub secret_key: Secret,
    /// What belongs to a key of short life (`sessiontoken`).
    pub session_token: Option<Secret>,
}

/// Encryption by the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encryption {
    /// As the bucket does it by itself.
    Unsaid,
    /// With a key of the server's.
    Own,
    /// With this key of its key service.
    Key(String),
}

/// What changes where clients are sent for a blob (`middleware.storage`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Middleware {
    /// To the same path below a URL.
    Redirect {
        /// The URL (`baseurl`).
        base_url: String,
    },
    /// To a distribution of CloudFront.
    CloudFront {
        /// Its URL (`baseurl`).
        base_url: String,
        /// The file with the key (`privatekey`).
        private_key: PathBuf,
        /// The key's id there (`keypairid`).
        key_pair_id: String,
        /// How long an address is good (`duration`).
        duration: Duration,
    },
    /// To where it would be without this, changed.
    Rewrite {
        /// Another scheme.
        scheme: Option<String>,
        /// Another host.
        host: Option<String>,
        /// What is taken off the path (`trimpathprefix`).
        trim_path_prefix: Option<String>,
    },
}

// === impl StorageDriver ===

impl StorageDriver {
    /// Where it is, in a word: a directory, or `s3://bucket/prefix/`.
    #[must_use]
    pub fn location(&self) -> String {
        match self {
            Self::Filesystem { root, .. } => root.display().to_string(),
            Self::InMemory => "memory".to_owned(),
            Self::S3(s3) => format!("s3://{}/{}", s3.bucket, s3.root),
        }
    }
}

impl fmt::Display for StorageDriver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filesystem { root, fsync, locks } => {
                write!(formatter, "filesystem {}, fsync {fsync}", root.display())?;
                match locks {
                    ProcessLocks::Detect => Ok(()),
                    ProcessLocks::None => formatter.write_str(", the only process on it"),
                }
            }
            Self::InMemory => formatter.write_str("in memory"),
            Self::S3(s3) => s3.fmt(formatter),
        }
    }
}

// === impl S3Config ===

impl S3Config {
    /// The memory that one upload takes at most: the parts on their way, and the one being filled.
    #[must_use]
    pub fn upload_bytes(&self) -> u64 {
        self.part_bytes.saturating_mul(self.upload_parts_in_flight as u64 + 1)
    }
}

impl fmt::Display for S3Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "s3 bucket {}", self.bucket)?;
        match (&self.endpoint, &self.region) {
            (Some(endpoint), _) => write!(formatter, " at {endpoint}")?,
            (None, region) => write!(formatter, " in {}", region.as_deref().unwrap_or_default())?,
        }
        if !self.root.is_empty() {
            write!(formatter, ", below {}", self.root)?;
        }
        let credentials = if self.credentials.is_some() { "configuration" } else { "environment" };
        write!(formatter, ", credentials of the {credentials}")?;
        match &self.encryption {
            Encryption::Unsaid => {}
            Encryption::Own => formatter.write_str(", encrypted")?,
            Encryption::Key(id) => write!(formatter, ", encrypted with {id}")?,
        }
        for (value, usual) in [(&self.storage_class, "STANDARD"), (&self.acl, "private")] {
            if value != usual {
                write!(formatter, ", {value}")?;
            }
        }
        if self.skip_verify {
            formatter.write_str(", believing any certificate")?;
        }
        Ok(())
    }
}

/// `10 MiB`, or the number where it is not round.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        bytes if bytes > 0 && bytes.is_multiple_of(1 << 30) => format!("{} GiB", bytes >> 30),
        bytes if bytes > 0 && bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        bytes if bytes > 0 && bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        bytes => format!("{bytes} bytes"),
    }
}
