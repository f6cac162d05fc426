//! Which protocol a request speaks, and which one its answer (aurora: `src/main/java/org/apache/aurora/scheduler/http/api/ApiModule.java`,
//! `TContentAwareServlet.java`).

use aurora_api::message::Protocol;

/// A media type of one value, taken apart: lower-case type, then parameters in order of their names.
fn media_type(text: &str) -> Option<(String, Vec<(String, String)>)> {
    let mut parts = text.split(';');
    let kind = parts.next()?.trim().to_ascii_lowercase();
    let (main, sub) = kind.split_once('/')?;
    let token = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    if !token(main) || !token(sub) {
        return None;
    }
    let mut parameters = Vec::new();
    for part in parts {
        let (name, value) = part.split_once('=')?;
        let name = name.trim().to_ascii_lowercase();
        let mut value = value.trim().trim_matches('"').to_owned();
        if name == "charset" {
            value = value.to_ascii_lowercase();
        }
        parameters.push((name, value));
    }
    parameters.sort();
    Some((kind, parameters))
}

/// The protocol of a request with this `Content-Type`; `None` when it is not one that the server takes (415). The match is
/// exact, parameters included: `application/json; charset=utf-8` is refused.
pub(crate) fn request_protocol(content_type: Option<&str>) -> Option<Protocol> {
    let Some(text) = content_type else {
        return Some(Protocol::Json);
    };
    let (kind, parameters) = media_type(text)?;
    let utf8 = [("charset".to_owned(), "utf-8".to_owned())];
    match (kind.as_str(), parameters.as_slice()) {
        // A misnomer of history: not the binary protocol.
        ("application/x-thrift" | "application/json", []) => Some(Protocol::Json),
        ("application/vnd.apache.thrift.json", []) => Some(Protocol::Json),
        ("application/vnd.apache.thrift.json", parameters) if *parameters == utf8 => {
            Some(Protocol::Json)
        }
        ("application/vnd.apache.thrift.binary", []) => Some(Protocol::Binary),
        _ => None,
    }
}

/// The protocol of an answer to a request with these `Accept` headers.
pub(crate) fn response_protocol<'a>(accept: impl IntoIterator<Item = &'a str>) -> Protocol {
    let mut values = accept.into_iter();
    let (Some(only), None) = (values.next(), values.next()) else {
        return Protocol::Json;
    };
    match media_type(only) {
        Some((kind, parameters))
            if kind == "application/vnd.apache.thrift.binary" && parameters.is_empty() =>
        {
            Protocol::Binary
        }
        _ => Protocol::Json,
    }
}

/// Whether `Accept-Encoding` asks for gzip.
pub(crate) fn wants_gzip(accept_encoding: &str) -> bool {
    accept_encoding.split(',').any(|item| {
        let mut parts = item.split(';');
        let coding = parts.next().unwrap_or_default().trim();
        let refused = parts.any(|part| {
            part.trim()
                .strip_prefix("q=")
                .and_then(|q| q.parse::<f32>().ok())
                .is_some_and(|q| q <= 0.0)
        });
        (coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip")) && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_select_the_protocol() {
        use Protocol::{Binary, Json};
        for (content_type, expected) in [
            (None, Some(Json)),
            (Some("application/x-thrift"), Some(Json)),
            (Some("application/json"), Some(Json)),
            (Some("Application/JSON"), Some(Json)),
            (Some("application/vnd.apache.thrift.json"), Some(Json)),
            (
                Some("application/vnd.apache.thrift.json; charset=utf-8"),
                Some(Json),
            ),
            (
                Some("application/vnd.apache.thrift.json;charset=UTF-8"),
                Some(Json),
            ),
            (Some("application/vnd.apache.thrift.binary"), Some(Binary)),
            (Some("application/json; charset=utf-8"), None),
            (
                Some("application/vnd.apache.thrift.binary; charset=utf-8"),
                None,
            ),
            (Some("application/x-thrift; charset=utf-8"), None),
            (Some("text/plain"), None),
            (Some("nonsense"), None),
            (Some(""), None),
        ] {
            assert_eq!(request_protocol(content_type), expected, "{content_type:?}");
        }
    }

    #[test]
    fn accept_selects_the_answers_protocol() {
        use Protocol::{Binary, Json};
        for (accept, expected) in [
            (&[][..], Json),
            (&["application/vnd.apache.thrift.binary"], Binary),
            (&["application/vnd.apache.thrift.json"], Json),
            (&["application/x-thrift"], Json),
            (&["*/*"], Json),
            (
                &["application/vnd.apache.thrift.binary, application/json"],
                Json,
            ),
            (
                &["application/vnd.apache.thrift.binary", "application/json"],
                Json,
            ),
            (&["application/vnd.apache.thrift.binary;q=1"], Json),
            (&["///"], Json),
        ] {
            assert_eq!(
                response_protocol(accept.iter().copied()),
                expected,
                "{accept:?}"
            );
        }
    }

    #[test]
    fn gzip_is_asked_for() {
        for (header, expected) in [
            ("gzip", true),
            ("deflate, gzip;q=0.5", true),
            ("GZIP", true),
            ("gzip;q=0", false),
            ("identity", false),
            ("", false),
        ] {
            assert_eq!(wants_gzip(header), expected, "{header:?}");
        }
    }
}
