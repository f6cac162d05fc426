//! Reading fields of a value that is known to be a struct of the schema.

use pystachio::{Raw, Ref, Value};

use crate::fault::{Checked, at, invalid, of_value};

/// A struct value and where it stands in the job.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) path: String,
}

impl Node {
    pub(crate) fn root(value: Value) -> Node {
        Node {
            value,
            path: String::new(),
        }
    }

    /// The path of a field.
    pub(crate) fn at(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// A field, interpolated in the scopes of its owner; nothing when it is empty.
    pub(crate) fn field(&self, name: &str) -> Checked<Option<Node>> {
        let found = self
            .value
            .interpolated_field(name)
            .map_err(|error| of_value(&self.path, &error))?;
        Ok(found.map(|value| Node {
            value,
            path: self.at(name),
        }))
    }

    /// A field that must be there by now.
    pub(crate) fn need(&self, name: &str) -> Checked<Node> {
        self.field(name)?
            .ok_or_else(|| invalid(&self.at(name), format!("{} must be set", self.at(name))))
    }

    /// The elements of a list.
    pub(crate) fn elements(&self) -> Checked<Vec<Node>> {
        let (value, _) = self
            .value
            .interpolate()
            .map_err(|error| of_value(&self.path, &error))?;
        let elements = value.elements().unwrap_or(&[]).iter().enumerate();
        Ok(elements
            .map(|(index, element)| Node {
                value: element.clone(),
                path: format!("{}[{index}]", self.path),
            })
            .collect())
    }

    /// The alternative that a choice stands for.
    pub(crate) fn unwrap(&self) -> Checked<Node> {
        let value = self
            .value
            .unwrap()
            .map_err(|error| of_value(&self.path, &error))?;
        Ok(Node {
            value,
            path: self.path.clone(),
        })
    }

    /// The name of the value's type.
    pub(crate) fn kind(&self) -> &str {
        self.value.type_of().name()
    }

    /// The data of a value that passes its check: no reference is left where its type allows none.
    pub(crate) fn full(&self) -> Checked<Raw> {
        let check = self
            .value
            .check()
            .map_err(|error| of_value(&self.path, &error))?;
        if let Some(message) = &check.failure {
            let mut found = invalid("", message);
            found.field = Some(check.path.clone()).filter(|path| !path.is_empty());
            return Err(at(&self.path, found));
        }
        self.get()
    }

    /// The interpolated data, references and all.
    pub(crate) fn get(&self) -> Checked<Raw> {
        let outcome = self.value.interpolate().and_then(|(value, _)| value.get());
        outcome.map_err(|error| of_value(&self.path, &error))
    }

    /// The references left in the value.
    pub(crate) fn unbound(&self) -> Checked<Vec<Ref>> {
        self.value
            .unbound()
            .map_err(|error| of_value(&self.path, &error))
    }

    fn wrong<T>(&self, raw: &Raw, what: &str) -> Checked<T> {
        let shown = raw.repr().unwrap_or_default();
        Err(invalid(
            &self.path,
            format!("{} must be {what}, got {shown}", self.path),
        ))
    }

    /// A text.
    pub(crate) fn text(&self) -> Checked<String> {
        match self.full()? {
            Raw::Text(text) => Ok(text.to_string()),
            other => self.wrong(&other, "a text"),
        }
    }

    /// A truth value.
    pub(crate) fn boolean(&self) -> Checked<bool> {
        match self.full()? {
            Raw::Bool(flag) => Ok(flag),
            other => self.wrong(&other, "a boolean"),
        }
    }

    /// A 64-bit integer.
    pub(crate) fn i64(&self) -> Checked<i64> {
        match self.full()? {
            Raw::Int(number) if number.to_i64().is_some() => {
                Ok(number.to_i64().unwrap_or_default())
            }
            other => self.wrong(&other, "an integer of at most 64 bits"),
        }
    }

    /// A 32-bit integer.
    pub(crate) fn i32(&self) -> Checked<i32> {
        let number = self.i64()?;
        match i32::try_from(number) {
            Ok(number) => Ok(number),
            Err(_) => self.wrong(&Raw::from(number), "an integer of at most 32 bits"),
        }
    }

    /// A finite number.
    pub(crate) fn f64(&self) -> Checked<f64> {
        match self.full()? {
            Raw::Float(number) if number.is_finite() => Ok(number),
            other => self.wrong(&other, "a finite number"),
        }
    }
}
