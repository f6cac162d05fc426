//! The text forms of flags: `cpus:4;mem:2048;ports:[31000-32000]` and `rack:r1;weight:2.5`.

use super::{Amount, Resources, refine, thousandths};
use crate::v1::{Attribute, Range, Ranges, Resource, Scalar, Text, ValueType};

/// Why a text is no list of resources or attributes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// An element without `name:value`.
    #[error("'{0}' is not of the form NAME:VALUE")]
    Form(String),
    /// A value that cannot be.
    #[error("'{value}' is not a value for '{name}': expected a number, [A-B, C-D] or {{A, B}}")]
    Value {
        /// The name before the colon.
        name: String,
        /// What stands after it.
        value: String,
    },
}

/// Reads resources: numbers, `[A-B, C-D]` and `{A, B}`; `name(role):value` is statically reserved.
///
/// # Errors
/// [`ParseError`] for the first element that is wrong.
pub fn parse(text: &str) -> Result<Resources, ParseError> {
    let mut resources = Vec::new();
    for element in elements(text) {
        let (name, value) = split(element)?;
        let (name, role) = match name.strip_suffix(')').and_then(|name| name.split_once('(')) {
            Some((name, role)) => (name.trim(), Some(role.trim().to_owned())),
            None => (name, None),
        };
        let amount = amount(value).ok_or_else(|| ParseError::Value {
            name: name.to_owned(),
            value: value.to_owned(),
        })?;
        let mut resource = Resource {
            name: name.to_owned(),
            role,
            ..Resource::default()
        };
        amount.write_to(&mut resource);
        resources.push(refine(resource));
    }
    Ok(Resources::of(&resources))
}

/// Reads attributes: numbers and ranges as such, everything else as text.
///
/// # Errors
/// [`ParseError::Form`] for an element without a colon.
pub fn parse_attributes(text: &str) -> Result<Vec<Attribute>, ParseError> {
    elements(text)
        .map(|element| {
            let (name, value) = split(element)?;
            let mut attribute = Attribute {
                name: name.to_owned(),
                ..Attribute::default()
            };
            match amount(value) {
                Some(Amount::Scalar(number)) => {
                    attribute.kind = ValueType::Scalar;
                    attribute.scalar = Some(Scalar {
                        value: super::from_thousandths(number),
                    });
                }
                Some(Amount::Ranges(ranges)) => {
                    attribute.kind = ValueType::Ranges;
                    let range = ranges
                        .into_iter()
                        .map(|(begin, end)| Range { begin, end })
                        .collect();
                    attribute.ranges = Some(Ranges { range });
                }
                Some(Amount::Set(_)) | None => {
                    attribute.kind = ValueType::Text;
                    attribute.text = Some(Text {
                        value: value.to_owned(),
                    });
                }
            }
            Ok(attribute)
        })
        .collect()
}

fn elements(text: &str) -> impl Iterator<Item = &str> {
    text.split([';', '\n'])
        .map(str::trim)
        .filter(|element| !element.is_empty())
}

fn split(element: &str) -> Result<(&str, &str), ParseError> {
    match element.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() && !value.trim().is_empty() => {
            Ok((name.trim(), value.trim()))
        }
        _ => Err(ParseError::Form(element.to_owned())),
    }
}

fn amount(text: &str) -> Option<Amount> {
    if let Some(inner) = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
    {
        let mut resource = Resource {
            kind: ValueType::Ranges,
            ..Resource::default()
        };
        let range = inner.split(',').map(range).collect::<Option<Vec<_>>>()?;
        resource.ranges = Some(Ranges { range });
        return Amount::of(&resource);
    }
    if let Some(inner) = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'))
    {
        let items = inner
            .split(',')
            .map(|item| item.trim().to_owned())
            .filter(|item| !item.is_empty());
        return Some(Amount::Set(items.collect()));
    }
    let number: f64 = text.parse().ok()?;
    (number.is_finite() && number >= 0.0).then(|| Amount::Scalar(thousandths(number)))
}

fn range(text: &str) -> Option<Range> {
    let (begin, end) = text.split_once('-')?;
    Some(Range {
        begin: begin.trim().parse().ok()?,
        end: end.trim().parse().ok()?,
    })
}
