//! Executors of the operator's own, and what is mounted for executors (aurora: `ExecutorSettingsLoader.java`,
//! `VolumeConverter.java`).

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use aurora_mesos::message::from_value;
use aurora_mesos::v1::{ExecutorInfo, Volume, VolumeMode};
use serde_json::{Value, json};

use crate::core::config::CustomExecutor;

/// Upstream's file: a list of `{"executor": ExecutorInfo, "task_prefix": TEXT, "volume_mounts": [Volume]}`.
pub(crate) fn custom_executors(text: &str) -> anyhow::Result<BTreeMap<String, CustomExecutor>> {
    let entries: Vec<Value> = serde_json::from_str(text)?;
    let mut executors = BTreeMap::new();
    for (place, entry) in entries.into_iter().enumerate() {
        let (name, executor) =
            custom_executor(entry).with_context(|| format!("in entry {}", place + 1))?;
        if executors.contains_key(&name) {
            bail!("there are two executors `{name}`");
        }
        executors.insert(name, executor);
    }
    Ok(executors)
}

fn custom_executor(mut entry: Value) -> anyhow::Result<(String, CustomExecutor)> {
    let Some(fields) = entry.as_object_mut() else {
        bail!("an executor is an object");
    };
    let unknown = fields
        .keys()
        .find(|name| !["executor", "task_prefix", "volume_mounts"].contains(&name.as_str()));
    if let Some(unknown) = unknown {
        bail!("`{unknown}` is not a property of an executor");
    }
    let mut executor = fields.remove("executor").context("`executor` is missing")?;
    // Each task's executor gets an id of its own.
    executor["executor_id"] = json!({ "value": "PLACEHOLDER" });
    let info: ExecutorInfo = from_value(&executor).context("in `executor`")?;
    let name = info.name.clone().context("`executor.name` is missing")?;
    if info.command.is_none() {
        bail!("`executor.command` is missing");
    }
    let Some(Value::String(task_prefix)) = fields.remove("task_prefix") else {
        bail!("`task_prefix` is missing");
    };
    let volumes = match fields.remove("volume_mounts") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(volumes)) => volumes
            .iter()
            .map(from_value)
            .collect::<Result<Vec<Volume>, _>>()
            .context("in `volume_mounts`")?,
        Some(_) => bail!("`volume_mounts` is a list"),
    };
    let executor = CustomExecutor {
        info,
        task_prefix,
        volumes,
    };
    Ok((name, executor))
}

/// A mount in upstream's form `HOST:CONTAINER:MODE`.
pub(crate) fn mount(text: &str) -> Result<Volume, String> {
    let [host, container, mode] = text.split(':').collect::<Vec<_>>()[..] else {
        return Err(format!(
            "`{text}` is not of the form HOST:CONTAINER:MODE, for example /etc/ssl:/etc/ssl:RO"
        ));
    };
    let mode = match mode.to_ascii_uppercase().as_str() {
        "RO" => VolumeMode::Ro,
        "RW" => VolumeMode::Rw,
        _ => return Err(format!("the mode of `{text}` is neither RO nor RW")),
    };
    Ok(Volume {
        mode,
        container_path: container.to_owned(),
        host_path: Some(host.to_owned()),
        ..Volume::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Upstream's example (aurora: `docs/features/custom-executors.md`), shortened.
    const EXAMPLE: &str = r#"[{
        "executor": {
            "name": "myExecutor",
            "command": {
                "value": "myExecutor.a", "shell": "false", "arguments": ["localhost:2181", "-verbose"],
                "uris": [{"value": "/dist/myExecutor.a", "executable": true, "extract": false, "cache": true}]
            },
            "resources": [
                {"name": "cpus", "type": "SCALAR", "scalar": {"value": 1.00}},
                {"name": "mem", "type": "SCALAR", "scalar": {"value": 512}}
            ]
        },
        "volume_mounts": [{"mode": "RO", "container_path": "/path/on/container", "host_path": "/path/to/host"}],
        "task_prefix": "my-executor-"
    }]"#;

    #[test]
    fn executors_are_read_from_a_file() {
        let executors = custom_executors(EXAMPLE).unwrap();
        let executor = &executors["myExecutor"];
        let command = executor.info.command.as_ref().unwrap();
        assert_eq!(command.arguments, ["localhost:2181", "-verbose"]);
        assert!(!command.shell && !command.uris[0].extract);
        assert_eq!(
            executor.info.resources[1].scalar.as_ref().unwrap().value,
            512.0
        );
        assert_eq!(executor.task_prefix, "my-executor-");
        assert_eq!(
            executor.volumes,
            [mount("/path/to/host:/path/on/container:ro").unwrap()]
        );
        for (spoilt, with, expected) in [
            (
                "\"name\": \"myExecutor\",",
                "",
                "`executor.name` is missing",
            ),
            (
                "\"task_prefix\": \"my-executor-\"",
                "\"task_prefix\": 3",
                "`task_prefix` is missing",
            ),
            (
                "\"executor\":",
                "\"executer\":",
                "`executer` is not a property",
            ),
            ("\"mode\": \"RO\", ", "", "in `volume_mounts`"),
        ] {
            let text = EXAMPLE.replace(spoilt, with);
            let error = format!("{:#}", custom_executors(&text).unwrap_err());
            assert!(error.contains(expected), "{spoilt}: {error}");
        }
    }

    #[test]
    fn mounts_have_three_parts() {
        for bad in ["/a", "/a:/b", "/a:/b:RX", "/a:/b:RO:x"] {
            assert!(mount(bad).is_err(), "{bad}");
        }
    }
}
