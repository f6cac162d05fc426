//! Splitting a text into plain pieces and references, and putting it together again.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Error, ErrorKind};
use crate::reference::Ref;

/// How often a text is looked through before it counts as a cycle.
const MAX_PASSES: usize = 100;

/// The longest text that interpolation may make; beyond it references multiply without end.
const MAX_TEXT: usize = 64 << 20;

/// The most references in a text; beyond it they lead to more of themselves.
const MAX_REFERENCES: usize = 1 << 16;

/// A piece of a text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    /// Text that is taken as it is.
    Text(String),
    /// A reference.
    Ref(Ref),
}

/// What becomes of `{{&escaped}}`.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Escapes {
    /// It stays, for the next pass.
    Keep,
    /// It loses its ampersand.
    Strip,
}

/// Splits a text. Innermost braces win: `{{{a}}}` is `{`, a reference, `}`.
///
/// # Errors
/// When something between double braces is no address.
pub(crate) fn split(text: &str, escapes: Escapes) -> Result<Vec<Piece>, Error> {
    let mut pieces = Vec::new();
    let mut plain_from = 0;
    let mut at = 0;
    let bytes = text.as_bytes();
    while let Some(offset) = text[at..].find("{{") {
        let open = at + offset;
        let inner = open + 2;
        let close = bytes[inner..]
            .iter()
            .position(|b| matches!(b, b'{' | b'}'))
            .map(|n| inner + n);
        let Some(close) = close else { break };
        if close == inner || !text[close..].starts_with("}}") {
            at = open + 1;
            continue;
        }
        if plain_from < open {
            pieces.push(Piece::Text(text[plain_from..open].to_owned()));
        }
        let content = &text[inner..close];
        match content.strip_prefix('&').filter(|rest| !rest.is_empty()) {
            Some(escaped) => {
                let escaped = match escaped.strip_suffix('&') {
                    Some(shorter) if !shorter.is_empty() => shorter,
                    _ => escaped,
                };
                let mark = if escapes == Escapes::Keep { "&" } else { "" };
                pieces.push(Piece::Text(format!("{{{{{mark}{escaped}}}}}")));
            }
            None => pieces.push(Piece::Ref(Ref::parse(content)?)),
        }
        at = close + 2;
        plain_from = at;
    }
    if plain_from < text.len() {
        pieces.push(Piece::Text(text[plain_from..].to_owned()));
    }
    Ok(pieces)
}

fn references(pieces: &[Piece]) -> Vec<Ref> {
    pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Ref(found) => Some(found.clone()),
            Piece::Text(_) => None,
        })
        .collect()
}

/// Replaces the references of a text until nothing changes: the text and the references that stayed, in order and with
/// repetitions. `lookup` gives a reference's text, or nothing when it is not bound.
///
/// # Errors
/// A reference off the grammar, a cycle, or what `lookup` fails with.
pub(crate) fn resolve(
    text: &str,
    mut lookup: impl FnMut(&Ref) -> Result<Option<Arc<str>>, Error>,
) -> Result<(String, Vec<Ref>), Error> {
    let mut text = text.to_owned();
    // Most texts of a job.
    if !text.contains("{{") {
        return Ok((text, Vec::new()));
    }
    let mut found: HashMap<Ref, Arc<str>> = HashMap::new();
    for _ in 0..MAX_PASSES {
        if text.matches("{{").count() > MAX_REFERENCES {
            let message = format!(
                "Unable to interpolate: the text has more than {MAX_REFERENCES} references"
            );
            return Err(Error::new(ErrorKind::Uninterpolatable, message));
        }
        let pieces = split(&text, Escapes::Keep)?;
        let before = references(&pieces);
        let mut after = Vec::new();
        let mut joined = String::new();
        for piece in &pieces {
            match piece {
                Piece::Text(plain) => joined.push_str(plain),
                Piece::Ref(reference) => {
                    if !found.contains_key(reference)
                        && let Some(value) = lookup(reference)?
                    {
                        found.insert(reference.clone(), value);
                    }
                    match found.get(reference) {
                        Some(value) => joined.push_str(value),
                        None => {
                            joined.push_str(&reference.to_string());
                            after.push(reference.clone());
                        }
                    }
                }
            }
            if joined.len() > MAX_TEXT {
                return Err(Error::new(
                    ErrorKind::Uninterpolatable,
                    format!(
                        "Unable to interpolate: the text grows beyond {} MiB",
                        MAX_TEXT >> 20
                    ),
                ));
            }
        }
        text = joined;
        if after == before {
            let pieces = split(&text, Escapes::Strip)?;
            let left = references(&pieces);
            let text = pieces
                .into_iter()
                .map(|piece| match piece {
                    Piece::Text(plain) => plain,
                    Piece::Ref(reference) => reference.to_string(),
                })
                .collect();
            return Ok((text, left));
        }
    }
    Err(Error::new(
        ErrorKind::Uninterpolatable,
        format!("Unable to interpolate {text}!  Maximum replacements reached."),
    ))
}
