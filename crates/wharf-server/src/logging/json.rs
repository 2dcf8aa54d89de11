//! `log.formatter: json`, for programs: one object a line.

use super::line::Line;
use super::object;

pub(super) fn write(line: &Line) -> String {
    object(line, &[("level", line.level()), ("msg", &line.message), ("time", &line.time())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logging::tests::{completed, line};

    #[test]
    fn a_line_is_as_the_old_registry_wrote_it() {
        assert_eq!(
            write(&completed()),
            r#"{"http.request.host":"localhost:5000","http.request.method":"GET","http.request.uri":"/v2/","#
                .to_owned()
                + r#""http.response.status":200,"level":"info","msg":"response completed","service":"registry","#
                + r#""time":"2026-11-23T15:36:00.123456789Z"}"#
        );
    }

    #[test]
    fn fields_named_like_our_own_are_told_from_them() {
        let line =
            line(tracing::Level::DEBUG, "x", &[("msg", "y\n".into()), ("deep", [1, 2].as_slice().into())]);
        assert_eq!(
            write(&line),
            r#"{"deep":[1,2],"fields.msg":"y\n","level":"debug","msg":"x","time":"2026-11-23T15:36:00.123456789Z"}"#
        );
    }
}
