//! Whole job files in JSON: loading, checks, conversion.
#![no_main]

use aurora_api::eval::EvalRequest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let answer = aurora_config::evaluate(&EvalRequest {
        path: "fuzz.json".to_owned(),
        source: Some(input.to_owned()),
        read_json: true,
        check: true,
        ..EvalRequest::default()
    });
    // A bundle would need the interpreter, which a process has once; its keys are rarer than anything found here.
    for error in answer.errors {
        assert!(!error.message.is_empty(), "{input}");
        assert_ne!(
            error.message, "the interpreter failed on this file",
            "{input}"
        );
    }
});
