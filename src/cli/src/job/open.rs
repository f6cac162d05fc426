//! `aurora job open`.

use crate::context::{Context, Outcome};
use crate::keys::parse_page;

pub(crate) async fn run(context: &Context<'_>) -> Outcome {
    let (cluster, parts) = context.positional(0, "cluster[/role[/env[/job]]]", parse_page)?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let page = context.scheduler(&cluster)?.page(&parts);
    crate::browser::open(&page);
    Ok(())
}
