//! Types of values.

use std::sync::Arc;

use crate::error::{Error, ErrorKind};
use crate::raw::Raw;
use crate::value::Value;

/// How deep types may contain types; the job schema has seven levels.
const MAX_DEPTH: u16 = 40;

/// A type. Two types are equal when their names and their structures are, wherever they were made.
#[derive(Clone, Debug)]
pub struct Type(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kind: TypeKind,
    name: Arc<str>,
    /// The structure in text; equal for equal types.
    signature: String,
    depth: u16,
}

/// What a type is.
#[derive(Debug)]
pub enum TypeKind {
    /// A text.
    String,
    /// An integer of any size.
    Integer,
    /// A floating point number.
    Float,
    /// A truth value.
    Boolean,
    /// One of these texts.
    Enum(Vec<Arc<str>>),
    /// One of these types, tried in order.
    Choice {
        /// The alternatives.
        alternatives: Vec<Type>,
        /// Whether a mapping with keys that an alternative does not know goes on to the next one. Upstream stops with an
        /// `AttributeError`; Aurora's own schema goes on, so that jobs written as JSON load.
        skip_unknown: bool,
    },
    /// A sequence of one type.
    List(Type),
    /// Pairs of a key type and a value type, in order.
    Map(Type, Type),
    /// Named fields.
    Struct(StructType),
}

/// The fields of a struct.
#[derive(Debug)]
pub struct StructType {
    fields: Vec<(Arc<str>, Field)>,
}

/// A field of a struct.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its type.
    pub kind: Type,
    /// Whether a check fails while it is empty.
    pub required: bool,
    /// What it holds when nothing is given.
    pub default: Option<Value>,
}

impl Field {
    /// A field that may stay empty.
    pub fn optional(kind: Type) -> Field {
        Field {
            kind,
            required: false,
            default: None,
        }
    }

    /// A field that has to be given.
    pub fn required(kind: Type) -> Field {
        Field {
            kind,
            required: true,
            default: None,
        }
    }

    /// A field with a default. Only the default's plain data counts: bindings made on it are lost.
    ///
    /// # Errors
    /// When the default has the wrong shape for the type.
    pub fn with_default(kind: Type, default: Raw) -> Result<Field, Error> {
        let value = Value::assign(&kind, default)?;
        let default = Some(Value::new(&kind, value.get()?)?);
        Ok(Field {
            kind,
            required: false,
            default,
        })
    }
}

impl StructType {
    /// The fields in the order of their declaration.
    pub fn fields(&self) -> &[(Arc<str>, Field)] {
        &self.fields
    }

    /// Where a field stands among the fields.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|(field, _)| **field == *name)
    }
}

impl Type {
    fn make(
        kind: TypeKind,
        name: Arc<str>,
        parts: &[&Type],
        signature: String,
    ) -> Result<Type, Error> {
        let depth = 1 + parts.iter().map(|part| part.0.depth).max().unwrap_or(0);
        if depth > MAX_DEPTH {
            return Err(Error::new(
                ErrorKind::Recursion,
                format!("type {name:.60} nests more than {MAX_DEPTH} types"),
            ));
        }
        Ok(Type(Arc::new(Inner {
            kind,
            name,
            signature,
            depth,
        })))
    }

    fn simple(kind: TypeKind, name: &str) -> Type {
        Type(Arc::new(Inner {
            kind,
            name: name.into(),
            signature: name.to_owned(),
            depth: 1,
        }))
    }

    /// `String`
    pub fn string() -> Type {
        Type::simple(TypeKind::String, "String")
    }

    /// `Integer`
    pub fn integer() -> Type {
        Type::simple(TypeKind::Integer, "Integer")
    }

    /// `Float`
    pub fn float() -> Type {
        Type::simple(TypeKind::Float, "Float")
    }

    /// `Boolean`
    pub fn boolean() -> Type {
        Type::simple(TypeKind::Boolean, "Boolean")
    }

    /// `Enum(name, values)`; without a name it is called `Enum_a_b`.
    pub fn enumeration(name: Option<&str>, values: &[&str]) -> Type {
        let name: Arc<str> = match name {
            Some(name) => name.into(),
            None => format!("Enum_{}", values.join("_")).into(),
        };
        let signature = format!("Enum({name};{values:?})");
        Type(Arc::new(Inner {
            kind: TypeKind::Enum(values.iter().map(|value| (*value).into()).collect()),
            name,
            signature,
            depth: 1,
        }))
    }

    /// `Choice(name, alternatives)`; without a name it is called `Choice_A_B`.
    ///
    /// # Errors
    /// When types nest too deep.
    pub fn choice(
        name: Option<&str>,
        alternatives: &[Type],
        skip_unknown: bool,
    ) -> Result<Type, Error> {
        let names: Vec<&str> = alternatives.iter().map(Type::name).collect();
        let name: Arc<str> = match name {
            Some(name) => name.into(),
            None => format!("Choice_{}", names.join("_")).into(),
        };
        let signatures: Vec<&str> = alternatives.iter().map(Type::signature).collect();
        let signature = format!("Choice({name};{})", signatures.join(","));
        let parts: Vec<&Type> = alternatives.iter().collect();
        let kind = TypeKind::Choice {
            alternatives: alternatives.to_vec(),
            skip_unknown,
        };
        Type::make(kind, name, &parts, signature)
    }

    /// `List(element)`, called `<element>List`.
    ///
    /// # Errors
    /// When types nest too deep.
    pub fn list(element: &Type) -> Result<Type, Error> {
        Type::make(
            TypeKind::List(element.clone()),
            format!("{}List", element.name()).into(),
            &[element],
            format!("List({})", element.signature()),
        )
    }

    /// `Map(key, value)`, called `<key><value>Map`.
    ///
    /// # Errors
    /// When types nest too deep.
    pub fn map(key: &Type, value: &Type) -> Result<Type, Error> {
        Type::make(
            TypeKind::Map(key.clone(), value.clone()),
            format!("{}{}Map", key.name(), value.name()).into(),
            &[key, value],
            format!("Map({},{})", key.signature(), value.signature()),
        )
    }

    /// `class Name(Struct)` with fields in this order; a name that comes twice keeps its place and its last declaration.
    ///
    /// # Errors
    /// When types nest too deep.
    pub fn structure(name: &str, fields: Vec<(Arc<str>, Field)>) -> Result<Type, Error> {
        let mut unique: Vec<(Arc<str>, Field)> = Vec::with_capacity(fields.len());
        for (field_name, field) in fields {
            match unique.iter_mut().find(|(known, _)| *known == field_name) {
                Some((_, known)) => *known = field,
                None => unique.push((field_name, field)),
            }
        }
        let mut described: Vec<String> = unique
            .iter()
            .map(|(field_name, field)| {
                let default = match &field.default {
                    Some(value) => value.get()?.repr()?,
                    None => String::new(),
                };
                Ok(format!(
                    "{field_name}:{}:{}:{default:?}",
                    field.kind.signature(),
                    field.required
                ))
            })
            .collect::<Result<_, Error>>()?;
        described.sort();
        let signature = format!("Struct({name};{})", described.join(","));
        let kinds: Vec<Type> = unique.iter().map(|(_, field)| field.kind.clone()).collect();
        let parts: Vec<&Type> = kinds.iter().collect();
        Type::make(
            TypeKind::Struct(StructType { fields: unique }),
            name.into(),
            &parts,
            signature,
        )
    }

    /// `class Name(Parent)`: the parent's structure under a name of its own, and so another type.
    pub fn renamed(&self, name: &str) -> Type {
        let kind = match &self.0.kind {
            TypeKind::String => TypeKind::String,
            TypeKind::Integer => TypeKind::Integer,
            TypeKind::Float => TypeKind::Float,
            TypeKind::Boolean => TypeKind::Boolean,
            TypeKind::Enum(values) => TypeKind::Enum(values.clone()),
            TypeKind::Choice {
                alternatives,
                skip_unknown,
            } => TypeKind::Choice {
                alternatives: alternatives.clone(),
                skip_unknown: *skip_unknown,
            },
            TypeKind::List(element) => TypeKind::List(element.clone()),
            TypeKind::Map(key, value) => TypeKind::Map(key.clone(), value.clone()),
            TypeKind::Struct(fields) => TypeKind::Struct(StructType {
                fields: fields.fields.clone(),
            }),
        };
        Type(Arc::new(Inner {
            kind,
            name: name.into(),
            signature: self.0.signature.clone(),
            depth: self.0.depth,
        }))
    }

    /// What it is.
    pub fn kind(&self) -> &TypeKind {
        &self.0.kind
    }

    /// Its name, as messages have it.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its structure in text: equal types have equal signatures (and equal names).
    pub fn signature(&self) -> &str {
        &self.0.signature
    }

    /// A number that its clones share and no other living type has.
    pub fn identity(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// The struct's fields, when it is a struct.
    pub fn as_struct(&self) -> Option<&StructType> {
        match &self.0.kind {
            TypeKind::Struct(fields) => Some(fields),
            _ => None,
        }
    }

    /// The names of a struct's fields, in the order of their declaration; none for other types.
    pub fn field_names(&self) -> Vec<String> {
        let fields = self.as_struct().map_or(&[][..], StructType::fields);
        fields.iter().map(|(name, _)| name.to_string()).collect()
    }

    /// What may stand where a value of the type is asked for, for people.
    pub fn described(&self) -> String {
        match &self.0.kind {
            TypeKind::String => "a text".to_owned(),
            TypeKind::Integer => "a whole number".to_owned(),
            TypeKind::Float => "a number".to_owned(),
            TypeKind::Boolean => "True or False".to_owned(),
            TypeKind::Enum(values) => format!("one of {}", values.join(", ")),
            TypeKind::Choice { alternatives, .. } => {
                let kinds: Vec<&str> = alternatives.iter().map(Type::name).collect();
                format!("one of {}", kinds.join(", "))
            }
            TypeKind::List(element) => format!("a list, each {}", element.described()),
            TypeKind::Map(_, value) => format!("a mapping, each value {}", value.described()),
            TypeKind::Struct(_) => format!("a {}", self.name()),
        }
    }

    /// Whether values of it are a single datum.
    pub(crate) fn is_simple(&self) -> bool {
        matches!(
            self.0.kind,
            TypeKind::String
                | TypeKind::Integer
                | TypeKind::Float
                | TypeKind::Boolean
                | TypeKind::Enum(_)
        )
    }
}

impl PartialEq for Type {
    fn eq(&self, other: &Type) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.0.name == other.0.name && self.0.signature == other.0.signature)
    }
}
impl Eq for Type {}
