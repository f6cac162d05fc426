//! Plain JSON with field names as keys, as `/apibeta` and `--write-json` show it: enumerations by name, sets and lists as
//! arrays, unions as objects of one key. It is written, never read.

use serde_json::{Map, Number, Value};

use crate::wire::{Type, Wire, Writer};

/// The value as plain JSON.
pub fn to_json<T: Wire>(value: &T) -> Value {
    let mut out = SimpleWriter::default();
    value.write(&mut out);
    out.done
}

/// The value as Thrift's `TSimpleJSONProtocol` writes it: as [`to_json`], but enumerations are their numbers and booleans are
/// 1 or 0. Coordinators of SLA policies get tasks in this form.
pub fn to_simple_protocol<T: Wire>(value: &T) -> Value {
    let mut out = SimpleWriter {
        numbers: true,
        ..SimpleWriter::default()
    };
    value.write(&mut out);
    out.done
}

enum Open {
    Struct(Map<String, Value>),
    Field(&'static str),
    Sequence(Vec<Value>),
    Map(Map<String, Value>, Option<String>),
}

#[derive(Default)]
struct SimpleWriter {
    open: Vec<Open>,
    done: Value,
    /// Enumerations and booleans are written as numbers.
    numbers: bool,
}

impl SimpleWriter {
    fn put(&mut self, value: Value) {
        match self.open.last_mut() {
            None => self.done = value,
            Some(Open::Sequence(values)) => values.push(value),
            Some(Open::Map(values, key)) => match key.take() {
                None => {
                    *key = Some(match value {
                        Value::String(text) => text,
                        other => other.to_string(),
                    });
                }
                Some(key) => {
                    values.insert(key, value);
                }
            },
            Some(Open::Field(_)) => {
                if let Some(Open::Field(name)) = self.open.pop()
                    && let Some(Open::Struct(fields)) = self.open.last_mut()
                {
                    fields.insert(name.to_owned(), value);
                }
            }
            // Fields are announced before their values.
            Some(Open::Struct(_)) => {}
        }
    }

    fn close(&mut self) {
        match self.open.pop() {
            Some(Open::Struct(fields) | Open::Map(fields, _)) => self.put(Value::Object(fields)),
            Some(Open::Sequence(values)) => self.put(Value::Array(values)),
            Some(Open::Field(_)) | None => {}
        }
    }
}

impl Writer for SimpleWriter {
    fn struct_begin(&mut self) {
        self.open.push(Open::Struct(Map::new()));
    }
    fn struct_end(&mut self) {
        self.close();
    }
    fn field_begin(&mut self, name: &'static str, _kind: Type, _id: i16) {
        self.open.push(Open::Field(name));
    }
    fn field_end(&mut self) {}
    fn sequence_begin(&mut self, _kind: Type, _element: Type, _len: usize) {
        self.open.push(Open::Sequence(Vec::new()));
    }
    fn sequence_end(&mut self) {
        self.close();
    }
    fn map_begin(&mut self, _key: Type, _value: Type, _len: usize) {
        self.open.push(Open::Map(Map::new(), None));
    }
    fn map_end(&mut self) {
        self.close();
    }
    fn bool(&mut self, value: bool) {
        self.put(match self.numbers {
            true => Value::from(u8::from(value)),
            false => Value::Bool(value),
        });
    }
    fn integer(&mut self, _kind: Type, value: i64) {
        self.put(Value::from(value));
    }
    fn double(&mut self, value: f64) {
        // JSON has no infinities; they are shown as null.
        self.put(Number::from_f64(value).map_or(Value::Null, Value::Number));
    }
    fn text(&mut self, value: &str) {
        self.put(Value::from(value));
    }
    fn bytes(&mut self, value: &[u8]) {
        self.put(Value::from(String::from_utf8_lossy(value)));
    }
    fn enumeration(&mut self, value: i32, name: &'static str) {
        self.put(match self.numbers {
            true => Value::from(value),
            false => Value::from(name),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CronCollisionPolicy, JobConfiguration};

    #[test]
    fn enumerations_and_booleans_by_name_or_number() {
        let mut job = JobConfiguration {
            cron_collision_policy: Some(CronCollisionPolicy::CancelNew),
            ..JobConfiguration::default()
        };
        job.task_config.is_service = true;
        let named = to_json(&job);
        assert_eq!(named["cronCollisionPolicy"], "CANCEL_NEW");
        assert_eq!(named["taskConfig"]["isService"], true);
        let numbered = to_simple_protocol(&job);
        assert_eq!(numbered["cronCollisionPolicy"], 1);
        assert_eq!(numbered["taskConfig"]["isService"], 1);
    }
}
