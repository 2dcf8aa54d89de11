//! Where the bytes of a chunk belong in an upload: the `Content-Range` of a request (end-5, end-6) and the
//! `Range` of its answer (end-13).

use std::{fmt, str::FromStr};

/// The first and the last byte of a chunk, both included.
///
/// The spec writes `0-9`. The forms of RFC 9110, `bytes 0-9/*` and `bytes 0-9/100`, and `bytes=0-9` are taken
/// too, since clients send them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContentRange {
    /// The offset of the first byte.
    pub start: u64,
    /// The offset of the last byte, never before the first.
    pub end: u64,
}

/// Why a text is not a [`ContentRange`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentRangeError {
    /// It does not fit the grammar.
    #[error("the Content-Range of a chunk must be <first>-<last>")]
    Malformed,
    /// It ends before it begins, or beyond the length that it names itself.
    #[error("the Content-Range of a chunk ends before it begins, or beyond the whole")]
    Backwards,
}

/// How much of an upload has arrived, as its end offset; displays as the `Range` of the answer.
///
/// An empty upload is `0-0`, as is one of a single byte: the header has no word for nothing, and this is the
/// old registry's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UploadRange(pub u64);

// === impl ContentRange ===

impl ContentRange {
    /// How many bytes the chunk has, if that fits 64 bits.
    pub const fn length(&self) -> Option<u64> {
        match self.end.checked_sub(self.start) {
            Some(distance) => distance.checked_add(1),
            None => None,
        }
    }
}

impl FromStr for ContentRange {
    type Err = ContentRangeError;

    fn from_str(text: &str) -> Result<Self, ContentRangeError> {
        let text = without_unit(text.trim_ascii());
        let (range, whole) = match text.split_once('/') {
            Some((range, "*")) => (range, None),
            Some((range, whole)) => (range, Some(number(whole)?)),
            None => (text, None),
        };
        let (start, end) = range.split_once('-').ok_or(ContentRangeError::Malformed)?;
        let (start, end) = (number(start)?, number(end)?);
        if end < start || whole.is_some_and(|whole| whole <= end) {
            return Err(ContentRangeError::Backwards);
        }
        Ok(Self { start, end })
    }
}

impl fmt::Display for ContentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.start, self.end)
    }
}

// === impl UploadRange ===

impl fmt::Display for UploadRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0-{}", self.0.saturating_sub(1))
    }
}

fn without_unit(text: &str) -> &str {
    match text.split_at_checked(5) {
        Some((unit, rest)) if unit.eq_ignore_ascii_case("bytes") => {
            rest.strip_prefix([' ', '=']).map_or(text, str::trim_ascii_start)
        }
        _ => text,
    }
}

fn number(text: &str) -> Result<u64, ContentRangeError> {
    // `parse` alone would take a plus sign.
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(ContentRangeError::Malformed);
    }
    text.parse().map_err(|_| ContentRangeError::Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_forms_that_clients_send_are_read() {
        let check = |text: &str, expected: Result<(u64, u64), ContentRangeError>| {
            let expected = expected.map(|(start, end)| ContentRange { start, end });
            assert_eq!(text.parse(), expected, "{text:?}");
        };
        for text in
            ["5-9", " 5-9 ", "bytes 5-9", "bytes=5-9", "bytes 5-9/*", "bytes 5-9/10", "Bytes  5-9", "5-9/*"]
        {
            check(text, Ok((5, 9)));
        }
        check("0-0", Ok((0, 0)));
        check("0-18446744073709551615", Ok((0, u64::MAX)));
        for text in ["9-5", "bytes 5-9/9", "bytes 5-9/0"] {
            check(text, Err(ContentRangeError::Backwards));
        }
        for text in [
            "",
            "-",
            "5",
            "5-",
            "-5",
            "a-b",
            "+1-2",
            "1-+2",
            "1 - 2",
            "bytes",
            "bytes */5",
            "bytes5-9",
            "items 5-9",
            "5-9/",
            "5-9/x",
            "1-2-3",
            "0-18446744073709551616",
            "bytés 0-1",
        ] {
            check(text, Err(ContentRangeError::Malformed));
        }
    }

    #[test]
    fn length_is_checked() {
        assert_eq!(ContentRange { start: 0, end: 0 }.length(), Some(1));
        assert_eq!(ContentRange { start: 1, end: u64::MAX }.length(), Some(u64::MAX));
        assert_eq!(ContentRange { start: 0, end: u64::MAX }.length(), None);
        assert_eq!(ContentRange { start: 2, end: 1 }.length(), None);
    }

    #[test]
    fn an_upload_range_names_its_last_byte() {
        for (end, text) in [(0, "0-0"), (1, "0-0"), (2, "0-1"), (1024, "0-1023")] {
            assert_eq!(UploadRange(end).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(start: u64, more: u64) {
            let range = ContentRange { start, end: start.saturating_add(more) };
            prop_assert_eq!(range.to_string().parse(), Ok(range));
        }

        #[test]
        fn nonsense_never_panics(text in ".*", near in "(bytes)?[ =]?[0-9]{0,25}-[0-9]{0,25}(/[0-9*]*)?") {
            for text in [text, near] {
                if let Ok(range) = text.parse::<ContentRange>() {
                    prop_assert!(range.start <= range.end);
                }
            }
        }
    }
}
