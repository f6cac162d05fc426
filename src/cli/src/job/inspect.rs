//! `aurora job inspect`.

use aurora_api::simple;
use aurora_client::job_file::JobFile;
use serde_json::Value;

use super::order;
use crate::context::{Context, Outcome, print_json, print_out};
use crate::keys::FullKey;
use crate::resources::details;

pub(crate) async fn run(context: &Context<'_>) -> Outcome {
    let key = context.positional(0, "CLUSTER/ROLE/ENV/NAME", FullKey::parse)?;
    let job = context
        .load_job(&key, context.options.positional(1))
        .await?;
    if context.options.flag("raw") {
        return print_json(&simple::to_json(&job.configuration));
    }
    if context.options.flag("write-json") {
        return print_out(&job.json.to_string());
    }
    print_out(&render(&job))
}

fn render(loaded: &JobFile) -> String {
    let job = &loaded.json;
    let mut lines = vec!["Job level information".to_owned()];
    let quoted = |label: &str, field: &Value| format!("  {label:<12}'{}'", shown(field));
    lines.push(quoted("name:", &job["name"]));
    lines.push(quoted("role:", &job["role"]));
    if !job["contact"].is_null() {
        lines.push(quoted("contact:", &job["contact"]));
    }
    lines.push(quoted("cluster:", &job["cluster"]));
    lines.push(quoted("instances:", &job["instances"]));
    if !job["cron_schedule"].is_null() {
        lines.push("  cron:".to_owned());
        lines.push(format!("    schedule: '{}'", shown(&job["cron_schedule"])));
        lines.push(format!(
            "    policy:   '{}'",
            shown(&job["cron_collision_policy"])
        ));
    }
    if let Value::Object(constraints) = &job["constraints"] {
        lines.push("  constraints:".to_owned());
        for (name, value) in constraints {
            lines.push(format!("    '{name}': '{}'", shown(value)));
        }
    }
    if let Value::Object(policy) = &job["partition_policy"] {
        let field = |name: &str| policy.get(name).map(shown).unwrap_or_default();
        lines.push("  partition_policy:".to_owned());
        lines.push(format!("    reschedule: {}", field("reschedule")));
        lines.push(format!("    delay_secs: '{}'", field("delay_secs")));
    }
    let service = loaded.configuration.task_config.is_service;
    lines.push(format!("  service:    {}", boolean(service)));
    lines.push(format!(
        "  production: {}",
        boolean(is_true(&job["production"]))
    ));
    lines.push(String::new());
    render_task(&job["task"], &mut lines);
    // Upstream ends here.
    let resources = &loaded.configuration.task_config.resources;
    lines.push(format!("Resources: {}", details(resources).join(", ")));
    lines.push("Process order:".to_owned());
    let drawn = order::tree(&job["task"]);
    lines.extend(drawn.iter().map(|line| format!("  {line}")));
    lines.join("\n")
}

fn render_task(task: &Value, lines: &mut Vec<String>) {
    lines.push("Task level information".to_owned());
    lines.push(format!("  name: '{}'", shown(&task["name"])));
    let constraints = items(&task["constraints"]);
    if !constraints.is_empty() {
        lines.push("  constraints:".to_owned());
    }
    for constraint in constraints {
        let names: Vec<String> = items(&constraint["order"]).iter().map(shown).collect();
        lines.push(format!("  {}", names.join(" < ")));
    }
    lines.push(String::new());
    for process in items(&task["processes"]) {
        lines.push(format!("Process '{}':", shown(&process["name"])));
        for word in ["daemon", "ephemeral", "final"] {
            if is_true(&process[word]) {
                lines.push(format!("  {word}"));
            }
        }
        lines.push("  cmdline:".to_owned());
        lines.extend(
            shown(&process["cmdline"])
                .lines()
                .map(|line| format!("    {line}")),
        );
        lines.push(String::new());
    }
}

/// The items of a list; none when it is no list.
pub(super) fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A value as Python prints it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(value) => boolean(*value).to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

pub(super) fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(value) => *value,
        Value::String(text) => text.eq_ignore_ascii_case("true") || text == "1",
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

const fn boolean(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}
