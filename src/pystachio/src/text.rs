//! References in a plain text: finding them and filling them in.
//!
//! ```
//! use pystachio::text::{Bindings, interpolate, refs};
//!
//! let mut bindings = Bindings::default();
//! bindings.insert("mesos.instance", "3")?;
//! bindings.insert("thermos.ports[http]", "31005")?;
//! let (text, unbound) = interpolate("run {{mesos.instance}} :{{thermos.ports[http]}} {{role}}", &bindings)?;
//! assert_eq!(text, "run 3 :31005 {{role}}");
//! assert_eq!(unbound, refs("{{role}}")?);
//! # Ok::<(), pystachio::Error>(())
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::Error;
use crate::mustache::{self, Escapes, Piece};
use crate::reference::Ref;

/// Texts by address.
#[derive(Clone, Debug, Default)]
pub struct Bindings(HashMap<Ref, Arc<str>>);

impl Bindings {
    /// Binds an address such as `thermos.ports[http]` to a text; a later binding of the same address wins.
    ///
    /// # Errors
    /// When the address does not follow the grammar.
    pub fn insert(&mut self, address: &str, value: impl Into<Arc<str>>) -> Result<(), Error> {
        self.0.insert(Ref::parse(address)?, value.into());
        Ok(())
    }

    /// What an address is bound to.
    pub fn get(&self, reference: &Ref) -> Option<&str> {
        self.0.get(reference).map(|text| &**text)
    }
}

/// Fills in what is bound, repeatedly (a bound text may hold references itself), and takes one `&` off each escaped
/// `{{&name}}`. Gives the text and the references that stayed in it, in order, repeated where the text repeats them.
///
/// # Errors
/// A `{{…}}` that is no address (upstream refuses those too: `{{ x }}`, `{{print $1}}`), or bindings that lead into one
/// another.
pub fn interpolate(text: &str, bindings: &Bindings) -> Result<(String, Vec<Ref>), Error> {
    mustache::resolve(text, |reference| Ok(bindings.0.get(reference).cloned()))
}

/// The references of a text, in order, repeated where the text repeats them. Escaped ones do not count.
///
/// # Errors
/// A `{{…}}` that is no address.
pub fn refs(text: &str) -> Result<Vec<Ref>, Error> {
    Ok(mustache::split(text, Escapes::Keep)?
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Ref(reference) => Some(reference),
            Piece::Text(_) => None,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    /// Outcomes of `String(text).bind(bindings).interpolate()` in pystachio 0.8.10.
    #[test]
    fn texts_come_out_as_upstream_has_them() {
        let bindings = [
            ("x", "1"),
            ("b", "k"),
            ("a[k]", "v"),
            ("a_k", "w"),
            ("c", "{{x}}"),
        ];
        for (text, expected, unbound) in [
            ("a {{x}} b", "a 1 b", ""),
            ("{{x}}{{y}}", "1{{y}}", "{{y}}"),
            ("{{y}} {{y}}", "{{y}} {{y}}", "{{y}}{{y}}"),
            ("{{{x}}}", "{1}", ""),
            ("a{{}}b", "a{{}}b", ""),
            (
                r#"awk {print $1} {"a":{"b":1}}"#,
                r#"awk {print $1} {"a":{"b":1}}"#,
                "",
            ),
            ("{{&x}}", "{{x}}", ""),
            ("{{&x&}}", "{{x}}", ""),
            ("{{&&x}}", "{{&x}}", ""),
            ("{{&print $1}}", "{{print $1}}", ""),
            ("{{a[{{b}}]}}", "v", ""),
            ("{{a_{{b}}}}", "w", ""),
            ("{{a[{{z}}]}}", "{{a[{{z}}]}}", "{{z}}"),
            ("{{c}}", "1", ""),
            ("é{{.x}}é", "é1é", ""),
        ] {
            let mut bound = Bindings::default();
            for (address, value) in bindings {
                bound.insert(address, value).expect("a good address");
            }
            let (found, left) = interpolate(text, &bound).expect(text);
            assert_eq!(found, expected, "{text}");
            let left: String = left.iter().map(ToString::to_string).collect();
            assert_eq!(left, unbound, "{text}");
        }
    }

    #[test]
    fn cycles_and_bad_references_are_refused() {
        let mut bindings = Bindings::default();
        bindings.insert("a", "{{b}}").expect("a good address");
        bindings.insert("b", "{{a}}").expect("a good address");
        let error = interpolate("{{a}}", &bindings).expect_err("a cycle");
        assert_eq!(error.kind, ErrorKind::Uninterpolatable);
        assert_eq!(
            error.message,
            "Unable to interpolate {{a}}!  Maximum replacements reached."
        );
        for text in ["{{ x }}", "{{x&}}", "{{4}}", "{{&}}"] {
            let error = interpolate(text, &bindings).expect_err(text);
            assert_eq!(error.kind, ErrorKind::InvalidRef, "{text}");
        }
        assert!(bindings.insert("a b", "x").is_err());
        // Found by fuzzing: a text that becomes twice as long with each pass.
        bindings.insert("d", "{{d}} {{d}}").expect("a good address");
        let error = interpolate("{{d}}", &bindings).expect_err("no end");
        assert_eq!(
            error.message,
            "Unable to interpolate: the text has more than 65536 references"
        );
    }
}
