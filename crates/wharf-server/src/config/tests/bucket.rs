//! `storage.s3`: what each parameter means, and every way to get one wrong.

use std::time::Duration;

use super::*;

const WHERE: &str = "bucket: images, region: eu-central-1";

/// A file with this bucket.
fn file(parameters: &str) -> String {
    format!("version: 0.1\nhttp: {{addr: ':1'}}\nstorage: {{s3: {{{parameters}}}}}\n")
}

#[track_caller]
fn bucket(parameters: &str) -> S3Config {
    match config(&file(parameters)).storage.driver {
        StorageDriver::S3(s3) => *s3,
        StorageDriver::Filesystem { .. } | StorageDriver::InMemory => panic!("{parameters} is no bucket"),
    }
}

/// The one error of a bucket, without the place.
#[track_caller]
fn check_error(parameters: &str, expected: &str) {
    let text = file(&format!("{WHERE}, {parameters}"));
    let errors = parse(&text, &[], UnknownKeys::Warn).expect_err(&text);
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let [line] = lines.as_slice() else { panic!("{lines:#?}") };
    let (_, said) = line.split_once(" storage.s3.").unwrap_or_else(|| panic!("{line}"));
    assert_eq!(said, expected);
}

#[test]
fn a_bucket_and_a_region_are_enough() {
    let config = config(&file(WHERE));
    let lines = config.to_string();
    let lines: Vec<&str> = lines.lines().skip_while(|line| !line.starts_with("storage ")).collect();
    assert_eq!(
        lines[..4],
        [
            "storage        s3 bucket images in eu-central-1, credentials of the environment, deletes off",
            "uploads        parts of 10 MiB, 3 at once, 40 MiB of memory each at most",
            "requests       64 at once, tried again for 30s",
            "downloads      sent to the bucket, with addresses good for 20m",
        ]
    );
    assert_eq!(config.warnings, [""; 0]);
    assert_eq!(config.storage.driver.location(), "s3://images/");
    let s3 = bucket(WHERE);
    assert_eq!((s3.path_style, s3.secure, s3.skip_verify), (None, true, false));
    assert_eq!((s3.storage_class.as_str(), s3.acl.as_str()), ("STANDARD", "private"));
    assert_eq!((s3.copy_part_bytes, s3.copy_threshold_bytes, s3.copy_concurrency), (32 << 20, 32 << 20, 16));
}

#[test]
fn every_parameter_is_read() {
    let text = "\
version: 0.1
http: {addr: ':1'}
storage:
  redirect: {disable: no}
  s3aws:
    accesskey: 012345
    secretkey: yes
    sessiontoken: 1e9
    region: eu-central-1
    regionendpoint: https://s3.example.com:9000/
    redirectendpoint: cdn.example.com
    forcepathstyle: false
    bucket: images
    rootdirectory: /a/b/
    encrypt: true
    keyid: alias/registry
    secure: no
    skipverify: yes
    v4auth: true
    storageclass: standard_ia
    objectacl: bucket-owner-full-control
    useragent: registry of example.com
    usedualstack: false
    accelerate: false
    usefipsendpoint: false
    loglevel: off
    chunksize: 5242880
    multipartcopychunksize: 67108864
    multipartcopymaxconcurrency: 250
    multipartcopythresholdsize: 1073741824
    uploadpartsinflight: 1
    maxrequests: 8
    retrydeadline: 1m30s
    redirectlifetime: 1h
";
    let config = config(text);
    assert_eq!(config.warnings, [""; 0]);
    let said = config.to_string();
    for line in [
        "storage        s3 bucket images at https://s3.example.com:9000, below a/b/, credentials of the configuration, \
         encrypted with alias/registry, STANDARD_IA, bucket-owner-full-control, believing any certificate, deletes off",
        "uploads        parts of 5 MiB, 1 at once, 10 MiB of memory each at most",
        "requests       8 at once, tried again for 90s",
        "downloads      sent to cdn.example.com, with addresses good for 1h",
    ] {
        assert!(said.lines().any(|found| found == line), "{line}\nis not in\n{said}");
    }
    let StorageDriver::S3(s3) = &config.storage.driver else { panic!("{config:?}") };
    let credentials = s3.credentials.as_ref().unwrap();
    assert_eq!((credentials.access_key.as_str(), credentials.secret_key.expose()), ("012345", "yes"));
    assert_eq!(credentials.session_token.as_ref().unwrap().expose(), "1e9");
    assert_eq!((s3.path_style, s3.secure), (Some(false), false));
    assert_eq!(s3.user_agent.as_deref(), Some("registry of example.com"));
    assert_eq!((s3.copy_part_bytes, s3.copy_concurrency, s3.copy_threshold_bytes), (64 << 20, 100, 1 << 30));
    assert_eq!((s3.retry_deadline, s3.redirect_lifetime), (Duration::from_secs(90), Duration::from_hours(1)));
}

#[test]
fn a_server_at_home_needs_no_region() {
    let s3 = bucket("bucket: images, regionendpoint: minio:9000");
    assert_eq!((s3.region, s3.endpoint.as_deref()), (None, Some("minio:9000")));
    let s3 = bucket("bucket: images, region: Home, regionendpoint: 'http://[::1]:9000'");
    assert_eq!((s3.region.as_deref(), s3.endpoint.as_deref()), (Some("Home"), Some("http://[::1]:9000")));
}

#[test]
fn the_prefix_of_keys_has_one_form() {
    for (written, expected) in
        [("/", ""), ("''", ""), ("a", "a/"), ("/a", "a/"), ("/a/b/", "a/b/"), ("a/b", "a/b/")]
    {
        assert_eq!(bucket(&format!("{WHERE}, rootdirectory: {written}")).root, expected, "{written}");
    }
}

#[test]
fn what_is_missing_is_named() {
    check_errors(
        &file(""),
        &[
            "config.yml: storage.s3.bucket: missing; set it to the name of the bucket",
            "config.yml: storage.s3.region: missing; set it to the region of the bucket such as eu-central-1",
        ],
    );
    check_errors(
        "version: 0.1\nhttp: {addr: ':1'}\nstorage: s3aws\n",
        &[
            "config.yml: storage.s3aws.bucket: missing; set it to the name of the bucket",
            "config.yml: storage.s3aws.region: missing; set it to the region of the bucket such as eu-central-1",
        ],
    );
    check_error("accesskey: a", "secretkey: missing; set it to the key that belongs to accesskey");
    check_error("secretkey: a", "accesskey: missing; set it to the id of the key in secretkey");
    check_error("sessiontoken: a", "sessiontoken: it belongs to accesskey and secretkey, which are not set");
    check_error("keyid: a", "keyid: it means nothing without `encrypt: true`");
}

#[test]
fn what_cannot_be_is_told_with_what_could() {
    let bytes = "expected a number of bytes from 5242880 to 5368709120";
    for (parameters, expected) in [
        ("chunksize: 5242879", format!("chunksize: {bytes}, got \"5242879\"")),
        ("chunksize: 5368709121", format!("chunksize: {bytes}, got \"5368709121\"")),
        ("chunksize: 10m", format!("chunksize: {bytes}, got \"10m\"")),
        ("multipartcopychunksize: 1", format!("multipartcopychunksize: {bytes}, got \"1\"")),
    ] {
        check_error(parameters, &expected);
    }
    check_error(
        "multipartcopymaxconcurrency: 0",
        "multipartcopymaxconcurrency: expected a whole number, 1 at least, got \"0\"",
    );
    check_error("maxrequests: -1", "maxrequests: expected a whole number, 1 at least, got \"-1\"");
    check_error("secure: 1", "secure: expected true or false, got \"1\"");
    check_error("v4auth: false", "v4auth: signatures of version 2 are not made any more: take it out");
    check_error(
        "storageclass: COLD",
        "storageclass: expected one of NONE, STANDARD, REDUCED_REDUNDANCY, STANDARD_IA, ONEZONE_IA, \
         INTELLIGENT_TIERING, OUTPOSTS, GLACIER_IR, EXPRESS_ONEZONE, got \"COLD\"",
    );
    check_error(
        "objectacl: all",
        "objectacl: expected one of private, public-read, public-read-write, authenticated-read, aws-exec-read, \
         bucket-owner-read, bucket-owner-full-control, got \"all\"",
    );
    check_error(
        "retrydeadline: 30",
        "retrydeadline: expected a duration with a unit such as 30s, got \"30\"",
    );
    check_error(
        "redirectlifetime: 169h",
        "redirectlifetime: expected a duration with a unit, from 1s to 168h, got \"169h\"",
    );
    check_error(
        "accelerate: true, forcepathstyle: true",
        "accelerate: accelerated hosts have the bucket in their name: take out forcepathstyle",
    );
    check_error("useragent: \"a\\nb\"", "useragent: expected text that fits in a header, got \"a\\nb\"");
}

#[test]
fn places_are_checked() {
    let endpoint = "expected a server such as https://s3.example.com:9000, without a path";
    for text in ["https://", "ftp://a", "https://a/b", "a/b", "https://a?b=c", "https://u@a"] {
        check_error(
            &format!("regionendpoint: '{text}'"),
            &format!("regionendpoint: {endpoint}, got {text:?}"),
        );
        check_error(
            &format!("redirectendpoint: '{text}'"),
            &format!("redirectendpoint: {endpoint}, got {text:?}"),
        );
    }
    check_errors(
        &file("bucket: a/b, region: EU"),
        &[
            "config.yml:3:24: storage.s3.bucket: expected the name of a bucket, got \"a/b\"",
            "config.yml:3:37: storage.s3.region: expected a region such as eu-central-1, got \"EU\"",
        ],
    );
}

#[test]
fn what_observes_is_one_warning() {
    check_warnings(
        &file(&format!("{WHERE}, loglevel: debug")),
        &[
            "config.yml:3:64: storage.s3.loglevel: not used: the requests to a bucket are not logged one by one",
        ],
    );
    check_warnings(
        &file("bucket: images, regionendpoint: minio, usedualstack: true, usefipsendpoint: true"),
        &[
            "config.yml:3:69: storage.s3.usedualstack: not used: regionendpoint says which server it is",
            "config.yml:3:92: storage.s3.usefipsendpoint: not used: regionendpoint says which server it is",
        ],
    );
}

#[test]
fn a_slip_in_a_parameter_is_told() {
    check_warnings(
        &file(&format!("{WHERE}, chunksise: 1")),
        &["config.yml:3:54: storage.s3.chunksise: unknown key; did you mean chunksize?"],
    );
}

#[test]
fn no_secret_is_shown() {
    let secret = "wJalrXUtnFEMI";
    let config =
        config(&file(&format!("{WHERE}, accesskey: AKIA, secretkey: {secret}, sessiontoken: {secret}")));
    assert!(!format!("{config:?} {config}").contains(secret), "{config:?}");
    let half = file(&format!("{WHERE}, secretkey: {secret}, sessiontoken: {secret}, v4auth: false"));
    let errors = parse(&half, &[], UnknownKeys::Warn).unwrap_err();
    assert!(!format!("{errors:?}").contains(secret), "{errors:?}");
}
