//! Rust text with its comments and literals blanked out, so that a rule sees code and not talk about code.
//!
//! A scanner, not a parser: it knows comments, strings, characters and nothing else.

/// The same text, the same line breaks, with the inside of comments and literals as spaces.
pub(super) fn without_comments_and_literals(text: &str) -> String {
    let mut scanner = Scanner { rest: text, code: String::with_capacity(text.len()) };
    while !scanner.rest.is_empty() {
        scanner.step();
    }
    scanner.code
}

/// Whether `word` occurs in `code` with no identifier character on either side.
pub(super) fn has_word(code: &str, word: &str) -> bool {
    words(code).any(|(_, found)| found == word)
}

/// The identifiers and keywords of `code`, each with its byte offset.
pub(super) fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    code.split(|character: char| !is_word(character))
        .filter(|word| !word.is_empty())
        .map(move |word| (word.as_ptr() as usize - code.as_ptr() as usize, word))
}

/// The inside of every attribute of `code`, with its line.
pub(super) fn attributes(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let opened = code.match_indices("#[").chain(code.match_indices("#!["));
    opened.filter_map(|(at, opening)| {
        let inside = &code[at + opening.len()..];
        Some((line_of(code, at), &inside[..closing_bracket(inside)?]))
    })
}

/// Where the bracket opened just before `code` closes.
fn closing_bracket(code: &str) -> Option<usize> {
    let mut depth = 1;
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// The line, counted from 1, that the byte `at` is on.
pub(super) fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

struct Scanner<'text> {
    rest: &'text str,
    code: String,
}

// === impl Scanner ===

impl Scanner<'_> {
    fn step(&mut self) {
        let rest = self.rest;
        if rest.starts_with("//") {
            self.blank(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.blank(block_comment_length(rest));
        } else if rest.starts_with('"') {
            self.blank(string_length(rest));
        } else if let Some(length) = raw_string_length(rest).filter(|_| !self.inside_word()) {
            self.blank(length);
        } else if let Some(length) = character_length(rest) {
            self.blank(length);
        } else {
            let length = rest.chars().next().map_or(0, char::len_utf8);
            self.code.push_str(&rest[..length]);
            self.rest = &rest[length..];
        }
    }

    /// Whether the last thing copied is part of a word: the `r` of `for"` begins no raw string.
    fn inside_word(&self) -> bool {
        self.code.chars().next_back().is_some_and(is_word)
    }

    fn blank(&mut self, length: usize) {
        let (gone, rest) = self.rest.split_at(length);
        self.code.extend(gone.chars().map(|character| if character == '\n' { '\n' } else { ' ' }));
        self.rest = rest;
    }
}

fn block_comment_length(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// The length of a string that begins with a quote, closing quote and escapes included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a raw string (`r"…"`, `r#"…"#`, `br"…"`, `cr"…"`) if one begins here.
fn raw_string_length(text: &str) -> Option<usize> {
    let prefix = ["r", "br", "cr"]
        .into_iter()
        .find(|prefix| text.strip_prefix(prefix).is_some_and(|after| after.starts_with(['"', '#'])))?;
    let after = &text[prefix.len()..];
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let opening = prefix.len() + hashes + 1;
    Some(body.find(&end).map_or(text.len(), |at| opening + at + end.len()))
}

/// The length of a character literal if one begins here; a lifetime is none.
fn character_length(text: &str) -> Option<usize> {
    let body = text.strip_prefix('\'')?;
    if let Some(escape) = body.strip_prefix('\\') {
        // The escaped character may itself be a quote.
        let after = escape.char_indices().nth(1)?.0;
        return Some(2 + after + escape[after..].find('\'')? + 1);
    }
    let width = body.chars().next()?.len_utf8();
    body[width..].starts_with('\'').then_some(width + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(without_comments_and_literals(text), expected);
    }

    #[test]
    fn code_is_kept() {
        check("fn f<'a>(x: &'a str) {}\n", "fn f<'a>(x: &'a str) {}\n");
    }

    #[test]
    fn comments_are_blanked_and_lines_kept() {
        check("a // b\nc", "a     \nc");
        check("a /* b /* c\n */ d */ e", "a          \n         e");
    }

    #[test]
    fn strings_are_blanked() {
        check(r#"f("a \" b") + 1"#, "f(        ) + 1");
        check(r###"x(r#"a " b"#, br"c")"###, "x(          ,      )");
    }

    #[test]
    fn an_identifier_that_ends_in_r_begins_no_raw_string() {
        check("var#[x]", "var#[x]");
        check("r#type", "r#type");
    }

    #[test]
    fn characters_are_blanked_and_lifetimes_are_not() {
        check(r"['\'', '\u{41}', 'é'] &'a b", "[    ,         ,    ] &'a b");
        check("'\"' x '\"'", "    x    ");
    }

    #[test]
    fn an_unfinished_literal_ends_with_the_text() {
        check("\"a", "  ");
        check("/* a", "    ");
    }

    #[test]
    fn words_end_at_punctuation() {
        assert!(has_word("a::sleep(b)", "sleep"));
        assert!(!has_word("asleep sleep_less", "sleep"));
    }
}
