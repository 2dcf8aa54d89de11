//! `middleware.storage`: where clients are sent, and every way to get it wrong.

use super::*;

const BUCKET: &str =
    "version: 0.1\nstorage: {s3: {bucket: images, region: eu-central-1}}\nhttp: {addr: ':5000'}\n";
const CLOUDFRONT: &str =
    "baseurl: d111111abcdef8.cloudfront.net, privatekey: /keys/cf.pem, keypairid: K2EXAMPLE";

/// The line of `registry check` about downloads.
#[track_caller]
fn check_downloads(base: &str, items: &str, expected: Option<&str>) {
    let config = config(&format!("{base}middleware: {{storage: [{items}]}}\n"));
    let said = config.to_string();
    let found = said.lines().find_map(|line| line.strip_prefix("downloads      "));
    assert_eq!(found, expected, "{said}");
    assert_eq!(config.warnings, [""; 0]);
}

#[test]
fn each_stands_in_front_of_those_before_it() {
    let redirect = "{name: redirect, options: {baseurl: 'https://cdn.example.com/images/'}}";
    let rewrite = "{name: rewrite, options: {scheme: http, host: 'cache:8080', trimpathprefix: /images}}";
    let cloudfront =
        format!("{{name: cloudfront, options: {{{CLOUDFRONT}, duration: 1h, ipfilteredby: none}}}}");
    check_downloads(BASE, "", None);
    check_downloads(BASE, redirect, Some("sent to https://cdn.example.com/images"));
    check_downloads(
        BASE,
        &format!("{redirect}, {rewrite}"),
        Some(
            "sent to https://cdn.example.com/images, rewritten: scheme http, host cache:8080, without /images",
        ),
    );
    check_downloads(
        BUCKET,
        rewrite,
        Some(
            "sent to the bucket, with addresses good for 20m, rewritten: scheme http, host cache:8080, without /images",
        ),
    );
    check_downloads(
        BUCKET,
        &format!("{redirect}, {cloudfront}"),
        Some("sent to CloudFront at https://d111111abcdef8.cloudfront.net, with addresses good for 1h"),
    );
}

#[test]
fn what_is_disabled_is_not_there() {
    check_downloads(BASE, "{name: redirect, disabled: true}", None);
    check_downloads(BASE, "{name: another, disabled: yes, options: {a: b}}", None);
    check_based_warnings("middleware: {registry: [{name: another, disabled: true}]}", &[]);
}

#[test]
fn what_sends_nobody_is_told() {
    check_based_warnings(
        "middleware: {storage: [{name: rewrite, options: {host: a}}]}",
        &["config.yml:4:24: middleware.storage[0].name: not used: nothing before it sends clients anywhere"],
    );
    check_warnings(
        "version: 0.1\nstorage: {filesystem: , redirect: {disable: true}}\nhttp: {addr: ':1'}\n\
         middleware: {storage: [{name: redirect, options: {baseurl: 'https://a.example.com'}}]}\n",
        &[
            "config.yml:4:23: middleware.storage: not used: storage.redirect.disable is set, so nobody is sent anywhere",
        ],
    );
}

#[test]
fn names_and_shapes_are_checked() {
    check_based_errors(
        "middleware: {storage: [{name: cloudfrond}, {options: {}}, {name: redirect, disabled: maybe, options: {baseurl: 'http://a'}}, here]}",
        &[
            "config.yml:4:126: middleware.storage[3]: expected a mapping, got \"here\"",
            "config.yml:4:31: middleware.storage[0].name: expected one of redirect, cloudfront, rewrite, got \"cloudfrond\"",
            "config.yml:4:44: middleware.storage[1].name: missing; set it to one of redirect, cloudfront, rewrite",
            "config.yml:4:86: middleware.storage[2].disabled: expected true or false, got \"maybe\"",
        ],
    );
    check_based_errors(
        "middleware: {storage: redirect}",
        &["config.yml:4:23: middleware.storage: expected a list, got \"redirect\""],
    );
}

#[test]
fn options_are_checked() {
    check_based_errors(
        "middleware: {storage: [{name: redirect}, {name: redirect, options: {baseurl: cdn}}]}",
        &[
            "config.yml:4:24: middleware.storage[0].options.baseurl: missing; set it to a URL such as https://cdn.example.com",
            "config.yml:4:78: middleware.storage[1].options.baseurl: expected a URL such as https://cdn.example.com, got \"cdn\"",
        ],
    );
    check_based_errors(
        "middleware: {storage: [{name: redirect, options: {baseurl: 'https://a'}}, {name: rewrite, options: {scheme: ftp, host: a/b}}]}",
        &[
            "config.yml:4:109: middleware.storage[1].options.scheme: expected http or https, got \"ftp\"",
            "config.yml:4:120: middleware.storage[1].options.host: expected a host, perhaps with a port, got \"a/b\"",
        ],
    );
    check_based_warnings(
        "middleware: {storage: [{name: redirect, options: {baseurl: 'https://a', baseurI: b}}]}",
        &["config.yml:4:73: middleware.storage[0].options.baseurI: unknown key; did you mean baseurl?"],
    );
}

#[test]
fn cloudfront_is_checked() {
    check_errors(
        &format!(
            "{BUCKET}middleware: {{storage: [{{name: cloudfront, options: {{duration: 20, ipfilteredby: aws}}}}]}}\n"
        ),
        &[
            "config.yml:4:81: middleware.storage[0].options.ipfilteredby: expected none: every client is sent to CloudFront, \
             without the AWS address filter, got \"aws\"",
            "config.yml:4:24: middleware.storage[0].options.baseurl: missing; set it to a URL such as \
             https://d111111abcdef8.cloudfront.net",
            "config.yml:4:24: middleware.storage[0].options.privatekey: missing; set it to the path of a file",
            "config.yml:4:24: middleware.storage[0].options.keypairid: missing; set it to the id of a key such as K2JCJMDEHXQW5F",
            "config.yml:4:63: middleware.storage[0].options.duration: expected a duration with a unit such as 20m, got \"20\"",
        ],
    );
    check_based_errors(
        &format!("middleware: {{storage: [{{name: cloudfront, options: {{{CLOUDFRONT}}}}}]}}"),
        &[
            "config.yml:4:24: middleware.storage[0].name: cloudfront stands before a bucket, storage.s3; for a directory there is redirect",
        ],
    );
}
