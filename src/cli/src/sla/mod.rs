//! `aurora sla …` (aurora: `cli/sla.py`), and the arithmetic that `aurora_admin` shares (aurora: `api/sla.py`).

pub(crate) mod domain;
pub(crate) mod uptime;

use std::collections::BTreeSet;

use aurora_api::model::{
    ResponseCode, ScheduleStatus, ScheduleStatusResult, ScheduledTask, TaskQuery,
};
use aurora_api::service::arguments::GetTasksWithoutConfigs;
use aurora_client::scheduler::{Retry, Scheduler, combine_messages, take};

use crate::context::{Context, Outcome, job_query, print_out};
use crate::durations::Span;
use crate::exit::{CommandError, ExitCode};
use crate::keys::FullKey;
use uptime::Uptimes;

pub(crate) async fn task_up_count(context: &Context<'_>) -> Outcome {
    let mut durations = list(context, "durations", "1m,10m,1h,12h,7d", Span::parse)?;
    durations.sort_by_key(|duration| duration.seconds);
    let uptimes = uptimes(context).await?;
    for duration in durations {
        let share = uptimes.up_count(duration.seconds as f64, uptimes.len());
        print_out(&format!("{duration}\t- {share:.2} %"))?;
    }
    Ok(())
}

pub(crate) async fn job_uptime(context: &Context<'_>) -> Outcome {
    let default = "99,95,90,85,75,60,50,30,10";
    let mut percentiles = list(context, "percentiles", default, parse_percentile)?;
    percentiles.sort_by(|one, other| other.total_cmp(one));
    let uptimes = uptimes(context).await?;
    for percentile in percentiles {
        let seconds = match uptimes.at_percentile(percentile) {
            // As Python shows a float, and the plain 0 that it has where there is nothing.
            Some(seconds) => format!("{seconds:?}"),
            None => "0".to_owned(),
        };
        print_out(&format!("{percentile:?} percentile\t- {seconds} seconds"))?;
    }
    Ok(())
}

fn parse_percentile(text: &str) -> Result<f64, String> {
    text.trim()
        .parse()
        .ok()
        .filter(|value| *value > 0.0 && *value < 100.0)
        .ok_or_else(|| {
            format!("Invalid percentile value:{text}. Must be between 0.0 and 100.0 exclusive.")
        })
}

/// The values of an option, between commas.
fn list<T>(
    context: &Context<'_>,
    long: &str,
    default: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Outcome<Vec<T>> {
    let text = context.options.given(long);
    text.unwrap_or(default)
        .split(',')
        .map(|part| {
            parse(part).map_err(|what| {
                let fault = context.options.fault(&format!("--{long}"), &what);
                CommandError::new(ExitCode::Usage, fault)
            })
        })
        .collect()
}

async fn uptimes(context: &Context<'_>) -> Outcome<Uptimes> {
    let key = context.positional(0, "CLUSTER/ROLE/ENV/NAME", FullKey::parse)?;
    let scheduler = context.scheduler(&key.cluster)?;
    let tasks = live_tasks(&scheduler, job_query(&key)).await?;
    Ok(Uptimes::new(&tasks, now_seconds()))
}

/// The live tasks that a query names; none when the scheduler refuses it.
pub(crate) async fn live_tasks(
    scheduler: &Scheduler,
    query: TaskQuery,
) -> Outcome<Vec<ScheduledTask>> {
    let live: BTreeSet<ScheduleStatus> = ScheduleStatus::ALL
        .iter()
        .copied()
        .filter(|status| status.is_live())
        .collect();
    let call = GetTasksWithoutConfigs {
        query: Some(TaskQuery {
            statuses: Some(live),
            ..query
        }),
    };
    let response = scheduler.call(call, Retry::Never).await?;
    let (code, messages) = (response.response_code, combine_messages(&response));
    tracing::info!("Response from scheduler: {code} (message: {messages})");
    if code != ResponseCode::Ok {
        return Ok(Vec::new());
    }
    let result: ScheduleStatusResult = take("getTasksWithoutConfigs", response)?;
    Ok(result.tasks)
}

/// Seconds since 1970.
pub(crate) fn now_seconds() -> f64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}
