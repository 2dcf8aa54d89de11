//! The `Range` of a blob read (end-2), by RFC 9110, section 14: which bytes of a blob of some size are asked
//! for.
//!
//! Whether to answer several ranges at all is the edge's to decide.

/// The most ranges one request may ask for; lazy-pulling clients ask for hundreds.
pub const MAX_RANGES: usize = 4096;

/// One range as the header writes it. Numbers too large for 64 bits are read as the largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeSpec {
    /// `first-last`, both included.
    FromTo {
        /// The first byte.
        first: u64,
        /// The last byte, never before the first.
        last: u64,
    },
    /// `first-`: from there to the end.
    From {
        /// The first byte.
        first: u64,
    },
    /// `-length`: so many bytes from the end.
    Suffix {
        /// How many.
        length: u64,
    },
}

/// The ranges of one `Range: bytes=…` header, at least one and at most [`MAX_RANGES`], in the order asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeSet {
    specs: Vec<RangeSpec>,
}

/// Why a `Range: bytes=…` header cannot be served: 416, as the old registry answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// It does not fit the grammar, or a range ends before it begins.
    #[error("the Range header is malformed: expected bytes=<first>-<last>, with ranges separated by commas")]
    Malformed,
    /// More ranges than [`MAX_RANGES`].
    #[error("the Range header has more than {MAX_RANGES} ranges")]
    TooMany,
}

/// Bytes of a blob that exist: `length` is at least one, and they end within the blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ByteRange {
    /// The offset of the first byte.
    pub start: u64,
    /// How many bytes.
    pub length: u64,
}

/// What a [`RangeSet`] comes to for a blob of a known size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// Send all of it: the ranges add up to more than that, or it has no bytes.
    Whole,
    /// 206 with these bytes.
    One(ByteRange),
    /// 206 with these parts, in the order asked.
    Many(Vec<ByteRange>),
}

/// No range of the set has a byte within the blob, which has some: 416.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no requested range lies within the {size} bytes there are")]
pub struct Unsatisfiable {
    /// The size of the blob.
    pub size: u64,
}

// === impl RangeSet ===

impl RangeSet {
    /// Reads a `Range` header. `None` means another unit than bytes, which is to be ignored.
    pub fn parse(header: &str) -> Result<Option<Self>, RangeError> {
        let Some((unit, members)) = header.split_once('=') else {
            return Ok(None);
        };
        if !unit.trim_ascii().eq_ignore_ascii_case("bytes") {
            return Ok(None);
        }
        let mut specs = Vec::new();
        // Empty members are to be passed over (RFC 9110, section 5.6.1).
        for member in members.split(',').map(str::trim_ascii).filter(|member| !member.is_empty()) {
            if specs.len() == MAX_RANGES {
                return Err(RangeError::TooMany);
            }
            specs.push(RangeSpec::parse(member).ok_or(RangeError::Malformed)?);
        }
        if specs.is_empty() { Err(RangeError::Malformed) } else { Ok(Some(Self { specs })) }
    }

    /// The ranges as written.
    pub fn specs(&self) -> &[RangeSpec] {
        &self.specs
    }

    /// What is to be sent of a blob of `size` bytes.
    pub fn resolve(&self, size: u64) -> Result<Resolved, Unsatisfiable> {
        let ranges: Vec<_> = self.specs.iter().filter_map(|spec| spec.within(size)).collect();
        match ranges.as_slice() {
            // The header is ignored, as Go's file server does: a proxy that cuts every file into ranges asks so for a blob
            // without bytes, too.
            [] if size == 0 => Ok(Resolved::Whole),
            [] => Err(Unsatisfiable { size }),
            [range] => Ok(Resolved::One(*range)),
            // Overlapping ranges could have a small blob sent thousands of times.
            several if total(several) > u128::from(size) => Ok(Resolved::Whole),
            _ => Ok(Resolved::Many(ranges)),
        }
    }
}

// === impl RangeSpec ===

impl RangeSpec {
    fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-')?;
        match (first, last) {
            ("", length) => Some(Self::Suffix { length: saturating_number(length)? }),
            (first, "") => Some(Self::From { first: saturating_number(first)? }),
            (first, last) => {
                let (first, last) = (saturating_number(first)?, saturating_number(last)?);
                (first <= last).then_some(Self::FromTo { first, last })
            }
        }
    }

    /// The bytes of it that a blob of `size` bytes has, if any.
    fn within(self, size: u64) -> Option<ByteRange> {
        let (start, end) = match self {
            Self::FromTo { first, last } => (first, last.saturating_add(1).min(size)),
            Self::From { first } => (first, size),
            Self::Suffix { length } => (size.saturating_sub(length), size),
        };
        (start < end).then(|| ByteRange { start, length: end - start })
    }
}

// === impl ByteRange ===

impl ByteRange {
    /// The offset of the last byte.
    pub const fn last(&self) -> u64 {
        self.start.saturating_add(self.length.saturating_sub(1))
    }

    /// The `Content-Range` of the answer, for a blob of `size` bytes.
    pub fn content_range(&self, size: u64) -> String {
        format!("bytes {}-{}/{size}", self.start, self.last())
    }
}

// === impl Unsatisfiable ===

impl Unsatisfiable {
    /// The `Content-Range` of the 416.
    pub fn content_range(&self) -> String {
        format!("bytes */{}", self.size)
    }
}

fn total(ranges: &[ByteRange]) -> u128 {
    ranges.iter().map(|range| u128::from(range.length)).sum()
}

/// Digits only; as many as there are.
fn saturating_number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
