//! Scopes: where references are looked up.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Error, ErrorKind};
use crate::raw::Raw;
use crate::reference::{Component, Ref};
use crate::value::{Fields, Value};

/// Texts and values by address: Pystachio's `Environment`.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    table: HashMap<Ref, Bound>,
}

/// What an address is bound to, or what a lookup found.
#[derive(Clone, Debug)]
pub(crate) enum Bound {
    Text(Arc<str>),
    Value(Value),
}

impl Borrow<[Component]> for Ref {
    fn borrow(&self) -> &[Component] {
        self.components()
    }
}

impl Environment {
    /// Binds an address to a text. A later binding of the same address wins.
    ///
    /// # Errors
    /// When the address does not follow the grammar.
    pub fn insert(&mut self, address: &str, text: impl Into<Arc<str>>) -> Result<(), Error> {
        self.table
            .insert(Ref::parse(address)?, Bound::Text(text.into()));
        Ok(())
    }

    /// Binds what a mapping holds; nested mappings are flattened into longer addresses, numbers and booleans become text.
    ///
    /// # Errors
    /// When a key is no address, or a value can be no binding.
    pub fn insert_dict(&mut self, pairs: &[(Raw, Raw)]) -> Result<(), Error> {
        for (key, value) in pairs {
            let key = match key {
                Raw::Ref(reference) => reference.clone(),
                Raw::Text(address) => Ref::parse(address)?,
                other => {
                    return Err(Error::new(
                        ErrorKind::InvalidRef,
                        format!("Invalid address: {}", other.shown()),
                    ));
                }
            };
            match value {
                Raw::Value(value) => {
                    self.table.insert(key, Bound::Value((**value).clone()));
                }
                Raw::Dict(inner) => {
                    let mut nested = Environment::default();
                    nested.insert_dict(inner)?;
                    self.mount(&key, &nested);
                }
                Raw::Environment(nested) => self.mount(&key, nested),
                Raw::Text(_) | Raw::Int(_) | Raw::Float(_) | Raw::Bool(_) => {
                    self.table.insert(key, Bound::Text(value.to_text()?.into()));
                }
                other => {
                    return Err(Error::new(
                        ErrorKind::Value,
                        format!(
                            "Environment values must be strings, numbers, Objects or other Environments. \
                             Got <class '{}'> instead.",
                            other.type_name()
                        ),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Takes over what another environment holds.
    pub fn merge(&mut self, other: &Environment) {
        for (key, value) in &other.table {
            self.table.insert(key.clone(), value.clone());
        }
    }

    fn mount(&mut self, under: &Ref, other: &Environment) {
        for (key, value) in &other.table {
            self.table.insert(under.join(key), value.clone());
        }
    }

    /// The exact address first, then longer prefixes before shorter ones.
    fn find(&self, reference: &[Component]) -> Result<Option<Bound>, Error> {
        if let Some(bound) = self.table.get(reference) {
            return Ok(Some(bound.clone()));
        }
        for length in (1..reference.len()).rev() {
            if let Some(Bound::Value(value)) = self.table.get(&reference[..length])
                && let Some(found) = value.find(&reference[length..])?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

/// One place where references are looked up.
#[derive(Clone, Debug)]
pub(crate) enum Scope {
    /// A mount table.
    Environment(Arc<Environment>),
    /// The fields of a bound struct, the elements of a bound list or map.
    Value(Arc<Value>),
    /// A text given as a scope: every lookup that reaches it fails, as upstream's does.
    Unusable,
    /// A struct's own fields.
    Fields(Fields),
    /// The same behind `self.`.
    SelfFields(Fields),
    /// Scopes behind `super.`.
    Super(Arc<Vec<Scope>>),
    /// Scopes in a row.
    Chain(Arc<Vec<Scope>>),
}

impl Scope {
    /// A scope from what `bind` was given.
    ///
    /// # Errors
    /// When it can be no scope.
    pub(crate) fn from_raw(raw: Raw) -> Result<Scope, Error> {
        Ok(match raw {
            Raw::Environment(environment) => Scope::Environment(environment),
            Raw::Value(value) => Scope::Value(Arc::new(*value)),
            Raw::Dict(pairs) => {
                let mut environment = Environment::default();
                environment.insert_dict(&pairs)?;
                Scope::Environment(Arc::new(environment))
            }
            Raw::Text(_) | Raw::Int(_) | Raw::Float(_) | Raw::Bool(_) => Scope::Unusable,
            other => {
                return Err(Error::new(
                    ErrorKind::Value,
                    format!(
                        "Environment values must be strings, numbers, Objects or other Environments. \
                         Got <class '{}'> instead.",
                        other.type_name()
                    ),
                ));
            }
        })
    }

    pub(crate) fn find(&self, reference: &[Component]) -> Result<Option<Bound>, Error> {
        match self {
            Scope::Environment(environment) => environment.find(reference),
            Scope::Value(value) if value.is_namable() => value.find(reference),
            Scope::Value(_) | Scope::Unusable => Err(Error::new(
                ErrorKind::Type,
                "a plain text or number was bound without a name; use bind(name=value)",
            )),
            Scope::Fields(fields) => fields.find(reference),
            Scope::SelfFields(fields) => match strip(reference, "self") {
                Some(rest) if !rest.is_empty() => fields.find(rest),
                _ => Ok(None),
            },
            Scope::Super(scopes) => match strip(reference, "super") {
                Some([]) => Ok(scopes.iter().find_map(Scope::as_value)),
                Some(rest) => find_in(scopes, rest),
                None => Ok(None),
            },
            Scope::Chain(scopes) => find_in(scopes, reference),
        }
    }

    /// A bound value itself, which `{{super}}` alone means.
    fn as_value(&self) -> Option<Bound> {
        match self {
            Scope::Value(value) => Some(Bound::Value((**value).clone())),
            Scope::Chain(scopes) => scopes.iter().find_map(Scope::as_value),
            _ => None,
        }
    }
}

fn strip<'a>(reference: &'a [Component], name: &str) -> Option<&'a [Component]> {
    match reference.split_first() {
        Some((Component::Dereference(first), rest)) if **first == *name => Some(rest),
        _ => None,
    }
}

/// The first hit wins.
pub(crate) fn find_in(scopes: &[Scope], reference: &[Component]) -> Result<Option<Bound>, Error> {
    for scope in scopes {
        if let Some(found) = scope.find(reference)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
