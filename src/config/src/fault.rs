//! Faults on the way from a file to a job.

use aurora_api::eval::{Diagnostic, DiagnosticKind};
use pystachio::{Error, ErrorKind};

use crate::near::nearest;
use crate::python;

/// What may stand between double braces.
const ADDRESSES: &str = "addresses between double braces, such as {{mesos.instance}}";

/// What to do about references in a circle.
pub(crate) const CIRCLE: &str = "a field refers to itself, directly or through others";

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
        ErrorKind::InvalidRef => invalid_reference(&error.message),
        ErrorKind::NotMapping => no_mapping(&error.message),
        _ => error.message.clone(),
    };
    let mut diagnostic = fault(DiagnosticKind::Invalid, message);
    if !error.path.is_empty() {
        diagnostic.field = Some(error.path.clone());
    }
    diagnostic.hint = hint(error);
    diagnostic.allowed = match error.kind {
        ErrorKind::InvalidRef => Some(ADDRESSES.to_owned()),
        _ => (!error.known.is_empty()).then(|| error.known.join(", ")),
    };
    if field.is_empty() {
        diagnostic
    } else {
        at(field, diagnostic)
    }
}

/// The same fault with what may stand there.
pub(crate) fn allowing(mut diagnostic: Box<Diagnostic>, allowed: &str) -> Box<Diagnostic> {
    diagnostic.allowed = Some(allowed.to_owned());
    diagnostic
}

fn invalid_reference(message: &str) -> String {
    format!("Invalid reference: {}", message.trim())
}

fn no_mapping(message: &str) -> String {
    let shown = if message.is_empty() { "''" } else { message };
    format!("a mapping of fields is expected, not {shown}")
}

fn hint(error: &Error) -> Option<String> {
    let text = match error.kind {
        ErrorKind::Attribute => {
            let word = error.message.rsplit(' ').next()?;
            let meant = nearest(word, error.known.iter().map(String::as_str))?;
            return Some(format!("did you mean {meant}?"));
        }
        ErrorKind::InvalidRef => {
            "text between double braces must be an address such as {{mesos.instance}}, without blanks"
        }
        ErrorKind::Uninterpolatable | ErrorKind::Recursion => CIRCLE,
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
        // Upstream shows the bare text between the braces, or the bare value.
        "InvalidRefError" => invalid_reference(&fault.message),
        "IsNotMappingError" => no_mapping(&fault.message),
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
        allowed: fault.allowed,
        found: None,
    })
}
