//! `aurora_admin get_cluster_config` and `get_scheduler`.

use serde_json::{Map, Value, json};

use super::{fatal, scheduler};
use crate::context::{Context, Outcome, print_out};

pub(super) async fn get_scheduler(context: &Context<'_>) -> Outcome {
    let scheduler = scheduler(context)?;
    let url = scheduler.url();
    let url = url.as_str().trim_end_matches('/');
    print_out(&format!("Found leading scheduler at: {url}"))
}

pub(super) async fn get_cluster_config(context: &Context<'_>) -> Outcome {
    let config = config(context)?;
    if !context.options.flag("sh") {
        return print_out(&Value::Object(config).to_string());
    }
    let prefix = if context.options.flag("export") {
        "export AURORA_CLUSTER_"
    } else {
        "AURORA_CLUSTER_"
    };
    let mut lines = Vec::new();
    for (key, value) in &config {
        shellify(
            &format!("{prefix}{}", key.to_uppercase()),
            value,
            &mut lines,
        );
    }
    lines.iter().try_for_each(|line| print_out(line))
}

/// The cluster's entry as it stands in `clusters.json`; what one would be for a local cluster.
fn config(context: &Context<'_>) -> Outcome<Map<String, Value>> {
    let directory = context.directory()?;
    let name = context.options.positional(0);
    if let Some(cluster) = directory.described(name) {
        return Ok(cluster.all.clone());
    }
    let Some(local) = context.find(name)?.local else {
        return Err(fatal(format!("Cluster {name} has no configuration")));
    };
    let entry = json!({
        "name": local.cluster,
        "scheduler_uri": local.scheduler,
        "slave_root": local.agent_work_dir(),
        "slave_run_directory": "latest",
    });
    match entry {
        Value::Object(entry) => Ok(entry),
        _ => Ok(Map::new()),
    }
}

/// `NAME=value` lines for a shell; what is inside has the names joined by underscores.
fn shellify(name: &str, value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::Bool(value) => lines.push(format!("{name}={}", u8::from(*value))),
        Value::Number(number) => lines.push(format!("{name}={number}")),
        Value::String(text) => lines.push(format!("{name}={}", quote(text))),
        Value::Array(values) => {
            for (at, value) in values.iter().enumerate() {
                shellify(&format!("{name}_{at}"), value, lines);
            }
        }
        Value::Object(values) => {
            for (key, value) in values {
                shellify(&format!("{name}_{}", key.to_uppercase()), value, lines);
            }
        }
        Value::Null => {}
    }
}

/// A text as one word of a shell (Python's `pipes.quote`).
fn quote(text: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !text.is_empty() && text.chars().all(harmless) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\"'\"'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_variables() {
        let config = json!({
            "name": "west", "zk_port": 2181, "x": {"y": [true, "it's"], "z": null}, "empty": "",
        });
        let mut lines = Vec::new();
        for (key, value) in config.as_object().unwrap() {
            shellify(&key.to_uppercase(), value, &mut lines);
        }
        let expected = [
            "NAME=west",
            "ZK_PORT=2181",
            "X_Y_0=1",
            "X_Y_1='it'\"'\"'s'",
            "EMPTY=''",
        ];
        assert_eq!(lines, expected);
    }
}
