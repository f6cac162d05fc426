//! `aurora config list` (aurora: `cli/config.py`).

use aurora_api::eval::DiagnosticKind;
use aurora_client::eval;
use aurora_client::job_file::{patience, render, render_all};

use super::load::show_printed;
use crate::context::{Context, Outcome, print_out};
use crate::exit::{CommandError, ExitCode};

pub(crate) async fn run(context: &Context<'_>) -> Outcome {
    let request = context.eval_request(context.options.positional(0));
    let failed = |code, what: String| {
        CommandError::new(code, format!("Error loading configuration file: {what}"))
    };
    let answer = eval::evaluate(&request, patience(&request))
        .await
        .map_err(|error| failed(ExitCode::CommandFailure, error.to_string()))?;
    show_printed(&answer);
    for warning in &answer.warnings {
        tracing::warn!("{}", render(warning));
    }
    if !answer.errors.is_empty() {
        let fatal = answer
            .errors
            .iter()
            .any(|error| error.kind == DiagnosticKind::Fatal);
        let code = if fatal {
            ExitCode::Crash
        } else {
            ExitCode::CommandFailure
        };
        return Err(failed(code, render_all(&answer.errors)));
    }
    let keys: Vec<&str> = answer.jobs.iter().map(|job| job.key.as_str()).collect();
    print_out(&format!("jobs=[{}]", keys.join(", ")))
}
