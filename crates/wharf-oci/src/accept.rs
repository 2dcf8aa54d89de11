//! Which manifests a client says it understands: the `Accept` header, as registries read it.
//!
//! It knows preference only as yes or no. Manifests are not converted, so there is nothing to prefer among.

use crate::{MediaType, media_type::essence};

/// All `Accept` lines of a request, merged.
///
/// No header and an empty one mean anything, and so do `*/*` and `application/*`. A member with `q=0` is
/// refused.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Accept<'a> {
    listed: Vec<&'a str>,
    refused: Vec<&'a str>,
    wildcard: Wildcard,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Wildcard {
    /// Not a single member was given.
    #[default]
    Unsaid,
    /// Members were given, and none of them is a wildcard.
    Absent,
    Present,
}

// === impl Accept ===

impl<'a> Accept<'a> {
    /// Reads every `Accept` line of a request. Members that make no sense name nothing.
    ///
    /// A comma within a quoted parameter splits a member in two; the halves name no manifest, so it does no
    /// harm.
    pub fn parse(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut accept = Self::default();
        for member in lines.into_iter().flat_map(|line| line.split(',')) {
            let range = essence(member);
            if !range.is_empty() {
                // Nearly always it is all there is, and no weight has to be looked for.
                let refused = member.trim_ascii().len() != range.len() && is_refusal(member);
                accept.add(range, refused);
            }
        }
        accept
    }

    /// Whether a manifest of this type may be sent.
    pub fn allows(&self, media_type: &MediaType) -> bool {
        self.lists(media_type) || (self.has_wildcard() && !self.refuses(media_type))
    }

    /// Whether this type is asked for by its name.
    pub fn lists(&self, media_type: &MediaType) -> bool {
        self.listed.iter().any(|listed| listed.eq_ignore_ascii_case(media_type.as_str()))
    }

    /// Whether anything will do: a wildcard, or no word at all.
    pub const fn has_wildcard(&self) -> bool {
        !matches!(self.wildcard, Wildcard::Absent)
    }

    fn refuses(&self, media_type: &MediaType) -> bool {
        self.refused.iter().any(|refused| refused.eq_ignore_ascii_case(media_type.as_str()))
    }

    fn add(&mut self, range: &'a str, refused: bool) {
        if self.wildcard == Wildcard::Unsaid {
            self.wildcard = Wildcard::Absent;
        }
        // Lone `*` is what some old HTTP libraries send for `*/*`.
        let wildcard = matches!(range, "*/*" | "*") || range.eq_ignore_ascii_case("application/*");
        match (wildcard, refused) {
            (true, true) => {}
            (true, false) => self.wildcard = Wildcard::Present,
            (false, true) => self.refused.push(range),
            (false, false) => self.listed.push(range),
        }
    }
}

/// Whether a member's weight is zero: `q=0`, `q=0.`, `q=0.000` (RFC 9110, section 12.4.2).
fn is_refusal(member: &str) -> bool {
    member.split(';').skip(1).filter_map(|parameter| parameter.split_once('=')).any(|(name, weight)| {
        let digits = weight.trim_ascii().replacen('.', "", 1);
        name.trim_ascii().eq_ignore_ascii_case("q")
            && digits.starts_with('0')
            && digits.bytes().all(|b| b == b'0')
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
    const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

    #[test]
    fn a_client_is_sent_what_it_accepts() {
        // Lines, then whether an OCI manifest is allowed, whether it is listed, whether there is a wildcard.
        let check = |lines: &[&str], expected: (bool, bool, bool)| {
            let accept = Accept::parse(lines.iter().copied());
            let oci = MediaType::OCI_MANIFEST;
            let actual = (accept.allows(&oci), accept.lists(&oci), accept.has_wildcard());
            assert_eq!(actual, expected, "{lines:?}");
        };
        check(&[], (true, false, true));
        check(&[""], (true, false, true));
        check(&[" , ,"], (true, false, true));
        check(&["*/*"], (true, false, true));
        check(&["*"], (true, false, true));
        check(&["application/*;q=0.5"], (true, false, true));
        check(&[OCI], (true, true, false));
        check(&[&OCI.to_uppercase()], (true, true, false));
        check(&[&format!("{};q=0, */*", OCI.to_uppercase())], (false, false, true));
        check(&["Application/*"], (true, false, true));
        check(&[LIST], (false, false, false));
        check(&[LIST, OCI], (true, true, false));
        check(&[&format!("{LIST}, {OCI};q=0.1 ")], (true, true, false));
        check(&[&format!("{OCI}; charset=utf-8")], (true, true, false));
        check(&[&format!("{OCI};q=0")], (false, false, false));
        check(&[&format!("{OCI}; Q=0.000 , */*")], (false, false, true));
        check(&[&format!("{OCI};q=0.001, */*;q=0")], (true, true, false));
        check(&["*/*;q=0"], (false, false, false));
        check(&["text/html"], (false, false, false));
        check(&["text/*"], (false, false, false));
        check(&["nonsense"], (false, false, false));
    }

    proptest! {
        #[test]
        fn nonsense_never_panics(lines in prop::collection::vec(".*", 0..4)) {
            let accept = Accept::parse(lines.iter().map(String::as_str));
            accept.allows(&MediaType::OCI_INDEX);
        }

        #[test]
        fn a_listed_type_is_allowed(before in "[a-z/;=, ]*", after in "[a-z/;= ,]*") {
            let accept = Accept::parse([before.as_str(), OCI, after.as_str()]);
            prop_assert!(accept.allows(&MediaType::OCI_MANIFEST));
        }
    }
}
