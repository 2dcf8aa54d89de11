//! What a configuration means, in words: the answer of `registry check`.

use std::fmt;
use std::time::Duration;

use regex::Regex;
use wharf_auth::Realm;

use super::{
    AuthConfig, Config, Fsync, HttpConfig, HttpLimits, Listen, LogConfig, LogFormat, Middleware,
    OwnTokensConfig, Platforms, SecretPlace, StorageConfig, StorageDriver, Timeouts, UploadPurging,
    ValidationConfig, storage,
};

impl fmt::Display for Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "configuration  {}", self.source)?;
        writeln!(formatter, "http           {}", self.http)?;
        writeln!(formatter, "limits         {}", self.http.limits)?;
        if let Some(tls) = &self.http.tls {
            let http2 = if self.http.http2 { "" } else { ", no HTTP/2" };
            writeln!(formatter, "tls            {tls}{http2}")?;
        }
        writeln!(formatter, "timeouts       {}", self.http.timeouts)?;
        writeln!(formatter, "locations      {}", locations(&self.http))?;
        for (name, value) in &self.http.headers {
            writeln!(formatter, "header         {name}: {}", String::from_utf8_lossy(value.as_bytes()))?;
        }
        writeln!(formatter, "access         {}", self.auth)?;
        if let Some(groups) = groups(&self.auth) {
            writeln!(formatter, "groups         {groups}")?;
        }
        if let Some(own) = &self.auth.own_tokens {
            writeln!(formatter, "tokens         {}", tokens(own, self.http.secret.as_ref()))?;
        }
        writeln!(formatter, "storage        {}", self.storage)?;
        if let StorageDriver::S3(s3) = &self.storage.driver {
            let (part, memory) = (storage::size(s3.part_bytes), storage::size(s3.upload_bytes()));
            let at_once = s3.upload_parts_in_flight;
            writeln!(
                formatter,
                "uploads        parts of {part}, {at_once} at once, {memory} of memory each at most"
            )?;
            let patience = hours(s3.retry_deadline);
            writeln!(formatter, "requests       {} at once, tried again for {patience}", s3.max_requests)?;
        }
        if let Some(downloads) = downloads(&self.storage) {
            writeln!(formatter, "downloads      {downloads}")?;
        }
        if let Some(cache) = &self.cache {
            match self.storage.looks_are_cheap() {
                true => writeln!(
                    formatter,
                    "sizes          asked of the file system, which is as quick as a cache"
                )?,
                false => writeln!(formatter, "sizes          {cache}")?,
            }
        }
        writeln!(formatter, "old uploads    {}", uploads(self.storage.upload_purging))?;
        writeln!(formatter, "validation     {}", self.validation)?;
        if let Some(classes) = &self.classes {
            writeln!(formatter, "classes        {}", classes.join(", "))?;
        }
        writeln!(formatter, "log            {}", self.log)?;
        write!(
            formatter,
            "lists          {} repositories, {} tags a page",
            self.catalog_max_entries, self.tags_max
        )
    }
}

impl fmt::Display for HttpConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.listen)?;
        if matches!(&self.listen, Listen::Tcp(address) if address.host.is_none()) {
            formatter.write_str(" (every address)")?;
        }
        if self.h2c && self.tls.is_none() {
            formatter.write_str(", HTTP/2 without TLS")?;
        }
        write!(formatter, ", drains for {:?}", self.drain_timeout)
    }
}

impl fmt::Display for Timeouts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { handshake, header, idle, read, write } = *self;
        let [handshake, header, idle, read, write] = [handshake, header, idle, read, write].map(hours);
        write!(formatter, "handshake {handshake}, header {header}, idle {idle}, read {read}, write {write}")
    }
}

impl fmt::Display for HttpLimits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, connections_per_address, streams, head_bytes } = self;
        let head = storage::size(*head_bytes);
        write!(
            formatter,
            "{connections} connections, {connections_per_address} from one address, {streams} requests at once on one, heads of {head}"
        )
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(formatter),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

/// What a client is sent to, and who may say where it came from.
fn locations(http: &HttpConfig) -> String {
    let prefix = http.prefix.as_ref().map(|prefix| format!(", below {prefix}")).unwrap_or_default();
    let kind = match &http.host {
        Some(host) => host.as_str(),
        None if http.absolute_urls => "whole URLs",
        None => "paths",
    };
    let trusted = match http.trusted_proxies.as_deref() {
        None => "every proxy".to_owned(),
        Some([]) => "no proxy".to_owned(),
        Some(networks) => networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
    };
    format!("{kind}{prefix}, believing {trusted}")
}

impl fmt::Display for AuthConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_open() {
            return formatter.write_str("everybody may do everything");
        }
        let mut parts = Vec::new();
        if let Some(htpasswd) = &self.htpasswd {
            parts.push(format!("passwords in {}", htpasswd.path.display()));
        }
        if let Some(token) = &self.token {
            let realm = match &token.realm {
                Realm::Url(url) => url.clone(),
                Realm::Here(path) => format!("{path} of the same host"),
            };
            parts.push(format!("tokens of {} from {realm} for {}", token.issuer, token.service));
        }
        parts.push(match (&self.rules, self.rule_count) {
            (None, _) if self.token.is_none() => "who is known may do everything".to_owned(),
            (None, _) => "no rules".to_owned(),
            (Some(_), 1) => "1 rule".to_owned(),
            (Some(_), count) => format!("{count} rules"),
        });
        formatter.write_str(&parts.join(", "))
    }
}

/// Groups that only tokens can name; a misspelt one is among them.
fn groups(auth: &AuthConfig) -> Option<String> {
    let (rules, token) = (auth.rules.as_ref()?, auth.token.as_ref()?);
    let mut names: Vec<&str> = rules.foreign_groups().iter().map(|(_, name)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let from = format!("from the claim `{}` of tokens", token.groups_claim);
    (!names.is_empty()).then(|| format!("{} {from}", names.join(", ")))
}

/// Our own tokens: for whom, how long, and what they are signed with.
fn tokens(own: &OwnTokensConfig, secret: Option<&SecretPlace>) -> String {
    let keys = match (own.keys.as_slice(), secret) {
        ([], None) => {
            "signed with a key that ends with the process; set http.secret to share and keep it".to_owned()
        }
        ([], Some(_)) => "signed with a key made from http.secret".to_owned(),
        ([first, ..], _) => format!("signed with the key in {}", first.display()),
    };
    format!("of our own for the service {}, good for {:?}, {keys}", own.service, own.lifetime)
}

impl fmt::Display for StorageConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let deletes = if self.delete_enabled { "on" } else { "off" };
        write!(formatter, "{}, deletes {deletes}", self.driver)?;
        if self.read_only {
            formatter.write_str(", read-only")?;
        }
        match self.tag_concurrency {
            Some(limit) => write!(formatter, ", {limit} tags at once"),
            None => Ok(()),
        }
    }
}

/// Where clients are sent for a blob, if that may be elsewhere.
fn downloads(storage: &StorageConfig) -> Option<String> {
    let mut place = match &storage.driver {
        StorageDriver::Filesystem { .. } | StorageDriver::InMemory if storage.middleware.is_empty() => {
            return None;
        }
        _ if !storage.redirects => return Some("served here".to_owned()),
        StorageDriver::Filesystem { .. } | StorageDriver::InMemory => None,
        StorageDriver::S3(s3) => {
            let lifetime = hours(s3.redirect_lifetime);
            let place = s3.redirect_endpoint.as_deref().unwrap_or("the bucket");
            Some(format!("sent to {place}, with addresses good for {lifetime}"))
        }
    };
    for middleware in &storage.middleware {
        place = match middleware {
            Middleware::Redirect { base_url } => Some(format!("sent to {base_url}")),
            Middleware::CloudFront { base_url, duration, .. } => Some(format!(
                "sent to CloudFront at {base_url}, with addresses good for {}",
                hours(*duration)
            )),
            Middleware::Rewrite { scheme, host, trim_path_prefix } => place.map(|place| {
                let changes = [("scheme", scheme), ("host", host), ("without", trim_path_prefix)];
                let changes =
                    changes.into_iter().filter_map(|(what, to)| Some(format!("{what} {}", to.as_ref()?)));
                format!("{place}, rewritten: {}", changes.collect::<Vec<_>>().join(", "))
            }),
        };
    }
    Some(place.unwrap_or_else(|| "served here".to_owned()))
}

fn uploads(purging: Option<UploadPurging>) -> String {
    match purging {
        None => "stay".to_owned(),
        Some(UploadPurging { age, interval, dry_run }) => {
            let what = if dry_run { "counted" } else { "removed" };
            format!("{what} after {}, looked for every {}", hours(age), hours(interval))
        }
    }
}

/// As one would write it in a file.
fn hours(duration: Duration) -> String {
    match duration.as_secs() {
        seconds if duration.subsec_nanos() > 0 || seconds % 60 > 0 => format!("{duration:?}"),
        seconds if seconds % 3600 > 0 => format!("{}m", seconds / 60),
        seconds => format!("{}h", seconds / 3600),
    }
}

impl fmt::Display for Fsync {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Full => "full",
            Self::Data => "data",
            Self::None => "none",
        })
    }
}

impl fmt::Display for ValidationConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.missing_allowed {
            "missing blobs allowed"
        } else {
            "missing blobs refused"
        })?;
        if self.disabled {
            return formatter.write_str(", no rules about URLs and indexes");
        }
        match (self.allow.as_slice(), self.deny.as_slice()) {
            ([], []) => formatter.write_str(", no foreign URLs")?,
            (allow, []) => write!(formatter, ", URLs matching {}", either(allow))?,
            ([], deny) => write!(formatter, ", URLs not matching {}", either(deny))?,
            (allow, deny) => {
                write!(formatter, ", URLs matching {} and not {}", either(allow), either(deny))?;
            }
        }
        write!(formatter, ", {} of an index", self.platforms)
    }
}

impl fmt::Display for Platforms {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => formatter.write_str("all manifests"),
            Self::None => formatter.write_str("no manifest"),
            Self::List(platforms) => {
                let names: Vec<_> =
                    platforms.iter().map(|one| format!("{}/{}", one.os, one.architecture)).collect();
                write!(formatter, "manifests for {}", names.join(" "))
            }
        }
    }
}

impl fmt::Display for LogConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = match self.format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
            LogFormat::Logstash => "logstash",
        };
        let requests = if self.access_log { "on" } else { "off" };
        let level = self.level.as_str().to_lowercase();
        write!(formatter, "{level}, {format}, access log {requests}")?;
        self.fields.iter().try_for_each(|(name, value)| write!(formatter, ", {name}={value}"))
    }
}

fn either(expressions: &[Regex]) -> String {
    expressions.iter().map(Regex::as_str).collect::<Vec<_>>().join(" or ")
}
