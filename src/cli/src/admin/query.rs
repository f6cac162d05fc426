//! `aurora_admin query` and `prune_tasks`.

use std::collections::{BTreeMap, BTreeSet};

use aurora_api::model::{
    ResponseCode, ScheduleStatus, ScheduleStatusResult, ScheduledTask, TaskQuery,
};
use aurora_api::service::arguments::{GetTasksStatus, PruneTasks};
use aurora_api::simple;
use aurora_client::scheduler::{Retry, combine_messages, take};
use serde_json::Value;

use super::{bounded, fatal, scheduler};
use crate::context::{Context, Outcome, print_out};

const FORMAT: &str = "%role%/%name%/%instanceId% %status%";

pub(super) async fn query(context: &Context<'_>) -> Outcome {
    let options = context.options;
    let states = parse_states(options.text("states").unwrap_or("RUNNING"))?;
    // What a script leaves empty asks for everything.
    let given = |at| options.optional(at).filter(|text| !text.is_empty());
    let (role, job) = (given(1), given(2));
    if !options.flag("force") {
        let expensive = match (role, job) {
            (None, _) => Some("no role specified"),
            (_, None) => Some("no job specified"),
            _ if states.iter().any(|state| !state.is_active()) => {
                Some("states outside ACTIVE states")
            }
            _ => None,
        };
        if let Some(why) = expensive {
            return Err(fatal(format!(
                "--force is required for expensive queries ({why})"
            )));
        }
    }
    let question = GetTasksStatus {
        query: Some(TaskQuery {
            role: role.map(str::to_owned),
            job_name: job.map(str::to_owned),
            instance_ids: Some(parse_shards(options.given("shards"))?),
            statuses: Some(states),
            ..TaskQuery::default()
        }),
    };
    let response = scheduler(context)?.call(question, Retry::Safe).await?;
    if response.response_code != ResponseCode::Ok {
        let messages = combine_messages(&response);
        return Err(fatal(format!("Failed to query scheduler: {messages}")));
    }
    let found: ScheduleStatusResult = take("getTasksStatus", response)?;
    let format = options.text("listformat").unwrap_or(FORMAT);
    for task in &found.tasks {
        print_out(&fill_in(format, &flatten(task))?)?;
    }
    Ok(())
}

pub(super) async fn prune_tasks(context: &Context<'_>) -> Outcome {
    let options = context.options;
    let query = TaskQuery {
        statuses: options.given("states").map(parse_states).transpose()?,
        role: options.given("role").map(str::to_owned),
        environment: options.given("env").map(str::to_owned),
        limit: bounded(context, "limit")?.filter(|limit| *limit != 0),
        ..TaskQuery::default()
    };
    let call = PruneTasks { query: Some(query) };
    let response = scheduler(context)?.call(call, Retry::Never).await?;
    if response.response_code != ResponseCode::Ok {
        let messages = combine_messages(&response);
        return Err(fatal(format!("Failed to prune tasks: {messages}")));
    }
    print_out("Tasks pruned.")
}

fn parse_states(text: &str) -> Outcome<BTreeSet<ScheduleStatus>> {
    let named = |name: &str| {
        let found = ScheduleStatus::ALL
            .iter()
            .find(|state| state.name() == name);
        found.copied().ok_or_else(|| {
            let valid: Vec<&str> = ScheduleStatus::ALL
                .iter()
                .map(|state| state.name())
                .collect();
            fatal(format!(
                "Unknown state '{name}' specified.  Valid states are:\n{}",
                valid.join(",")
            ))
        })
    };
    text.split(',').map(named).collect()
}

fn parse_shards(text: Option<&str>) -> Outcome<BTreeSet<i32>> {
    let parse = |part: &str| {
        part.trim()
            .parse()
            .map_err(|_| fatal(format!("Invalid instance '{part}' in --shards")))
    };
    text.map_or_else(
        || Ok(BTreeSet::new()),
        |text| text.split(',').map(parse).collect(),
    )
}

/// What a task's format may name: the fields of a task and of what is in it, as on the wire.
const KEYS: &[&str] = &[
    "taskId",
    "slaveId",
    "slaveHost",
    "role",
    "environment",
    "name",
    "instanceId",
    "status",
    "user",
    "tier",
    "production",
    "isService",
    "priority",
    "maxTaskFailures",
    "failureCount",
    "timesPartitioned",
    "ancestorId",
    "contactEmail",
    "assignedPorts",
    "resources",
    "constraints",
    "metadata",
    "taskLinks",
    "mesosFetcherUris",
    "executorConfig",
    "container",
    "partitionPolicy",
    "slaPolicy",
    "taskEvents",
];

/// The structs whose own fields are named, outermost first.
const NESTED: &[&str] = &["assignedTask", "task", "job", "owner"];

/// The fields of a task by their names, those of nested structs among them.
fn flatten(task: &ScheduledTask) -> BTreeMap<String, Value> {
    let mut flat = BTreeMap::new();
    let mut open = vec![simple::to_json(task)];
    while let Some(Value::Object(fields)) = open.pop() {
        for (name, value) in fields {
            if NESTED.contains(&name.as_str()) {
                open.push(value);
            } else {
                flat.insert(name, value);
            }
        }
    }
    flat
}

/// Each `%key%` in the format as its value.
fn fill_in(format: &str, fields: &BTreeMap<String, Value>) -> Outcome<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut text = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        match after.split_once('%') {
            Some((key, after)) if !key.is_empty() && key.chars().all(is_word) => {
                if !KEYS.contains(&key) {
                    return Err(fatal(format!(
                        "Unknown key in format string.  Valid keys are:\n{}",
                        KEYS.join(",")
                    )));
                }
                text.push_str(&shown(fields.get(key)));
                rest = after;
            }
            _ => {
                text.push('%');
                rest = after;
            }
        }
    }
    text.push_str(rest);
    Ok(text)
}

/// A value as Python prints it, but what is inside others as JSON.
fn shown(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "None".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(true)) => "True".to_owned(),
        Some(Value::Bool(false)) => "False".to_owned(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_filled_in() {
        let mut task = ScheduledTask {
            status: ScheduleStatus::Pending,
            ..ScheduledTask::default()
        };
        task.assigned_task.task_id = "t-0".into();
        task.assigned_task.assigned_ports = [("http".to_owned(), 31_000)].into();
        task.assigned_task.task.job = aurora_api::model::JobKey::new("www", "prod", "hello");
        let fields = flatten(&task);
        for (format, expected) in [
            (FORMAT, "www/hello/0 PENDING"),
            ("%taskId% on %slaveHost%", "t-0 on None"),
            ("%assignedPorts%", "{\"http\":31000}"),
            ("%isService%", "False"),
            ("100% %% 5%", "100% %% 5%"),
        ] {
            assert_eq!(
                fill_in(format, &fields),
                Ok(expected.to_owned()),
                "{format}"
            );
        }
        let error = fill_in("%nope%", &fields).unwrap_err().message.unwrap();
        assert!(error.starts_with("Unknown key in format string.  Valid keys are:\ntaskId,"));
        // Every field of a task that has all of them can be named.
        let named = fields.keys().all(|key| KEYS.contains(&key.as_str()));
        assert!(named, "{fields:?}");
    }
}
