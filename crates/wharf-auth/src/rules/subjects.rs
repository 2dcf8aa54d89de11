//! Patterns of certificate subjects, matched attribute by attribute.
//!
//! A subject is RFC 4514 text: relative names with `,` between them, each of one attribute or of several with `+` between
//! them. A pattern is cut up the same way. `*` is any text within one value, `*` in the place of an attribute is any one
//! relative name, `**` in that place is any number of them. A separator with a backslash before it belongs to a value, on
//! both sides. Matching allocates nothing.

use crate::distinguished_name::{ATTRIBUTE_TYPES, escape_value, split_unescaped};

/// A pattern of subjects, compiled.
#[derive(Debug, Clone)]
pub(super) struct SubjectPattern(Box<[Part]>);

#[derive(Debug, Clone)]
enum Part {
    /// `**`
    AnyNumber,
    /// `*`
    AnyOne,
    /// Attributes of one relative name, in any order. No two are of one type.
    Attributes(Box<[Attribute]>),
}

/// `CN=builder-*`
#[derive(Debug, Clone)]
struct Attribute {
    kind: Box<str>,
    value: ValuePattern,
}

/// A value as [`escape_value`] writes it, cut at its stars.
#[derive(Debug, Clone)]
struct ValuePattern {
    first: Box<str>,
    /// What stands between two stars, in order, and after the last one; empty for a pattern without stars.
    rest: Box<[Box<str>]>,
}

// === impl SubjectPattern ===

impl SubjectPattern {
    pub(super) fn new(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("an empty pattern matches nothing; leave it out".to_owned());
        }
        let part =
            |part: &str| Part::new(part.trim_start()).map_err(|problem| format!("`{text}`: {problem}"));
        split_unescaped(text, ',').map(part).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn matches(&self, subject: &str) -> bool {
        let mut names = relative_names(subject);
        let mut at = 0;
        // Where to go on if what follows the latest `**` does not fit: one relative name further.
        let mut retry = None;
        loop {
            if let Some(Part::AnyNumber) = self.0.get(at) {
                at += 1;
                retry = Some((at, names.clone()));
                continue;
            }
            match (self.0.get(at), names.next()) {
                (None, None) => return true,
                (Some(part), Some(name)) if part.matches(name) => at += 1,
                (Some(_), None) => return false,
                (_, Some(_)) => {
                    let Some((after, from)) = &mut retry else { return false };
                    if from.next().is_none() {
                        return false;
                    }
                    (at, names) = (*after, from.clone());
                }
            }
        }
    }
}

/// The relative names of a subject; the empty subject has none.
fn relative_names(subject: &str) -> impl Iterator<Item = &str> + Clone {
    let subject = (!subject.is_empty()).then_some(subject);
    subject.into_iter().flat_map(|subject| split_unescaped(subject, ','))
}

// === impl Part ===

impl Part {
    fn new(text: &str) -> Result<Self, String> {
        match text {
            "**" => return Ok(Self::AnyNumber),
            "*" => return Ok(Self::AnyOne),
            _ => {}
        }
        let attributes = split_unescaped(text, '+')
            .map(|one| Attribute::new(one.trim_start()))
            .collect::<Result<Vec<_>, _>>()?;
        for (index, one) in attributes.iter().enumerate() {
            if attributes[..index].iter().any(|other| other.kind == one.kind) {
                return Err(format!("{} stands twice in `{text}`", one.kind));
            }
        }
        Ok(Self::Attributes(attributes.into()))
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::AnyNumber | Self::AnyOne => true,
            // As many, all of them of different types: so each attribute of the name is matched by one of the pattern.
            Self::Attributes(patterns) => {
                split_unescaped(name, '+').count() == patterns.len()
                    && patterns
                        .iter()
                        .all(|pattern| split_unescaped(name, '+').any(|attribute| pattern.matches(attribute)))
            }
        }
    }
}

// === impl Attribute ===

impl Attribute {
    fn new(text: &str) -> Result<Self, String> {
        let Some((kind, value)) = text.split_once('=') else {
            return Err(format!(
                "`{text}` is no attribute; one looks like CN=*, and ** stands for any number of them"
            ));
        };
        let known = ATTRIBUTE_TYPES
            .iter()
            .find(|(number, short)| short.eq_ignore_ascii_case(kind) || *number == kind);
        let is_number = !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let kind = match known {
            Some((_, short)) => (*short).into(),
            None if is_number => kind.into(),
            None => {
                let known = ATTRIBUTE_TYPES.map(|(_, short)| short).join(", ");
                return Err(format!(
                    "`{kind}` is no type of attribute: expected {known}, or a number as in 2.5.4.3"
                ));
            }
        };
        Ok(Self { kind, value: ValuePattern::new(value)? })
    }

    fn matches(&self, attribute: &str) -> bool {
        attribute
            .split_once('=')
            .is_some_and(|(kind, value)| *kind == *self.kind && self.value.matches(value))
    }
}

// === impl ValuePattern ===

impl ValuePattern {
    fn new(text: &str) -> Result<Self, String> {
        let written = match text.strip_prefix('#') {
            Some(_) => text.to_ascii_lowercase(),
            None => escape_value(&unescaped(text)?),
        };
        let mut pieces = written.split('*').map(Box::from);
        let first = pieces.next().unwrap_or_default();
        Ok(Self { first, rest: pieces.collect() })
    }

    fn matches(&self, value: &str) -> bool {
        let Some((last, middle)) = self.rest.split_last() else { return *value == *self.first };
        let Some(value) = value.strip_prefix(&*self.first) else { return false };
        let Some(mut value) = value.strip_suffix(&**last) else { return false };
        middle.iter().all(|piece| {
            let found = value.find(&**piece);
            value = found.map_or("", |at| &value[at + piece.len()..]);
            found.is_some()
        })
    }
}

/// The text that a value of a pattern stands for, stars included (RFC 4514, section 3).
fn unescaped(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => bytes.extend(escape(&mut characters).ok_or_else(|| {
                format!("in `{text}` a backslash stands before neither a special character nor two hexadecimal digits")
            })?),
            '"' | ';' | '<' | '>' => return Err(format!("in `{text}` write \\{character}")),
            _ => bytes.extend(character.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    if text.starts_with(' ') || (text.ends_with(' ') && !text.ends_with("\\ ")) {
        return Err(format!("in `{text}` write a blank at the beginning or the end as \"\\ \""));
    }
    String::from_utf8(bytes).map_err(|_| format!("`{text}` is no UTF-8"))
}

/// What a backslash and the characters after it stand for. A star cannot be escaped: it is always a pattern.
fn escape(characters: &mut std::str::Chars<'_>) -> Option<Vec<u8>> {
    let first = characters.next()?;
    if matches!(first, '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '#' | ' ' | '=') {
        return Some(vec![first as u8]);
    }
    let digits = [first, characters.next()?];
    let [high, low] = digits.map(|digit| digit.to_digit(16));
    let byte = u8::try_from(high? * 16 + low?).ok()?;
    (byte != b'*').then(|| vec![byte])
}
