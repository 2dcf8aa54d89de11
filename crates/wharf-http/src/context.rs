//! What every handler has at hand.

use std::sync::Arc;

use http::HeaderMap;
use http::header::{CONTENT_RANGE, HeaderName, IF_NONE_MATCH, IF_RANGE, RANGE};
use http::request::Parts;
use wharf_auth::{Access, Authorizer, Caller, Granted, Push, Refusal, Scope, TagWrite};
use wharf_core::{Cause, Registry};
use wharf_oci::{
    Accept, ContentRange, Digest, ErrorCode, RangeSet, RepositoryName, Resolved, Tag, etag_matches,
    if_range_matches,
};

use crate::accounts::{Account, Transfer};
use crate::errors::ApiError;
use crate::limits::Limits;

/// One request, but for its body.
pub(crate) struct Cx<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) authorizer: &'a dyn Authorizer,
    pub(crate) limits: &'a Limits,
    /// Of the client's address.
    pub(crate) account: &'a Arc<Account>,
    pub(crate) head: &'a Parts,
    pub(crate) caller: Caller,
    pub(crate) cause: Cause,
}

impl Cx<'_> {
    /// The right to do `A` to the repository, or the refusal.
    pub(crate) async fn access<A: Granted>(&self, repository: RepositoryName) -> Result<Access<A>, ApiError> {
        Ok(Access::grant(self.authorizer, &self.caller, repository).await?)
    }

    pub(crate) async fn allow(&self, scope: Scope<'_>) -> Result<(), ApiError> {
        Ok(self.authorizer.allow(&self.caller, scope).await?)
    }

    /// A place for a blob on its way in or out, to be taken before anything is opened for it.
    pub(crate) fn begin_transfer(&self) -> Result<Transfer, ApiError> {
        Ok(self.account.begin_transfer()?)
    }

    /// Those of the tags that may be made and not be moved, or the refusal to write one of them.
    pub(crate) async fn immutable<'t>(
        &self,
        access: &Access<Push>,
        tags: impl Iterator<Item = &'t Tag>,
    ) -> Result<Vec<Tag>, ApiError> {
        let mut immutable = Vec::new();
        for tag in tags {
            match self.authorizer.tag_write(&self.caller, access.repository(), tag).await {
                Ok(TagWrite::Any) => {}
                Ok(TagWrite::Create) => immutable.push(tag.clone()),
                Err(Refusal::Denied) => {
                    let who = self.caller.known_name().unwrap_or("an anonymous caller");
                    let what = format!("{who} may not write tag {tag} of {}", access.repository());
                    return Err(ApiError::new(ErrorCode::Denied)
                        .message(&format!("requested access to the resource is denied: {what}")));
                }
                Err(other) => return Err(other.into()),
            }
        }
        Ok(immutable)
    }

    /// What types the client takes: all `Accept` lines as one list.
    pub(crate) fn accept(&self) -> Accept<'_> {
        Accept::parse(lines(&self.head.headers, &http::header::ACCEPT))
    }

    /// Whether the client has this content already.
    pub(crate) fn has_already(&self, digest: &Digest) -> bool {
        self.head.headers.contains_key(IF_NONE_MATCH)
            && etag_matches(lines(&self.head.headers, &IF_NONE_MATCH), digest)
    }

    /// The ranges asked for, if any; they count only for the content that `If-Range` names.
    pub(crate) fn ranges(&self, digest: &Digest) -> Result<Option<RangeSet>, ApiError> {
        let Some(range) = self.text(&RANGE) else { return Ok(None) };
        let unchanged = self.text(&IF_RANGE).is_none_or(|validator| if_range_matches(validator, digest));
        if !unchanged {
            return Ok(None);
        }
        RangeSet::parse(range)
            .map_err(|error| ApiError::new(ErrorCode::RangeInvalid).detail(error.to_string()))
    }

    /// Where the bytes of an upload's request belong, if the client says so. Of two lines neither can be believed, and a
    /// line that is no text must not be taken for none: the bytes would be put where nobody said.
    pub(crate) fn content_range(&self) -> Result<Option<ContentRange>, ApiError> {
        let mut lines = self.head.headers.get_all(CONTENT_RANGE).into_iter();
        let text = match (lines.next(), lines.next()) {
            (None, _) => return Ok(None),
            (Some(line), None) => line.to_str().unwrap_or_default(),
            (Some(_), Some(_)) => "",
        };
        let parsed = text.parse::<ContentRange>();
        parsed.map(Some).map_err(|error| ApiError::new(ErrorCode::RangeInvalid).detail(error.to_string()))
    }

    /// A header's text; one that is not text counts as absent.
    pub(crate) fn text(&self, name: &HeaderName) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }
}

/// What a range request comes to for content of `size` bytes.
pub(crate) fn resolve(ranges: Option<RangeSet>, size: u64) -> Result<Resolved, ApiError> {
    let Some(ranges) = ranges else { return Ok(Resolved::Whole) };
    ranges.resolve(size).map_err(|unsatisfiable| {
        ApiError::new(ErrorCode::RangeInvalid)
            .detail(format!("the content is {size} bytes long"))
            .header(CONTENT_RANGE, unsatisfiable.content_range())
    })
}

fn lines<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
}
