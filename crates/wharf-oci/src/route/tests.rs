//! Request lines that ask for something, and the paths that answers point to.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    digest::tests::any_digest,
    names::tests::{NAME, TAG},
};

mod errors;
mod uploads;

const D0: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

fn d0() -> Digest {
    D0.parse().unwrap()
}

/// Parses `METHOD path?query`, with `<d0>` and `<id>` filled in.
fn parse(line: &str) -> Result<Route, RouteError> {
    let line = line.replace("<d0>", D0).replace("<id>", ID);
    let (method, target) = line.split_once(' ').unwrap();
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    Route::parse(method, path, query)
}

fn check(line: &str, expected: Route) {
    assert_eq!(parse(line), Ok(expected), "{line}");
}

#[test]
fn the_top_takes_any_method() {
    for method in ["GET", "HEAD", "POST", "OPTIONS", "PROPFIND", ""] {
        check(&format!("{method} /"), Route::Root);
        check(&format!("{method} /v2"), Route::BaseWithoutSlash);
        check(&format!("{method} /v2/?ns=docker.io"), Route::Base);
    }
}

#[test]
fn lists_take_a_page() {
    let page = |n, last: Option<&str>| Page { n, last: last.map(ToOwned::to_owned) };
    let tags = |page| Route::ListTags { name: name("a/b"), page };
    check("GET /v2/_catalog", Route::Catalog { page: Page::default() });
    check("GET /v2/_catalog?n=0&last=a/b", Route::Catalog { page: page(Some(0), Some("a/b")) });
    check("GET /v2/a/b/tags/list", tags(Page::default()));
    check("GET /v2/a/b/tags/list?last=1.0&n=5", tags(page(Some(5), Some("1.0"))));
    check("GET /v2/a/b/tags/list?n=007&n=5&x", tags(page(Some(7), None)));
    check("GET /v2/a/b/tags/list?n=&last=", tags(Page::default()));
    check("GET /v2/a/b/tags/list?n=99999999999999999999", tags(page(Some(u64::MAX), None)));
    check("GET /v2/a/b/tags/list?%6e=1&last=a%2Bb+c", tags(page(Some(1), Some("a+b+c"))));
}

#[test]
fn referrers_take_types_and_a_page() {
    let referrers = |artifact_types: &[&str], last: Option<&str>| Route::ListReferrers {
        name: name("a"),
        subject: d0(),
        artifact_types: artifact_types.iter().map(|&one| one.to_owned()).collect(),
        page: Page { n: None, last: last.map(ToOwned::to_owned) },
    };
    check("GET /v2/a/referrers/<d0>", referrers(&[], None));
    check("GET /v2/a/referrers/<d0>?artifactType=", referrers(&[], None));
    check(
        "GET /v2/a/referrers/<d0>?artifactType=application/x+json",
        referrers(&["application/x+json"], None),
    );
    check(
        "GET /v2/a/referrers/<d0>?artifactType=a%2Fb&last=~x&artifactType=c/d",
        referrers(&["a/b", "c/d"], Some("~x")),
    );
}

#[test]
fn manifests_go_by_tag_or_digest() {
    let (tag, digest) = (Reference::Tag("latest".parse().unwrap()), Reference::Digest(d0()));
    for (text, reference) in [("latest", tag), (D0, digest)] {
        let (name, reference) = (name("a/b"), reference);
        let line = |method: &str| format!("{method} /v2/a/b/manifests/{text}");
        check(&line("GET"), Route::GetManifest { name: name.clone(), reference: reference.clone() });
        check(&line("HEAD"), Route::HeadManifest { name: name.clone(), reference: reference.clone() });
        check(&line("DELETE"), Route::DeleteManifest { name: name.clone(), reference: reference.clone() });
        check(&line("PUT"), Route::PutManifest { name, reference, tags: Vec::new(), digest: None });
    }
}

#[test]
fn a_push_names_more_tags_or_a_digest() {
    let put = |reference: &str, tags: &[&str], digest| Route::PutManifest {
        name: name("a"),
        reference: reference.parse().unwrap(),
        tags: tags.iter().map(|tag| tag.parse().unwrap()).collect(),
        digest,
    };
    check(
        "PUT /v2/a/manifests/<d0>?tag=1.2&tag=1&tag=1.2&tag=latest",
        put(D0, &["1.2", "1", "latest"], None),
    );
    check("PUT /v2/a/manifests/<d0>?digest=nonsense", put(D0, &[], None));
    check("PUT /v2/a/manifests/t?digest=<d0>", put("t", &[], Some(d0())));
    check(
        "PUT /v2/a/manifests/t?digest=sha256%3A0000000000000000000000000000000000000000000000000000000000000000",
        put("t", &[], Some(d0())),
    );

    let tags: Vec<_> = (0..MAX_TAGS).map(|n| format!("tag=t{n}")).collect();
    let most = parse(&format!("PUT /v2/a/manifests/<d0>?{}", tags.join("&"))).unwrap();
    assert!(matches!(most, Route::PutManifest { tags, .. } if tags.len() == MAX_TAGS));
}

#[test]
fn blobs_go_by_digest() {
    check("GET /v2/a/blobs/<d0>", Route::GetBlob { name: name("a"), digest: d0() });
    check("HEAD /v2/a/blobs/<d0>", Route::HeadBlob { name: name("a"), digest: d0() });
    check("DELETE /v2/a/blobs/<d0>", Route::DeleteBlob { name: name("a"), digest: d0() });
}

#[test]
fn fixed_words_may_be_part_of_a_name() {
    let check_name = |line: &str, expected: &str| {
        assert_eq!(parse(line).unwrap().name().unwrap().as_str(), expected, "{line}");
    };
    check_name("GET /v2/a/manifests/tags/list", "a/manifests");
    check_name("GET /v2/tags/list/tags/list", "tags/list");
    check_name("GET /v2/a/manifests/manifests/list", "a/manifests");
    check_name("GET /v2/a/blobs/manifests/latest", "a/blobs");
    check_name("GET /v2/a/blobs/uploads/tags/list", "a/blobs/uploads");
    check_name("GET /v2/a/blobs/uploads/blobs/uploads/<id>", "a/blobs/uploads");
    check_name("POST /v2/a/blobs/blobs/uploads/", "a/blobs");
    check_name("GET /v2/a/manifests/blobs/<d0>", "a/manifests");
    check_name("GET /v2/a/blobs/uploads/uploads", "a");
    check_name("GET /v2/v2/referrers/referrers/<d0>", "v2/referrers");
}

#[test]
fn a_path_is_decoded_once() {
    let latest = |text: &str| Route::GetManifest { name: name(text), reference: "latest".parse().unwrap() };
    check("GET /v2/a%2Fb/manifests/latest", latest("a/b"));
    check("GET /%76%32/a/manifests/late%73t", latest("a"));
    check(
        "GET /v2/a/blobs/sha256%3a0000000000000000000000000000000000000000000000000000000000000000",
        Route::GetBlob { name: name("a"), digest: d0() },
    );
    assert!(matches!(parse("GET /v2/a%252Fb/manifests/latest"), Err(RouteError::Name { .. })));
}

#[test]
fn options_tells_the_methods() {
    for (path, allow) in [
        ("/v2/_catalog", "GET"),
        ("/v2/a/tags/list", "GET"),
        ("/v2/a/referrers/x", "GET"),
        ("/v2/a/manifests/x", "DELETE, GET, HEAD, PUT"),
        ("/v2/a/blobs/x", "DELETE, GET, HEAD"),
        ("/v2/a/blobs/uploads", "POST"),
        ("/v2/a/blobs/uploads/", "POST"),
        ("/v2/a/blobs/uploads/x", "DELETE, GET, HEAD, PATCH, PUT"),
    ] {
        check(&format!("OPTIONS {path}"), Route::Options { allow });
    }
    assert_eq!(parse("OPTIONS /elsewhere"), Err(RouteError::NotFound));
}

#[test]
fn a_single_value_can_be_asked_for() {
    let check = |query: Option<&str>, expected: Option<&str>| {
        assert_eq!(query_value(query, "ns").as_deref(), expected, "{query:?}");
    };
    check(None, None);
    check(Some(""), None);
    check(Some("ns"), None);
    check(Some("ns="), None);
    check(Some("ns=docker.io"), Some("docker.io"));
    check(Some("n=1&ns=host%3A5000&ns=other"), Some("host:5000"));
    check(Some("ns=%zz"), None);
    check(Some("ns=a%00"), None);
    check(Some("%zz=1&n%73=a=b"), Some("a=b"));
}

#[test]
fn a_link_is_encoded_and_in_order() {
    let link = next_link(&tags_path(&name("a")), &[("last", "t1"), ("n", "1")]);
    assert_eq!(link, "</v2/a/tags/list?last=t1&n=1>; rel=\"next\"");
    let link = next_link(CATALOG_PATH, &[("last", "a/b-c.d_e~f"), ("x", "> &\"é")]);
    assert_eq!(link, "</v2/_catalog?last=a%2Fb-c.d_e~f&x=%3E%20%26%22%C3%A9>; rel=\"next\"");
    assert_eq!(next_link("/x", &[]), "</x>; rel=\"next\"");
}

proptest! {
    #[test]
    fn what_is_rendered_is_read_back(repository in NAME, digest in any_digest(), last in TAG, offset: u64) {
        let (name, id): (RepositoryName, UploadId) = (repository.parse().unwrap(), ID.parse().unwrap());
        let get = |target: &str| {
            let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
            (Route::parse("GET", path, query), Route::parse("PATCH", path, query))
        };
        prop_assert_eq!(get(&blob_path(&name, &digest)).0, Ok(Route::GetBlob { name: name.clone(), digest }));
        let reference = Reference::Digest(digest);
        prop_assert_eq!(get(&manifest_path(&name, &digest)).0, Ok(Route::GetManifest { name: name.clone(), reference }));
        let state = Some(offset);
        prop_assert_eq!(get(&upload_path(&name, &id, offset)).1, Ok(Route::AppendUpload { name: name.clone(), id, state }));
        let page = Page { n: Some(offset), last: Some(last.clone()) };
        let n = offset.to_string();
        let target = |path: &str| {
            let link = next_link(path, &[("last", &last), ("n", &n)]);
            link[1..].split_once('>').unwrap().0.to_owned()
        };
        prop_assert_eq!(get(&target(&tags_path(&name))).0, Ok(Route::ListTags { name: name.clone(), page: page.clone() }));
        let referrers = Route::ListReferrers { name: name.clone(), subject: digest, artifact_types: vec![], page };
        prop_assert_eq!(get(&target(&referrers_path(&name, &digest))).0, Ok(referrers));
    }

    #[test]
    fn every_name_is_read_with_every_ending(repository in NAME, words in "(/(manifests|blobs|uploads|tags|list|referrers|v2)){0,4}") {
        let whole = format!("{repository}{words}");
        for ending in ["tags/list", "manifests/latest", &format!("blobs/{D0}"), &format!("referrers/{D0}"), &format!("blobs/uploads/{ID}")] {
            let route = Route::parse("GET", &format!("/v2/{whole}/{ending}"), None);
            let route = route.unwrap();
            prop_assert_eq!(route.name().unwrap().as_str(), &whole);
        }
    }

    #[test]
    fn a_link_gives_back_any_value(last in "[^\\p{Cc}]{1,20}") {
        let link = next_link(CATALOG_PATH, &[("last", &last)]);
        let query = link.split_once('?').unwrap().1.split_once('>').unwrap().0;
        prop_assert_eq!(query_value(Some(query), "last"), Some(last));
    }

    #[test]
    fn nonsense_never_panics(
        method in "(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|.*)",
        path in "(/|/v2/)?([a-z%]{0,3}/|manifests/|blobs/|uploads/|tags/|list/|.{0,5}){0,6}",
        query in "((n|last|tag|digest|mount|from|_state|artifactType|.*)=?[0-9a-z%:+-]{0,9}&?){0,5}",
    ) {
        match Route::parse(&method, &path, Some(&query)) {
            Ok(route) => {
                route.name();
            }
            Err(error) => {
                prop_assert!((400..500).contains(&error.status()));
                error.detail();
            }
        }
    }
}
