//! Reads values from plain JSON with field names as keys, as `/apibeta` takes them (aurora:
//! `src/main/java/org/apache/aurora/scheduler/http/api/GsonMessageBodyHandler.java`).
//!
//! Names that are not known are passed over, and null is the same as nothing.

use serde_json::{Map, Value};

use crate::wire::{DecodeError, Field, Reader, Type};

enum Open {
    Struct(serde_json::map::IntoIter),
    /// The elements of a list, or the keys and values of a map.
    Values(std::vec::IntoIter<Value>),
}

/// A reader of one JSON object.
pub(crate) struct SimpleReader {
    open: Vec<Open>,
    /// The value that is read next.
    next: Option<Value>,
}

fn wrong(what: &'static str) -> DecodeError {
    DecodeError::Malformed { at: 0, what }
}

impl SimpleReader {
    pub(crate) fn new(object: Map<String, Value>) -> SimpleReader {
        SimpleReader {
            open: Vec::new(),
            next: Some(Value::Object(object)),
        }
    }

    fn take(&mut self) -> Result<Value, DecodeError> {
        if let Some(value) = self.next.take() {
            return Ok(value);
        }
        match self.open.last_mut() {
            Some(Open::Values(values)) => values.next(),
            Some(Open::Struct(_)) | None => None,
        }
        .ok_or_else(|| wrong("a value is missing"))
    }

    fn object(&mut self) -> Result<Map<String, Value>, DecodeError> {
        match self.take()? {
            Value::Object(object) => Ok(object),
            _ => Err(wrong("an object is expected")),
        }
    }
}

impl Reader for SimpleReader {
    fn struct_begin(&mut self) -> Result<(), DecodeError> {
        let object = self.object()?;
        self.open.push(Open::Struct(object.into_iter()));
        Ok(())
    }
    fn field_begin(&mut self, fields: &[Field]) -> Result<Option<(i16, Type)>, DecodeError> {
        let Some(Open::Struct(entries)) = self.open.last_mut() else {
            return Err(wrong("there is no object here"));
        };
        for (name, value) in entries {
            let field = fields.iter().find(|field| field.name == name);
            if let Some(field) = field.filter(|_| !value.is_null()) {
                self.next = Some(value);
                return Ok(Some((field.id, field.kind)));
            }
        }
        self.open.pop();
        Ok(None)
    }
    fn field_end(&mut self) -> Result<(), DecodeError> {
        Ok(())
    }
    fn sequence_begin(&mut self, expected: Option<Type>) -> Result<(Type, usize), DecodeError> {
        let Value::Array(values) = self.take()? else {
            return Err(wrong("a list is expected"));
        };
        let count = values.len();
        self.open.push(Open::Values(values.into_iter()));
        Ok((expected.unwrap_or(Type::Struct), count))
    }
    fn sequence_end(&mut self) -> Result<(), DecodeError> {
        self.open.pop();
        Ok(())
    }
    fn map_begin(
        &mut self,
        expected: Option<(Type, Type)>,
    ) -> Result<(Option<(Type, Type)>, usize), DecodeError> {
        let object = self.object()?;
        let count = object.len();
        let pairs = object.into_iter();
        let values: Vec<Value> = pairs
            .flat_map(|(key, value)| [Value::String(key), value])
            .collect();
        self.open.push(Open::Values(values.into_iter()));
        Ok((expected, count))
    }
    fn map_end(&mut self) -> Result<(), DecodeError> {
        self.sequence_end()
    }
    fn bool(&mut self) -> Result<bool, DecodeError> {
        let value = self.take()?;
        value
            .as_bool()
            .ok_or_else(|| wrong("true or false is expected"))
    }
    fn integer(&mut self, _kind: Type) -> Result<i64, DecodeError> {
        let value = self.take()?;
        value
            .as_i64()
            .ok_or_else(|| wrong("a whole number is expected"))
    }
    fn enumeration(&mut self, numbers: &dyn Fn(&str) -> Option<i32>) -> Result<i32, DecodeError> {
        let value = self.take()?;
        let name = value.as_str().ok_or_else(|| wrong("a name is expected"))?;
        numbers(name).ok_or_else(|| wrong("there is no value of this name"))
    }
    fn double(&mut self) -> Result<f64, DecodeError> {
        let value = self.take()?;
        value.as_f64().ok_or_else(|| wrong("a number is expected"))
    }
    fn text(&mut self) -> Result<String, DecodeError> {
        match self.take()? {
            Value::String(text) => Ok(text),
            _ => Err(wrong("a text is expected")),
        }
    }
    fn bytes(&mut self) -> Result<Vec<u8>, DecodeError> {
        self.text().map(String::into_bytes)
    }
    fn skip(&mut self, _kind: Type) -> Result<(), DecodeError> {
        self.take().map(drop)
    }
    fn mismatch(&self) -> DecodeError {
        wrong("a number of another size is expected")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::model::{JobKey, Resource, ScheduleStatus};
    use crate::service::Call;

    fn read(method: &str, arguments: serde_json::Value) -> Result<Call, String> {
        let serde_json::Value::Object(arguments) = arguments else {
            panic!("arguments are an object");
        };
        let call = Call::from_json(method, arguments).expect("the method is known");
        call.map_err(|error| error.to_string())
    }

    #[test]
    fn arguments_are_read_by_name() {
        let query = json!({"query": {
            "role": "www", "statuses": ["RUNNING", "PENDING"], "instanceIds": [3, 1], "limit": 5,
            "jobKeys": [{"role": "www", "environment": "prod", "name": "web"}],
            "noSuchField": {"a": [1]}, "jobName": null,
        }});
        let Call::GetTasksStatus(call) = read("getTasksStatus", query).unwrap() else {
            panic!("another call");
        };
        let query = call.query.unwrap();
        assert_eq!(query.role.as_deref(), Some("www"));
        let statuses = [ScheduleStatus::Pending, ScheduleStatus::Running];
        assert_eq!(query.statuses.unwrap(), statuses.into());
        assert_eq!(query.instance_ids.unwrap(), [1, 3].into());
        assert_eq!((query.job_name, query.limit), (None, Some(5)));
        let keys = query.job_keys.unwrap();
        assert_eq!(keys, [JobKey::new("www", "prod", "web")].into());

        let job = json!({"description": {"instanceCount": 2, "taskConfig": {
            "isService": true, "taskLinks": {"a": "b"},
            "resources": [{"numCpus": 0.5}, {"ramMb": 64}, {"namedPort": "http"}],
            "container": {"docker": {"image": "x"}},
        }}});
        let Call::CreateJob(call) = read("createJob", job).unwrap() else {
            panic!("another call");
        };
        let job = call.description.unwrap();
        assert_eq!(job.instance_count, 2);
        assert!(job.task_config.is_service);
        assert_eq!(job.task_config.task_links["a"], "b");
        assert!(
            job.task_config
                .resources
                .contains(&Resource::NumCpus(0.5.into()))
        );
        assert_eq!(job.task_config.resources.len(), 3);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        for (method, arguments, what) in [
            ("getTasksStatus", json!({"query": []}), "an object"),
            (
                "getTasksStatus",
                json!({"query": {"limit": "5"}}),
                "a whole number",
            ),
            (
                "getTasksStatus",
                json!({"query": {"limit": 5_000_000_000_i64}}),
                "another size",
            ),
            (
                "getTasksStatus",
                json!({"query": {"statuses": ["WALKING"]}}),
                "no value of this name",
            ),
            (
                "getTasksStatus",
                json!({"query": {"statuses": {}}}),
                "a list",
            ),
            ("getJobs", json!({"ownerRole": 3}), "a text"),
        ] {
            let error = read(method, arguments.clone()).unwrap_err();
            assert!(error.contains(what), "{arguments}: {error}");
        }
        assert!(Call::from_json("noSuch", serde_json::Map::new()).is_none());
    }
}
