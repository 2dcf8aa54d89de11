//! The promise to whoever runs the registry we replace: the files and variables they have, and what each means here.
//!
//! One row a case: a file, variables, and either lines of what `registry check` says of them with every warning, or
//! every refusal, word for word.

use self::warnings::{CLEAR_WARNINGS, IMAGE_WARNINGS, OPEN, OPEN_WARNINGS};
use super::examples::EXAMPLES;
use super::*;

mod warnings;

/// A case that somebody has in production.
struct Row {
    /// Whose it is, or which rule of the old registry's variables it holds.
    name: &'static str,
    file: File,
    variables: &'static [(&'static str, &'static str)],
    expected: Expected,
}

/// What a row starts from.
enum File {
    /// One of the examples.
    Example(&'static str),
    /// This text.
    Text(&'static str),
    /// None: built-in defaults.
    Absent,
}

enum Expected {
    /// It serves. Lines of what it means, and all warnings.
    Means(&'static [&'static str], &'static [&'static str]),
    /// It does not start. All errors.
    Refused(&'static [&'static str]),
}

use Expected::{Means, Refused};
use File::{Absent, Example, Text};

/// What a compose file sets, beside the file that the image brings.
const IMAGE: File = Example("registry-2.yml");
const BARE: File = Text("version: 0.1\nstorage: {filesystem: }\nhttp: {addr: ':5000'}\n");

/// The files of the images.
const IMAGES: &[Row] = &[
    Row {
        name: "registry:2",
        file: Example("registry-2.yml"),
        variables: &[],
        expected: Means(
            &[
                "http           :5000 (every address), drains for 10s",
                "locations      paths, believing every proxy",
                "header         x-content-type-options: nosniff",
                "storage        filesystem /var/lib/registry, fsync full, deletes off",
                "old uploads    removed after 168h, looked for every 24h",
                "log            info, text, access log on, service=\"registry\"",
            ],
            IMAGE_WARNINGS,
        ),
    },
    Row {
        name: "registry:3",
        file: Example("registry-3.yml"),
        variables: &[],
        expected: Means(
            &[
                "http           :5000 (every address), drains for 10s",
                "header         x-content-type-options: nosniff",
                "storage        filesystem /var/lib/registry, fsync full, deletes on, 8 tags at once",
                "old uploads    stay",
                "log            debug, text, access log on, service=\"registry\", environment=\"development\"",
            ],
            &[
                "config.yml:25:5: http.debug.addr: not supported yet: there is no debug server and there are no metrics",
                "config.yml:33:5: health.storagedriver.enabled: not supported yet: no health checks run",
                "config.yml: auth: not set: every client that reaches :5000 may push and delete; set auth.htpasswd or \
                     access.rules, or write `auth: none` where that is meant",
            ],
        ),
    },
];

/// What compose files and the Helm chart set.
const OPERATORS: &[Row] = &[
    Row {
        name: "compose: a directory, deletes, a level",
        file: IMAGE,
        variables: &[
            ("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", "/data"),
            ("REGISTRY_STORAGE_DELETE_ENABLED", "true"),
            ("REGISTRY_HTTP_ADDR", ":5000"),
            ("REGISTRY_HTTP_SECRET", "012345"),
            ("REGISTRY_LOG_LEVEL", "warn"),
        ],
        expected: Means(
            &[
                "http           :5000 (every address), drains for 10s",
                "storage        filesystem /data, fsync full, deletes on",
                "log            warn, text, access log on, service=\"registry\"",
            ],
            OPEN_WARNINGS,
        ),
    },
    Row {
        name: "compose: headers for a web page, in mixed case",
        file: IMAGE,
        variables: &[
            ("REGISTRY_HTTP_HEADERS_Access-Control-Allow-Origin", "['https://ui.example.com']"),
            ("REGISTRY_HTTP_HEADERS_Access-Control-Allow-Methods", "[HEAD,GET,OPTIONS,DELETE]"),
        ],
        expected: Means(
            &[
                "header         access-control-allow-origin: https://ui.example.com",
                "header         access-control-allow-methods: HEAD",
                "header         access-control-allow-methods: DELETE",
            ],
            IMAGE_WARNINGS,
        ),
    },
    Row {
        name: "compose: htpasswd",
        file: IMAGE,
        variables: &[
            ("REGISTRY_AUTH", "htpasswd"),
            ("REGISTRY_AUTH_HTPASSWD_REALM", "Registry Realm"),
            ("REGISTRY_AUTH_HTPASSWD_PATH", "/auth/htpasswd"),
        ],
        expected: Means(
            &["access         passwords in /auth/htpasswd, who is known may do everything"],
            CLEAR_WARNINGS,
        ),
    },
    Row {
        name: "compose: TLS",
        file: IMAGE,
        variables: &[
            ("REGISTRY_HTTP_TLS_CERTIFICATE", "/certs/domain.crt"),
            ("REGISTRY_HTTP_TLS_KEY", "/certs/domain.key"),
        ],
        expected: Means(
            &["tls            TLS 1.2 and later from /certs/domain.crt, clients show no certificate"],
            IMAGE_WARNINGS,
        ),
    },
    Row {
        name: "compose: TLS, and clients with certificates",
        file: IMAGE,
        variables: &[
            ("REGISTRY_HTTP_TLS_CERTIFICATE", "/certs/domain.crt"),
            ("REGISTRY_HTTP_TLS_KEY", "/certs/domain.key"),
            ("REGISTRY_HTTP_TLS_CLIENTCAS", "['/certs/clients.crt']"),
            ("REGISTRY_HTTP_HTTP2_DISABLED", "true"),
        ],
        expected: Means(
            &[
                "tls            TLS 1.2 and later from /certs/domain.crt, clients show a certificate by /certs/clients.crt, no HTTP/2",
            ],
            IMAGE_WARNINGS,
        ),
    },
    Row {
        name: "compose: a pull-through cache",
        file: IMAGE,
        variables: &[("REGISTRY_PROXY_REMOTEURL", "https://registry-1.docker.io")],
        expected: Refused(&[
            "REGISTRY_PROXY_REMOTEURL: proxy.remoteurl: this version cannot be a pull-through cache",
        ]),
    },
    Row {
        name: "the chart with a volume",
        file: Example("registry-2.yml"),
        variables: &[
            ("REGISTRY_HTTP_SECRET", "haRandomSecret"),
            ("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", "/var/lib/registry"),
            ("REGISTRY_STORAGE_DELETE_ENABLED", "true"),
            ("DOCKER_REGISTRY_PORT", "tcp://10.0.0.1:5000"),
        ],
        expected: Means(
            &["storage        filesystem /var/lib/registry, fsync full, deletes on"],
            OPEN_WARNINGS,
        ),
    },
    Row {
        name: "the chart with S3, whose file names no driver",
        file: Text("version: 0.1\nstorage: {cache: {}}\nhttp: {addr: ':5000'}\n"),
        variables: &[
            ("REGISTRY_STORAGE_S3_REGION", "eu-central-1"),
            ("REGISTRY_STORAGE_S3_BUCKET", "images"),
            ("REGISTRY_STORAGE_S3_SECURE", "true"),
        ],
        expected: Means(
            &[
                "storage        s3 bucket images in eu-central-1, credentials of the environment, deletes off",
                "downloads      sent to the bucket, with addresses good for 20m",
            ],
            &[],
        ),
    },
    Row {
        name: "the chart with a bucket at home",
        file: Text("version: 0.1\nstorage: {cache: {}, redirect: {disable: true}}\nhttp: {addr: ':5000'}\n"),
        variables: &[
            ("REGISTRY_STORAGE_S3_ACCESSKEY", "012345"),
            ("REGISTRY_STORAGE_S3_SECRETKEY", "yes"),
            ("REGISTRY_STORAGE_S3_REGIONENDPOINT", "http://minio:9000"),
            ("REGISTRY_STORAGE_S3_REGION", "us-east-1"),
            ("REGISTRY_STORAGE_S3_BUCKET", "images"),
            ("REGISTRY_STORAGE_S3_ROOTDIRECTORY", "/registry"),
            ("REGISTRY_STORAGE_S3_ENCRYPT", "false"),
            ("REGISTRY_STORAGE_S3_SECURE", "false"),
        ],
        expected: Means(
            &[
                "storage        s3 bucket images at http://minio:9000, below registry/, \
                     credentials of the configuration, deletes off",
                "downloads      served here",
            ],
            &[],
        ),
    },
    Row {
        name: "compose: a mirror for downloads",
        file: IMAGE,
        variables: &[
            ("REGISTRY_MIDDLEWARE_STORAGE_0_NAME", "redirect"),
            ("REGISTRY_MIDDLEWARE_STORAGE_0_OPTIONS_BASEURL", "https://cdn.example.com/images"),
        ],
        expected: Means(&["downloads      sent to https://cdn.example.com/images"], IMAGE_WARNINGS),
    },
    Row {
        name: "S3 without any file",
        file: Absent,
        variables: &[("REGISTRY_STORAGE_S3_BUCKET", "images"), ("REGISTRY_STORAGE_S3_REGION", "eu-west-1")],
        expected: Means(
            &["storage        s3 bucket images in eu-west-1, credentials of the environment, deletes on"],
            &[],
        ),
    },
    Row {
        name: "podman on the same machine",
        file: BARE,
        variables: &[("REGISTRY_AUTH_FILE", "/run/user/1000/containers/auth.json")],
        expected: Means(
            &[],
            &["REGISTRY_AUTH_FILE: ignored: it names the credentials of podman and skopeo, not a key"],
        ),
    },
];

/// Rules 1 to 7 of the variables: names, order, values, old names, strangers, maps, drivers.
const RULES: &[Row] = &[
    Row {
        name: "1: a name is split at every underscore",
        file: BARE,
        variables: &[("REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_AGE", "1h")],
        expected: Means(&["old uploads    removed after 1h, looked for every 24h"], &[]),
    },
    Row {
        name: "2: whole before part, whatever the order of the environment",
        file: BARE,
        variables: &[
            ("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", "/x"),
            ("REGISTRY_STORAGE_DELETE_ENABLED", "true"),
            ("REGISTRY_STORAGE", "filesystem"),
        ],
        expected: Means(&["storage        filesystem /x, fsync full, deletes on"], OPEN),
    },
    Row {
        name: "3: values are YAML",
        file: BARE,
        variables: &[
            ("REGISTRY_HTTP_HEADERS", "{X-A: [b, 'c: d']}"),
            ("REGISTRY_LOG_FIELDS", "{n: 1, t: '1'}"),
        ],
        expected: Means(
            &[
                "header         x-a: b",
                "header         x-a: c: d",
                "log            info, text, access log on, n=1, t=\"1\"",
            ],
            &[],
        ),
    },
    Row {
        name: "4: names of the old source code",
        file: BARE,
        variables: &[
            ("REGISTRY_HEALTH_FILECHECKERS_0_FILE", "/x"),
            ("REGISTRY_NOTIFICATIONS_EVENTCONFIG_INCLUDEREFERENCES", "true"),
        ],
        expected: Means(
            &[],
            &[
                "REGISTRY_HEALTH_FILECHECKERS_0_FILE: health.file[0].file: not supported yet: no health checks run",
                "REGISTRY_NOTIFICATIONS_EVENTCONFIG_INCLUDEREFERENCES: notifications.events.includereferences: \
                     not supported yet: no notifications are sent",
            ],
        ),
    },
    Row {
        name: "5: strangers, and the path of the file",
        file: BARE,
        variables: &[
            ("REGISTRY_CONFIGURATION_PATH", "/etc/config.yml"),
            ("REGISTRY_COLOUR", "red"),
            ("REGISTRY_PORT", "tcp://10.0.0.1:5000"),
            ("REGISTRY_SERVICE_HOST", "10.0.0.1"),
        ],
        expected: Means(
            &[],
            &[
                "REGISTRY_COLOUR: ignored: no such key",
                "REGISTRY_PORT: ignored: it describes a service of the cluster, not a key",
                "REGISTRY_SERVICE_HOST: ignored: it describes a service of the cluster, not a key",
            ],
        ),
    },
    Row {
        name: "6: maps of the file, whatever the case of their keys, and nested ones",
        file: Text(
            "version: 0.1\nhttp: {addr: ':1', headers: {X-A: [b]}}\n\
                 storage: {filesystem: , maintenance: {readonly: {enabled: true}}}\n",
        ),
        variables: &[
            ("REGISTRY_HTTP_HEADERS_x-a", "[c]"),
            ("REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED", "false"),
        ],
        expected: Means(
            &[
                "header         x-a: c",
                "storage        filesystem /var/lib/registry, fsync full, deletes off",
            ],
            &[],
        ),
    },
    Row {
        name: "7: a type replaces all of storage",
        file: BARE,
        variables: &[
            ("REGISTRY_STORAGE", "s3"),
            ("REGISTRY_STORAGE_S3_BUCKET", "b"),
            ("REGISTRY_STORAGE_S3_REGION", "eu-west-1"),
        ],
        expected: Means(
            &["storage        s3 bucket b in eu-west-1, credentials of the environment, deletes off"],
            &[],
        ),
    },
    Row {
        name: "7: a parameter adds a driver beside that of the file",
        file: BARE,
        variables: &[("REGISTRY_STORAGE_S3_BUCKET", "b")],
        expected: Refused(&[
            "config.yml:2:10: storage: expected exactly one storage driver, got filesystem, s3",
            "config.yml: storage.s3.region: missing; set it to the region of the bucket such as eu-central-1",
        ]),
    },
];

/// Rules 8 to 14, most of which were traps.
const TRAPS: &[Row] = &[
    Row {
        name: "8: maintenance by parts, which panicked",
        file: BARE,
        variables: &[
            ("REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED", "true"),
            ("REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_ENABLED", "false"),
        ],
        expected: Means(
            &[
                "storage        filesystem /var/lib/registry, fsync full, deletes off, read-only",
                "old uploads    stay",
            ],
            &[],
        ),
    },
    Row {
        name: "8: maintenance as a whole, which worked",
        file: BARE,
        variables: &[
            ("REGISTRY_STORAGE_MAINTENANCE_READONLY", "{enabled: true}"),
            ("REGISTRY_STORAGE_MAINTENANCE", "{uploadpurging: {enabled: false}}"),
        ],
        expected: Means(
            &[
                "storage        filesystem /var/lib/registry, fsync full, deletes off, read-only",
                "old uploads    stay",
            ],
            &[],
        ),
    },
    Row {
        name: "9: items by number, ten after two",
        file: BARE,
        variables: &[
            ("REGISTRY_HTTP_TRUSTEDPROXIES_10", "10.0.0.10"),
            ("REGISTRY_HTTP_TRUSTEDPROXIES_2", "10.0.0.2"),
            ("REGISTRY_HTTP_TRUSTEDPROXIES", "[10.0.0.0, 10.0.0.1]"),
            ("REGISTRY_HTTP_TRUSTEDPROXIES_3", "10.0.0.3"),
        ],
        expected: Refused(&[
            "REGISTRY_HTTP_TRUSTEDPROXIES_10: http.trustedproxies: items follow one another without a gap, \
                 and the next one is 4",
        ]),
    },
    Row {
        name: "10: items of a list of words, which were dropped",
        file: BARE,
        variables: &[("REGISTRY_HTTP_TRUSTEDPROXIES_0", "10.0.0.0/8")],
        expected: Means(&["locations      paths, believing 10.0.0.0/8"], &[]),
    },
    Row {
        name: "11: a list inside what has no types, which became a map",
        file: BARE,
        variables: &[("REGISTRY_LOG_FIELDS_HOSTS_0", "a"), ("REGISTRY_LOG_FIELDS_HOSTS_1", "b")],
        expected: Means(&["log            info, text, access log on, hosts=[\"a\",\"b\"]"], &[]),
    },
    Row {
        name: "11: the algorithms of tokens",
        file: BARE,
        variables: &[
            ("REGISTRY_AUTH_TOKEN_SIGNINGALGORITHMS_0", "ES256"),
            ("REGISTRY_AUTH_TOKEN_REALM", "https://auth.example.com/token"),
            ("REGISTRY_AUTH_TOKEN_SERVICE", "registry"),
            ("REGISTRY_AUTH_TOKEN_ISSUER", "auth"),
            ("REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE", "/certs/bundle.pem"),
        ],
        expected: Means(
            &["access         tokens of auth from https://auth.example.com/token for registry, no rules"],
            &[],
        ),
    },
    Row {
        name: "12: the version of the file",
        file: BARE,
        variables: &[("REGISTRY_VERSION", "2.8.3")],
        expected: Means(&[], &["REGISTRY_VERSION: ignored: no such key"]),
    },
    Row {
        name: "13: a service named registry-auth, which panicked",
        file: BARE,
        variables: &[("REGISTRY_AUTH_SERVICE_HOST", "10.0.0.1")],
        expected: Means(
            &[],
            &["REGISTRY_AUTH_SERVICE_HOST: ignored: it describes a service of the cluster, not a key"],
        ),
    },
    Row {
        name: "14: sections nobody wrote",
        file: BARE,
        variables: &[("REGISTRY_PROXY_EXEC_COMMAND", "/bin/helper")],
        expected: Means(
            &[],
            &["REGISTRY_PROXY_EXEC_COMMAND: proxy.exec.command: off, because proxy.remoteurl is not set"],
        ),
    },
];

#[test]
fn what_people_have_means_what_it_meant_or_is_refused_by_name() {
    for Row { name, file, variables, expected } in [IMAGES, OPERATORS, RULES, TRAPS].into_iter().flatten() {
        let result = read(file, variables);
        match (expected, result) {
            (Means(lines, warnings), Ok(config)) => {
                let said = config.to_string();
                for line in *lines {
                    assert!(said.lines().any(|found| found == *line), "{name}: {line:?} is not in\n{said}");
                }
                assert_eq!(config.warnings, *warnings, "{name}");
            }
            (Refused(expected), Err(errors)) => {
                let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
                assert_eq!(errors, *expected, "{name}");
            }
            (Means(..), Err(errors)) => panic!("{name} is refused: {errors:#?}"),
            (Refused(_), Ok(config)) => panic!("{name} serves:\n{config}"),
        }
    }
}

fn read(file: &File, variables: &[(&str, &str)]) -> Result<Config, Vec<ConfigError>> {
    let text = match file {
        Example(name) => Source::File(Path::new(EXAMPLES).join(name)).read().unwrap(),
        Text(text) => (*text).to_owned(),
        Absent => {
            let variables: Vec<_> =
                variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let text = Source::BuiltIn.read().unwrap();
            return Config::parse(Source::BuiltIn, &text, &variables, UnknownKeys::Warn);
        }
    };
    parse(&text, variables, UnknownKeys::Warn)
}
