//! Rendering as Python renders: messages and templates show values in that form.

/// `str(float)`: the shortest digits that read back the same, with an exponent below 1e-4 and from 1e16 on.
pub fn float_text(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if number == 0.0 {
        return if number.is_sign_negative() {
            "-0.0"
        } else {
            "0.0"
        }
        .to_owned();
    }
    // Rust's exponent form has the same shortest digits: `-1.25e-7`.
    let scientific = format!("{number:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = format!("{number}");
        return if plain.contains('.') {
            plain
        } else {
            plain + ".0"
        };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// `repr(str)`: single quotes unless only single quotes occur inside, with escapes.
pub fn quote(text: &str) -> String {
    let mark = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push(mark);
    for c in text.chars() {
        match c {
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c == mark => {
                quoted.push('\\');
                quoted.push(c);
            }
            c if c.is_control() => {
                let code = u32::from(c);
                quoted.push_str(&format!("\\x{code:02x}"));
            }
            c => quoted.push(c),
        }
    }
    quoted.push(mark);
    quoted
}

/// `float(text)`: blanks around, a sign, single underscores between digits, `inf` and `nan` in any case.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let trimmed = text.trim();
    let bytes = trimmed.as_bytes();
    for (at, _) in trimmed.match_indices('_') {
        let digit = |index: Option<usize>| {
            index
                .and_then(|i| bytes.get(i))
                .is_some_and(u8::is_ascii_digit)
        };
        if !digit(at.checked_sub(1)) || !digit(at.checked_add(1)) {
            return None;
        }
    }
    trimmed.replace('_', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected texts are those of CPython 3.11.
    #[test]
    fn floats_and_quotes_look_like_python() {
        for (number, text) in [
            (1.0, "1.0"),
            (0.1 + 0.2, "0.30000000000000004"),
            (100_000.0, "100000.0"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e21, "1.5e+21"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (-2.5e-7, "-2.5e-07"),
            (1e100, "1e+100"),
            (f64::INFINITY, "inf"),
            (-0.0, "-0.0"),
        ] {
            assert_eq!(float_text(number), text);
        }
        for (text, quoted) in [
            ("a", "'a'"),
            ("it's", "\"it's\""),
            ("'\"", "'\\'\"'"),
            ("a\n\x01é", "'a\\n\\x01é'"),
        ] {
            assert_eq!(quote(text), quoted);
        }
        for (text, number) in [
            (" .25 ", Some(0.25)),
            ("1e3", Some(1000.0)),
            ("1_0.5", Some(10.5)),
            ("1_", None),
            ("fast", None),
            ("", None),
        ] {
            assert_eq!(parse_float(text), number, "{text}");
        }
    }
}
