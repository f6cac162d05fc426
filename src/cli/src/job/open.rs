//! `aurora job open`.

use crate::context::{Context, Outcome};

pub(crate) async fn run(context: &Context<'_>) -> Outcome {
    let mut parts = context.options.positional(0).split('/');
    let cluster = parts.next().unwrap_or_default();
    // Parts after the job's name are passed over, as upstream does.
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).take(3).collect();
    let page = context.scheduler(cluster)?.page(&parts);
    crate::browser::open(&page);
    Ok(())
}
