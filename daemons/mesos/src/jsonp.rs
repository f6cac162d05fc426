//! JSON for scripts of other programs' pages.

use aurora_daemon::reply;
use aurora_daemon::server::{Request, Response};
use http::StatusCode;
use serde::Serialize;

/// JSON, or JavaScript that passes it to the function named in `jsonp`.
pub(crate) fn jsonp(request: &Request, value: &impl Serialize) -> Response {
    let Some(function) = request.parameter("jsonp").filter(|name| !name.is_empty()) else {
        return reply::json(StatusCode::OK, value);
    };
    // A script element sends no Origin: without this every web page could read the answer through one.
    let foreign = |site: &http::HeaderValue| site != "same-origin" && site != "none";
    if request.headers.get("sec-fetch-site").is_some_and(foreign) {
        return reply::text(
            StatusCode::FORBIDDEN,
            "Scripts of other origins are refused.\n",
        );
    }
    // Anything but a name would let a link run code of its own in a page of ours.
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '.');
    if !function.chars().all(is_name) {
        return reply::text(
            StatusCode::BAD_REQUEST,
            "'jsonp' must be the name of a function\n",
        );
    }
    match serde_json::to_string(value) {
        Ok(text) => reply::bytes(
            StatusCode::OK,
            "text/javascript",
            format!("{function}({text})"),
        ),
        Err(error) => reply::text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use futures_util::FutureExt;
    use http::{HeaderMap, Method};
    use http_body_util::BodyExt;

    fn request(query: &str) -> Request {
        Request {
            method: Method::GET,
            path: "/state".to_owned(),
            query: query.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            peer: ([127, 0, 0, 1], 1).into(),
        }
    }

    fn body(response: Response) -> Bytes {
        let whole = response.into_body().collect().now_or_never();
        whole.unwrap().unwrap().to_bytes()
    }

    /// A query, what the browser says of the page that asks, and the answer.
    #[test]
    fn scripts_of_foreign_pages_get_nothing() {
        let cases: [(&str, Option<&str>, u16, &str); 7] = [
            ("", None, 200, r#"{"a":1}"#),
            ("jsonp=", None, 200, r#"{"a":1}"#),
            ("jsonp=cb", None, 200, r#"cb({"a":1})"#),
            (
                "jsonp=$a.b_1",
                Some("same-origin"),
                200,
                r#"$a.b_1({"a":1})"#,
            ),
            ("jsonp=cb", Some("none"), 200, r#"cb({"a":1})"#),
            (
                "jsonp=cb",
                Some("cross-site"),
                403,
                "Scripts of other origins are refused.\n",
            ),
            (
                "jsonp=alert(1)//",
                None,
                400,
                "'jsonp' must be the name of a function\n",
            ),
        ];
        for (query, site, status, text) in cases {
            let mut request = request(query);
            if let Some(site) = site {
                request
                    .headers
                    .insert("sec-fetch-site", site.parse().unwrap());
            }
            let response = jsonp(&request, &serde_json::json!({"a": 1}));
            assert_eq!(response.status(), status, "{query} {site:?}");
            assert_eq!(body(response), text, "{query} {site:?}");
        }
    }
}
