//! JSON values read leniently, with the path that led to them for messages.

use serde_json::Value;

use crate::schema::SchemaError;

/// A JSON value and the path that led to it, for messages.
#[derive(Debug, Clone)]
pub(crate) struct Place<'a> {
    path: String,
    value: &'a Value,
}

impl<'a> Place<'a> {
    /// Starts at `value`, called `path` in messages.
    #[must_use]
    pub(crate) fn new(path: &str, value: &'a Value) -> Self {
        Self {
            path: path.to_owned(),
            value,
        }
    }

    /// The value itself.
    #[must_use]
    pub(crate) fn value(&self) -> &'a Value {
        self.value
    }

    /// The member of that name; `null` counts as absent.
    #[must_use]
    pub(crate) fn get(&self, key: &str) -> Option<Place<'a>> {
        let value = self.value.get(key).filter(|value| !value.is_null())?;
        Some(Place {
            path: format!("{}.{key}", self.path),
            value,
        })
    }

    /// The member of that name.
    ///
    /// # Errors
    /// [`SchemaError::Required`].
    pub(crate) fn required(&self, key: &str) -> Result<Place<'a>, SchemaError> {
        self.get(key).ok_or_else(|| SchemaError::Required {
            path: format!("{}.{key}", self.path),
        })
    }

    /// A complaint about this value.
    #[must_use]
    pub(crate) fn wrong(&self, wanted: &'static str) -> SchemaError {
        let mut found = self.value.to_string();
        if found.chars().count() > 60 {
            found = found.chars().take(57).chain("...".chars()).collect();
        }
        SchemaError::Kind {
            path: self.path.clone(),
            wanted,
            found,
        }
    }

    /// The elements of a list.
    ///
    /// # Errors
    /// [`SchemaError::Kind`].
    pub(crate) fn list(&self) -> Result<Vec<Place<'a>>, SchemaError> {
        let list = self.value.as_array().ok_or_else(|| self.wrong("a list"))?;
        Ok(list
            .iter()
            .enumerate()
            .map(|(index, value)| Place {
                path: format!("{}[{index}]", self.path),
                value,
            })
            .collect())
    }

    /// A text; numbers are taken for one.
    ///
    /// # Errors
    /// [`SchemaError::Kind`].
    pub(crate) fn text(&self) -> Result<String, SchemaError> {
        match self.value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            _ => Err(self.wrong("a text")),
        }
    }

    /// A member that is a text.
    ///
    /// # Errors
    /// [`SchemaError::Kind`].
    pub(crate) fn text_or(&self, key: &str, default: &str) -> Result<String, SchemaError> {
        self.get(key)
            .map_or_else(|| Ok(default.to_owned()), |place| place.text())
    }

    /// A whole number; a fraction is cut off, as upstream's Integer does.
    ///
    /// # Errors
    /// [`SchemaError::Kind`].
    pub(crate) fn integer(&self) -> Result<i64, SchemaError> {
        let number = match self.value {
            Value::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(whole)),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.ok_or_else(|| self.wrong("a whole number"))
    }

    /// A member that is a whole number.
    ///
    /// # Errors
    /// [`SchemaError::Kind`].
    pub(crate) fn integer_or(&self, key: &str, default: i64) -> Result<i64, SchemaError> {
        self.get(key).map_or(Ok(default), |place| place.integer())
    }

    /// A member that is a number of seconds; negative ones are as good as zero.
    ///
    /// # Errors
    /// [`SchemaError::Kind`].
    pub(crate) fn seconds_or(&self, key: &str, default: u64) -> Result<u64, SchemaError> {
        self.get(key).map_or(Ok(default), |place| {
            Ok(u64::try_from(place.integer()?).unwrap_or(0))
        })
    }

    /// A member that is a number.
    ///
    /// # Errors
    /// [`SchemaError::Kind`].
    pub(crate) fn number_or(&self, key: &str, default: f64) -> Result<f64, SchemaError> {
        let Some(place) = self.get(key) else {
            return Ok(default);
        };
        let number = match place.value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number
            .filter(|number: &f64| number.is_finite())
            .ok_or_else(|| place.wrong("a number"))
    }

    /// A member that is true or false.
    ///
    /// # Errors
    /// [`SchemaError::Kind`].
    pub(crate) fn boolean_or(&self, key: &str, default: bool) -> Result<bool, SchemaError> {
        let Some(place) = self.get(key) else {
            return Ok(default);
        };
        let truth = match place.value {
            Value::Bool(truth) => Some(*truth),
            Value::String(text) => match text.to_ascii_lowercase().as_str() {
                "true" | "1" => Some(true),
                "false" | "0" => Some(false),
                _ => None,
            },
            Value::Number(number) => match number.as_i64() {
                Some(0) => Some(false),
                Some(1) => Some(true),
                _ => None,
            },
            _ => None,
        };
        truth.ok_or_else(|| place.wrong("true or false"))
    }
}

fn whole(number: f64) -> Option<i64> {
    (number.abs() < 9.0e15).then(|| number.trunc() as i64)
}
