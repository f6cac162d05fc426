//! `aurora job list`.

use crate::context::{Context, Outcome, print_out};
use crate::keys::Wildcard;

pub(crate) async fn run(context: &Context<'_>) -> Outcome {
    let key = context.positional(0, "jobspec", Wildcard::parse)?;
    for job in context.jobs_matching(&key).await? {
        print_out(&job.to_string())?;
    }
    Ok(())
}
