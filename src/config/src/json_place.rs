//! Where a field stands in a text of JSON.

/// A step of a path: a key of an object, or an element of a list.
enum Step<'a> {
    Key(&'a str),
    Element(usize),
}

/// Line and column, from 1, of the value that a path such as `task.processes[0].name` leads to, or of the innermost value on
/// the way there that is present. The text is known to be JSON.
pub(crate) fn place(text: &str, path: &str) -> (u32, u32) {
    let mut reader = Reader {
        bytes: text.as_bytes(),
        at: 0,
    };
    reader.blanks();
    let mut found = reader.at;
    for step in steps(path) {
        let there = match step {
            Step::Key(key) => reader.enter(b'{', |reader, _| {
                let name = reader.name();
                reader.blanks();
                reader.at += 1;
                reader.blanks();
                name == key
            }),
            Step::Element(wanted) => reader.enter(b'[', |_, index| index == wanted),
        };
        if !there {
            break;
        }
        found = reader.at;
    }
    position(text, found)
}

fn steps(path: &str) -> Vec<Step<'_>> {
    path.split(['.', '['])
        .filter(|part| !part.is_empty())
        .map(|part| match part.strip_suffix(']') {
            Some(index) => match index.parse() {
                Ok(index) => Step::Element(index),
                Err(_) => Step::Key(index),
            },
            None => Step::Key(part),
        })
        .collect()
}

fn position(text: &str, at: usize) -> (u32, u32) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    (number(line), number(column))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// Goes through what is inside brackets of a kind up to the item that `is_it` knows, which reads what comes before an
    /// item's value.
    fn enter(&mut self, open: u8, mut is_it: impl FnMut(&mut Self, usize) -> bool) -> bool {
        if self.peek() != Some(open) {
            return false;
        }
        self.at += 1;
        for index in 0.. {
            self.blanks();
            if matches!(self.peek(), None | Some(b']' | b'}')) {
                return false;
            }
            if is_it(self, index) {
                return true;
            }
            self.skip();
            self.blanks();
            if self.peek() == Some(b',') {
                self.at += 1;
            }
        }
        false
    }

    /// A text's letters; escapes stay as they are written, since no name of the schema has any.
    fn name(&mut self) -> &'a str {
        let start = self.at + 1;
        self.skip();
        let end = self.at.saturating_sub(1);
        let bytes: &'a [u8] = self.bytes;
        std::str::from_utf8(bytes.get(start..end).unwrap_or_default()).unwrap_or_default()
    }

    /// Goes behind a value.
    fn skip(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'"' => {
                    while let Some(byte) = self.peek() {
                        self.at += if byte == b'\\' { 2 } else { 1 };
                        if byte == b'"' {
                            break;
                        }
                    }
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            let ends = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b']' | b'}');
            let closed = matches!(byte, b'"' | b'}' | b']');
            if depth == 0 && (closed || self.peek().is_none_or(ends)) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_the_value_or_as_near_as_there_is() {
        let text = "{\n  \"a\": {\"x\\\"}\": [1, {}], \"b\": \"]\"},\n  \"jobs\": [ {\"é\": 1, \"n\": -2.5},\n {\"n\": true}]\n}";
        for (path, place_there) in [
            ("", (1, 1)),
            ("a", (2, 8)),
            ("a.b", (2, 31)),
            ("a.c", (2, 8)),
            ("jobs", (3, 11)),
            ("jobs[0]", (3, 13)),
            ("jobs[0].n", (3, 27)),
            ("jobs[1].n", (4, 8)),
            ("jobs[2].n", (3, 11)),
            ("jobs[1].n.deeper[3]", (4, 8)),
            ("nothing", (1, 1)),
        ] {
            assert_eq!(place(text, path), place_there, "{path}");
        }
        // Whatever the text is, the way through it ends.
        for text in [
            "",
            "{",
            "[",
            "{\"a",
            "{\"a\"",
            "{\"a\":",
            "[1",
            "{\"a\":[\"\\",
        ] {
            place(text, "a[1].b");
            place(text, "[1]");
        }
    }
}
