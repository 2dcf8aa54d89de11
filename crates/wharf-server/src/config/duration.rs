//! Durations as Go writes them: `10s`, `1h30m`, `1.5h`, `300ms`; a bare whole number counts nanoseconds.

use std::time::Duration;

/// The units Go knows, in nanoseconds; two different characters are in use for the µ of `µs`.
const UNITS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("\u{b5}s", 1e3),
    ("\u{3bc}s", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 6e10),
    ("h", 3.6e12),
];

/// Reads a duration that is not negative.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let text = text.strip_prefix('+').unwrap_or(text);
    if text.is_empty() {
        return None;
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_nanos);
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (term, after) = next_term(rest)?;
        total = total.checked_add(term)?;
        rest = after;
    }
    Some(total)
}

/// Takes `1.5h` off the front of `1.5h3m`.
fn next_term(text: &str) -> Option<(Duration, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, rest) = text.split_at(digits);
    let (unit, nanoseconds) = UNITS
        .iter()
        // `m` begins `ms`, so the longest unit that fits is meant.
        .filter(|(unit, _)| rest.starts_with(unit))
        .max_by_key(|(unit, _)| unit.len())?;
    let number: f64 = number.parse().ok()?;
    let term = Duration::try_from_secs_f64(number * nanoseconds / 1e9).ok()?;
    Some((term, &rest[unit.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<Duration>) {
        assert_eq!(parse(text), expected, "{text}");
    }

    #[test]
    fn go_syntax_is_read() {
        check("10s", Some(Duration::from_secs(10)));
        check("0", Some(Duration::ZERO));
        check("0s", Some(Duration::ZERO));
        check("168h", Some(Duration::from_hours(168)));
        check("1h30m5s", Some(Duration::from_secs(5405)));
        check("1.5h", Some(Duration::from_mins(90)));
        check(".5s", Some(Duration::from_millis(500)));
        check("300ms", Some(Duration::from_millis(300)));
        check("2m3ms", Some(Duration::from_millis(120_003)));
        check("7us", Some(Duration::from_micros(7)));
        check("7\u{b5}s", Some(Duration::from_micros(7)));
        check("+1s", Some(Duration::from_secs(1)));
    }

    #[test]
    fn a_bare_number_counts_nanoseconds() {
        check("1500", Some(Duration::from_nanos(1500)));
    }

    #[test]
    fn what_is_not_a_duration_is_none() {
        for text in ["", "s", "1.5", "-1s", "1 s", "1d", "1s2", "..s", "ten", "99999999999999999999h"] {
            check(text, None);
        }
    }
}
