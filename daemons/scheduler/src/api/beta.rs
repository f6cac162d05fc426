//! Calls in plain JSON (aurora: `ApiBeta.java`).

use aurora_api::service::Call;
use http::StatusCode;
use serde_json::{Map, Value};

/// The call of a request, or why there is none.
pub(super) fn call(method: &str, body: &[u8]) -> Result<Call, (StatusCode, String)> {
    if !Call::METHODS.contains(&method) {
        let text = format!("Method {method} does not exist.");
        return Err((StatusCode::NOT_FOUND, text));
    }
    let bad = |text: String| (StatusCode::BAD_REQUEST, text);
    let arguments = match body {
        [] => Map::new(),
        body => match serde_json::from_slice(body) {
            Ok(Value::Object(arguments)) => arguments,
            Ok(_) => {
                let text = "Request data must be a JSON object of method parameters.";
                return Err(bad(text.to_owned()));
            }
            Err(_) => return Err(bad("Request must be valid JSON".to_owned())),
        },
    };
    match Call::from_json(method, arguments.clone()) {
        Some(Ok(call)) => Ok(call),
        Some(Err(error)) => {
            let name = culprit(method, arguments);
            Err(bad(format!("Failed to parse parameter {name}: {error}")))
        }
        None => Err(bad(format!("Method {method} does not exist."))),
    }
}

/// The first argument that cannot be read.
fn culprit(method: &str, arguments: Map<String, Value>) -> String {
    let mut alone = arguments.into_iter().filter(|(name, value)| {
        let only = Map::from_iter([(name.clone(), value.clone())]);
        matches!(Call::from_json(method, only), Some(Err(_)))
    });
    alone.next().map(|(name, _)| name).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_in_upstreams_words() {
        for (method, body, status, text) in [
            ("noSuch", "{}", 404, "Method noSuch does not exist."),
            ("getJobs", "{", 400, "Request must be valid JSON"),
            (
                "getJobs",
                "[]",
                400,
                "Request data must be a JSON object of method parameters.",
            ),
            (
                "killTasks",
                r#"{"message": "m", "job": 7}"#,
                400,
                "Failed to parse parameter job: ",
            ),
        ] {
            let (got, said) = call(method, body.as_bytes()).unwrap_err();
            assert_eq!(got.as_u16(), status, "{method} {body}");
            assert!(said.starts_with(text), "{said}");
        }
        assert!(matches!(call("getJobs", b""), Ok(Call::GetJobs(_))));
    }
}
