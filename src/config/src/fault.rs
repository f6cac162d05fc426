//! Faults on the way from a file to a job.

use aurora_api::eval::{Diagnostic, DiagnosticKind};
use pystachio::Error;

use crate::python;

/// A result that fails with something to tell the user.
pub(crate) type Checked<T> = Result<T, Box<Diagnostic>>;

/// A fault of a kind.
pub(crate) fn fault(kind: DiagnosticKind, message: impl Into<String>) -> Box<Diagnostic> {
    Box::new(Diagnostic {
        kind,
        message: message.into(),
        ..Diagnostic::default()
    })
}

/// A job that cannot be converted, with upstream's prefix, at a field of the job.
pub(crate) fn invalid(field: &str, message: impl std::fmt::Display) -> Box<Diagnostic> {
    at(
        field,
        fault(
            DiagnosticKind::Invalid,
            format!("The configuration was invalid: {message}"),
        ),
    )
}

/// The same fault seen from outside: at a field that comes before what is known of the place.
pub(crate) fn at(field: &str, mut diagnostic: Box<Diagnostic>) -> Box<Diagnostic> {
    diagnostic.field = match diagnostic.field.take() {
        _ if field.is_empty() => None,
        None => Some(field.to_owned()),
        Some(inner) if inner.starts_with('[') => Some(format!("{field}{inner}")),
        Some(inner) => Some(format!("{field}.{inner}")),
    };
    diagnostic
}

/// A fault of a value, at a field of the job.
pub(crate) fn of_value(field: &str, error: &Error) -> Box<Diagnostic> {
    let message = match error.kind {
        pystachio::ErrorKind::InvalidRef => invalid_reference(&error.message),
        _ => error.message.clone(),
    };
    let mut diagnostic = fault(DiagnosticKind::Invalid, message);
    if !error.path.is_empty() {
        diagnostic.field = Some(error.path.clone());
    }
    diagnostic.hint = hint(error);
    match (field.is_empty(), diagnostic.field.is_some()) {
        (true, _) => diagnostic,
        (false, _) => at(field, diagnostic),
    }
}

fn invalid_reference(message: &str) -> String {
    format!("Invalid reference: {}", message.trim())
}

fn hint(error: &Error) -> Option<String> {
    let text = match error.kind {
        pystachio::ErrorKind::InvalidRef => {
            "text between double braces must be an address such as {{mesos.instance}}, without blanks"
        }
        pystachio::ErrorKind::Uninterpolatable | pystachio::ErrorKind::Recursion => {
            "a field refers to itself, directly or through others"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

/// A fault of the interpreter.
pub(crate) fn of_python(fault: python::Fault) -> Box<Diagnostic> {
    let kind = match fault.class.as_str() {
        "RecursionError" | "MemoryError" => DiagnosticKind::Limit,
        _ => DiagnosticKind::Evaluation,
    };
    let message = match fault.class.as_str() {
        // Upstream shows the bare text between the braces.
        "InvalidRefError" => invalid_reference(&fault.message),
        _ => fault.message,
    };
    Box::new(Diagnostic {
        kind,
        message,
        file: fault.file,
        line: fault.line,
        column: fault.column,
        field: fault.field,
        hint: fault.hint,
    })
}
