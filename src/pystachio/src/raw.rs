//! Plain data: what values are made from and what they give back.

use std::sync::Arc;

use crate::environment::Environment;
use crate::error::Error;
use crate::number::Int;
use crate::pytext::{float_text, quote};
use crate::reference::Ref;
use crate::value::Value;

/// A piece of plain data, possibly with typed values in it.
#[derive(Clone, Debug)]
pub enum Raw {
    /// Python's `None`, JSON's `null`.
    None,
    /// The sentinel that clears a field.
    Empty,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(Int),
    /// A floating point number.
    Float(f64),
    /// A text, possibly with references.
    Text(Arc<str>),
    /// A list.
    List(Vec<Raw>),
    /// A tuple: differs from a list in how it is shown.
    Tuple(Vec<Raw>),
    /// A mapping in its order.
    Dict(Vec<(Raw, Raw)>),
    /// A typed value.
    Value(Box<Value>),
    /// A mount table.
    Environment(Arc<Environment>),
    /// A reference, as a key of a binding.
    Ref(Ref),
    /// Something that no type accepts, with what messages say about it.
    Foreign(Arc<Foreign>),
}

/// How messages show an object that has no place in a job description.
#[derive(Clone, Debug)]
pub struct Foreign {
    /// The name of its type.
    pub type_name: String,
    /// `str(object)`.
    pub text: String,
    /// `repr(object)`.
    pub repr: String,
    /// Whether it is an iterator or generator, which can be read only once and is refused by its own message.
    pub iterator: bool,
}

impl Raw {
    /// A text.
    pub fn text(text: impl Into<Arc<str>>) -> Raw {
        Raw::Text(text.into())
    }

    /// `str(object)`.
    ///
    /// # Errors
    /// When a typed value in it cannot be rendered.
    pub fn to_text(&self) -> Result<String, Error> {
        Ok(match self {
            Raw::Text(text) => text.to_string(),
            Raw::Value(value) => value.text()?,
            Raw::Ref(reference) => reference.to_string(),
            Raw::Foreign(foreign) => foreign.text.clone(),
            other => other.repr()?,
        })
    }

    /// `repr(object)`.
    ///
    /// # Errors
    /// When a typed value in it cannot be rendered.
    pub fn repr(&self) -> Result<String, Error> {
        let all =
            |items: &[Raw]| -> Result<Vec<String>, Error> { items.iter().map(Raw::repr).collect() };
        Ok(match self {
            Raw::None => "None".to_owned(),
            Raw::Empty => "<class 'pystachio.composite.Empty'>".to_owned(),
            Raw::Bool(true) => "True".to_owned(),
            Raw::Bool(false) => "False".to_owned(),
            Raw::Int(number) => number.to_string(),
            Raw::Float(number) => float_text(*number),
            Raw::Text(text) => quote(text),
            Raw::List(items) => format!("[{}]", all(items)?.join(", ")),
            Raw::Tuple(items) if items.len() == 1 => format!("({},)", all(items)?.join(", ")),
            Raw::Tuple(items) => format!("({})", all(items)?.join(", ")),
            Raw::Dict(pairs) => {
                let shown: Vec<String> = pairs
                    .iter()
                    .map(|(key, value)| Ok(format!("{}: {}", key.repr()?, value.repr()?)))
                    .collect::<Result<_, Error>>()?;
                format!("{{{}}}", shown.join(", "))
            }
            Raw::Value(value) => value.repr()?,
            Raw::Environment(_) => "Environment({...})".to_owned(),
            Raw::Ref(reference) => format!("Ref({})", reference.address()),
            Raw::Foreign(foreign) => foreign.repr.clone(),
        })
    }

    /// `repr(object)` for a message: a value that cannot be rendered shows why.
    pub(crate) fn shown(&self) -> String {
        self.repr()
            .unwrap_or_else(|error| format!("<{}>", error.message))
    }

    /// The name of its Python type.
    pub(crate) fn type_name(&self) -> &str {
        match self {
            Raw::None => "NoneType",
            Raw::Empty => "type",
            Raw::Bool(_) => "bool",
            Raw::Int(_) => "int",
            Raw::Float(_) => "float",
            Raw::Text(_) => "str",
            Raw::List(_) => "list",
            Raw::Tuple(_) => "tuple",
            Raw::Dict(_) => "dict",
            Raw::Value(value) => value.type_of().name(),
            Raw::Environment(_) => "Environment",
            Raw::Ref(_) => "Ref",
            Raw::Foreign(foreign) => &foreign.type_name,
        }
    }

    /// The elements of a list or tuple.
    pub fn items(&self) -> Option<&[Raw]> {
        match self {
            Raw::List(items) | Raw::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// The value under a text key.
    pub fn member(&self, key: &str) -> Option<&Raw> {
        match self {
            Raw::Dict(pairs) => pairs
                .iter()
                .find(|(k, _)| matches!(k, Raw::Text(text) if **text == *key))
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text, when it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Raw::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl PartialEq for Raw {
    /// Python's `==`: numbers and booleans compare by amount, a list never equals a tuple.
    fn eq(&self, other: &Raw) -> bool {
        fn amount(raw: &Raw) -> Option<Result<Int, f64>> {
            Some(match raw {
                Raw::Bool(flag) => Ok(Int::from(u32::from(*flag))),
                Raw::Int(number) => Ok(number.clone()),
                Raw::Float(number) => match Int::truncate(*number) {
                    Some(whole) if number.fract() == 0.0 => Ok(whole),
                    _ => Err(*number),
                },
                _ => return None,
            })
        }
        match (amount(self), amount(other)) {
            (Some(a), Some(b)) => return a == b,
            (None, None) => {}
            _ => return false,
        }
        match (self, other) {
            (Raw::None, Raw::None) | (Raw::Empty, Raw::Empty) => true,
            (Raw::Text(a), Raw::Text(b)) => a == b,
            (Raw::List(a), Raw::List(b)) | (Raw::Tuple(a), Raw::Tuple(b)) => a == b,
            (Raw::Dict(a), Raw::Dict(b)) => {
                a.len() == b.len()
                    && a.iter()
                        .all(|(key, value)| b.iter().any(|(k, v)| k == key && v == value))
            }
            (Raw::Ref(a), Raw::Ref(b)) => a == b,
            (Raw::Value(a), Raw::Value(b)) => a.same_as(b).unwrap_or(false),
            (Raw::Foreign(a), Raw::Foreign(b)) => a.type_name == b.type_name && a.repr == b.repr,
            _ => false,
        }
    }
}

impl From<&str> for Raw {
    fn from(text: &str) -> Raw {
        Raw::Text(text.into())
    }
}
impl From<String> for Raw {
    fn from(text: String) -> Raw {
        Raw::Text(text.into())
    }
}
impl From<bool> for Raw {
    fn from(flag: bool) -> Raw {
        Raw::Bool(flag)
    }
}
impl From<i64> for Raw {
    fn from(number: i64) -> Raw {
        Raw::Int(number.into())
    }
}
impl From<f64> for Raw {
    fn from(number: f64) -> Raw {
        Raw::Float(number)
    }
}
impl From<Value> for Raw {
    fn from(value: Value) -> Raw {
        Raw::Value(Box::new(value))
    }
}
