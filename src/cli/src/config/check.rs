//! `aurora config check`: every job of some files, without a cluster.

use std::io::Read;

use aurora_api::eval::{Diagnostic, EvalAnswer, EvalRequest};
use aurora_client::eval;
use aurora_client::job_file::{patience, render_as};
use serde_json::{Value, json};

use super::load::show_printed;
use crate::context::{Context, Outcome, print_err, print_json, print_out};
use crate::exit::{CommandError, ExitCode};

pub(crate) async fn run(context: &Context<'_>) -> Outcome {
    let as_json = context.options.flag("write-json");
    let mut reports = Vec::new();
    let mut faulty = false;
    for argument in context.options.positionals() {
        let (path, source) = match argument.as_str() {
            "-" => ("<stdin>", Some(read_input()?)),
            path => (path, None),
        };
        let answer = check(context, path, source).await?;
        faulty |= !answer.errors.is_empty();
        show_printed(&answer);
        if as_json {
            reports.push(render_json(path, &answer));
        } else {
            show(path, &answer)?;
        }
    }
    if as_json {
        print_json(&json!({"files": reports, "valid": !faulty}))?;
    }
    if faulty {
        return Err(CommandError::printed(ExitCode::InvalidConfiguration));
    }
    Ok(())
}

/// What is wrong with a file; a file that cannot be evaluated at all has one fault. All diagnostics name the file.
async fn check(context: &Context<'_>, path: &str, source: Option<String>) -> Outcome<EvalAnswer> {
    let request = EvalRequest {
        check: true,
        source,
        ..context.eval_request(path)
    };
    let mut answer = match eval::evaluate(&request, patience(&request)).await {
        Ok(answer) => answer,
        Err(error) => EvalAnswer {
            errors: vec![Diagnostic {
                message: error.to_string(),
                ..Diagnostic::default()
            }],
            ..EvalAnswer::default()
        },
    };
    for diagnostic in answer.errors.iter_mut().chain(&mut answer.warnings) {
        diagnostic.file.get_or_insert_with(|| path.to_owned());
    }
    Ok(answer)
}

/// Standard input, for editors: no more of it than a job file may have.
fn read_input() -> Outcome<String> {
    const MAX: u64 = 16 * 1024 * 1024;
    let failed = |why: String| {
        CommandError::new(
            ExitCode::InvalidConfiguration,
            format!("Cannot read standard input: {why}"),
        )
    };
    let mut text = String::new();
    let read = std::io::stdin().take(MAX + 1).read_to_string(&mut text);
    read.map_err(|error| failed(error.to_string()))?;
    if text.len() as u64 > MAX {
        return Err(failed(format!("it is larger than {MAX} bytes")));
    }
    Ok(text)
}

fn show(path: &str, answer: &EvalAnswer) -> Outcome {
    for (severity, diagnostics) in by_severity(answer) {
        for diagnostic in diagnostics {
            print_err(&render_as(severity, diagnostic));
        }
    }
    if answer.errors.is_empty() {
        let count = answer.jobs.len();
        let jobs = if count == 1 { "job" } else { "jobs" };
        print_out(&format!("{path}: {count} {jobs}, no errors"))?;
    }
    Ok(())
}

/// A file's jobs and diagnostics, for editors and CI. Lines and columns count from 1 and are absent where they are not known.
fn render_json(path: &str, answer: &EvalAnswer) -> Value {
    let jobs: Vec<&str> = answer.jobs.iter().map(|job| job.key.as_str()).collect();
    let mut diagnostics = Vec::new();
    for (severity, found) in by_severity(answer) {
        for diagnostic in found {
            let mut shown = json!(diagnostic);
            if let Value::Object(fields) = &mut shown {
                fields.retain(|_, value| !value.is_null());
                fields.insert("severity".to_owned(), json!(severity));
            }
            diagnostics.push(shown);
        }
    }
    json!({
        "path": path,
        "valid": answer.errors.is_empty(),
        "jobs": jobs,
        "diagnostics": diagnostics,
    })
}

fn by_severity(answer: &EvalAnswer) -> [(&'static str, &[Diagnostic]); 2] {
    [("error", &answer.errors), ("warning", &answer.warnings)]
}
