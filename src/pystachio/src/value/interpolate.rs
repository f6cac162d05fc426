//! Interpolation: filling references from scopes, and finding what a reference means.

use std::cell::Cell;
use std::sync::Arc;

use super::{Data, Value, coerce};
use crate::environment::{Bound, find_in};
use crate::error::{Error, ErrorKind};
use crate::mustache;
use crate::number::Int;
use crate::raw::Raw;
use crate::reference::{Component, Ref};
use crate::types::TypeKind;

/// How many values may be interpolated inside one another. A job nests six; beyond this, references lead in a circle
/// through values that carry scopes. Bounded so that a thread with an ordinary stack survives.
const MAX_DEPTH: u32 = 100;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Counts nested interpolations of this thread.
pub(super) struct Depth;

impl Depth {
    pub(super) fn enter() -> Result<Depth, Error> {
        let depth = DEPTH.get();
        if depth >= MAX_DEPTH {
            return Err(Error::new(
                ErrorKind::Recursion,
                "references lead in a circle (values nest more than 100 levels)",
            ));
        }
        DEPTH.set(depth + 1);
        Ok(Depth)
    }
}

impl Drop for Depth {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

impl Value {
    /// Fills in what can be found in the scopes: the new value, and the references that stayed. A simple value repeats
    /// references as its text does; a composite names each once.
    ///
    /// # Errors
    /// A datum that its type cannot read, a reference off the grammar, references in a circle.
    pub fn interpolate(&self) -> Result<(Value, Vec<Ref>), Error> {
        let _depth = Depth::enter()?;
        match &self.data {
            Data::Simple(Raw::Text(text)) => {
                let (text, unbound) = mustache::resolve(text, |reference| self.lookup(reference))?;
                if unbound.is_empty() {
                    let mut value = self.clone();
                    value.data = Data::Simple(coerce::coerce(&self.kind, &Raw::from(text))?);
                    Ok((value, unbound))
                } else {
                    Ok((Value::new(&self.kind, text.into())?, unbound))
                }
            }
            Data::Simple(raw) => {
                let raw = coerce::coerce(&self.kind, raw)?;
                Ok((Value::new(&self.kind, raw)?, Vec::new()))
            }
            Data::Choice(raw) => self
                .unwrap_choice(raw, |value| value.interpolate().map(Some))?
                .ok_or_else(|| {
                    let text = raw.to_text().unwrap_or_else(|error| error.message);
                    Error::coercion(&text, self.kind.name(), None)
                }),
            Data::List(values) => {
                let mut unbound = Vec::new();
                let mut interpolated = Vec::with_capacity(values.len());
                for (index, value) in values.iter().enumerate() {
                    let (value, left) = value
                        .within(&self.scopes)
                        .interpolate()
                        .map_err(|e| e.under(format_args!("[{index}]")))?;
                    interpolated.push(Raw::from(value));
                    add(&mut unbound, left);
                }
                Ok((Value::new(&self.kind, Raw::List(interpolated))?, unbound))
            }
            Data::Map(pairs) => {
                let mut unbound = Vec::new();
                let mut interpolated = Vec::with_capacity(pairs.len());
                for (key, value) in pairs.iter() {
                    let (new_key, left) = key.within(&self.scopes).interpolate()?;
                    add(&mut unbound, left);
                    let (new_value, left) =
                        value.within(&self.scopes).interpolate().map_err(|e| {
                            e.under(format_args!("[{}]", key.text().unwrap_or_default()))
                        })?;
                    add(&mut unbound, left);
                    interpolated.push(Raw::Tuple(vec![new_key.into(), new_value.into()]));
                }
                Ok((Value::map(&self.kind, interpolated)?, unbound))
            }
            Data::Struct(fields) => {
                let scopes = self.effective_scopes();
                let mut unbound = Vec::new();
                let mut values = Vec::with_capacity(fields.values.len());
                let declared = self
                    .kind
                    .as_struct()
                    .map(|kind| kind.fields())
                    .unwrap_or(&[]);
                for ((name, field), value) in declared.iter().zip(fields.values.iter()) {
                    values.push(match value {
                        None => None,
                        Some(value) => {
                            let (value, left) = value
                                .within(&scopes)
                                .interpolate()
                                .map_err(|e| e.under_field(name))?;
                            add(&mut unbound, left);
                            Some(
                                Value::assign(&field.kind, value.into())
                                    .map_err(|e| e.under_field(name))?,
                            )
                        }
                    });
                }
                let mut interpolated = Value::from_fields(&self.kind, values);
                interpolated.origin = self.origin;
                Ok((interpolated, unbound))
            }
        }
    }

    /// The references that interpolation would leave, each once.
    ///
    /// # Errors
    /// As [`Value::interpolate`].
    pub fn unbound(&self) -> Result<Vec<Ref>, Error> {
        let mut unbound = Vec::new();
        add(&mut unbound, self.interpolate()?.1);
        Ok(unbound)
    }

    /// The alternative that a choice stands for.
    ///
    /// # Errors
    /// As [`Value::interpolate`].
    pub fn unwrap(&self) -> Result<Value, Error> {
        Ok(self.interpolate()?.0)
    }

    /// Tries a choice's alternatives in order; a value of an alternative's own type decides at once.
    pub(super) fn unwrap_choice<T>(
        &self,
        raw: &Raw,
        mut attempt: impl FnMut(Value) -> Result<Option<T>, Error>,
    ) -> Result<Option<T>, Error> {
        let TypeKind::Choice {
            alternatives,
            skip_unknown,
        } = self.kind.kind()
        else {
            return Ok(None);
        };
        for alternative in alternatives {
            if let Raw::Value(value) = raw
                && value.kind == *alternative
            {
                return attempt(value.within(&self.scopes));
            }
            let tried = Value::new(alternative, raw.clone())
                .and_then(|value| attempt(value.within(&self.scopes)));
            match tried {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => {}
                Err(error) if error.is_value_error() => {}
                Err(error) if *skip_unknown && error.kind == ErrorKind::Attribute => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// A reference's text in this value's scopes.
    fn lookup(&self, reference: &Ref) -> Result<Option<Arc<str>>, Error> {
        match find_in(&self.scopes, reference.components())? {
            None => Ok(None),
            Some(Bound::Text(text)) => Ok(Some(text)),
            // Where the fault lies is told by the place of use, not by the place inside the value it leads to.
            Some(Bound::Value(value)) => match value.text() {
                Ok(text) => Ok(Some(text.into())),
                Err(mut error) => {
                    error.path.clear();
                    Err(error)
                }
            },
        }
    }

    /// `str(value)`: a simple value interpolated, a composite as [`Value::repr`].
    ///
    /// # Errors
    /// As [`Value::interpolate`].
    pub fn text(&self) -> Result<String, Error> {
        match &self.data {
            Data::Simple(_) => match &self.interpolate()?.0.data {
                Data::Simple(raw) => raw.to_text(),
                _ => Ok(String::new()),
            },
            Data::Choice(_) => self.unwrap()?.text(),
            Data::List(_) | Data::Map(_) | Data::Struct(_) => self.repr(),
        }
    }

    /// `repr(value)`: `Integer(3)`, `StringList(a, b)`, `StringStringMap(k => v)`, `Name(a=1,\n     b=2)`.
    ///
    /// # Errors
    /// As [`Value::interpolate`].
    pub fn repr(&self) -> Result<String, Error> {
        let _depth = Depth::enter()?;
        let name = self.kind.name();
        let parts: Vec<String> = match &self.data {
            Data::Simple(_) => vec![self.text()?],
            Data::Choice(raw) => vec![raw.repr()?],
            Data::List(_) => self
                .interpolate()?
                .0
                .elements()
                .unwrap_or(&[])
                .iter()
                .map(Value::text)
                .collect::<Result<_, _>>()?,
            Data::Map(_) => self
                .interpolate()?
                .0
                .pairs()
                .unwrap_or(&[])
                .iter()
                .map(|(key, value)| Ok(format!("{} => {}", key.text()?, value.text()?)))
                .collect::<Result<_, Error>>()?,
            Data::Struct(_) => {
                let (interpolated, _) = self.interpolate()?;
                let Data::Struct(fields) = &interpolated.data else {
                    return Ok(String::new());
                };
                let shown: Vec<String> = fields
                    .present()
                    .map(|(field, value)| Ok(format!("{field}={}", value.text()?)))
                    .collect::<Result<_, Error>>()?;
                let separator = format!(",\n{}", " ".repeat(name.chars().count() + 1));
                return Ok(format!("{name}({})", shown.join(&separator)));
            }
        };
        Ok(format!("{name}({})", parts.join(", ")))
    }

    /// What a reference leads to inside this value, in the scopes of everything walked through.
    pub(crate) fn find(&self, reference: &[Component]) -> Result<Option<Bound>, Error> {
        let _depth = Depth::enter()?;
        let Some((first, rest)) = reference.split_first() else {
            return Ok(None);
        };
        let found = match (&self.data, first) {
            (Data::Struct(fields), Component::Dereference(name)) => fields.get(name),
            (Data::List(values), Component::Index(index)) => match Int::parse(index) {
                Some(position) => element_at(values, &position, index)?,
                None => None,
            },
            (Data::Map(pairs), Component::Index(index)) => self.find_key(pairs, index)?,
            _ => None,
        };
        let Some(found) = found else {
            return Ok(None);
        };
        let found = found.within(&self.effective_scopes());
        if rest.is_empty() {
            Ok(Some(Bound::Value(found)))
        } else {
            found.find(rest)
        }
    }

    fn find_key<'a>(
        &self,
        pairs: &'a [(Value, Value)],
        index: &str,
    ) -> Result<Option<&'a Value>, Error> {
        let TypeKind::Map(key_kind, _) = self.kind.kind() else {
            return Ok(None);
        };
        let wanted = Value::new(key_kind, index.into())?;
        for (key, value) in pairs {
            if wanted.same_as(key)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// An element of a map by its key, which is read as the key type.
    ///
    /// # Errors
    /// When the key cannot be read as the key type, or the map cannot be interpolated.
    pub fn map_get(&self, key: Raw) -> Result<Option<Value>, Error> {
        let TypeKind::Map(key_kind, _) = self.kind.kind() else {
            return Ok(None);
        };
        let wanted = Value::assign(key_kind, key)?;
        let (interpolated, _) = self.interpolate()?;
        for (key, value) in interpolated.pairs().unwrap_or(&[]) {
            if wanted.same_as(key)? {
                return Ok(Some(value.clone()));
            }
        }
        Ok(None)
    }
}

/// Python's indexing: negative from the end; beyond the end is merely not found, before the start is an error upstream.
fn element_at<'a>(
    values: &'a [Value],
    position: &Int,
    shown: &str,
) -> Result<Option<&'a Value>, Error> {
    let Some(position) = position.to_i64() else {
        return Ok(None);
    };
    if let Ok(position) = usize::try_from(position) {
        return Ok(values.get(position));
    }
    let back = usize::try_from(position.unsigned_abs()).unwrap_or(usize::MAX);
    match values.len().checked_sub(back) {
        Some(position) => Ok(values.get(position)),
        None => Err(Error::new(
            ErrorKind::Index,
            format!(
                "index {shown} is out of range: the list has {} elements",
                values.len()
            ),
        )),
    }
}

fn add(unbound: &mut Vec<Ref>, found: Vec<Ref>) {
    for reference in found {
        if !unbound.contains(&reference) {
            unbound.push(reference);
        }
    }
}
