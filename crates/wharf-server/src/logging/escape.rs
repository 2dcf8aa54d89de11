//! Characters that a log never has as they are, in any format.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a terminal, a viewer or a log pipeline may take the character for something else than a character of the line:
/// control characters (also those above U+007F, some of which begin terminal sequences), the line and paragraph separators,
/// and those that change the direction of the text around them.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// JSON in which they are escaped: serde_json leaves all but the first 32 as they are. They are only inside of texts.
pub(super) fn json(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) {
            // Writing to a String cannot fail. None of them is above U+FFFF.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out.into()
}
