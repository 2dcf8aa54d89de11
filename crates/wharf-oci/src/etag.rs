//! Entity tags (RFC 9110, section 8.8.3). That of a blob or manifest is its digest, in quotes.

use crate::Digest;

/// The `ETag` of some content.
pub fn etag(digest: &Digest) -> String {
    format!("\"{digest}\"")
}

/// Whether an `If-None-Match` names this content, so that the answer is 304.
///
/// Takes all lines of the header: `*`, lists, weak tags (the comparison is a weak one), and bare digests,
/// which the old registry takes as well.
pub fn etag_matches<'a>(header_lines: impl IntoIterator<Item = &'a str>, digest: &Digest) -> bool {
    let digest = digest.to_string();
    // No digest has a comma, so a tag that has one and is cut here could not have matched.
    header_lines.into_iter().flat_map(|line| line.split(',')).map(str::trim_ascii).any(|member| {
        let opaque = member.strip_prefix("W/").unwrap_or(member);
        member == "*" || unquoted(opaque) == digest
    })
}

/// Whether an `If-Range` names this content, so that its `Range` counts. The comparison is a strong one: a
/// weak tag never matches. Nor does a date, since none is ever sent.
pub fn if_range_matches(header: &str, digest: &Digest) -> bool {
    unquoted(header.trim_ascii()) == digest.to_string()
}

fn unquoted(tag: &str) -> &str {
    tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn if_none_match_takes_every_form() {
        let digest = Digest::of(b"content");
        let other = Digest::of(b"other");
        let check = |lines: &[&str], expected: bool| {
            assert_eq!(etag_matches(lines.iter().copied(), &digest), expected, "{lines:?}");
        };
        check(&[], false);
        check(&[""], false);
        check(&["*"], true);
        check(&[&etag(&digest)], true);
        check(&[&digest.to_string()], true);
        check(&[&format!("W/{}", etag(&digest))], true);
        check(&[&format!("{}, W/{}", etag(&other), etag(&digest))], true);
        check(&[&etag(&other), &etag(&digest)], true);
        check(&[&etag(&other)], false);
        check(&[&format!("\"{digest}")], false);
        check(&[&format!("w/\"{digest}\"")], false);
        check(&["\"*\""], false);
    }

    #[test]
    fn if_range_is_strong() {
        let digest = Digest::of(b"content");
        assert!(if_range_matches(&etag(&digest), &digest));
        assert!(if_range_matches(&digest.to_string(), &digest));
        assert!(!if_range_matches(&format!("W/{}", etag(&digest)), &digest));
        assert!(!if_range_matches("*", &digest));
        assert!(!if_range_matches("Wed, 21 Oct 2015 07:28:00 GMT", &digest));
        assert!(!if_range_matches(&etag(&Digest::of(b"other")), &digest));
    }

    proptest! {
        #[test]
        fn nonsense_never_matches(line in "[^*]*") {
            let digest = Digest::of(b"content");
            prop_assert!(!etag_matches([line.as_str()], &digest));
            prop_assert!(!if_range_matches(&line, &digest));
        }
    }
}
