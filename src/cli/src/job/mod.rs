//! `aurora job …` (aurora: `cli/jobs.py`).

pub(crate) mod add;
pub(crate) mod create;
pub(crate) mod diff;
pub(crate) mod inspect;
pub(crate) mod kill;
pub(crate) mod list;
pub(crate) mod open;
mod order;
pub(crate) mod restart;
pub(crate) mod status;
mod watcher;

use std::collections::BTreeSet;

use crate::context::{Context, Outcome};
use crate::keys::FullKey;
use crate::monitor::{Goal, wait_until};

/// Waits as `--wait-until` says.
async fn wait_as_asked(
    context: &Context<'_>,
    key: &FullKey,
    instances: Option<&BTreeSet<i32>>,
) -> Outcome {
    let goal = match context.options.text("wait-until") {
        Some("RUNNING") => Goal::RUNNING,
        Some("FINISHED") => Goal::FINISHED,
        _ => return Ok(()),
    };
    let scheduler = context.scheduler(&key.cluster)?;
    wait_until(
        &scheduler,
        key,
        instances,
        goal,
        context.paces.kills.endless(),
    )
    .await
    .map(|_| ())
}
