//! References: the address inside `{{…}}`.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, ErrorKind};

/// One step of an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Component {
    /// `.name`
    Dereference(Arc<str>),
    /// `[index]`
    Index(Arc<str>),
}

impl Component {
    /// The name or index.
    pub fn value(&self) -> &str {
        match self {
            Component::Dereference(value) | Component::Index(value) => value,
        }
    }
}

/// A reference such as `thermos.ports[http]`: never empty when it was parsed.
///
/// Two references are equal when their components are, so `.a` equals `a`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ref(Arc<[Component]>);

/// Reads `.identifier` or `[index]` at the beginning of a text; gives it and what follows. Identifiers and indexes take any
/// letter or digit of Unicode, as Python 3's `\w` does. By hand: expressions would be most of what an executor links.
fn component(text: &str) -> Option<(Component, &str)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let (value, rest) = match text.strip_prefix('.') {
        Some(name) => name.split_at(name.find(|c| !is_word(c)).unwrap_or(name.len())),
        None => text.strip_prefix('[')?.split_once(']')?,
    };
    let first = value.chars().next()?;
    if text.starts_with('.') {
        let begins_well = first.is_alphabetic() || first == '_';
        begins_well.then(|| (Component::Dereference(value.into()), rest))
    } else {
        let is_index = value
            .chars()
            .all(|c| is_word(c) || matches!(c, '-' | '.' | '/'));
        is_index.then(|| (Component::Index(value.into()), rest))
    }
}

impl Ref {
    /// Parses an address. `a`, `a.b`, `a[b].c`, `.a` and `[a]` are addresses.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRef`], with upstream's wording.
    pub fn parse(address: &str) -> Result<Ref, Error> {
        let invalid = |message: String| Error::new(ErrorKind::InvalidRef, message);
        let dotted;
        let dotted = match address.chars().next() {
            None => return Err(invalid("Invalid address: ''".to_owned())),
            Some('.' | '[') => address,
            Some(first) if first.is_ascii_alphabetic() || first == '_' => {
                dotted = format!(".{address}");
                &dotted
            }
            Some(_) => return Err(invalid(address.to_owned())),
        };
        let mut components = Vec::new();
        let mut ahead = dotted;
        while let Some((next, rest)) = component(ahead) {
            components.push(next);
            ahead = rest;
        }
        if !ahead.is_empty() {
            return Err(invalid(format!("Badly formed address {dotted}")));
        }
        Ok(Ref(components.into()))
    }

    /// A reference of these components.
    pub fn new(components: impl Into<Vec<Component>>) -> Ref {
        Ref(components.into().into())
    }

    /// The components, in order.
    pub fn components(&self) -> &[Component] {
        &self.0
    }

    /// This reference followed by another.
    pub(crate) fn join(&self, rest: &Ref) -> Ref {
        Ref(self.0.iter().chain(rest.0.iter()).cloned().collect())
    }

    /// The address without braces: `a.b[c]`.
    pub fn address(&self) -> String {
        let mut text = String::new();
        for component in self.0.iter() {
            match component {
                Component::Dereference(name) => {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    text.push_str(name);
                }
                Component::Index(index) => {
                    text.push('[');
                    text.push_str(index);
                    text.push(']');
                }
            }
        }
        text
    }
}

impl fmt::Display for Ref {
    /// `{{address}}`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{{{}}}}}", self.address())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_follow_the_grammar() {
        for good in [
            "a",
            "a.b",
            "a[b]",
            "a[0].b",
            "a[b][c]",
            "a.b_c",
            "_x1",
            "a[x-1./y_2]",
            "[a]",
            "aé",
            "a²",
            "a[²]",
            "[b].c",
        ] {
            assert_eq!(Ref::parse(good).map(|r| r.address()), Ok(good.to_owned()));
        }
        assert_eq!(Ref::parse(".a"), Ref::parse("a"));
        for (bad, message) in [
            ("", "Invalid address: ''"),
            (" a", " a"),
            ("4", "4"),
            ("a b", "Badly formed address .a b"),
            ("a.1", "Badly formed address .a.1"),
            ("a[]", "Badly formed address .a[]"),
            ("a.", "Badly formed address .a."),
            (".", "Badly formed address ."),
            ("a-b", "Badly formed address .a-b"),
            ("a[b", "Badly formed address .a[b"),
            ("a[b c]", "Badly formed address .a[b c]"),
            ("a]", "Badly formed address .a]"),
            ("a[b]c", "Badly formed address .a[b]c"),
            (".[a]", "Badly formed address .[a]"),
            ("a\n", "Badly formed address .a\n"),
            ("é", "é"),
            ("²", "²"),
            ("print $1", "Badly formed address .print $1"),
        ] {
            let error = Ref::parse(bad).expect_err(bad);
            assert_eq!(
                (error.kind, error.message.as_str()),
                (ErrorKind::InvalidRef, message)
            );
        }
    }
}
