//! Values: plain data with a type and the scopes in which its references are looked up.
//!
//! Values are immutable: every operation gives a new one and shares what it can.

mod check;
mod coerce;
mod compare;
mod interpolate;
mod origin;

use std::sync::Arc;

use crate::environment::{Bound, Environment, Scope};
use crate::error::{Error, ErrorKind};
use crate::json;
use crate::raw::Raw;
use crate::reference::Component;
use crate::types::{Type, TypeKind};

pub use check::{Check, Finding};
pub use origin::{Origin, Way};

/// A typed value.
#[derive(Clone, Debug)]
pub struct Value {
    kind: Type,
    data: Data,
    scopes: Arc<Vec<Scope>>,
    origin: Option<Origin>,
}

#[derive(Clone, Debug)]
enum Data {
    /// What a simple value was made from; it is coerced when it is interpolated.
    Simple(Raw),
    /// What a choice was made from.
    Choice(Arc<Raw>),
    List(Arc<Vec<Value>>),
    Map(Arc<Vec<(Value, Value)>>),
    Struct(Fields),
}

/// The fields of one struct value: nothing where a field is empty.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    kind: Type,
    values: Arc<Vec<Option<Value>>>,
}

impl Fields {
    fn get(&self, name: &str) -> Option<&Value> {
        let position = self.kind.as_struct()?.position(name)?;
        self.values.get(position)?.as_ref()
    }

    /// Names and values of the fields that are not empty.
    fn present(&self) -> impl Iterator<Item = (&Arc<str>, &Value)> {
        let declared = self
            .kind
            .as_struct()
            .map(|kind| kind.fields())
            .unwrap_or(&[]);
        declared
            .iter()
            .zip(self.values.iter())
            .filter_map(|((name, _), value)| Some((name, value.as_ref()?)))
    }

    /// A stored value, without the scopes of the struct that owns it: a plain name is dynamic.
    pub(crate) fn find(&self, reference: &[Component]) -> Result<Option<Bound>, Error> {
        let Some((Component::Dereference(name), rest)) = reference.split_first() else {
            return Ok(None);
        };
        match self.get(name) {
            Some(value) if rest.is_empty() => Ok(Some(Bound::Value(value.clone()))),
            Some(value) => value.find(rest),
            None => Ok(None),
        }
    }
}

impl Value {
    /// `Type(raw)`. Simple types take anything here and complain when they are interpolated.
    ///
    /// # Errors
    /// When the data has the wrong shape for the type.
    pub fn new(kind: &Type, raw: Raw) -> Result<Value, Error> {
        match kind.kind() {
            TypeKind::Struct(_) => Value::structure(kind, vec![raw], Vec::new()),
            TypeKind::Map(..) => Value::map(kind, vec![raw]),
            TypeKind::List(element) => {
                let Some(items) = raw.items() else {
                    return Err(match &raw {
                        Raw::Foreign(foreign) if foreign.iterator => Error::new(
                            ErrorKind::Type,
                            format!(
                                "a {} can be read only once; use [...] or list(...) for {}",
                                foreign.type_name,
                                kind.name()
                            ),
                        ),
                        other => Error::new(
                            ErrorKind::Value,
                            format!("ListContainer expects an iterable, got {}", other.shown()),
                        ),
                    });
                };
                let values = items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| {
                        Value::assign(element, item.clone())
                            .map_err(|e| e.under(format_args!("[{index}]")))
                    })
                    .collect::<Result<Vec<Value>, Error>>()?;
                Ok(Value::with(kind, Data::List(Arc::new(values))))
            }
            TypeKind::Choice { .. } => Ok(Value::with(kind, Data::Choice(Arc::new(raw)))),
            TypeKind::Enum(values) => {
                coerce::check_enum(kind, values, &raw)?;
                Ok(Value::with(kind, Data::Simple(raw)))
            }
            TypeKind::String | TypeKind::Integer | TypeKind::Float | TypeKind::Boolean => {
                Ok(Value::with(kind, Data::Simple(raw)))
            }
        }
    }

    /// What assigning to a field does: a value of that very type is kept, anything else goes through [`Value::new`].
    ///
    /// # Errors
    /// As [`Value::new`].
    pub fn assign(kind: &Type, raw: Raw) -> Result<Value, Error> {
        match raw {
            Raw::Value(value) if value.kind == *kind => Ok(*value),
            other => Value::new(kind, other),
        }
    }

    /// `Struct(*mappings, **fields)`; later ones win.
    ///
    /// # Errors
    /// On an unknown field, on something that is no mapping, on a value of the wrong shape.
    pub fn structure(
        kind: &Type,
        positional: Vec<Raw>,
        named: Vec<(Arc<str>, Raw)>,
    ) -> Result<Value, Error> {
        let Some(declared) = kind.as_struct() else {
            return Err(Error::new(
                ErrorKind::Type,
                format!("{} is no Struct", kind.name()),
            ));
        };
        let mut values: Vec<Option<Value>> = declared
            .fields()
            .iter()
            .map(|(_, field)| field.default.clone())
            .collect();
        for mapping in positional {
            let Raw::Dict(pairs) = mapping else {
                return Err(Error::new(ErrorKind::NotMapping, mapping.to_text()?));
            };
            for (key, value) in pairs {
                let Raw::Text(name) = key else {
                    return Err(Error::new(ErrorKind::Type, "keywords must be strings"));
                };
                set_field(kind, &mut values, &name, value)?;
            }
        }
        for (name, value) in named {
            set_field(kind, &mut values, &name, value)?;
        }
        Ok(Value::from_fields(kind, values))
    }

    /// `Map(dict)` or `Map(pair, pair, …)`.
    ///
    /// # Errors
    /// When the arguments are neither, or a key or value has the wrong shape.
    pub fn map(kind: &Type, arguments: Vec<Raw>) -> Result<Value, Error> {
        let TypeKind::Map(key_kind, value_kind) = kind.kind() else {
            return Err(Error::new(
                ErrorKind::Type,
                format!("{} is no Map", kind.name()),
            ));
        };
        let pairs: Option<Vec<(Raw, Raw)>> = match arguments.as_slice() {
            [Raw::Dict(pairs)] => Some(pairs.clone()),
            arguments => arguments.iter().map(pair).collect(),
        };
        let Some(pairs) = pairs else {
            return Err(Error::new(
                ErrorKind::Value,
                format!(
                    "Unexpected input to MapContainer: {}",
                    Raw::Tuple(arguments).shown()
                ),
            ));
        };
        let pairs = pairs
            .into_iter()
            .map(|(key, value)| {
                let at = key.to_text().unwrap_or_default();
                let value = Value::assign(value_kind, value)
                    .map_err(|e| e.under(format_args!("[{at}]")))?;
                Ok((Value::assign(key_kind, key)?, value))
            })
            .collect::<Result<Vec<_>, Error>>()?;
        Ok(Value::with(kind, Data::Map(Arc::new(pairs))))
    }

    /// A value from JSON. Without `strict`, keys that a struct does not know are left out, through fields that are structs
    /// themselves; what lists, maps and choices hold is not filtered, as upstream does not.
    ///
    /// # Errors
    /// As [`Value::new`].
    pub fn from_json(
        kind: &Type,
        document: &serde_json::Value,
        strict: bool,
    ) -> Result<Value, Error> {
        let mut raw = json::from_json(document);
        if !strict {
            raw = filter(kind, raw)?;
        }
        Value::new(kind, raw)
    }

    fn with(kind: &Type, data: Data) -> Value {
        Value {
            kind: kind.clone(),
            data,
            scopes: Arc::default(),
            origin: None,
        }
    }

    fn from_fields(kind: &Type, values: Vec<Option<Value>>) -> Value {
        Value::with(
            kind,
            Data::Struct(Fields {
                kind: kind.clone(),
                values: Arc::new(values),
            }),
        )
    }

    /// Its type.
    pub fn type_of(&self) -> &Type {
        &self.kind
    }

    /// The same value under another type of the same structure ([`Type::renamed`]).
    pub fn retyped(&self, kind: &Type) -> Value {
        let mut value = self.clone();
        value.kind = kind.clone();
        if let Data::Struct(fields) = &mut value.data {
            fields.kind = kind.clone();
        }
        value
    }

    /// A copy with fields replaced; bindings stay.
    ///
    /// # Errors
    /// As [`Value::structure`].
    pub fn replace(&self, named: Vec<(Arc<str>, Raw)>) -> Result<Value, Error> {
        let Data::Struct(fields) = &self.data else {
            return Err(Error::new(
                ErrorKind::Type,
                format!("'{}' object is not callable", self.kind.name()),
            ));
        };
        let mut values = (*fields.values).clone();
        for (name, value) in named {
            set_field(&self.kind, &mut values, &name, value)?;
        }
        let mut replaced = Value::from_fields(&self.kind, values);
        replaced.scopes = Arc::clone(&self.scopes);
        replaced.origin = self.origin;
        Ok(replaced)
    }

    /// A struct's field as it is stored: neither interpolated nor in the struct's scopes. Nothing when it is empty.
    pub fn field(&self, name: &str) -> Option<&Value> {
        match &self.data {
            Data::Struct(fields) => fields.get(name),
            _ => None,
        }
    }

    /// A struct's field in the struct's scopes, not interpolated. Nothing when it is empty.
    pub fn scoped_field(&self, name: &str) -> Option<Value> {
        self.field(name)
            .map(|value| value.within(&self.effective_scopes()))
    }

    /// A struct's field interpolated in the struct's scopes: nothing when it is empty. A choice stays a choice.
    ///
    /// # Errors
    /// When it cannot be interpolated.
    pub fn interpolated_field(&self, name: &str) -> Result<Option<Value>, Error> {
        let Some(value) = self.scoped_field(name) else {
            return Ok(None);
        };
        let kind = value.kind.clone();
        let (value, _) = value.interpolate().map_err(|e| e.under_field(name))?;
        Value::assign(&kind, value.into()).map(Some)
    }

    /// A list's elements as stored; nothing for other types.
    pub fn elements(&self) -> Option<&[Value]> {
        match &self.data {
            Data::List(values) => Some(values),
            _ => None,
        }
    }

    /// A list's elements in the list's scopes.
    pub fn scoped_elements(&self) -> Vec<Value> {
        let scopes = self.effective_scopes();
        self.elements()
            .unwrap_or(&[])
            .iter()
            .map(|value| value.within(&scopes))
            .collect()
    }

    /// A map's pairs as stored; nothing for other types.
    pub fn pairs(&self) -> Option<&[(Value, Value)]> {
        match &self.data {
            Data::Map(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// The data that a simple value or a choice was made from.
    pub fn raw(&self) -> Option<&Raw> {
        match &self.data {
            Data::Simple(raw) => Some(raw),
            Data::Choice(raw) => Some(raw),
            _ => None,
        }
    }

    /// Binds scopes at highest precedence; later ones win over earlier ones.
    ///
    /// # Errors
    /// When something given can be no scope.
    pub fn bind(&self, given: Vec<Raw>) -> Result<Value, Error> {
        let mut scopes = scopes_from(given)?;
        scopes.reverse();
        scopes.extend(self.scopes.iter().cloned());
        Ok(self.with_scopes(scopes))
    }

    /// Binds scopes at lowest precedence.
    ///
    /// # Errors
    /// When something given can be no scope.
    pub fn in_scope(&self, given: Vec<Raw>) -> Result<Value, Error> {
        let mut scopes = (*self.scopes).clone();
        scopes.extend(scopes_from(given)?);
        Ok(self.with_scopes(scopes))
    }

    /// Binds an environment at highest precedence.
    #[must_use]
    pub fn bind_environment(&self, environment: Environment) -> Value {
        let mut scopes = vec![Scope::Environment(Arc::new(environment))];
        scopes.extend(self.scopes.iter().cloned());
        self.with_scopes(scopes)
    }

    fn with_scopes(&self, scopes: Vec<Scope>) -> Value {
        Value {
            kind: self.kind.clone(),
            data: self.data.clone(),
            scopes: Arc::new(scopes),
            origin: self.origin,
        }
    }

    /// The value inside an enclosing one, whose effective scopes come after its own.
    fn within(&self, outer: &Arc<Vec<Scope>>) -> Value {
        if outer.is_empty() {
            return self.clone();
        }
        if self.scopes.is_empty() {
            return Value {
                kind: self.kind.clone(),
                data: self.data.clone(),
                scopes: Arc::clone(outer),
                origin: self.origin,
            };
        }
        let mut scopes = (*self.scopes).clone();
        scopes.push(Scope::Chain(Arc::clone(outer)));
        self.with_scopes(scopes)
    }

    /// The scopes that the value's parts see. For a struct: its fields behind `self.`, its fields, its own scopes, and those
    /// again behind `super.`.
    fn effective_scopes(&self) -> Arc<Vec<Scope>> {
        match &self.data {
            Data::Struct(fields) => {
                let mut scopes = vec![
                    Scope::SelfFields(fields.clone()),
                    Scope::Fields(fields.clone()),
                ];
                if !self.scopes.is_empty() {
                    scopes.push(Scope::Chain(Arc::clone(&self.scopes)));
                    scopes.push(Scope::Super(Arc::clone(&self.scopes)));
                }
                Arc::new(scopes)
            }
            _ => Arc::clone(&self.scopes),
        }
    }

    /// Whether references can lead into it.
    pub(crate) fn is_namable(&self) -> bool {
        matches!(self.data, Data::Struct(_) | Data::List(_) | Data::Map(_))
    }

    /// The data it was made from, not interpolated: empty fields are left out. A choice shows its alternative.
    ///
    /// # Errors
    /// When a choice cannot be resolved.
    pub fn get(&self) -> Result<Raw, Error> {
        Ok(match &self.data {
            Data::Simple(raw) => raw.clone(),
            Data::Choice(_) => self.interpolate()?.0.get()?,
            Data::List(values) => {
                Raw::Tuple(values.iter().map(Value::get).collect::<Result<_, _>>()?)
            }
            Data::Map(pairs) => {
                let mut shown: Vec<(Raw, Raw)> = Vec::with_capacity(pairs.len());
                for (key, value) in pairs.iter() {
                    let (key, value) = (key.get()?, value.get()?);
                    match shown.iter_mut().find(|(known, _)| *known == key) {
                        Some((_, known)) => *known = value,
                        None => shown.push((key, value)),
                    }
                }
                Raw::Dict(shown)
            }
            Data::Struct(fields) => Raw::Dict(
                fields
                    .present()
                    .map(|(name, value)| Ok((Raw::Text(Arc::clone(name)), value.get()?)))
                    .collect::<Result<_, Error>>()?,
            ),
        })
    }
}

fn set_field(kind: &Type, values: &mut [Option<Value>], name: &str, raw: Raw) -> Result<(), Error> {
    let declared = kind.as_struct();
    let position = declared.and_then(|declared| declared.position(name));
    let (Some(declared), Some(position)) = (declared, position) else {
        let message = format!("Unknown schema attribute {name}");
        return Err(Error {
            known: kind.field_names(),
            ..Error::new(ErrorKind::Attribute, message)
        });
    };
    values[position] = match raw {
        Raw::Empty => None,
        raw => Some(
            Value::assign(&declared.fields()[position].1.kind, raw)
                .map_err(|e| e.under_field(name))?,
        ),
    };
    Ok(())
}

/// Anything with exactly two items can be a pair, a text of two letters too.
fn pair(raw: &Raw) -> Option<(Raw, Raw)> {
    match raw {
        Raw::Text(text) => {
            let mut letters = text.chars();
            match (letters.next(), letters.next(), letters.next()) {
                (Some(a), Some(b), None) => Some((a.to_string().into(), b.to_string().into())),
                _ => None,
            }
        }
        Raw::Dict(pairs) => match pairs.as_slice() {
            [(a, _), (b, _)] => Some((a.clone(), b.clone())),
            _ => None,
        },
        other => match other.items()? {
            [a, b] => Some((a.clone(), b.clone())),
            _ => None,
        },
    }
}

fn scopes_from(given: Vec<Raw>) -> Result<Vec<Scope>, Error> {
    given.into_iter().map(Scope::from_raw).collect()
}

fn filter(kind: &Type, raw: Raw) -> Result<Raw, Error> {
    let Some(declared) = kind.as_struct() else {
        return Ok(raw);
    };
    let Raw::Dict(pairs) = raw else {
        return Err(Error::new(
            ErrorKind::Attribute,
            format!("{} expects a JSON object, got {}", kind.name(), raw.shown()),
        ));
    };
    let mut kept = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        let field = key
            .as_str()
            .and_then(|name| declared.position(name))
            .map(|position| &declared.fields()[position]);
        if let Some((name, field)) = field {
            kept.push((
                key,
                filter(&field.kind, value).map_err(|e| e.under_field(name))?,
            ));
        }
    }
    Ok(Raw::Dict(kept))
}

#[cfg(test)]
mod tests;
