//! What can go wrong with a value, with upstream's messages.

use thiserror::Error as ThisError;

/// Which of Python's or Pystachio's exceptions a fault corresponds to; it decides what callers may recover from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// `CoercionError`, a `ValueError`: a value cannot be read as its type.
    Coercion,
    /// `ValueError`: a value has the wrong shape.
    Value,
    /// `IsNotMappingError`, a `ValueError`: a struct was given something that is not a mapping.
    NotMapping,
    /// `AttributeError`: no such field.
    Attribute,
    /// `InvalidRefError`: a reference does not follow the grammar. No `ValueError`: nothing recovers from it.
    InvalidRef,
    /// `Uninterpolatable`: references lead to references without end.
    Uninterpolatable,
    /// `TypeError`: an operation that the type does not have.
    Type,
    /// `KeyError`: a map has no such key.
    Key,
    /// `IndexError`: a list has no such element.
    Index,
    /// `RecursionError`: values lead into one another, or nest, beyond a limit.
    Recursion,
}

/// A fault of a value.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
#[error("{message}")]
pub struct Error {
    /// The kind.
    pub kind: ErrorKind,
    /// The message, as upstream words it where it has one.
    pub message: String,
    /// The field at fault from the value on that was worked on, such as `task.processes[0].name`; empty when not known.
    pub path: String,
    /// The names that are known where another was given, such as the fields of a struct; empty for other faults.
    pub known: Vec<String>,
}

impl Error {
    /// A fault with its message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error {
            kind,
            message: message.into(),
            path: String::new(),
            known: Vec::new(),
        }
    }

    /// `Cannot coerce 'SOURCE' to TYPE`, with a detail where upstream gives one.
    pub(crate) fn coercion(source: &str, target: &str, detail: Option<&str>) -> Error {
        let mut message = format!("Cannot coerce '{source}' to {target}");
        if let Some(detail) = detail {
            message.push_str(": ");
            message.push_str(detail);
        }
        Error::new(ErrorKind::Coercion, message)
    }

    /// The same fault seen from the value that holds the faulty one, at a step such as `[0]`.
    pub(crate) fn under(mut self, step: impl std::fmt::Display) -> Error {
        let joint = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        self.path = format!("{step}{joint}{}", self.path);
        self
    }

    /// The same under a struct's field.
    pub(crate) fn under_field(self, name: &str) -> Error {
        self.under(name)
    }

    /// Whether Python code that catches `ValueError` would catch it.
    pub fn is_value_error(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Coercion | ErrorKind::Value | ErrorKind::NotMapping
        )
    }
}
