//! Mounts from where one may pull, and from where one may not: nothing tells the one that may not what is there.

use wharf_testkit::images::Blob;
use wharf_testkit::push;

use super::world::{World, by, rule, rules};
use crate::NOBODYS;

#[tokio::test]
async fn a_mount_takes_pulling_from_the_source_and_pushing_to_the_target() {
    let world = World::start(rules([
        rule("everyone", "pull", "public/**"),
        rule("pusher", "push", "target"),
        rule("both", "push", "target secret"),
        rule("reader", "pull", "secret"),
        rule("group:admins", "*", ""),
    ]))
    .await;
    let (secret, public) = (Blob::new("secret"), Blob::new("public"));
    push::blob(&world.open, "secret", &secret).await;
    push::blob(&world.open, "public/x", &public).await;

    let from = |blob: &Blob, source: &str| format!("mount={}&from={source}", blob.digest);
    let anywhere = |blob: &Blob| format!("mount={}", blob.digest);
    for (who, query, status) in [
        ("", from(&secret, "secret"), 401),
        ("", from(&public, "public/x"), 401),
        ("", anywhere(&public), 401),
        ("reader", from(&secret, "secret"), 403),
        ("pusher", from(&public, "public/x"), 201),
        // Not told apart: what is there, what is not, and what nobody has.
        ("pusher", from(&secret, "secret"), 202),
        ("pusher", from(&secret, "no/such"), 202),
        ("pusher", format!("mount={NOBODYS}&from=secret"), 202),
        ("pusher", anywhere(&secret), 202),
        ("pusher", anywhere(&public), 202),
        ("both", from(&secret, "secret"), 201),
        ("both", anywhere(&secret), 202),
        ("admin", from(&secret, "secret"), 201),
        ("admin", anywhere(&secret), 201),
    ] {
        let request = world.asked.post(format!("/v2/target/blobs/uploads/?{query}")).body("");
        let response = by(who, request).send().await;
        assert_eq!(response.status, status, "{who} {query}: {response:?}");
        if status == 202 {
            let link = world.open.head(format!("/v2/target/blobs/{}", secret.digest)).send().await;
            assert_eq!(link.status, 404, "{who} {query}");
        }
        for blob in [&secret, &public] {
            let _ = world.open.delete(format!("/v2/target/blobs/{}", blob.digest)).send().await;
        }
    }
}
