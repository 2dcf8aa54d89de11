//! `log.formatter: logstash`: JSON with the names that Logstash gives to time and message.

use super::line::Line;
use super::object;

/// What tells our lines from those of other programs in one stream.
const TYPE: &str = "registry";

pub(super) fn write(line: &Line) -> String {
    object(
        line,
        &[
            ("@timestamp", &line.time()),
            ("@version", "1"),
            ("level", line.level()),
            ("message", &line.message),
            ("type", TYPE),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logging::tests::completed;

    #[test]
    fn a_line_is_as_the_old_registry_wrote_it() {
        assert_eq!(
            write(&completed()),
            r#"{"@timestamp":"2026-11-23T15:36:00.123456789Z","@version":"1","http.request.host":"localhost:5000","#
                .to_owned()
                + r#""http.request.method":"GET","http.request.uri":"/v2/","http.response.status":200,"#
                + r#""level":"info","message":"response completed","service":"registry","type":"registry"}"#
        );
    }
}
