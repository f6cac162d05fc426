//! Brackets that nest too deep are told before the compiler, which follows them on its stack, meets them.

/// How deep brackets may nest: CPython's own limit.
const MAX_DEPTH: usize = 200;

/// The line, from 1, at which brackets nest deeper than [`MAX_DEPTH`], if they do. Brackets in comments and texts are none.
pub(super) fn too_deep(source: &str) -> Option<u32> {
    let bytes = source.as_bytes();
    let mut at = 0;
    let mut line = 1;
    let mut depth = 0_usize;
    while let Some(byte) = bytes.get(at) {
        let next = match byte {
            b'#' => at + length_until(&bytes[at..], |byte| byte == b'\n'),
            b'\'' | b'"' => at + text_length(&bytes[at..]),
            b'(' | b'[' | b'{' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Some(line);
                }
                at + 1
            }
            b')' | b']' | b'}' => {
                depth = depth.saturating_sub(1);
                at + 1
            }
            _ => at + 1,
        };
        let lines = bytes[at..next]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        line += u32::try_from(lines).unwrap_or(u32::MAX - line);
        at = next;
    }
    None
}

fn length_until(bytes: &[u8], end: impl Fn(u8) -> bool) -> usize {
    bytes
        .iter()
        .position(|byte| end(*byte))
        .unwrap_or(bytes.len())
}

/// The length of the text that begins with the first byte, quotes and all. One that does not end is the compiler's to tell.
fn text_length(bytes: &[u8]) -> usize {
    let quote = bytes[0];
    let triple = [quote; 3];
    let end: &[u8] = if bytes.starts_with(&triple) {
        &triple
    } else {
        &triple[..1]
    };
    let mut at = end.len();
    while at < bytes.len() {
        if bytes[at..].starts_with(end) {
            return at + end.len();
        }
        match bytes[at] {
            // Also in raw texts, where the backslash stays but the quote after it ends nothing.
            b'\\' => at += 2,
            b'\n' if end.len() == 1 => return at,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_of_code_count_and_no_others() {
        let open = "(".repeat(150);
        let close = ")".repeat(150);
        for (source, expected) in [
            (format!("{}{}", "(".repeat(200), ")".repeat(200)), None),
            (format!("x = 1\n\ny = {}", "[".repeat(201)), Some(3)),
            (format!("{open}{open}"), Some(1)),
            (format!("{open}{close}\n{open}{close}"), None),
            (format!("{open}# {open}\n{close}"), None),
            (format!("{open}'{open}'"), None),
            (format!("{open}\"it's {open}\""), None),
            (format!("{open}'''{open}'\n{open}''' "), None),
            (format!("{open}'''\n\n'''{open}"), Some(3)),
            (format!(r"{open}'\'{open}'"), None),
            (format!(r"{open}r'\'{open}'"), None),
            (format!("{open}'\n{open}"), Some(2)),
            (format!("{open}'''{open}"), None),
            (")".repeat(300) + &open, None),
            ("'\\".to_owned(), None),
        ] {
            assert_eq!(too_deep(&source), expected, "{source}");
        }
    }
}
