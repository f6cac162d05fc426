//! Files of Java properties (`java.util.Properties.load`): `name=value`, `name: value` or `name value` a line.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// Reads properties; of equal names the last one counts.
///
/// # Errors
/// A `\u` without four hexadecimal digits, with its line.
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let line = line.trim_start_matches(is_blank);
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = line.to_owned();
        while goes_on(&logical) {
            logical.pop();
            let Some((_, next)) = lines.next() else {
                break;
            };
            logical.push_str(next.trim_start_matches(is_blank));
        }
        let fault = |fault: String| format!("line {}: {fault}", at + 1);
        let mut rest = logical.chars().peekable();
        let name =
            unescaped(&mut rest, |c| is_blank(c) || matches!(c, '=' | ':')).map_err(fault)?;
        while rest.next_if(|c| is_blank(*c)).is_some() {}
        if rest.next_if(|c| matches!(c, '=' | ':')).is_some() {
            while rest.next_if(|c| is_blank(*c)).is_some() {}
        }
        let value = unescaped(&mut rest, |_| false).map_err(fault)?;
        found.insert(name, value);
    }
    Ok(found)
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\x0c')
}

/// Whether a line ends with a backslash that is not itself escaped.
fn goes_on(line: &str) -> bool {
    let backslashes = line.chars().rev().take_while(|c| *c == '\\').count();
    backslashes % 2 == 1
}

/// What comes before an end, without its escapes.
fn unescaped(text: &mut Peekable<Chars>, is_end: impl Fn(char) -> bool) -> Result<String, String> {
    let mut out = String::new();
    while let Some(c) = text.next_if(|c| !is_end(*c)) {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match text.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\x0c'),
            Some('u') => out.push(unicode(text)?),
            Some(other) => out.push(other),
            None => {}
        }
    }
    Ok(out)
}

fn unicode(text: &mut Peekable<Chars>) -> Result<char, String> {
    let digits: String = text.by_ref().take(4).collect();
    let code = u32::from_str_radix(&digits, 16).ok();
    code.filter(|_| digits.len() == 4)
        .and_then(char::from_u32)
        .ok_or_else(|| format!("\\u{digits} is no character"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines and values as the documentation of `java.util.Properties.load` has them.
    #[test]
    fn properties_are_read_as_java_reads_them() {
        for (text, name, value) in [
            ("Truth = Beauty", "Truth", "Beauty"),
            (" Truth:Beauty", "Truth", "Beauty"),
            ("Truth                    :Beauty", "Truth", "Beauty"),
            ("Truth Beauty", "Truth", "Beauty"),
            (
                "fruits                           apple, banana, pear, \\\n\
                 \x20                                 cantaloupe, watermelon, \\\n\
                 \x20                                 kiwi, mango",
                "fruits",
                "apple, banana, pear, cantaloupe, watermelon, kiwi, mango",
            ),
            ("cheeses", "cheeses", ""),
            ("a\\ b\\=c=d = e ", "a b=c", "d = e "),
            ("tab=\\t\\u00e9\\q", "tab", "\téq"),
            ("even=\\\\\nodd=1", "odd", "1"),
            ("# a=1\n! a=2\n\n a=3\r\n", "a", "3"),
        ] {
            let found = parse(text).unwrap();
            let read = found.get(name).map(String::as_str);
            assert_eq!(read, Some(value), "{text:?}: {found:?}");
        }
        assert_eq!(
            parse("a=1\nb=\\u12").unwrap_err(),
            "line 2: \\u12 is no character"
        );
    }
}
