//! `aurora events follow`: the scheduler's event feed as it comes.

use aurora_client::feed::{Feed, Item};

use crate::context::{Context, Outcome, print_out};
use crate::exit::{CommandError, ExitCode};

pub(crate) async fn run(context: &Context<'_>) -> Outcome {
    let cluster = context.options.positional(0);
    let target = context.find(cluster)?;
    let topics = match context.options.all("topic") {
        [] => vec!["summary".to_owned()],
        topics => topics.to_vec(),
    };
    let mut feed = Feed::follow(&target, context.user_agent(), topics);
    while let Some(item) = feed.next().await {
        match item {
            Item::Line(line) => {
                let text = serde_json::to_string(&line).map_err(|error| {
                    CommandError::new(ExitCode::Crash, format!("cannot write JSON: {error}"))
                })?;
                print_out(&text)?;
            }
            Item::Lost { why, retry_in, .. } => {
                tracing::warn!(
                    "Lost the feed: {why}; again in {} s",
                    retry_in.as_secs_f32()
                );
            }
            Item::Unsupported => break,
        }
    }
    Err(CommandError::new(
        ExitCode::CommandFailure,
        format!("The scheduler of cluster {cluster} has no event feed"),
    ))
}
