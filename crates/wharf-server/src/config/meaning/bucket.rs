//! `storage.s3`, also under its other name `storage.s3aws`: every parameter that both generations know, and ours.

use std::ops::RangeInclusive;
use std::time::Duration;

use wharf_auth::Secret;

use crate::config::reader::Reader;
use crate::config::storage::{Encryption, S3Config, S3Credentials};
use crate::config::{duration, web};

const MIB: u64 = 1 << 20;
/// What S3 takes as a part.
const PART_BYTES: RangeInclusive<u64> = 5 * MIB..=5 << 30;
/// The largest object that S3 copies in one piece.
const COPY_BYTES: RangeInclusive<u64> = 1..=5 << 30;
/// Defaults of the registry we replace.
const DEFAULT_PART_BYTES: u64 = 10 * MIB;
const DEFAULT_COPY_BYTES: u64 = 32 * MIB;
const DEFAULT_REDIRECT_LIFETIME: Duration = Duration::from_mins(20);
/// More parts at once than these wait for each other.
const COPY_CONCURRENCY: u64 = 100;
/// Our own defaults.
const DEFAULT_COPY_CONCURRENCY: u64 = 16;
const DEFAULT_PARTS_IN_FLIGHT: u64 = 3;
const DEFAULT_MAX_REQUESTS: u64 = 64;
const DEFAULT_RETRY_DEADLINE: Duration = Duration::from_secs(30);
/// What signatures may last.
const REDIRECT_LIFETIMES: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(7 * 24);

const STORAGE_CLASSES: [(&str, &str); 9] = [
    ("NONE", "NONE"),
    ("STANDARD", "STANDARD"),
    ("REDUCED_REDUNDANCY", "REDUCED_REDUNDANCY"),
    ("STANDARD_IA", "STANDARD_IA"),
    ("ONEZONE_IA", "ONEZONE_IA"),
    ("INTELLIGENT_TIERING", "INTELLIGENT_TIERING"),
    ("OUTPOSTS", "OUTPOSTS"),
    ("GLACIER_IR", "GLACIER_IR"),
    ("EXPRESS_ONEZONE", "EXPRESS_ONEZONE"),
];
const ACLS: [(&str, &str); 7] = [
    ("private", "private"),
    ("public-read", "public-read"),
    ("public-read-write", "public-read-write"),
    ("authenticated-read", "authenticated-read"),
    ("aws-exec-read", "aws-exec-read"),
    ("bucket-owner-read", "bucket-owner-read"),
    ("bucket-owner-full-control", "bucket-owner-full-control"),
];
const LOG_LEVELS: [&str; 7] = [
    "off",
    "debug",
    "debugwithsigning",
    "debugwithhttpbody",
    "debugwithrequestretries",
    "debugwithrequesterrors",
    "debugwitheventstreambody",
];

/// Reads the bucket of the driver `name`.
pub(super) fn read(reader: &mut Reader<'_>, name: &str) -> S3Config {
    let mut section = Section { reader, name };
    let s3 = S3Config {
        bucket: section.bucket(),
        region: section.text("region"),
        endpoint: section.endpoint("regionendpoint"),
        redirect_endpoint: section.endpoint("redirectendpoint"),
        path_style: section.flag("forcepathstyle"),
        root: section.text("rootdirectory").map(|root| prefix(&root)).unwrap_or_default(),
        credentials: section.credentials(),
        encryption: section.encryption(),
        secure: section.flag("secure").unwrap_or(true),
        skip_verify: section.flag("skipverify").unwrap_or(false),
        storage_class: section.word("storageclass", &STORAGE_CLASSES).unwrap_or("STANDARD").to_owned(),
        acl: section.word("objectacl", &ACLS).unwrap_or("private").to_owned(),
        user_agent: section.parsed("useragent", "text that fits in a header", |text| {
            web::header_value(text).map(|_| text.to_owned())
        }),
        dual_stack: section.flag("usedualstack").unwrap_or(false),
        accelerate: section.flag("accelerate").unwrap_or(false),
        fips: section.flag("usefipsendpoint").unwrap_or(false),
        part_bytes: section.bytes("chunksize", PART_BYTES).unwrap_or(DEFAULT_PART_BYTES),
        upload_parts_in_flight: section.count("uploadpartsinflight", DEFAULT_PARTS_IN_FLIGHT),
        copy_part_bytes: section.bytes("multipartcopychunksize", PART_BYTES).unwrap_or(DEFAULT_COPY_BYTES),
        copy_concurrency: section.count("multipartcopymaxconcurrency", DEFAULT_COPY_CONCURRENCY),
        copy_threshold_bytes: section
            .bytes("multipartcopythresholdsize", COPY_BYTES)
            .unwrap_or(DEFAULT_COPY_BYTES),
        max_requests: section.count("maxrequests", DEFAULT_MAX_REQUESTS),
        retry_deadline: section
            .period("retrydeadline", "a duration with a unit such as 30s", Duration::ZERO..=Duration::MAX)
            .unwrap_or(DEFAULT_RETRY_DEADLINE),
        redirect_lifetime: section
            .period("redirectlifetime", "a duration with a unit, from 1s to 168h", REDIRECT_LIFETIMES)
            .unwrap_or(DEFAULT_REDIRECT_LIFETIME),
    };
    section.check(&s3);
    S3Config { copy_concurrency: s3.copy_concurrency.min(to_usize(COPY_CONCURRENCY)), ..s3 }
}

/// One of the driver's two names.
struct Section<'r, 'a, 'n> {
    reader: &'r mut Reader<'a>,
    name: &'n str,
}

// === impl Section ===

impl Section<'_, '_, '_> {
    fn key(&self, parameter: &str) -> String {
        format!("storage.{}.{parameter}", self.name)
    }

    fn text(&mut self, parameter: &str) -> Option<String> {
        self.reader.text(&self.key(parameter)).filter(|text| !text.is_empty())
    }

    fn flag(&mut self, parameter: &str) -> Option<bool> {
        self.reader.flag(&self.key(parameter))
    }

    fn parsed<T>(
        &mut self,
        parameter: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.reader.parsed(&self.key(parameter), expected, parse)
    }

    fn word(&mut self, parameter: &str, words: &[(&str, &'static str)]) -> Option<&'static str> {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.reader.word(&self.key(parameter), &format!("one of {}", known.join(", ")), words)
    }

    fn bytes(&mut self, parameter: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let expected = format!("a number of bytes from {} to {}", range.start(), range.end());
        self.parsed(parameter, &expected, |text| text.parse().ok().filter(|bytes| range.contains(bytes)))
    }

    fn count(&mut self, parameter: &str, default: u64) -> usize {
        let count = self.parsed(parameter, "a whole number, 1 at least", |text| {
            text.parse().ok().filter(|count| *count > 0)
        });
        to_usize(count.unwrap_or(default))
    }

    fn period(
        &mut self,
        parameter: &str,
        expected: &str,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        self.parsed(parameter, expected, |text| {
            // Nobody who writes `30` means nanoseconds.
            let has_unit = text.ends_with(|c: char| !c.is_ascii_digit());
            duration::parse(text).filter(|period| has_unit && range.contains(period))
        })
    }

    fn bucket(&mut self) -> String {
        let bucket = self.parsed("bucket", "the name of a bucket", |text| {
            let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
            text.chars().all(is_name).then(|| text.to_owned())
        });
        self.demand("bucket", "the name of the bucket");
        bucket.unwrap_or_default()
    }

    /// A server: a URL without a path, or a host and perhaps a port.
    fn endpoint(&mut self, parameter: &str) -> Option<String> {
        self.parsed(parameter, "a server such as https://s3.example.com:9000, without a path", |text| {
            let scheme = if text.contains("://") { "" } else { "https://" };
            let url = web::base_url(&format!("{scheme}{text}"))?;
            let (_, host) = url.split_once("://")?;
            (!host.contains('/')).then(|| text.trim_end_matches('/').to_owned())
        })
    }

    /// Both keys or none: half of them must not become somebody else's, from the environment.
    fn credentials(&mut self) -> Option<S3Credentials> {
        let (access_key, secret_key) = (self.text("accesskey"), self.text("secretkey"));
        let session_token = self.text("sessiontoken").map(Secret::from);
        match (access_key, secret_key) {
            (Some(access_key), Some(secret_key)) => {
                Some(S3Credentials { access_key, secret_key: secret_key.into(), session_token })
            }
            (Some(_), None) => {
                self.demand("secretkey", "the key that belongs to accesskey");
                None
            }
            (None, Some(_)) => {
                self.demand("accesskey", "the id of the key in secretkey");
                None
            }
            (None, None) => {
                if session_token.is_some() {
                    self.reject("sessiontoken", "it belongs to accesskey and secretkey, which are not set");
                }
                None
            }
        }
    }

    fn encryption(&mut self) -> Encryption {
        let encrypt = self.flag("encrypt").unwrap_or(false);
        match (encrypt, self.text("keyid")) {
            (true, Some(id)) => Encryption::Key(id),
            (true, None) => Encryption::Own,
            (false, None) => Encryption::Unsaid,
            (false, Some(_)) => {
                // The older registry ignored it, and its operator believed that everything was encrypted.
                self.reject("keyid", "it means nothing without `encrypt: true`");
                Encryption::Unsaid
            }
        }
    }

    /// What one parameter says about another.
    fn check(&mut self, s3: &S3Config) {
        if s3.endpoint.is_none() && !self.reader.is_set(&self.key("regionendpoint")) {
            self.demand("region", "the region of the bucket such as eu-central-1");
            let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if let Some(region) = s3.region.as_ref().filter(|region| !region.chars().all(is_name)) {
                self.reject("region", format!("expected a region such as eu-central-1, got {region:?}"));
            }
        }
        if self.flag("v4auth") == Some(false) {
            self.reject("v4auth", "signatures of version 2 are not made any more: take it out");
        }
        let level = self.parsed("loglevel", &format!("one of {}", LOG_LEVELS.join(", ")), |text| {
            LOG_LEVELS.into_iter().find(|level| level.eq_ignore_ascii_case(text))
        });
        if level.is_some_and(|level| level != "off") {
            self.warn("loglevel", "not used: the requests to a bucket are not logged one by one");
        }
        if s3.accelerate && s3.path_style == Some(true) {
            self.reject(
                "accelerate",
                "accelerated hosts have the bucket in their name: take out forcepathstyle",
            );
        }
        let amazons =
            [("usedualstack", s3.dual_stack), ("accelerate", s3.accelerate), ("usefipsendpoint", s3.fips)];
        for (parameter, _) in amazons.into_iter().filter(|(_, is_on)| *is_on && s3.endpoint.is_some()) {
            self.warn(parameter, "not used: regionendpoint says which server it is");
        }
    }

    fn demand(&mut self, parameter: &str, what: &str) {
        let key = self.key(parameter);
        if !self.reader.is_set(&key) {
            self.reader.reject(&key, format!("missing; set it to {what}"));
        }
    }

    fn reject(&mut self, parameter: &str, message: impl Into<String>) {
        self.reader.reject(&self.key(parameter), message);
    }

    fn warn(&mut self, parameter: &str, message: &str) {
        self.reader.warn(&self.key(parameter), message);
    }
}

/// `a/b/` of `/a/b`, and nothing of `/`.
fn prefix(root: &str) -> String {
    match root.trim_matches('/') {
        "" => String::new(),
        root => format!("{root}/"),
    }
}

fn to_usize(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
