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

/// One thing that is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Something required is missing, or a datum does not read as its type.
    Failed(Check),
    /// What upstream does not turn into a failed check: a reference off the grammar, for one.
    Broken(Error),
}

impl Finding {
    fn fail(message: String, path: String) -> Finding {
        Finding::Failed(Check {
            failure: Some(message),
            path,
        })
    }

    /// The same seen from the value that holds the faulty one at `step`; `word` makes its message of the inner one.
    fn under(self, step: &str, word: impl FnOnce(&str) -> String) -> Finding {
        match self {
            Finding::Failed(check) => Finding::fail(
                word(check.message()),
                format!("{step}{}", joint(&check.path)),
            ),
            Finding::Broken(error) => Finding::Broken(error.under(step)),
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
        match self.findings(1).pop() {
            None => Ok(Check::pass()),
            Some(Finding::Failed(check)) => Ok(check),
            Some(Finding::Broken(error)) => Err(error),
        }
    }

    /// The faults of all parts of the value, at most `limit` of them, in the order in which [`Value::check`] meets them.
    /// Each stands for itself: none is a consequence of another.
    pub fn findings(&self, limit: usize) -> Vec<Finding> {
        let mut found = Vec::new();
        match &self.data {
            Data::Simple(_) | Data::Choice(_) => match self.check_whole() {
                Ok(check) if check.is_ok() => {}
                Ok(check) => found.push(Finding::Failed(check)),
                Err(error) => found.push(Finding::Broken(error)),
            },
            Data::List(values) => {
                for (index, value) in values.iter().enumerate() {
                    let left = limit - found.len();
                    let inner = value.within(&self.scopes).findings(left).into_iter();
                    found.extend(inner.map(|finding| {
                        finding.under(&format!("[{index}]"), |message| {
                            format!("Element in {} failed check: {message}", self.kind.name())
                        })
                    }));
                    if found.len() >= limit {
                        break;
                    }
                }
            }
            Data::Map(pairs) => {
                for (key, value) in pairs.iter() {
                    if let Some(finding) = self.pair_finding(key, value) {
                        found.push(finding);
                    }
                    if found.len() >= limit {
                        break;
                    }
                }
            }
            Data::Struct(fields) => {
                let scopes = self.effective_scopes();
                let name_of_type = self.kind.name();
                let declared = self
                    .kind
                    .as_struct()
                    .map(|kind| kind.fields())
                    .unwrap_or(&[]);
                for ((name, field), value) in declared.iter().zip(fields.values.iter()) {
                    let left = limit - found.len();
                    match value {
                        None if field.required => found.push(Finding::fail(
                            format!("{name_of_type}[{name}] is required."),
                            name.to_string(),
                        )),
                        None => {}
                        Some(value) => {
                            let inner = value.within(&scopes).findings(left).into_iter();
                            found.extend(inner.map(|finding| {
                                finding.under(name, |message| {
                                    format!("{name_of_type}[{name}] failed: {message}")
                                })
                            }));
                        }
                    }
                    if found.len() >= limit {
                        break;
                    }
                }
            }
        }
        found
    }

    /// What is wrong with a pair of a map, its key first.
    fn pair_finding(&self, key: &Value, value: &Value) -> Option<Finding> {
        let name = self.kind.name();
        let outcome = || -> Result<Option<Finding>, Error> {
            let key_check = key.within(&self.scopes).check()?;
            let value_check = value.within(&self.scopes).check()?;
            if let Some(message) = key_check.failure {
                let shown = key.text()?;
                let message = format!("{name} key {shown} failed check: {message}");
                return Ok(Some(Finding::fail(message, String::new())));
            }
            let Some(message) = value_check.failure else {
                return Ok(None);
            };
            let key = key.text()?;
            let message = format!(
                "{name}[{key}] value {} failed check: {message}",
                value.text()?
            );
            let path = format!("[{key}]{}", joint(&value_check.path));
            Ok(Some(Finding::fail(message, path)))
        };
        outcome().unwrap_or_else(|error| Some(Finding::Broken(error)))
    }

    /// The check of a value without parts, and of a choice.
    fn check_whole(&self) -> Result<Check, Error> {
        match &self.data {
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
            _ => match self.interpolate() {
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
