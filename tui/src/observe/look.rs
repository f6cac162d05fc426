//! What an observer tells of a task as a whole: its processes, a directory.

use aurora_client::http::HttpError;
use aurora_client::observer::{EntryKind, Observer};
use aurora_tui_model::event::{FileEntry, FileKind, Process, Seen, TaskInfo, Usage};

fn milliseconds(seconds: Option<f64>) -> Option<i64> {
    // Seconds since 1970 with fractions; the cast saturates.
    seconds.map(|seconds| (seconds * 1000.0) as i64)
}

pub(super) async fn look_at_task(observer: &Observer, id: &str) -> Result<Seen, HttpError> {
    let Some(task) = observer.task(id).await? else {
        return Ok(Seen::Absent(
            "The host's observer does not know this task (yet).".to_owned(),
        ));
    };
    let runs = observer.processes(id).await?;
    let defined = task
        .task
        .get("processes")
        .and_then(serde_json::Value::as_array);
    let text = |value: &serde_json::Value, name: &str| {
        value
            .get(name)
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    // In the order of the definition; a process that is only in the records comes after them.
    let mut names: Vec<(String, String)> = defined
        .into_iter()
        .flatten()
        .map(|process| (text(process, "name"), text(process, "cmdline")))
        .collect();
    for name in runs.keys() {
        if !names.iter().any(|(known, _)| known == name) {
            names.push((name.clone(), String::new()));
        }
    }
    let processes = names
        .into_iter()
        .map(|(name, cmdline)| match runs.get(&name) {
            None => Process {
                name,
                cmdline,
                state: "WAITING".to_owned(),
                run: -1,
                ..Process::default()
            },
            Some(run) => Process {
                state: run.state.clone(),
                run: run.process_run,
                start_ms: milliseconds(run.start_time),
                stop_ms: milliseconds(run.stop_time),
                return_code: run.return_code,
                used: run.used.as_ref().map(|used| Usage {
                    cpu: used.cpu,
                    ram: used.ram,
                }),
                name,
                cmdline,
            },
        })
        .collect();
    Ok(Seen::Task(TaskInfo {
        state: task.state,
        used: Usage {
            cpu: task.resource_consumption.cpu,
            ram: task.resource_consumption.ram,
        },
        processes,
    }))
}

pub(super) async fn look_at_directory(
    observer: &Observer,
    id: &str,
    path: &str,
) -> Result<Seen, HttpError> {
    let Some(listing) = observer.browse(id, path).await? else {
        return Ok(Seen::Absent("There is no such directory (yet).".to_owned()));
    };
    let entries = listing
        .entries
        .into_iter()
        .map(|entry| FileEntry {
            permissions: entry.mode.as_ref().map_or_else(String::new, permissions),
            kind: match entry.kind {
                EntryKind::Dir => FileKind::Directory,
                EntryKind::File => FileKind::File,
                EntryKind::Link => FileKind::Link,
                EntryKind::Other => FileKind::Other,
            },
            name: entry.name,
            size: entry.size,
            modified_ms: entry.mtime_ms,
        })
        .collect();
    Ok(Seen::Directory(entries))
}

/// Permission bits as `ls -l` writes them, from a number or an octal text.
fn permissions(mode: &serde_json::Value) -> String {
    let bits = mode.as_u64().or_else(|| {
        mode.as_str()
            .and_then(|text| u64::from_str_radix(text, 8).ok())
    });
    let Some(bits) = bits else {
        return mode.as_str().unwrap_or_default().to_owned();
    };
    (0..9)
        .rev()
        .zip("rwxrwxrwx".chars())
        .map(|(bit, letter)| if bits >> bit & 1 == 1 { letter } else { '-' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permission_bits() {
        for (mode, text) in [
            (serde_json::json!(0o100_644), "rw-r--r--"),
            (serde_json::json!("750"), "rwxr-x---"),
            (serde_json::json!("-rw-------"), "-rw-------"),
        ] {
            assert_eq!(permissions(&mode), text);
        }
    }
}
