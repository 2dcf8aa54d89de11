//! Every key a configuration may hold, and what this version does about each.
//!
//! Two tables. [`KEYS`] gives each key to a [`Feature`]; [`Feature::rule`] decides about the feature. The line between
//! refusing and warning is what the key is for: one that protects, or decides where bytes live or where they are
//! found, must be honoured or the server does not start; one that observes or speeds up may be missing for a while.

use super::path::{KeyPath, Segment};

/// A part of the registry that keys ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Feature {
    /// What [`super::meaning`] reads; a test holds the two together.
    Built,
    Acme,
    BugReports,
    CallerInLog,
    DebugServer,
    GitLabCollector,
    GitLabDatabase,
    GitLabRedis,
    HealthChecks,
    InMemory,
    LogHooks,
    Middleware,
    Notifications,
    OtherDriver,
    PullThrough,
    RedisSentinel,
    RedisTuning,
    Schema1,
    SillyAuthentication,
    ThreadLimit,
}

/// What becomes of a configuration that asks for a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// It gets it.
    Works,
    /// It goes without and is told.
    Warned(&'static str),
    /// The server does not start.
    Refused(&'static str),
}

/// What the table knows about a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Keys lie below it.
    Section,
    /// Items lie below it.
    List(Feature),
    /// A value.
    Leaf(Feature),
    /// Anything may lie below it.
    Open(Feature),
    /// Naming it is what counts, whatever lies below.
    Named(Feature),
    Unknown,
}

/// Sections in which one key chooses an implementation: an unknown key there is an unknown choice, not a slip.
pub(super) const CHOICES: [(&str, &str); 2] = [("storage", "storage driver"), ("auth", "auth type")];

/// What a section is for, which decides what a slip in it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Says who may do what, or keeps what is sent from being read or changed. A key that does not count there opens
    /// something, so an unknown key and an empty value are errors.
    Protects,
    /// Anything else. An unknown key is a warning, and an empty value is the same as no key.
    Serves,
}

/// The purpose of each section; a row counts for what lies below it, unless a longer one does. A test demands a row for
/// every top-level key of [`KEYS`].
const SECTIONS: &[(&str, Purpose)] = &[
    ("access", Purpose::Protects),
    ("auth", Purpose::Protects),
    ("catalog", Purpose::Serves),
    ("compatibility", Purpose::Serves),
    ("database", Purpose::Serves),
    ("gc", Purpose::Serves),
    ("health", Purpose::Serves),
    ("http", Purpose::Serves),
    ("http.tls", Purpose::Protects),
    ("log", Purpose::Serves),
    ("loglevel", Purpose::Serves),
    ("middleware", Purpose::Serves),
    ("notifications", Purpose::Serves),
    ("policy", Purpose::Protects),
    ("proxy", Purpose::Serves),
    ("redis", Purpose::Serves),
    ("reporting", Purpose::Serves),
    ("storage", Purpose::Serves),
    ("tags", Purpose::Serves),
    ("validation", Purpose::Serves),
    ("version", Purpose::Serves),
];

/// Keys that protect and whose names mean nothing else: at a wrong place they are misplaced, not foreign.
const UNMISTAKABLE: [&str; 5] = ["access", "auth", "auth.htpasswd", "http.tls", "policy"];

/// Keys of `storage` that are not drivers.
pub(super) const STORAGE_SETTINGS: [&str; 5] = ["cache", "delete", "maintenance", "redirect", "tag"];

// === impl Feature ===

impl Feature {
    /// The one decision about each feature. Building one is changing its arm.
    pub(super) fn rule(self) -> Rule {
        use Rule::{Refused, Warned, Works};
        match self {
            Self::Built => Works,
            Self::Acme => Refused(
                "this version cannot fetch certificates, which comes later; http.tls.certificate and http.tls.key name files",
            ),
            Self::BugReports => Warned("not supported: errors are only logged"),
            Self::CallerInLog => Warned("not supported: log lines name no place in the source"),
            Self::DebugServer => {
                Warned("not supported yet: there is no debug server and there are no metrics")
            }
            Self::GitLabCollector => {
                Warned("not used: there is no online garbage collector of a metadata database")
            }
            Self::GitLabDatabase => Refused(
                "GitLab's metadata database holds the tags and manifests, which this version cannot read",
            ),
            Self::GitLabRedis => Warned("not used: it belongs to GitLab's metadata database"),
            Self::HealthChecks => Warned("not supported yet: no health checks run"),
            Self::InMemory => {
                Warned("for tests only: images are lost when the server stops, and their size is not limited")
            }
            Self::LogHooks => Warned("not supported: nothing is sent by mail"),
            Self::Middleware => Refused("this version has middleware for storage alone"),
            Self::Notifications => Warned("not supported yet: no notifications are sent"),
            Self::OtherDriver => Refused("this version stores on `filesystem` and `s3` only"),
            Self::PullThrough => Refused("this version cannot be a pull-through cache"),
            Self::RedisSentinel => {
                Refused("this version does not ask Redis Sentinel: name one Redis in redis.addrs")
            }
            Self::RedisTuning => {
                Warned("not used: one connection carries every question and is made again by itself")
            }
            Self::SillyAuthentication => {
                Refused("it lets in whoever sends any `Authorization` header: use htpasswd or token")
            }
            Self::Schema1 => Warned("not supported: schema 1 manifests are neither accepted nor served"),
            Self::ThreadLimit => Warned("not used: file access needs no limit here"),
        }
    }
}

/// Section, feature, keys. `*` is any key, `[]` any item of a list, `**` anything below; a key with `!` counts by its
/// name alone.
// One row a line, so that a key is found by looking.
#[rustfmt::skip]
const KEYS: &[(&str, Feature, &str)] = &[
    ("", Feature::Built, "version loglevel"),
    ("log", Feature::Built, "accesslog.disabled level formatter fields.**"),
    ("log", Feature::CallerInLog, "reportcaller"),
    ("log.hooks.[]", Feature::LogHooks, "disabled type levels.[] options.**"),
    ("storage.filesystem", Feature::Built, "rootdirectory fsync locks"),
    ("storage.filesystem", Feature::ThreadLimit, "maxthreads"),
    ("storage.s3", Feature::Built, "accesskey secretkey sessiontoken region regionendpoint redirectendpoint"),
    ("storage.s3", Feature::Built, "forcepathstyle bucket rootdirectory encrypt keyid secure skipverify v4auth"),
    ("storage.s3", Feature::Built, "storageclass objectacl useragent usedualstack accelerate usefipsendpoint loglevel"),
    ("storage.s3", Feature::Built, "chunksize multipartcopychunksize multipartcopymaxconcurrency"),
    ("storage.s3", Feature::Built, "multipartcopythresholdsize uploadpartsinflight maxrequests retrydeadline"),
    ("storage.s3", Feature::Built, "redirectlifetime"),
    ("storage.s3aws", Feature::Built, "accesskey secretkey sessiontoken region regionendpoint redirectendpoint"),
    ("storage.s3aws", Feature::Built, "forcepathstyle bucket rootdirectory encrypt keyid secure skipverify v4auth"),
    ("storage.s3aws", Feature::Built, "storageclass objectacl useragent usedualstack accelerate usefipsendpoint loglevel"),
    ("storage.s3aws", Feature::Built, "chunksize multipartcopychunksize multipartcopymaxconcurrency"),
    ("storage.s3aws", Feature::Built, "multipartcopythresholdsize uploadpartsinflight maxrequests retrydeadline"),
    ("storage.s3aws", Feature::Built, "redirectlifetime"),
    ("storage", Feature::OtherDriver, "azure! gcs! oss! swift!"),
    ("storage", Feature::InMemory, "inmemory!"),
    ("storage", Feature::Built, "delete.enabled redirect.disable tag.concurrencylimit"),
    ("storage.cache", Feature::Built, "blobdescriptor blobdescriptorsize layerinfo"),
    ("storage.maintenance.uploadpurging", Feature::Built, "enabled age interval dryrun"),
    ("storage.maintenance.readonly", Feature::Built, "enabled"),
    ("auth", Feature::Built, "none!"),
    ("auth", Feature::SillyAuthentication, "silly!"),
    ("auth.htpasswd", Feature::Built, "realm path"),
    ("auth.token", Feature::Built, "realm service issuer rootcertbundle jwks autoredirect autoredirectpath"),
    ("auth.token", Feature::Built, "signingalgorithms.[] groupsclaim"),
    ("access", Feature::Built, "groups.*.[]"),
    ("access.rules.[]", Feature::Built, "effect callers.[] commonnames.[] subjects.[] claims.*.[] networks.[]"),
    ("access.rules.[]", Feature::Built, "repositories.[] actions.[] tags.[] immutabletags.[]"),
    ("access.tokens", Feature::Built, "enabled service lifetime refreshlifetime keys.[]"),
    ("middleware.registry.[]", Feature::Middleware, "name disabled options.**"),
    ("middleware.repository.[]", Feature::Middleware, "name disabled options.**"),
    ("middleware.storage.[]", Feature::Built, "name disabled options.**"),
    ("http", Feature::Built, "addr net draintimeout host prefix relativeurls trustedproxies.[] headers.*.[]"),
    ("http", Feature::Built, "h2c.enabled http2.disabled secret secretfile"),
    ("http.limits", Feature::Built, "connections connectionsperaddress streams headerbytes"),
    ("http.timeouts", Feature::Built, "handshake header idle read write"),
    ("http.debug", Feature::DebugServer, "addr prometheus.enabled prometheus.path"),
    ("http.tls", Feature::Built, "certificate key clientcas.[] clientauth minimumtls ciphersuites.[]"),
    ("http.tls.letsencrypt", Feature::Acme, "cachefile email hosts.[] directoryurl"),
    ("notifications.events", Feature::Notifications, "includereferences"),
    ("notifications.endpoints.[]", Feature::Notifications, "name disabled url headers.*.[] timeout threshold"),
    ("notifications.endpoints.[]", Feature::Notifications, "backoff ignoredmediatypes.[]"),
    ("notifications.endpoints.[].ignore", Feature::Notifications, "mediatypes.[] actions.[]"),
    // What version 2 wrote, what both write, and what version 3 added.
    ("redis", Feature::Built, "addr addrs.[] username password db dialtimeout readtimeout writetimeout"),
    ("redis.tls", Feature::Built, "enabled certificate key rootcas.[]"),
    ("redis", Feature::RedisTuning, "pool.maxidle pool.maxactive pool.idletimeout clientname protocol"),
    ("redis", Feature::RedisTuning, "maxretries minretrybackoff maxretrybackoff contexttimeoutenabled poolfifo"),
    ("redis", Feature::RedisTuning, "poolsize pooltimeout minidleconns maxidleconns maxactiveconns readonly"),
    ("redis", Feature::RedisTuning, "connmaxidletime connmaxlifetime maxredirects routebylatency routerandomly"),
    ("redis", Feature::RedisTuning, "disableidentity identitysuffix unstableresp3"),
    ("redis", Feature::RedisSentinel, "mastername sentinelusername sentinelpassword"),
    // Harbor's.
    ("redis", Feature::Built, "enableTLS"),
    ("redis", Feature::RedisSentinel, "sentinelMasterSet"),
    // GitLab's.
    ("redis.cache", Feature::GitLabRedis, "**"),
    ("redis.ratelimiter", Feature::GitLabRedis, "**"),
    ("redis.loadbalancing", Feature::GitLabRedis, "**"),
    ("database", Feature::GitLabDatabase, "enabled host port user password dbname sslmode sslcert sslkey"),
    ("database", Feature::GitLabDatabase, "sslrootcert schema connecttimeout draintimeout preparedstatements"),
    ("database", Feature::GitLabDatabase, "primary pool.** loadbalancing.** backgroundmigrations.** metrics.**"),
    ("gc", Feature::GitLabCollector, "disabled noidlebackoff maxbackoff errorcooldownperiod transactiontimeout"),
    ("gc", Feature::GitLabCollector, "reviewafter manifests.** blobs.**"),
    ("health.storagedriver", Feature::HealthChecks, "enabled interval threshold"),
    ("health.file.[]", Feature::HealthChecks, "file interval threshold"),
    ("health.http.[]", Feature::HealthChecks, "uri headers.*.[] statuscode timeout interval threshold"),
    ("health.tcp.[]", Feature::HealthChecks, "addr timeout interval threshold"),
    ("catalog", Feature::Built, "maxentries"),
    ("tags", Feature::Built, "maxtags"),
    ("proxy", Feature::PullThrough, "remoteurl username password ttl cachewritetimeout"),
    ("proxy.exec", Feature::PullThrough, "command lifetime"),
    ("validation", Feature::Built, "disabled enabled"),
    ("validation.manifests", Feature::Built, "urls.allow.[] urls.deny.[] missing indexes.platforms"),
    ("validation.manifests.indexes.platformlist.[]", Feature::Built, "architecture os"),
    ("policy.repository", Feature::Built, "classes.[]"),
    // Version 2 alone.
    ("reporting.bugsnag", Feature::BugReports, "apikey releasestage endpoint"),
    ("reporting.newrelic", Feature::BugReports, "licensekey name verbose"),
    ("compatibility.schema1", Feature::Schema1, "trustkey signingkeyfile enabled"),
];

/// What lies at a path.
pub(super) fn shape(path: &KeyPath) -> Shape {
    patterns().find_map(|(pattern, feature)| shape_in(&pattern, path, feature)).unwrap_or(Shape::Unknown)
}

/// What the section is for that a path lies in.
pub(super) fn purpose(path: &KeyPath) -> Purpose {
    let keys: Vec<&str> = path.segments().iter().map_while(Segment::as_key).collect();
    let within = |section: &str| {
        let mut rest = keys.iter();
        section.split('.').all(|key| rest.next() == Some(&key))
    };
    let rows = SECTIONS.iter().filter(|(section, _)| within(section));
    rows.max_by_key(|(section, _)| section.len()).map_or(Purpose::Serves, |(_, purpose)| *purpose)
}

/// The full path of a protecting key with this name, for a key that stands at a place where it means nothing.
pub(super) fn misplaced(key: &str) -> Option<&'static str> {
    UNMISTAKABLE.into_iter().find(|path| {
        let (_, name) = path.rsplit_once('.').unwrap_or(("", path));
        name.eq_ignore_ascii_case(key)
    })
}

/// The keys that may stand below a path, to suggest one for a misspelt key.
pub(super) fn children(path: &KeyPath) -> impl Iterator<Item = &'static str> {
    let depth = path.segments().len();
    patterns()
        .filter(move |(pattern, _)| pattern.len() > depth && leads_to(pattern, path))
        .map(move |(pattern, _)| pattern[depth].trim_end_matches('!'))
        .filter(|key| !matches!(*key, "*" | "**" | "[]"))
}

/// Every key of a feature as a dotted pattern.
#[cfg(test)]
pub(super) fn of(feature: Feature) -> impl Iterator<Item = String> {
    patterns().filter(move |(_, owner)| *owner == feature).map(|(pattern, _)| pattern.join("."))
}

fn patterns() -> impl Iterator<Item = (Vec<&'static str>, Feature)> {
    KEYS.iter().flat_map(|(section, feature, keys)| {
        keys.split_whitespace().map(|key| {
            let segments = section.split('.').chain(key.split('.'));
            (segments.filter(|segment| !segment.is_empty()).collect(), *feature)
        })
    })
}

/// What a path is to one pattern, if anything.
fn shape_in(pattern: &[&str], path: &KeyPath, feature: Feature) -> Option<Shape> {
    if !leads_to(pattern, path) {
        return None;
    }
    let depth = path.segments().len();
    let reached = depth.checked_sub(1).and_then(|last| pattern.get(last.min(pattern.len() - 1)));
    match (reached, pattern.get(depth)) {
        (Some(name), _) if name.ends_with('!') => Some(Shape::Named(feature)),
        (Some(&"**"), _) => Some(Shape::Open(feature)),
        (_, Some(&"[]")) => Some(Shape::List(feature)),
        (_, Some(_)) => Some(Shape::Section),
        (_, None) => Some(Shape::Leaf(feature)),
    }
}

/// Whether the path is the pattern, or the way to it, or lies in the open below it.
fn leads_to(pattern: &[&str], path: &KeyPath) -> bool {
    let is_open = pattern.last().is_some_and(|last| *last == "**" || last.ends_with('!'));
    (is_open || path.segments().len() <= pattern.len())
        && pattern.iter().zip(path.segments()).all(|(wanted, segment)| match segment {
            Segment::Key(key) => matches!(*wanted, "*" | "**") || wanted.trim_end_matches('!') == key,
            Segment::Index(_) => matches!(*wanted, "[]" | "**"),
        })
}

#[cfg(test)]
mod tests;
