//! Every case of `pystachio.json` (see the README beside it) on the embedded interpreter.
//!
//! One test in a program of its own: a process has one interpreter.

use aurora_config::python::with_interpreter;
use serde_json::Value as Json;

const HELPERS: &str = "
import json
def val(obj):
  return obj.interpolate()[0].get()
def refs(obj):
  return sorted(str(r) for r in obj.interpolate()[1])
def chk(obj):
  found = obj.check()
  return [found.ok(), found.message()]
def dumps(obj):
  return json.loads(obj.json_dumps())
def typed(obj):
  return [obj.__class__.__name__, obj.get()]
";

fn same(found: &Json, expected: &Json) -> bool {
    match (found, expected) {
        (Json::Number(a), Json::Number(b)) => {
            a.is_f64() == b.is_f64() && a.to_string() == b.to_string()
        }
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}

#[test]
fn values_behave_as_the_original_library_has_them() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../pystachio/tests/data/pystachio.json"
    );
    let document: Json =
        serde_json::from_str(&std::fs::read_to_string(path).expect("the cases")).expect("JSON");
    let cases = document["cases"]
        .as_array()
        .expect("a list of cases")
        .clone();
    assert!(cases.len() >= 350, "{} cases", cases.len());
    let failures = with_interpreter(move |python| {
        let mut failures = Vec::new();
        for case in &cases {
            let name = case["name"].as_str().expect("a name");
            let program = case["program"].as_str().expect("a program");
            let outcome = python.result_of(HELPERS, program);
            let expected_error = case.get("error").and_then(Json::as_str);
            let complaint = match (&outcome, expected_error) {
                (Ok(found), None) if same(found, &case["value"]) => continue,
                (Ok(found), None) => format!("{found} instead of {}", case["value"]),
                (Ok(found), Some(class)) => format!("{found} instead of {class}"),
                (Err(fault), None) => format!("{fault:?} instead of {}", case["value"]),
                (Err(fault), Some(class)) => {
                    let message = case["message"].as_str().expect("a message");
                    let own_text = matches!(class, "TypeError" | "KeyError" | "IndexError")
                        || message.starts_with("'NoneType' object");
                    if fault.class == class && (own_text || fault.message == message) {
                        continue;
                    }
                    format!(
                        "{} {:?} instead of {class} {message:?}",
                        fault.class, fault.message
                    )
                }
            };
            failures.push(format!("{name}: {complaint}"));
        }
        failures
    })
    .expect("an interpreter");
    assert!(
        failures.is_empty(),
        "{} cases differ:\n{}",
        failures.len(),
        failures.join("\n")
    );
}
