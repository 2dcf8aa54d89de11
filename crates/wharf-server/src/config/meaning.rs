//! From keys to values: what each key that works means, and what it is when nobody writes it.

use super::findings::Findings;
use super::reader::Reader;
use super::tree::Node;
use super::{AuthConfig, Config, HttpConfig, Platform, Platforms, Source, ValidationConfig};

mod access;
mod auth;
mod bucket;
mod cache;
mod exposure;
mod http;
mod log;
mod middleware;
mod storage;
mod tls;

/// Both limits are those of the registry we replace.
const DEFAULT_PAGE: u64 = 1000;

/// Reads everything; what is wrong is in the findings, and then the result means nothing.
pub(super) fn read(source: Source, root: &Node, findings: &mut Findings) -> Config {
    let mut reader = Reader::new(root, findings);
    version(&mut reader);
    let http = http::read(&mut reader);
    let config = Config {
        source,
        auth: auth(&mut reader, &http),
        http,
        log: log::read(&mut reader),
        storage: storage::read(&mut reader),
        cache: cache::read(&mut reader),
        validation: validation(&mut reader),
        classes: classes(&mut reader),
        catalog_max_entries: catalog_max_entries(&mut reader),
        tags_max: tags_max(&mut reader),
        warnings: Vec::new(),
    };
    exposure::warn(&mut reader, &config);
    config
}

fn version(reader: &mut Reader<'_>) {
    match reader.text("version").as_deref() {
        Some("0.1") => {}
        Some(other) => reader.reject("version", format!("expected 0.1, got {other:?}")),
        None if reader.node("version").is_some() => {}
        None => reader.reject("version", "missing; write `version: 0.1`"),
    }
}

fn auth(reader: &mut Reader<'_>, http: &HttpConfig) -> AuthConfig {
    let unauthenticated = auth::none(reader);
    let (htpasswd, token) = (auth::htpasswd(reader), auth::token(reader));
    let auth = AuthConfig { unauthenticated, htpasswd, token, ..AuthConfig::default() };
    access::read(reader, auth, http)
}

// === validation ===

fn validation(reader: &mut Reader<'_>) -> ValidationConfig {
    let missing = [("deny", false), ("allow", true)];
    let disabled = reader.flag("validation.disabled").unwrap_or(false);
    // The deprecated key outranked the one that replaced it.
    let enabled = reader.flag("validation.enabled").unwrap_or(false);
    ValidationConfig {
        missing_allowed: reader
            .word("validation.manifests.missing", "deny or allow", &missing)
            .unwrap_or(false),
        allow: reader.expressions("validation.manifests.urls.allow"),
        deny: reader.expressions("validation.manifests.urls.deny"),
        platforms: platforms(reader),
        disabled: disabled && !enabled,
    }
}

fn platforms(reader: &mut Reader<'_>) -> Platforms {
    // Read even where unused, so that a mistake in it is found before it counts.
    let list = reader.pairs("validation.manifests.indexes.platformlist", ["architecture", "os"]);
    let words = [("all", "all"), ("none", "none"), ("list", "list")];
    match reader.word("validation.manifests.indexes.platforms", "all, none or list", &words) {
        Some("none") => Platforms::None,
        Some("list") => Platforms::List(
            list.into_iter().map(|[architecture, os]| Platform { architecture, os }).collect(),
        ),
        _ => Platforms::All,
    }
}

/// An empty list restricts nothing, as before.
fn classes(reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let classes = ["image", "plugin"];
    let read = |text: &str| classes.into_iter().find(|class| *class == text).map(str::to_owned);
    reader.list("policy.repository.classes", "image or plugin", read).filter(|classes| !classes.is_empty())
}

// === limits of lists ===

fn catalog_max_entries(reader: &mut Reader<'_>) -> u64 {
    let entries = reader.integer("catalog.maxentries").unwrap_or(0);
    u64::try_from(entries).ok().filter(|entries| *entries > 0).unwrap_or(DEFAULT_PAGE)
}

fn tags_max(reader: &mut Reader<'_>) -> u64 {
    let tags = reader.parsed("tags.maxtags", "a whole number, not negative", |text| text.parse().ok());
    tags.filter(|tags| *tags > 0).unwrap_or(DEFAULT_PAGE)
}
