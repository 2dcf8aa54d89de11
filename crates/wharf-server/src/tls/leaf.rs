//! What a certificate says of itself that an operator wants to know: whose it is, and until when.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use humantime::format_rfc3339_seconds;
use x509_parser::certificate::X509Certificate;

/// The server's own certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leaf {
    pub(super) subject: String,
    pub(super) not_before: SystemTime,
    pub(super) not_after: SystemTime,
}

// === impl Leaf ===

impl Leaf {
    pub(super) fn new(subject: String, certificate: &X509Certificate<'_>) -> Self {
        let validity = certificate.validity();
        Self {
            subject,
            not_before: time(validity.not_before.timestamp()),
            not_after: time(validity.not_after.timestamp()),
        }
    }

    /// The end, for a log.
    pub(super) fn expires(&self) -> impl fmt::Display {
        format_rfc3339_seconds(self.not_after)
    }

    /// What an operator should know of the certificate's times, if anything.
    pub(super) fn notice(&self, now: SystemTime, ahead: Duration) -> Option<String> {
        if now < self.not_before {
            let begins = format_rfc3339_seconds(self.not_before);
            return Some(format!("the TLS certificate is not valid before {begins}; clients refuse it"));
        }
        match self.not_after.duration_since(now) {
            Err(_) => Some("the TLS certificate has expired; clients refuse it".to_owned()),
            Ok(left) if left < ahead => {
                let days = left.as_secs() / (24 * 60 * 60);
                Some(format!(
                    "the TLS certificate expires in {days} days; a new one is taken up without a restart"
                ))
            }
            Ok(_) => None,
        }
    }
}

/// A time of X.509, which may be long before our era.
fn time(seconds: i64) -> SystemTime {
    match u64::try_from(seconds) {
        // The year 9999 is how a certificate says "for ever", and the last that can be written.
        Ok(seconds) => UNIX_EPOCH + Duration::from_secs(seconds.min(253_402_300_799)),
        Err(_) => UNIX_EPOCH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    #[track_caller]
    fn check(days: i32, expected: Option<&str>) {
        let begin = UNIX_EPOCH + 1000 * DAY;
        let leaf = Leaf { subject: String::new(), not_before: begin, not_after: begin + 90 * DAY };
        let now = begin + 90 * DAY;
        let now = if days < 0 { now + days.unsigned_abs() * DAY } else { now - days.unsigned_abs() * DAY };
        assert_eq!(leaf.notice(now, 14 * DAY).as_deref(), expected, "{days} days left");
    }

    #[test]
    fn what_is_about_to_end_is_told() {
        check(90, None);
        check(14, None);
        check(13, Some("the TLS certificate expires in 13 days; a new one is taken up without a restart"));
        check(0, Some("the TLS certificate expires in 0 days; a new one is taken up without a restart"));
        check(-1, Some("the TLS certificate has expired; clients refuse it"));
        check(91, Some("the TLS certificate is not valid before 1972-09-27T00:00:00Z; clients refuse it"));
    }

    #[test]
    fn times_that_cannot_be_written_are_the_nearest_that_can() {
        assert_eq!(time(-5), UNIX_EPOCH);
        assert_eq!(format_rfc3339_seconds(time(i64::MAX)).to_string(), "9999-12-31T23:59:59Z");
    }
}
