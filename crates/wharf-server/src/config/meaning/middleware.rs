//! `middleware.storage`: what changes where clients are sent for a blob, in the order it is written.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::nearest::nearest;
use crate::config::reader::Reader;
use crate::config::storage::{Middleware, StorageDriver};
use crate::config::tree::Node;
use crate::config::{duration, web};

const LIST: &str = "middleware.storage";
const NAMES: [&str; 3] = ["redirect", "cloudfront", "rewrite"];
/// That of the registry we replace.
const DEFAULT_DURATION: Duration = Duration::from_mins(20);

/// Reads what is not disabled.
pub(super) fn read(reader: &mut Reader<'_>, driver: &StorageDriver, redirects: bool) -> Vec<Middleware> {
    let mut read = Vec::new();
    for (index, item) in reader.items(LIST).iter().enumerate() {
        let key = format!("{LIST}[{index}]");
        let disabled = item.find("disabled").filter(|node| !node.is_empty());
        let disabled = disabled.and_then(|node| reader.flag_at(node, &format!("{key}.disabled")));
        // What is no mapping has been told already.
        if disabled == Some(true) || item.as_mapping().is_none() {
            continue;
        }
        let Some(name) = name(reader, item, &key) else { continue };
        let mut options = Options { reader, item, key: &key };
        let middleware = match name {
            "redirect" => options.redirect(),
            "cloudfront" => options.cloudfront(driver),
            _ => options.rewrite(driver, &read),
        };
        read.push(middleware);
    }
    if !redirects && !read.is_empty() {
        reader.warn(LIST, "not used: storage.redirect.disable is set, so nobody is sent anywhere");
    }
    read
}

fn name(reader: &mut Reader<'_>, item: &Node, key: &str) -> Option<&'static str> {
    let key = format!("{key}.name");
    let Some(node) = item.find("name").filter(|node| !node.is_empty()) else {
        reader.error_at(item, &key, format!("missing; set it to one of {}", NAMES.join(", ")));
        return None;
    };
    let expected = format!("one of {}", NAMES.join(", "));
    reader.parsed_at(node, &key, &expected, |text| NAMES.into_iter().find(|name| *name == text))
}

/// The options of one item.
struct Options<'r, 'a, 'n> {
    reader: &'r mut Reader<'a>,
    item: &'n Node,
    key: &'n str,
}

// === impl Options ===

impl Options<'_, '_, '_> {
    fn redirect(&mut self) -> Middleware {
        self.know(&["baseurl"]);
        let expected = "a URL such as https://cdn.example.com";
        Middleware::Redirect { base_url: self.required("baseurl", expected, web::base_url) }
    }

    fn cloudfront(&mut self, driver: &StorageDriver) -> Middleware {
        self.know(&[
            "baseurl",
            "privatekey",
            "keypairid",
            "duration",
            "ipfilteredby",
            "awsregion",
            "updatefrequency",
            "updatefrenquency",
            "iprangesurl",
        ]);
        if !matches!(driver, StorageDriver::S3(_)) {
            let message = "cloudfront stands before a bucket, storage.s3; for a directory there is redirect";
            self.reader.error_at(self.item, &format!("{}.name", self.key), message);
        }
        let filter = "none: every client is sent to CloudFront, without the AWS address filter";
        self.optional("ipfilteredby", filter, |text| text.eq_ignore_ascii_case("none").then_some(()));
        let url = "a URL such as https://d111111abcdef8.cloudfront.net";
        let lifetime = "a duration with a unit such as 20m";
        Middleware::CloudFront {
            base_url: self.required("baseurl", url, |text| {
                let scheme = if text.contains("://") { "" } else { "https://" };
                web::base_url(&format!("{scheme}{text}"))
            }),
            private_key: PathBuf::from(
                self.required("privatekey", "the path of a file", |text| Some(text.to_owned())),
            ),
            key_pair_id: self.required("keypairid", "the id of a key such as K2JCJMDEHXQW5F", |text| {
                text.chars().all(|c| c.is_ascii_alphanumeric()).then(|| text.to_owned())
            }),
            duration: self.optional("duration", lifetime, period).unwrap_or(DEFAULT_DURATION),
        }
    }

    fn rewrite(&mut self, driver: &StorageDriver, before: &[Middleware]) -> Middleware {
        self.know(&["scheme", "host", "trimpathprefix"]);
        if matches!(driver, StorageDriver::Filesystem { .. } | StorageDriver::InMemory) && before.is_empty() {
            let message = "not used: nothing before it sends clients anywhere";
            self.reader.warn_at(self.item, &format!("{}.name", self.key), message);
        }
        Middleware::Rewrite {
            scheme: self.optional("scheme", "http or https", |text| {
                matches!(text, "http" | "https").then(|| text.to_owned())
            }),
            host: self.optional("host", "a host, perhaps with a port", |text| {
                (!text.contains(['/', '?', '#', '@']) && web::base_url(&format!("http://{text}")).is_some())
                    .then(|| text.to_owned())
            }),
            trim_path_prefix: self
                .optional("trimpathprefix", "the beginning of a path", |text| Some(text.to_owned())),
        }
    }

    fn option(&self, option: &str) -> Option<&Node> {
        self.item.find("options")?.find(option).filter(|node| !node.is_empty())
    }

    fn optional<T>(
        &mut self,
        option: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let node = self.item.find("options")?.find(option).filter(|node| !node.is_empty())?;
        self.reader.parsed_at(node, &format!("{}.options.{option}", self.key), expected, parse)
    }

    fn required(&mut self, option: &str, what: &str, parse: impl FnOnce(&str) -> Option<String>) -> String {
        if self.option(option).is_none() {
            let key = format!("{}.options.{option}", self.key);
            self.reader.error_at(self.item, &key, format!("missing; set it to {what}"));
        }
        self.optional(option, what, parse).unwrap_or_default()
    }

    /// Tells of options that are none.
    fn know(&mut self, options: &[&str]) {
        let written = self.item.find("options").and_then(Node::as_mapping);
        for entry in written.iter().flat_map(|mapping| mapping.iter()) {
            if !options.contains(&entry.key.as_str()) {
                let key = format!("{}.options.{}", self.key, entry.key);
                let nearest = nearest(&entry.key, options.iter().copied());
                self.reader.unknown_at(&entry.key_place, &key, nearest);
            }
        }
    }
}

fn period(text: &str) -> Option<Duration> {
    let has_unit = text.ends_with(|c: char| !c.is_ascii_digit());
    duration::parse(text).filter(|period| has_unit && !period.is_zero())
}
