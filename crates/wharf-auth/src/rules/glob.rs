//! Patterns: which texts a rule means.
//!
//! `*` is any characters but `/`, `**` any characters at all, and `**/` where a segment begins may also be nothing; all
//! else is itself. There is nothing to escape with, since nothing that is matched has a star in it.

/// Longest pattern taken, in bytes: as long as the longest name of a repository.
pub(super) const MAX_BYTES: usize = 255;

/// A pattern, compiled.
///
/// Matching takes time in proportion to the lengths of text and pattern multiplied at the very worst, since it follows
/// all ways through the pattern at once; and it takes no memory but the stack.
#[derive(Debug, Clone)]
pub(super) struct Glob {
    /// What a text must begin with, if that is known: most rules are about others, most of them from the first letter on.
    first: Option<u8>,
    text: Box<str>,
    shape: Shape,
}

#[derive(Debug, Clone)]
enum Shape {
    /// `**`
    Everything,
    /// No star: the text itself.
    Exact,
    /// `acme/**`: all that begins like this.
    Below(usize),
    /// `acme/*-cache`: one star between so many bytes of the beginning and so many of the end.
    OneStar(usize, usize),
    /// The text begins with so many bytes of the pattern's, ends with so many, and is between as the steps say.
    Steps(usize, usize, Box<[Step]>),
}

/// A step through a text. The place before each, and the one after the last, are the states of the matcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Byte(u8),
    /// `*`
    InSegment,
    /// `**`
    Anything,
    /// The beginning of `**/`: whatever comes after it may begin here.
    Segments,
    /// The rest of `**/`: nothing begins before the next `/`.
    UntilSlash,
}

/// A set of states: one for each step, and the end.
#[derive(Clone, Copy, PartialEq, Eq)]
struct States<const WORDS: usize>([u64; WORDS]);

/// Room for a pattern as people write them.
const FEW: usize = 1;

/// Room for the longest: `**/` makes two steps of three bytes, all others no more than one of each.
const MANY: usize = MAX_BYTES / 64 + 1;

// === impl Glob ===

impl Glob {
    pub(super) fn new(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("an empty pattern matches nothing; leave it out".to_owned());
        }
        if text.len() > MAX_BYTES {
            return Err(format!("the pattern is {} bytes long; {MAX_BYTES} is the most", text.len()));
        }
        let first = text.bytes().next().filter(|byte| *byte != b'*');
        Ok(Self { first, text: text.into(), shape: shape(text) })
    }

    pub(super) fn is_everything(&self) -> bool {
        matches!(self.shape, Shape::Everything)
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        let text = text.as_bytes();
        if self.first.is_some() && self.first != text.first().copied() {
            return false;
        }
        match &self.shape {
            Shape::Everything => true,
            Shape::Exact => *text == *self.text.as_bytes(),
            Shape::Below(before) => self.between(text, *before, 0).is_some(),
            Shape::OneStar(before, after) => {
                self.between(text, *before, *after).is_some_and(|rest| !rest.contains(&b'/'))
            }
            Shape::Steps(before, after, steps) => {
                self.between(text, *before, *after).is_some_and(|rest| match steps.len() {
                    0..64 => walk::<FEW>(steps, rest),
                    _ => walk::<MANY>(steps, rest),
                })
            }
        }
    }

    /// What is left of the text without its first bytes and its last, if they are the pattern's.
    fn between<'t>(&self, text: &'t [u8], before: usize, after: usize) -> Option<&'t [u8]> {
        let pattern = self.text.as_bytes();
        text.strip_prefix(&pattern[..before])?.strip_suffix(&pattern[pattern.len() - after..])
    }
}

fn shape(text: &str) -> Shape {
    let (Some(first), Some(last)) = (text.find('*'), text.rfind('*')) else { return Shape::Exact };
    let begins_segment = first == 0 || text[..first].ends_with('/');
    match &text[first..] {
        "**" if first == 0 => return Shape::Everything,
        "**" if begins_segment => return Shape::Below(first),
        _ if first == last => return Shape::OneStar(first, text.len() - last - 1),
        _ => {}
    }
    // The slash after the last stars may be part of what they mean.
    let end = if text[last + 1..].starts_with('/') { last + 2 } else { last + 1 };
    Shape::Steps(first, text.len() - end, steps(&text[first..end], begins_segment))
}

fn steps(pattern: &str, begins_segment: bool) -> Box<[Step]> {
    let (mut steps, mut rest) = (Vec::new(), pattern.as_bytes());
    let mut begins_segment = begins_segment;
    while let Some(&first) = rest.first() {
        let stars = rest.iter().take_while(|byte| **byte == b'*').count();
        let mut taken = stars.max(1);
        match stars {
            0 => steps.push(Step::Byte(first)),
            1 => steps.push(Step::InSegment),
            _ if begins_segment && rest.get(stars) == Some(&b'/') => {
                steps.extend([Step::Segments, Step::UntilSlash]);
                taken += 1;
            }
            _ => steps.push(Step::Anything),
        }
        begins_segment = rest[taken - 1] == b'/';
        rest = &rest[taken..];
    }
    steps.into()
}

/// Whether the steps lead through the text to its end.
fn walk<const WORDS: usize>(steps: &[Step], text: &[u8]) -> bool {
    let mut states = States::<WORDS>::empty();
    states.add(steps, 0);
    for &byte in text {
        let mut next = States::empty();
        for state in states.iter() {
            match steps.get(state) {
                Some(Step::Byte(expected)) if *expected == byte => next.add(steps, state + 1),
                Some(Step::InSegment) if byte != b'/' => next.add(steps, state),
                Some(Step::Anything) => next.add(steps, state),
                Some(Step::UntilSlash) => {
                    next.insert(state);
                    if byte == b'/' {
                        next.add(steps, state + 1);
                    }
                }
                // The end of the pattern is not the end of the text; what stands for nothing takes no byte.
                Some(Step::Byte(_) | Step::InSegment | Step::Segments) | None => {}
            }
        }
        if next == States::empty() {
            return false;
        }
        states = next;
    }
    states.contains(steps.len())
}

// === impl States ===

impl<const WORDS: usize> States<WORDS> {
    fn empty() -> Self {
        Self([0; WORDS])
    }

    /// Adds a state, and all that can be reached from it without taking a byte.
    fn add(&mut self, steps: &[Step], state: usize) {
        let mut state = state;
        loop {
            if self.contains(state) {
                return;
            }
            self.insert(state);
            state = match steps.get(state) {
                Some(Step::InSegment | Step::Anything) => state + 1,
                Some(Step::Segments) => {
                    self.insert(state + 1);
                    state + 2
                }
                Some(Step::Byte(_) | Step::UntilSlash) | None => return,
            };
        }
    }

    fn insert(&mut self, state: usize) {
        self.0[state / 64] |= 1 << (state % 64);
    }

    fn contains(&self, state: usize) -> bool {
        self.0[state / 64] & (1 << (state % 64)) != 0
    }

    fn iter(self) -> impl Iterator<Item = usize> {
        self.0.into_iter().enumerate().flat_map(|(word, bits)| {
            std::iter::successors(Some(bits), |bits| Some(bits & bits.wrapping_sub(1)))
                .take_while(|bits| *bits != 0)
                .map(move |bits| word * 64 + bits.trailing_zeros() as usize)
        })
    }
}
