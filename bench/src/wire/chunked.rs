//! A body in chunks, taken apart as it comes.

use anyhow::{Context, Result, bail, ensure};

/// Where in the body we are.
#[derive(Debug, Default)]
pub(super) struct Chunked {
    state: State,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    /// In the line before a chunk; what of it has come.
    #[default]
    Start,
    Size(Vec<u8>),
    /// In a chunk of which so much, and the line end after it, is to come.
    Data(u64),
    /// After a chunk: so many bytes of its line end are to come.
    DataEnd(u8),
    /// After the last chunk: what of a trailer's line has come.
    Trailer(usize),
    Done,
}

// === impl Chunked ===

impl Chunked {
    /// Whether the last chunk and what follows it has been taken.
    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes what it can of `bytes`, gives `sink` what is body, and says how many were taken.
    pub(super) fn take(&mut self, bytes: &[u8], sink: &mut dyn FnMut(&[u8])) -> Result<usize> {
        let mut at = 0;
        while at < bytes.len() && !self.is_done() {
            if let State::Data(left) = self.state {
                let rest = &bytes[at..];
                let taken = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
                sink(&rest[..taken]);
                at += taken;
                let left = left - taken as u64;
                self.state = if left == 0 { State::DataEnd(2) } else { State::Data(left) };
            } else {
                self.step(bytes[at])?;
                at += 1;
            }
        }
        Ok(at)
    }

    fn step(&mut self, byte: u8) -> Result<()> {
        self.state = match std::mem::take(&mut self.state) {
            State::Start => State::Size(vec![byte]),
            State::Size(line) if byte == b'\n' => match size_of(&line)? {
                0 => State::Trailer(0),
                size => State::Data(size),
            },
            State::Size(mut line) => {
                ensure!(line.len() < 64, "the size of a chunk is longer than 64 characters");
                line.push(byte);
                State::Size(line)
            }
            State::DataEnd(2) if byte == b'\r' => State::DataEnd(1),
            State::DataEnd(1) if byte == b'\n' => State::Start,
            State::DataEnd(_) => bail!("a chunk is longer than its size"),
            // An empty line, `\r\n` or `\n`, ends the trailers.
            State::Trailer(0) if byte == b'\n' => State::Done,
            State::Trailer(_) if byte == b'\n' => State::Trailer(0),
            State::Trailer(length) if byte == b'\r' => State::Trailer(length),
            State::Trailer(length) => State::Trailer(length + 1),
            state @ (State::Data(_) | State::Done) => state,
        };
        Ok(())
    }
}

fn size_of(line: &[u8]) -> Result<u64> {
    let text = std::str::from_utf8(line).context("the size of a chunk is not text")?;
    let digits = text.split(';').next().unwrap_or_default().trim();
    u64::from_str_radix(digits, 16).with_context(|| format!("the size of a chunk is `{digits}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"5\r\nhello\r\n11;name=value\r\n, world of chunks\r\n0\r\n\r\nnext";
    const MEANING: &str = "hello, world of chunks";

    /// The body, and what is left, when it comes in pieces of `size`.
    fn taken(bytes: &[u8], size: usize) -> Result<(String, usize)> {
        let (mut chunked, mut body, mut total) = (Chunked::default(), Vec::new(), 0);
        for piece in bytes.chunks(size) {
            total += chunked.take(piece, &mut |part| body.extend_from_slice(part))?;
        }
        assert!(chunked.is_done());
        Ok((String::from_utf8(body).unwrap(), total))
    }

    #[test]
    fn pieces_of_any_size_give_the_same_body() {
        for size in 1..=BODY.len() {
            assert_eq!(taken(BODY, size).unwrap(), (MEANING.to_owned(), BODY.len() - "next".len()));
        }
    }

    #[test]
    fn trailers_are_skipped() {
        let (body, _) = taken(b"1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n", 3).unwrap();
        assert_eq!(body, "x");
    }

    #[test]
    fn a_chunk_of_another_size_than_it_says_is_refused() {
        assert!(Chunked::default().take(b"10\r\n, world of chunks\r\n", &mut |_| {}).is_err());
    }

    #[test]
    fn a_size_that_is_none_is_refused() {
        assert!(Chunked::default().take(b"zz\r\n", &mut |_| {}).is_err());
        assert!(Chunked::default().take(&[b'1'; 100], &mut |_| {}).is_err());
    }
}
