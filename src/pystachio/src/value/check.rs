//! Checking a value against its type.

use super::{Data, Value, coerce};
use crate::error::{Error, ErrorKind};

/// What a check found: nothing, or the first fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Upstream's message, when the check failed.
    pub failure: Option<String>,
    /// The field at fault from the checked value on, such as `task.processes[0].name`; empty for the value itself.
    pub path: String,
}

impl Check {
    fn pass() -> Check {
        Check {
            failure: None,
            path: String::new(),
        }
    }

    fn fail(message: String) -> Check {
        Check {
            failure: Some(message),
            path: String::new(),
        }
    }

    /// Whether nothing was found.
    pub fn is_ok(&self) -> bool {
        self.failure.is_none()
    }

    /// The message; empty when nothing was found.
    pub fn message(&self) -> &str {
        self.failure.as_deref().unwrap_or("")
    }
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.failure {
            None => f.write_str("TypeCheck(OK)"),
            Some(message) => write!(f, "TypeCheck(FAILED): {message}"),
        }
    }
}

impl Value {
    /// Whether every required field is there and every datum reads as its type. A `String` always passes, even with
    /// references left in it. Stops at the first fault, in the order of declaration.
    ///
    /// # Errors
    /// What upstream does not turn into a failed check either: a reference off the grammar, for one.
    pub fn check(&self) -> Result<Check, Error> {
        match &self.data {
            Data::Simple(_) => match self.interpolate() {
                Ok((value, _)) => Ok(value
                    .raw()
                    .and_then(|raw| coerce::mismatch(&self.kind, raw))
                    .map_or_else(Check::pass, Check::fail)),
                Err(error)
                    if matches!(
                        error.kind,
                        ErrorKind::Coercion | ErrorKind::Uninterpolatable
                    ) =>
                {
                    Ok(Check::fail(format!("Unable to interpolate: {error}")))
                }
                Err(error) => Err(error),
            },
            Data::Choice(raw) => {
                let passed = self.unwrap_choice(raw, |value| {
                    let check = value.check()?;
                    if check.is_ok() {
                        return Ok(Some(check));
                    }
                    if let crate::raw::Raw::Value(own) = &**raw
                        && own.type_of() == value.type_of()
                    {
                        return self.own_alternative_failed(check);
                    }
                    Ok(None)
                })?;
                Ok(match passed {
                    Some(check) => check,
                    None => Check::fail(format!(
                        "{} typecheck failed: value {} did not match any of its alternatives",
                        self.kind.name(),
                        raw.to_text()?
                    )),
                })
            }
            Data::List(values) => {
                for (index, value) in values.iter().enumerate() {
                    let at = format!("[{index}]");
                    let check = value
                        .within(&self.scopes)
                        .check()
                        .map_err(|e| e.under(format_args!("{at}")))?;
                    if let Some(message) = &check.failure {
                        return Ok(Check {
                            failure: Some(format!(
                                "Element in {} failed check: {message}",
                                self.kind.name()
                            )),
                            path: at + &joint(&check.path),
                        });
                    }
                }
                Ok(Check::pass())
            }
            Data::Map(pairs) => {
                let name = self.kind.name();
                for (key, value) in pairs.iter() {
                    let key_check = key.within(&self.scopes).check()?;
                    let value_check = value.within(&self.scopes).check()?;
                    if let Some(message) = key_check.failure {
                        return Ok(Check::fail(format!(
                            "{name} key {} failed check: {message}",
                            key.text()?
                        )));
                    }
                    if let Some(message) = value_check.failure {
                        let key = key.text()?;
                        return Ok(Check {
                            failure: Some(format!(
                                "{name}[{key}] value {} failed check: {message}",
                                value.text()?
                            )),
                            path: format!("[{key}]{}", joint(&value_check.path)),
                        });
                    }
                }
                Ok(Check::pass())
            }
            Data::Struct(fields) => {
                let scopes = self.effective_scopes();
                let declared = self
                    .kind
                    .as_struct()
                    .map(|kind| kind.fields())
                    .unwrap_or(&[]);
                for ((name, field), value) in declared.iter().zip(fields.values.iter()) {
                    let check = match value {
                        None if field.required => {
                            return Ok(Check {
                                failure: Some(format!("{}[{name}] is required.", self.kind.name())),
                                path: name.to_string(),
                            });
                        }
                        None => continue,
                        Some(value) => value
                            .within(&scopes)
                            .check()
                            .map_err(|e| e.under_field(name))?,
                    };
                    if let Some(message) = &check.failure {
                        return Ok(Check {
                            failure: Some(format!(
                                "{}[{name}] failed: {message}",
                                self.kind.name()
                            )),
                            path: format!("{name}{}", joint(&check.path)),
                        });
                    }
                }
                Ok(Check::pass())
            }
        }
    }

    /// A choice that holds a value of an alternative's own type which fails its check. Upstream crashes there with an
    /// `AttributeError`; Aurora's own choices report the failure instead.
    fn own_alternative_failed(&self, check: Check) -> Result<Option<Check>, Error> {
        match self.kind.kind() {
            crate::types::TypeKind::Choice {
                skip_unknown: true, ..
            } => Ok(Some(check)),
            _ => Err(Error::new(ErrorKind::Attribute, check.message().to_owned())),
        }
    }
}

/// A path as it follows a name: `.field` or `[0]`.
pub(crate) fn joint(path: &str) -> String {
    if path.is_empty() || path.starts_with('[') {
        path.to_owned()
    } else {
        format!(".{path}")
    }
}
