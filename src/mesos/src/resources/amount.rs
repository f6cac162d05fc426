//! Amounts: scalars in thousandths, normalised ranges, sets.

use std::collections::BTreeSet;
use std::fmt;

use crate::v1::{Range, Ranges, Resource, Scalar, Set, ValueType};

/// How much of something: the value of a resource without its identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Amount {
    /// A number in thousandths, never negative.
    Scalar(i64),
    /// Inclusive ranges: sorted, disjoint and not adjacent.
    Ranges(Vec<(u64, u64)>),
    /// Names.
    Set(BTreeSet<String>),
}

/// The three decimal digits that Mesos keeps (`mesos: src/common/values.cpp`).
pub fn thousandths(value: f64) -> i64 {
    (value * 1000.0).round() as i64
}

/// Back from thousandths.
pub fn from_thousandths(value: i64) -> f64 {
    value as f64 / 1000.0
}

impl Amount {
    /// Reads the value of a resource; `None` when the value of its type is missing or negative.
    pub fn of(resource: &Resource) -> Option<Self> {
        match resource.kind {
            ValueType::Scalar => {
                let value = resource.scalar.as_ref()?.value;
                (value.is_finite() && value >= 0.0).then(|| Self::Scalar(thousandths(value)))
            }
            ValueType::Ranges => {
                let ranges = resource.ranges.as_ref()?.range.iter();
                ranges
                    .map(|range| (range.begin <= range.end).then_some((range.begin, range.end)))
                    .collect::<Option<Vec<_>>>()
                    .map(|ranges| Self::Ranges(normalise(ranges)))
            }
            ValueType::Set => Some(Self::Set(
                resource.set.as_ref()?.item.iter().cloned().collect(),
            )),
            ValueType::Text => None,
        }
    }

    /// Sets value and type of a resource.
    pub fn write_to(&self, resource: &mut Resource) {
        resource.scalar = None;
        resource.ranges = None;
        resource.set = None;
        match self {
            Self::Scalar(value) => {
                resource.kind = ValueType::Scalar;
                resource.scalar = Some(Scalar {
                    value: from_thousandths(*value),
                });
            }
            Self::Ranges(ranges) => {
                resource.kind = ValueType::Ranges;
                let range = ranges
                    .iter()
                    .map(|(begin, end)| Range {
                        begin: *begin,
                        end: *end,
                    })
                    .collect();
                resource.ranges = Some(Ranges { range });
            }
            Self::Set(items) => {
                resource.kind = ValueType::Set;
                resource.set = Some(Set {
                    item: items.iter().cloned().collect(),
                });
            }
        }
    }

    /// Nothing at all.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Scalar(value) => *value == 0,
            Self::Ranges(ranges) => ranges.is_empty(),
            Self::Set(items) => items.is_empty(),
        }
    }

    /// Whether `other` is part of this. Different types contain nothing of each other.
    pub fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Scalar(a), Self::Scalar(b)) => a >= b,
            (Self::Ranges(a), Self::Ranges(b)) => b
                .iter()
                .all(|(begin, end)| a.iter().any(|(from, to)| from <= begin && end <= to)),
            (Self::Set(a), Self::Set(b)) => b.is_subset(a),
            _ => other.is_empty(),
        }
    }

    /// Adds `other` when it is of the same type.
    pub fn add(&mut self, other: &Self) {
        match (self, other) {
            (Self::Scalar(a), Self::Scalar(b)) => *a = a.saturating_add(*b),
            (Self::Ranges(a), Self::Ranges(b)) => {
                let all = a.iter().chain(b).copied().collect();
                *a = normalise(all);
            }
            (Self::Set(a), Self::Set(b)) => a.extend(b.iter().cloned()),
            _ => {}
        }
    }

    /// Takes away what there is of `other`; never goes below nothing.
    pub fn subtract(&mut self, other: &Self) {
        match (self, other) {
            (Self::Scalar(a), Self::Scalar(b)) => *a = (*a - *b).max(0),
            (Self::Ranges(a), Self::Ranges(b)) => *a = without(a, b),
            (Self::Set(a), Self::Set(b)) => a.retain(|item| !b.contains(item)),
            _ => {}
        }
    }
}

/// `4`, `0.5`, `[31000-31005, 31010-31010]`, `{a, b}`.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar(value) => write!(f, "{}", from_thousandths(*value)),
            Self::Ranges(ranges) => {
                let text: Vec<String> = ranges
                    .iter()
                    .map(|(begin, end)| format!("{begin}-{end}"))
                    .collect();
                write!(f, "[{}]", text.join(", "))
            }
            Self::Set(items) => {
                write!(
                    f,
                    "{{{}}}",
                    items
                        .iter()
                        .map(String::as_str)
                        .collect::<Vec<_>>()
                        .join(", ")
                )
            }
        }
    }
}

fn normalise(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::with_capacity(ranges.len());
    for (begin, end) in ranges {
        match merged.last_mut() {
            Some((_, last)) if begin <= last.saturating_add(1) => *last = end.max(*last),
            _ => merged.push((begin, end)),
        }
    }
    merged
}

/// Both normalised.
fn without(from: &[(u64, u64)], holes: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut left = Vec::with_capacity(from.len() + holes.len());
    for (begin, end) in from {
        let mut next = Some(*begin);
        for (hole_begin, hole_end) in holes {
            let Some(start) = next else { break };
            if hole_end < &start || hole_begin > end {
                continue;
            }
            if *hole_begin > start {
                left.push((start, hole_begin - 1));
            }
            next = hole_end.checked_add(1).filter(|start| start <= end);
        }
        if let Some(start) = next {
            left.push((start, *end));
        }
    }
    left
}
