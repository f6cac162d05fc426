//! `aurora job status`.

use std::fmt::Write;

use aurora_api::model::ScheduledTask;
use aurora_api::simple;
use serde_json::json;

use crate::context::{Context, Outcome, print_json, print_out};
use crate::exit::{CommandError, ExitCode};
use crate::keys::{FullKey, Wildcard};
use crate::resources::details;
use crate::times;

pub(crate) async fn run(context: &Context<'_>) -> Outcome {
    let key = context.positional(0, "jobspec", Wildcard::parse)?;
    let as_json = context.options.flag("write-json");
    let mut text = String::new();
    let mut objects = Vec::new();
    let mut found = false;
    for job in context.jobs_matching(&key).await? {
        let tasks = context.all_tasks(&job).await?;
        if tasks.is_empty() {
            tracing::info!("No tasks were found for jobkey {job}");
            continue;
        }
        found = true;
        let (active, inactive) = split(tasks);
        if as_json {
            objects.push(render_json(&job, &active, &inactive));
        } else {
            text.push_str(&render_text(&active, &inactive));
        }
    }
    match (found, as_json) {
        (true, true) => print_json(&objects),
        (true, false) => print_out(&text),
        (false, true) => {
            let spec = key.to_string();
            print_out(&json!({"jobspec": spec, "error": "No matching jobs found"}).to_string())
        }
        (false, false) => Err(CommandError::new(
            ExitCode::InvalidParameter,
            format!("Found no jobs matching {key}"),
        )),
    }
}

/// Active and inactive tasks, each by instance.
fn split(tasks: Vec<ScheduledTask>) -> (Vec<ScheduledTask>, Vec<ScheduledTask>) {
    let (mut active, mut inactive): (Vec<_>, Vec<_>) =
        tasks.into_iter().partition(|task| task.status.is_active());
    for tasks in [&mut active, &mut inactive] {
        tasks.sort_by_key(|task| task.assigned_task.instance_id);
    }
    (active, inactive)
}

fn render_json(
    job: &FullKey,
    active: &[ScheduledTask],
    inactive: &[ScheduledTask],
) -> serde_json::Value {
    let render = |tasks: &[ScheduledTask]| -> Vec<serde_json::Value> {
        tasks.iter().map(simple::to_json).collect()
    };
    json!({"job": job.to_string(), "active": render(active), "inactive": render(inactive)})
}

fn render_text(active: &[ScheduledTask], inactive: &[ScheduledTask]) -> String {
    let mut text = String::new();
    for (title, tasks) in [("Active", active), ("Inactive", inactive)] {
        text.push_str(&format!("{title} tasks ({}):\n", tasks.len()));
        for task in tasks {
            render_task(&mut text, task).expect("writing into a String cannot fail");
        }
    }
    text
}

fn render_task(out: &mut String, task: &ScheduledTask) -> std::fmt::Result {
    let assigned = &task.assigned_task;
    let config = &assigned.task;
    writeln!(
        out,
        "\tTask role: {}, env: {}, name: {}, instance: {}, status: {} on {}",
        config.job.role,
        config.job.environment,
        config.job.name,
        assigned.instance_id,
        task.status,
        assigned.slave_host.as_deref().unwrap_or("None")
    )?;
    writeln!(out, "\t  {}", details(&config.resources).join(", "))?;
    if !assigned.assigned_ports.is_empty() {
        let ports: Vec<String> = assigned
            .assigned_ports
            .iter()
            .map(|(name, port)| format!("'{name}': {port}"))
            .collect();
        writeln!(out, "\t  assigned ports: {{{}}}", ports.join(", "))?;
        writeln!(
            out,
            "\t  failure count: {} (max {})",
            task.failure_count, config.max_task_failures
        )?;
    }
    writeln!(out, "\t  events:")?;
    let mut events: Vec<_> = task.task_events.iter().collect();
    events.sort_by_key(|event| event.timestamp);
    for event in events {
        writeln!(
            out,
            "\t   {} {}: {}",
            times::local(event.timestamp),
            event.status,
            event.message.as_deref().unwrap_or("None")
        )?;
    }
    if !config.metadata.is_empty() {
        writeln!(out, "\t  metadata:")?;
        for entry in &config.metadata {
            writeln!(
                out,
                "\t\t  (key: '{}', value: '{}')",
                entry.key, entry.value
            )?;
        }
    }
    Ok(())
}
