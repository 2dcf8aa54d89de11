//! What an operator says about a bucket on S3, and what is made of it before anything is asked over the network.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use http::HeaderValue;
use url::Url;

/// The region of servers that have none.
const DEFAULT_REGION: &str = "us-east-1";

const STORAGE_CLASSES: [&str; 9] = [
    "NONE",
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "OUTPOSTS",
    "GLACIER_IR",
    "EXPRESS_ONEZONE",
];

const ACLS: [&str; 7] = [
    "private",
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
];

/// One field for each parameter of the driver `s3`, under its old name, and what we can do better.
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "they are the parameters, each by itself")]
pub struct S3Options {
    /// The key's id; without it and `secretkey` credentials come from the environment, as with Amazon's own tools.
    pub accesskey: Option<String>,
    /// The key.
    pub secretkey: Option<String>,
    /// The token that belongs to a key of short life.
    pub sessiontoken: Option<String>,
    /// The region; may be absent beside `regionendpoint`.
    pub region: Option<String>,
    /// The address of a server that is not Amazon's: a URL, or a host with or without a port.
    pub regionendpoint: Option<String>,
    /// The address that signed URLs name instead.
    pub redirectendpoint: Option<String>,
    /// Whether the bucket is part of the path rather than of the host. Unsaid: with a `regionendpoint`, and where a host
    /// cannot do it.
    pub forcepathstyle: Option<bool>,
    /// The bucket.
    pub bucket: String,
    /// The prefix of all keys, as [`BucketOptions`](crate::BucketOptions) has it. Here it only says where a store may be
    /// tried out.
    pub rootdirectory: String,
    /// Whether the server is told to encrypt.
    pub encrypt: bool,
    /// The key it encrypts with; its own if unsaid.
    pub keyid: Option<String>,
    /// Whether to use TLS, where the endpoint does not say.
    pub secure: bool,
    /// Whether to believe any certificate.
    pub skipverify: bool,
    /// The fourth version of signatures. There is no other any more.
    pub v4auth: bool,
    /// The storage class of new objects.
    pub storageclass: String,
    /// The canned ACL of new objects.
    pub objectacl: String,
    /// What we call ourselves.
    pub useragent: Option<String>,
    /// Amazon's endpoints that have an IPv6 address too.
    pub usedualstack: bool,
    /// Amazon's accelerated endpoint.
    pub accelerate: bool,
    /// Amazon's endpoints for FIPS 140.
    pub usefipsendpoint: bool,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long the head of an answer may be awaited, besides what sending the request takes.
    pub answer_timeout: Duration,
    /// How long a body may stand still.
    pub idle_timeout: Duration,
    /// For how long what failed is tried again.
    pub retry_deadline: Duration,
    /// Requests under way at once.
    pub concurrency: usize,
}

/// Why there cannot be a bucket by these options.
#[derive(Debug, thiserror::Error)]
pub enum S3ConfigError {
    /// A parameter is missing.
    #[error("`{parameter}` is missing: {wanted}")]
    Missing {
        /// The parameter.
        parameter: &'static str,
        /// What it is for.
        wanted: &'static str,
    },
    /// A parameter has a value that cannot be.
    #[error("`{parameter}` is {value:?}, but must be {wanted}")]
    Invalid {
        /// The parameter.
        parameter: &'static str,
        /// What was given.
        value: String,
        /// What could be given.
        wanted: String,
    },
    /// The system's root certificates cannot be used.
    #[error("TLS cannot be set up with the system's root certificates")]
    Tls(#[source] std::io::Error),
    /// The credentials in the environment make no sense.
    #[error("the credentials in the environment (AWS_…) cannot be used")]
    Credentials(#[source] object_store::Error),
}

/// Where the bucket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The address of the bucket, without a slash at its end.
    pub(super) url: String,
    /// The address that signed URLs begin with.
    pub(super) signed_url: String,
    pub(super) region: String,
}

impl Default for S3Options {
    fn default() -> Self {
        Self {
            accesskey: None,
            secretkey: None,
            sessiontoken: None,
            region: None,
            regionendpoint: None,
            redirectendpoint: None,
            forcepathstyle: None,
            bucket: String::new(),
            rootdirectory: String::new(),
            encrypt: false,
            keyid: None,
            secure: true,
            skipverify: false,
            v4auth: true,
            storageclass: "STANDARD".into(),
            objectacl: "private".into(),
            useragent: None,
            usedualstack: false,
            accelerate: false,
            usefipsendpoint: false,
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(30),
            retry_deadline: Duration::from_secs(30),
            concurrency: 128,
        }
    }
}

impl fmt::Debug for S3Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The keys are secrets.
        f.debug_struct("S3Options").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

impl S3Options {
    /// Looks at everything that can be judged without asking.
    pub(super) fn place(&self) -> Result<Place, S3ConfigError> {
        if self.bucket.is_empty() || self.bucket.contains(['/', '?', '#', ' ']) {
            return Err(S3ConfigError::Missing { parameter: "bucket", wanted: "the name of the bucket" });
        }
        let (access, secret) = (self.accesskey.is_some(), self.secretkey.is_some());
        if access != secret {
            let parameter = if access { "secretkey" } else { "accesskey" };
            return Err(S3ConfigError::Missing { parameter, wanted: "both keys or neither must be given" });
        }
        if !self.v4auth {
            let wanted = "true: signatures of the second version are not made any more".to_owned();
            return Err(S3ConfigError::Invalid { parameter: "v4auth", value: "false".into(), wanted });
        }
        self.check_headers()?;
        one_of("storageclass", &self.storageclass, &STORAGE_CLASSES)?;
        one_of("objectacl", &self.objectacl, &ACLS)?;
        let region = match (&self.region, &self.regionendpoint) {
            (Some(region), _) if !region.is_empty() => region.clone(),
            (_, Some(_)) => DEFAULT_REGION.to_owned(),
            (_, None) => {
                let wanted = "the region of the bucket, for example eu-central-1";
                return Err(S3ConfigError::Missing { parameter: "region", wanted });
            }
        };
        let url = match &self.regionendpoint {
            Some(endpoint) => self.bucket_at("regionendpoint", endpoint)?,
            None => self.amazon(&region)?,
        };
        let signed_url = match &self.redirectendpoint {
            Some(endpoint) => self.bucket_at("redirectendpoint", endpoint)?,
            None => url.clone(),
        };
        Ok(Place { url, signed_url, region })
    }

    /// What goes into headers must fit into one. The values that are secret are not repeated.
    fn check_headers(&self) -> Result<(), S3ConfigError> {
        let values = [
            ("accesskey", &self.accesskey, true),
            ("sessiontoken", &self.sessiontoken, true),
            ("region", &self.region, false),
            ("keyid", &self.keyid, false),
        ];
        for (parameter, value, secret) in values {
            if let Some(value) = value
                && HeaderValue::from_str(value).is_err()
            {
                let value = if secret { "***".to_owned() } else { value.clone() };
                let wanted = "text without line breaks and other control characters".to_owned();
                return Err(S3ConfigError::Invalid { parameter, value, wanted });
            }
        }
        Ok(())
    }

    /// The bucket's address at an endpoint of the operator's.
    fn bucket_at(&self, parameter: &'static str, endpoint: &str) -> Result<String, S3ConfigError> {
        let scheme = if self.secure { "https" } else { "http" };
        let text =
            if endpoint.contains("://") { endpoint.to_owned() } else { format!("{scheme}://{endpoint}") };
        let invalid = || S3ConfigError::Invalid {
            parameter,
            value: endpoint.to_owned(),
            wanted: "a URL like https://minio.example.com:9000, without a path or a query".into(),
        };
        let url = Url::parse(&text).map_err(|_| invalid())?;
        let plain = matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.path() == "/";
        let host = url.host_str().filter(|_| plain && url.username().is_empty()).ok_or_else(invalid)?;
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let in_path = self.forcepathstyle.unwrap_or(true) || !can_begin_with_bucket(host);
        let (scheme, bucket) = (url.scheme(), &self.bucket);
        Ok(if in_path {
            format!("{scheme}://{host}{port}/{bucket}")
        } else {
            format!("{scheme}://{bucket}.{host}{port}")
        })
    }

    /// The bucket's address at Amazon's.
    fn amazon(&self, region: &str) -> Result<String, S3ConfigError> {
        if !region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
            let wanted = "the name of a region, for example eu-central-1".to_owned();
            return Err(S3ConfigError::Invalid { parameter: "region", value: region.into(), wanted });
        }
        let scheme = if self.secure { "https" } else { "http" };
        let service = if self.usefipsendpoint { "s3-fips" } else { "s3" };
        let dual = if self.usedualstack { ".dualstack" } else { "" };
        let (suffix, bucket) = (suffix_of(region), &self.bucket);
        if self.accelerate {
            return Ok(format!("{scheme}://{bucket}.s3-accelerate{dual}.{suffix}"));
        }
        let host = format!("{service}{dual}.{region}.{suffix}");
        // A dot would make two labels, and the certificate is good for one.
        let in_path = self.forcepathstyle.unwrap_or(bucket.contains('.'));
        Ok(if in_path {
            format!("{scheme}://{host}/{bucket}")
        } else {
            format!("{scheme}://{bucket}.{host}")
        })
    }
}

fn one_of(parameter: &'static str, value: &str, known: &[&str]) -> Result<(), S3ConfigError> {
    if value.is_empty() || known.contains(&value) {
        return Ok(());
    }
    let wanted = format!("one of {}", known.join(", "));
    Err(S3ConfigError::Invalid { parameter, value: value.to_owned(), wanted })
}

/// Whether a name can be put before this host.
fn can_begin_with_bucket(host: &str) -> bool {
    !host.starts_with('[') && host.parse::<IpAddr>().is_err()
}

/// The domain of the partition a region belongs to.
fn suffix_of(region: &str) -> &'static str {
    let partitions = [
        ("cn-", "amazonaws.com.cn"),
        ("us-iso-", "c2s.ic.gov"),
        ("us-isob-", "sc2s.sgov.gov"),
        ("eusc-", "amazonaws.eu"),
    ];
    let of = partitions.into_iter().find(|(beginning, _)| region.starts_with(beginning));
    of.map_or("amazonaws.com", |(_, suffix)| suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(change: impl FnOnce(&mut S3Options)) -> S3Options {
        let mut options = S3Options {
            bucket: "images".into(),
            region: Some("eu-central-1".into()),
            ..S3Options::default()
        };
        change(&mut options);
        options
    }

    fn url(change: impl FnOnce(&mut S3Options)) -> String {
        options(change).place().unwrap().url
    }

    #[test]
    fn the_bucket_is_where_the_options_say() {
        let endpoint = |text: &str| Some(text.to_owned());
        assert_eq!(url(|_| {}), "https://images.s3.eu-central-1.amazonaws.com");
        assert_eq!(url(|o| o.secure = false), "http://images.s3.eu-central-1.amazonaws.com");
        assert_eq!(url(|o| o.usedualstack = true), "https://images.s3.dualstack.eu-central-1.amazonaws.com");
        assert_eq!(url(|o| o.usefipsendpoint = true), "https://images.s3-fips.eu-central-1.amazonaws.com");
        assert_eq!(url(|o| o.accelerate = true), "https://images.s3-accelerate.amazonaws.com");
        assert_eq!(
            url(|o| o.region = endpoint("cn-north-1")),
            "https://images.s3.cn-north-1.amazonaws.com.cn"
        );
        assert_eq!(url(|o| o.bucket = "a.b".into()), "https://s3.eu-central-1.amazonaws.com/a.b");
        assert_eq!(url(|o| o.forcepathstyle = Some(true)), "https://s3.eu-central-1.amazonaws.com/images");
        let at = "http://127.0.0.1:9000";
        assert_eq!(url(|o| o.regionendpoint = endpoint(at)), "http://127.0.0.1:9000/images");
        assert_eq!(
            url(|o| o.regionendpoint = endpoint("s3.example.com")),
            "https://s3.example.com/images",
            "as it has always been, unless told otherwise"
        );
        let virtual_host = url(|o| {
            o.regionendpoint = endpoint("s3.example.com");
            o.forcepathstyle = Some(false);
        });
        assert_eq!(virtual_host, "https://images.s3.example.com");
        let redirect = options(|o| o.redirectendpoint = endpoint("https://cdn.example.com")).place().unwrap();
        assert_eq!(redirect.signed_url, "https://cdn.example.com/images");
    }

    #[test]
    fn what_cannot_be_is_said_to_be_so() {
        let error = |change: fn(&mut S3Options)| options(change).place().unwrap_err().to_string();
        assert!(error(|o| o.bucket.clear()).contains("`bucket`"));
        assert!(error(|o| o.region = None).contains("`region`"));
        assert!(error(|o| o.region = Some("EU".into())).contains("EU"));
        assert!(error(|o| o.accesskey = Some("A".into())).contains("`secretkey`"));
        assert!(error(|o| o.v4auth = false).contains("`v4auth`"));
        assert!(error(|o| o.storageclass = "COLD".into()).contains("STANDARD_IA"));
        assert!(
            error(|o| o.keyid = Some("a\nb".into())).contains("`keyid`"),
            "or nothing would be encrypted with it"
        );
        let token = error(|o| o.sessiontoken = Some("secret\n".into()));
        assert!(token.contains("`sessiontoken`") && !token.contains("secret\n"), "{token}");
        assert!(error(|o| o.objectacl = "all".into()).contains("bucket-owner-full-control"));
        assert!(error(|o| o.regionendpoint = Some("ftp://x".into())).contains("ftp://x"));
        assert!(error(|o| o.regionendpoint = Some("http://x/y".into())).contains("without a path"));
    }
}
