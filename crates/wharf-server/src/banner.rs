//! What somebody sees who starts the registry for the first time.

use std::net::SocketAddr;

use crate::config::{Config, StorageDriver};
use crate::listen::Place;

/// `{}`, the smallest configuration an image can have: the specification's empty descriptor.
const EMPTY: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

/// What was chosen, how to change it, and what to paste to push a first image.
pub(crate) fn text(config: &Config, place: &Place) -> String {
    let (variable, durability) = match &config.storage.driver {
        StorageDriver::Filesystem { fsync, .. } => {
            ("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", format!("fsync {fsync}"))
        }
        StorageDriver::InMemory => ("REGISTRY_STORAGE", "none: lost when the server stops".to_owned()),
        StorageDriver::S3(_) => ("REGISTRY_STORAGE_S3_BUCKET", "the bucket's".to_owned()),
    };
    let tls = config.http.tls.is_some();
    let deletes = if config.storage.delete_enabled { "enabled" } else { "disabled" };
    format!(
        "Wharf registry {version}, without a configuration file.

  listening on  {place:<28}(REGISTRY_HTTP_ADDR)
  images in     {root:<28}({variable})
  durability    {durability}, deletes {deletes}

To change it: registry serve config.yml, or set REGISTRY_* variables. {login}

{push}",
        login = if config.auth.is_open() {
            "Nobody has to log in; keep it on this machine."
        } else {
            "Who calls has to log in."
        },
        version = env!("CARGO_PKG_VERSION"),
        place = place.shown(tls),
        root = config.storage.driver.location(),
        push = match place {
            Place::Port(address) => push(*address, tls, config.http.prefix.as_deref().unwrap_or("/")),
            // Whoever listens on a socket has a proxy in front of it, whose address we do not know.
            Place::Socket(_) => String::new(),
        },
    )
}

/// What to paste.
fn push(address: SocketAddr, tls: bool, prefix: &str) -> String {
    // As skopeo is told not to verify: hardly any certificate is for a bare address.
    let (scheme, insecure) = if tls { ("https", " -k") } else { ("http", "") };
    let registry = format!("{scheme}://{address}{prefix}v2");
    format!(
        "Push an image with docker:
  docker pull alpine && docker tag alpine {address}/alpine && docker push {address}/alpine
or with skopeo:
  skopeo copy --dest-tls-verify=false docker://alpine docker://{address}/alpine
or, on a machine that has neither, the smallest image there is with curl:
{curl}
and see it with: curl{insecure} {registry}/hello/tags/list

",
        curl = curl(&registry, insecure),
    )
}

/// Two commands: the blob in one request, the manifest in another.
fn curl(registry: &str, options: &str) -> String {
    let empty = format!(r#"{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{EMPTY}","size":2}}"#);
    let manifest = "application/vnd.oci.image.manifest.v1+json";
    format!(
        "  curl -fsS{options} --data-binary '{{}}' '{registry}/hello/blobs/uploads/?digest={EMPTY}'
  curl -fsS{options} -X PUT -H 'Content-Type: {manifest}' --data-binary '{{\"schemaVersion\":2,\"mediaType\":\"{manifest}\",\
         \"artifactType\":\"application/vnd.example.hello\",\"config\":{empty},\"layers\":[{empty}]}}' \
         {registry}/hello/manifests/latest"
    )
}
