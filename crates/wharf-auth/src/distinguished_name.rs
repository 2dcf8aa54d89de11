//! Subjects of certificates as text (RFC 4514): how values are escaped, and where text may be cut.
//!
//! What writes subjects and what matches them use the same functions, so that they agree on what belongs to a value.

use std::fmt::Write as _;

/// The types of attributes that have a name in RFC 4514 (section 3): number and name. Others are written as their number.
pub const ATTRIBUTE_TYPES: [(&str, &str); 9] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.6", "C"),
    ("2.5.4.9", "STREET"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
];

/// Text with a backslash before whatever would end the value, or mean something else in it (RFC 4514, section 2.4).
#[must_use]
pub fn escape_value(text: &str) -> String {
    let last = text.len().saturating_sub(1);
    let mut escaped = String::with_capacity(text.len());
    for (at, character) in text.char_indices() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => escaped.extend(['\\', character]),
            '#' | ' ' if at == 0 => escaped.extend(['\\', character]),
            ' ' if at == last => escaped.push_str("\\ "),
            // Only 0 must be escaped; but no name may break a line of a log.
            _ if character.is_ascii_control() => {
                // Writing to a String cannot fail.
                let _ = write!(escaped, "\\{:02x}", character as u8);
            }
            _ => escaped.push(character),
        }
    }
    escaped
}

/// The pieces between the separators that have no backslash before them. The separator is an ASCII character.
pub(crate) fn split_unescaped(text: &str, separator: char) -> impl Iterator<Item = &str> + Clone {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut is_escaped = false;
        let end = text.find(|character: char| {
            let ends = character == separator && !is_escaped;
            is_escaped = character == '\\' && !is_escaped;
            ends
        });
        rest = end.map(|end| &text[end + 1..]);
        Some(&text[..end.unwrap_or(text.len())])
    })
}
