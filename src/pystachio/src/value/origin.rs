//! Where values come from, and the way to a part of one.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::check::joint;
use super::{Data, Value};
use crate::raw::Raw;
use crate::types::Type;

/// A number by which whoever makes values finds again where one was made; it means nothing to values themselves.
pub type Origin = NonZeroU32;

/// The way to a part of a value, as far as it leads.
#[derive(Clone, Debug)]
pub struct Way<'a> {
    /// The values on the way, the outermost first. A choice is followed by the value that it was given.
    pub values: Vec<&'a Value>,
    /// The type of the field where the way ends because it is empty.
    pub empty: Option<&'a Type>,
    /// Whether the way leads to the very part that was asked for.
    pub whole: bool,
}

impl Way<'_> {
    /// The innermost origin on the way.
    pub fn origin(&self) -> Option<Origin> {
        self.values.iter().rev().find_map(|value| value.origin)
    }
}

impl Value {
    /// Where it was made, if that is known. Copies, bindings and interpolated structs keep it.
    pub fn origin(&self) -> Option<Origin> {
        self.origin
    }

    /// The value as made at `origin`, with those of its fields whose origin is not known.
    #[must_use]
    pub fn with_origin(mut self, origin: Origin) -> Value {
        self.origin = Some(origin);
        if let Data::Struct(fields) = &mut self.data {
            for field in Arc::make_mut(&mut fields.values).iter_mut().flatten() {
                field.origin.get_or_insert(origin);
            }
        }
        self
    }

    /// Follows a path such as `task.processes[0].cmdline` through what is stored.
    pub fn way(&self, path: &str) -> Way<'_> {
        let mut way = Way {
            values: vec![self],
            empty: None,
            whole: false,
        };
        let mut at = self;
        for step in steps(path) {
            if let Data::Choice(raw) = &at.data
                && let Raw::Value(chosen) = &**raw
            {
                at = chosen;
                way.values.push(at);
            }
            match at.part(&step) {
                Some(part) => at = part,
                None => {
                    if let (Step::Field(name), Some(declared)) = (&step, at.kind.as_struct()) {
                        way.empty = declared
                            .position(name)
                            .map(|position| &declared.fields()[position].1.kind);
                    }
                    return way;
                }
            }
            way.values.push(at);
        }
        way.whole = true;
        way
    }

    /// The path of the first stored text that holds this one.
    pub fn path_of_text(&self, text: &str) -> Option<String> {
        let under = |step: String, value: &Value| {
            let path = value.path_of_text(text)?;
            Some(step + &joint(&path))
        };
        match &self.data {
            Data::Simple(raw) => raw.as_str()?.contains(text).then(String::new),
            Data::Choice(raw) => match &**raw {
                Raw::Value(chosen) => chosen.path_of_text(text),
                other => other.as_str()?.contains(text).then(String::new),
            },
            Data::List(values) => values
                .iter()
                .enumerate()
                .find_map(|(index, value)| under(format!("[{index}]"), value)),
            Data::Map(pairs) => pairs.iter().find_map(|(key, value)| {
                let name = key.text().unwrap_or_default();
                if key.path_of_text(text).is_some() {
                    return Some(format!("[{name}]"));
                }
                under(format!("[{name}]"), value)
            }),
            Data::Struct(fields) => fields
                .present()
                .find_map(|(name, value)| under(name.to_string(), value)),
        }
    }

    fn part(&self, step: &Step<'_>) -> Option<&Value> {
        match (&self.data, step) {
            (Data::Struct(fields), Step::Field(name)) => fields.get(name),
            (Data::List(values), Step::Index(index)) => values.get(index.parse::<usize>().ok()?),
            (Data::Map(pairs), Step::Index(wanted)) => pairs
                .iter()
                .find(|(key, _)| key.text().is_ok_and(|key| key == *wanted))
                .map(|(_, value)| value),
            _ => None,
        }
    }
}

enum Step<'a> {
    Field(&'a str),
    Index(&'a str),
}

fn steps(path: &str) -> impl Iterator<Item = Step<'_>> {
    let mut rest = path;
    std::iter::from_fn(move || {
        if let Some(inside) = rest.strip_prefix('[') {
            let (index, after) = inside.split_once(']')?;
            rest = after;
            return Some(Step::Index(index));
        }
        let name = rest.strip_prefix('.').unwrap_or(rest);
        let (name, after) = name.split_at(name.find(['.', '[']).unwrap_or(name.len()));
        rest = after;
        (!name.is_empty()).then_some(Step::Field(name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    fn origin(number: u32) -> Origin {
        Origin::new(number).expect("not zero")
    }

    /// Each part knows the call that gave it: its own, or that of the struct it was given to.
    #[test]
    fn parts_know_where_they_were_made() {
        let of = |kind: &str, json: &str| {
            Value::json_loads(schema::get(kind), json, true).expect("a value")
        };
        let process = of("Process", r#"{"name": "p"}"#).with_origin(origin(1));
        let task = of("Task", r#"{"name": "t"}"#)
            .replace(vec![("processes".into(), Raw::List(vec![process.into()]))])
            .expect("a task")
            .with_origin(origin(2));
        let job = of(
            "Job",
            r#"{"container": {"image": "i"}, "constraints": {"host": "x"}}"#,
        )
        .with_origin(origin(3));
        let job = job
            .replace(vec![
                ("task".into(), task.into()),
                ("name".into(), "n".into()),
            ])
            .expect("a job")
            .with_origin(origin(4));
        for (path, expected, whole) in [
            ("", 4, true),
            ("name", 4, true),
            ("priority", 3, true),
            ("task", 2, true),
            ("task.name", 2, true),
            ("task.processes[0]", 1, true),
            ("task.processes[0].max_failures", 1, true),
            ("task.processes[0].cmdline", 1, false),
            ("task.processes[7].cmdline", 2, false),
            ("constraints[host]", 3, true),
            ("container.image", 3, false),
        ] {
            let way = job.way(path);
            assert_eq!(
                (way.origin(), way.whole),
                (Some(origin(expected)), whole),
                "{path}"
            );
        }
        for (text, expected) in [("p", "task.processes[0].name"), ("x", "constraints[host]")] {
            assert_eq!(job.path_of_text(text).as_deref(), Some(expected));
        }
        assert_eq!(job.path_of_text("{{nowhere}}"), None);
        let missing = job.way("task.processes[0].cmdline").empty;
        assert_eq!(missing.map(Type::name), Some("String"));
        let bound = job.bind(Vec::new()).expect("no scopes");
        assert_eq!(bound.origin(), Some(origin(4)));
        let (interpolated, _) = job.interpolate().expect("nothing to fill");
        assert_eq!(interpolated.origin(), Some(origin(4)));
    }
}
