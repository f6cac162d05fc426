//! Equality and order of values.

use std::cmp::Ordering;

use super::{Data, Value};
use crate::error::{Error, ErrorKind};
use crate::raw::Raw;
use crate::types::{Type, TypeKind};

impl Value {
    /// Python's `==`: simple values of one type with the same interpolated datum; structs with the same fields, whatever
    /// they are called; lists of one element type; maps of the same types in the same order.
    ///
    /// # Errors
    /// When one cannot be interpolated.
    pub fn same_as(&self, other: &Value) -> Result<bool, Error> {
        match (&self.data, &other.data) {
            (Data::Simple(_), Data::Simple(_)) => {
                if self.kind != other.kind {
                    return Ok(false);
                }
                let (a, b) = (self.interpolate()?.0, other.interpolate()?.0);
                Ok(a.raw() == b.raw())
            }
            (Data::Choice(_), Data::Choice(_)) => {
                if !same_alternatives(&self.kind, &other.kind) {
                    return Ok(false);
                }
                self.unwrap()?.same_as(&other.unwrap()?)
            }
            (Data::List(_), Data::List(_)) => {
                if self.kind.signature() != other.kind.signature() {
                    return Ok(false);
                }
                let (a, b) = (self.interpolate()?.0, other.interpolate()?.0);
                all_same(a.elements().unwrap_or(&[]), b.elements().unwrap_or(&[]))
            }
            (Data::Map(_), Data::Map(_)) => {
                if self.kind.signature() != other.kind.signature() {
                    return Ok(false);
                }
                let (a, b) = (self.interpolate()?.0, other.interpolate()?.0);
                let (a, b) = (a.pairs().unwrap_or(&[]), b.pairs().unwrap_or(&[]));
                if a.len() != b.len() {
                    return Ok(false);
                }
                for ((ak, av), (bk, bv)) in a.iter().zip(b) {
                    if !ak.same_as(bk)? || !av.same_as(bv)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Data::Struct(_), Data::Struct(_)) => {
                if !same_fields(&self.kind, &other.kind)? {
                    return Ok(false);
                }
                let (a, b) = (self.interpolate()?.0, other.interpolate()?.0);
                let (Data::Struct(a), Data::Struct(b)) = (&a.data, &b.data) else {
                    return Ok(false);
                };
                let declared = self
                    .kind
                    .as_struct()
                    .map(|kind| kind.fields())
                    .unwrap_or(&[]);
                for (name, _) in declared {
                    let same = match (a.get(name), b.get(name)) {
                        (None, None) => true,
                        (Some(a), Some(b)) => a.same_as(b)?,
                        _ => false,
                    };
                    if !same {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// The order of two simple values of one type; nothing for values of different types.
    ///
    /// # Errors
    /// When one cannot be interpolated, or their data have no order (a text with a reference against a number).
    pub fn order(&self, other: &Value) -> Result<Option<Ordering>, Error> {
        if self.kind != other.kind || !self.kind.is_simple() {
            return Ok(None);
        }
        let (a, b) = (self.interpolate()?.0, other.interpolate()?.0);
        let ordering = match (a.raw(), b.raw()) {
            (Some(Raw::Int(a)), Some(Raw::Int(b))) => Some(a.cmp(b)),
            (Some(Raw::Float(a)), Some(Raw::Float(b))) => a.partial_cmp(b),
            (Some(Raw::Text(a)), Some(Raw::Text(b))) => Some(a.cmp(b)),
            (Some(Raw::Bool(a)), Some(Raw::Bool(b))) => Some(a.cmp(b)),
            _ => None,
        };
        match ordering {
            Some(ordering) => Ok(Some(ordering)),
            None => Err(Error::new(
                ErrorKind::Type,
                format!(
                    "values of {} cannot be ordered while references are left in them",
                    self.kind.name()
                ),
            )),
        }
    }

    /// A text that is equal for values made from the same data, before interpolation: what upstream's hash looks at.
    ///
    /// # Errors
    /// When a choice in it cannot be resolved.
    pub fn raw_key(&self) -> Result<String, Error> {
        self.get()?.repr()
    }
}

fn all_same(a: &[Value], b: &[Value]) -> Result<bool, Error> {
    if a.len() != b.len() {
        return Ok(false);
    }
    for (a, b) in a.iter().zip(b) {
        if !a.same_as(b)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn same_alternatives(a: &Type, b: &Type) -> bool {
    match (a.kind(), b.kind()) {
        (
            TypeKind::Choice {
                alternatives: a, ..
            },
            TypeKind::Choice {
                alternatives: b, ..
            },
        ) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.signature() == b.signature()),
        _ => false,
    }
}

/// The same fields with the same types, requirements and defaults.
fn same_fields(a: &Type, b: &Type) -> Result<bool, Error> {
    if a.signature() == b.signature() {
        return Ok(true);
    }
    let (Some(a), Some(b)) = (a.as_struct(), b.as_struct()) else {
        return Ok(false);
    };
    if a.fields().len() != b.fields().len() {
        return Ok(false);
    }
    for (name, field) in a.fields() {
        let Some(position) = b.position(name) else {
            return Ok(false);
        };
        let other = &b.fields()[position].1;
        let defaults = match (&field.default, &other.default) {
            (None, None) => true,
            (Some(a), Some(b)) => a.same_as(b)?,
            _ => false,
        };
        if !defaults
            || field.required != other.required
            || field.kind.signature() != other.kind.signature()
        {
            return Ok(false);
        }
    }
    Ok(true)
}
