//! The head of an answer: its status, how long its body is, and where it points.

use anyhow::{Context, Result, bail};

/// What of a head matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) framing: Framing,
    pub(super) location: Option<String>,
}

/// How the end of the body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
}

// === impl Head ===

impl Head {
    /// The head `bytes` begin with and its length, or nothing if it is not all there yet.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let mut lines = bytes[..end].split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let status = lines.next().and_then(status_of).context("the answer is not HTTP/1.1")?;
        let mut head = Self { status, framing: Framing::Length(0), location: None };
        for line in lines {
            head.take_line(line)?;
        }
        Ok(Some((head, end + 4)))
    }

    fn take_line(&mut self, line: &[u8]) -> Result<()> {
        // The first letter spares the comparison for nearly every header there is.
        match line.first() {
            Some(b'c' | b'C') => {
                if let Some(value) = value_of(line, "content-length") {
                    let length = value.parse().with_context(|| format!("Content-Length: {value}"))?;
                    self.framing = Framing::Length(length);
                }
            }
            Some(b't' | b'T') => match value_of(line, "transfer-encoding") {
                None => {}
                Some(value) if value.eq_ignore_ascii_case("chunked") => self.framing = Framing::Chunked,
                Some(value) => bail!("Transfer-Encoding: {value}"),
            },
            Some(b'l' | b'L') => {
                if let Some(value) = value_of(line, "location") {
                    self.location = Some(value.to_owned());
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn status_of(line: &[u8]) -> Option<u16> {
    let digits = line.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The value of a header line, if it is of the header `name` (in lower case).
fn value_of<'a>(line: &'a [u8], name: &str) -> Option<&'a str> {
    let (given, rest) = line.split_at_checked(name.len())?;
    if !given.eq_ignore_ascii_case(name.as_bytes()) {
        return None;
    }
    std::str::from_utf8(rest.strip_prefix(b":")?).ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &str, status: u16, framing: Framing, location: Option<&str>) {
        let (head, length) = Head::parse(bytes.as_bytes()).unwrap().unwrap();
        assert_eq!(head, Head { status, framing, location: location.map(str::to_owned) });
        assert_eq!(&bytes[length..], "body");
    }

    #[test]
    fn length_and_location_are_read_in_any_case() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", 200, Framing::Length(4), None);
        check("HTTP/1.1 200 OK\r\ncontent-length:4\r\n\r\nbody", 200, Framing::Length(4), None);
        let created = "HTTP/1.1 202 Accepted\r\nLOCATION:  /v2/a?b=c \r\nDate: x\r\n\r\nbody";
        check(created, 202, Framing::Length(0), Some("/v2/a?b=c"));
    }

    #[test]
    fn chunks_are_recognised() {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: x\r\n\r\nbody";
        check(head, 200, Framing::Chunked, None);
    }

    #[test]
    fn half_a_head_is_none() {
        let whole = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n";
        for end in 0..whole.len() {
            assert_eq!(Head::parse(&whole.as_bytes()[..end]).unwrap(), None);
        }
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for bad in [
            "SSH-2.0\r\n\r\n",
            "HTTP/1.1 2x0 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        ] {
            assert!(Head::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
