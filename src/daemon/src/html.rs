//! Small pages for browsers: what is text is escaped here and nowhere else.

use std::fmt::Write as _;

use http::StatusCode;
use http::header::{CONTENT_SECURITY_POLICY, HeaderValue, X_CONTENT_TYPE_OPTIONS};

use crate::reply;
use crate::server::Response;

/// Where the style is served; a program that has pages answers it with [`style`].
pub const STYLE_PATH: &str = "/assets/style.css";

const STYLE: &str = "body{font:14px/1.4 sans-serif;margin:1.5em;color:#222;background:#fff}\
table{border-collapse:collapse;margin:.5em 0 1.5em}th,td{text-align:left;padding:.2em .8em;border-bottom:1px solid #ddd}\
th{font-weight:600}td.n{text-align:right;font-variant-numeric:tabular-nums}pre{background:#f6f6f6;padding:.6em;overflow:auto}\
.off{color:#999}a{color:#0b5cad}@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}pre{background:#222}\
th,td{border-color:#333}a{color:#7ab8f5}}\n";

/// Markup: texts come in through [`text`] and [`link`] alone.
#[derive(Clone, Debug, Default)]
pub struct Markup(pub String);

/// What HTML would take for markup inside a text, as upstream escapes it.
pub fn escape_markup(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// A text; control characters, with which a terminal could be addressed, become visible.
pub fn text(text: &str) -> Markup {
    let shown: String = text
        .chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            // The block of control pictures mirrors the control characters.
            '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
            '\x7f'..='\u{9f}' => '\u{fffd}',
            _ => c,
        })
        .collect();
    Markup(
        escape_markup(&shown)
            .replace('"', "&quot;")
            .replace('\'', "&#39;"),
    )
}

/// A link to an address on this server, given as segments.
pub fn link(segments: &[&str], query: &str, label: &str) -> Markup {
    Markup(format!(
        "<a href=\"{}{query}\">{}</a>",
        address(segments),
        text(label).0
    ))
}

/// The address of segments, each encoded.
pub fn address(segments: &[&str]) -> String {
    let mut address = String::new();
    for segment in segments {
        address.push('/');
        for byte in segment.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
                address.push(char::from(byte));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(address, "%{byte:02X}");
            }
        }
    }
    address
}

/// A table with a heading.
pub fn table(head: &[&str], rows: &[Vec<Markup>]) -> Markup {
    let mut out = String::from("<table><tr>");
    for name in head {
        out += &format!("<th>{}</th>", text(name).0);
    }
    out += "</tr>";
    for row in rows {
        out += "<tr>";
        for cell in row {
            out += &format!("<td>{}</td>", cell.0);
        }
        out += "</tr>\n";
    }
    Markup(out + "</table>\n")
}

/// A whole page. It runs no script, and nothing on it comes from elsewhere.
pub fn page(title: &str, refresh_secs: Option<u32>, parts: &[Markup]) -> Response {
    let refresh = refresh_secs.map_or_else(String::new, |secs| {
        format!("<meta http-equiv=\"refresh\" content=\"{secs}\">")
    });
    let title = text(title).0;
    let body: String = parts.iter().map(|part| part.0.as_str()).collect();
    let mut response = reply::bytes(
        StatusCode::OK,
        "text/html; charset=utf-8",
        format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">{refresh}<title>{title}</title>\
             <link rel=\"stylesheet\" href=\"{STYLE_PATH}\"></head><body><h1>{title}</h1>\n{body}</body></html>\n"
        ),
    );
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'",
        ),
    );
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The style of all pages.
pub fn style() -> Response {
    reply::bytes(StatusCode::OK, "text/css; charset=utf-8", STYLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped() {
        assert_eq!(
            escape_markup("a<b> & \"c\""),
            "a&lt;b&gt; &amp; \"c\"",
            "chunks"
        );
        assert_eq!(
            text("<i>\"'&\x1b[2J\x07\u{9b}\n").0,
            "&lt;i&gt;&quot;&#39;&amp;\u{241b}[2J\u{2407}\u{fffd}\n",
            "pages"
        );
        assert_eq!(
            link(&["browse", "t", "a/b\"<"], "", "<x>").0,
            "<a href=\"/browse/t/a%2Fb%22%3C\">&lt;x&gt;</a>"
        );
    }
}
