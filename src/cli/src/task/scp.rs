//! `aurora task scp`: files to, from and between sandboxes.

use std::collections::BTreeSet;

use tokio::process::Command;

use super::sandbox::Sandboxes;
use super::{address, cannot_run, ended, live_tasks, words};
use crate::context::{Context, Outcome};
use crate::exit::{CommandError, ExitCode};
use crate::keys::parse_task_instance;

pub(crate) async fn run(context: &Context<'_>) -> Outcome {
    let mut scp = Command::new("scp");
    scp.args(words(context, "scp-options"));
    for operand in context.options.positionals() {
        scp.arg(resolve(context, operand).await?);
    }
    let status = scp.status().await;
    ended(status.map_err(|error| cannot_run(&scp, &error))?)
}

/// An operand as scp takes it: local paths stay, `CLUSTER/ROLE/ENV/NAME/INSTANCE:PATH` becomes `ROLE@HOST:PATH`.
async fn resolve(context: &Context<'_>, operand: &str) -> Outcome<String> {
    let invalid = |what| CommandError::new(ExitCode::InvalidParameter, what);
    let Some((key, path)) = operand.split_once(':') else {
        return Ok(operand.to_owned());
    };
    let (key, instance) = parse_task_instance(key).map_err(invalid)?;
    let what = "Unable to get information about instance:";
    let tasks = live_tasks(context, &key, Some(&BTreeSet::from([instance])), what).await?;
    let Some(task) = tasks.first() else {
        return Err(invalid(format!(
            "Job or instance {key}/{instance} not found"
        )));
    };
    let normal = normalize(path);
    let absolute = if normal.starts_with('/') {
        normal
    } else if normal == "~" || normal.starts_with("~/") {
        return Err(invalid(format!(
            "Command does not support tilde expansion for path: {path}"
        )));
    } else {
        let sandboxes = Sandboxes::of(context, &key.cluster)?;
        format!("{}/{normal}", sandboxes.path(&task.task_id))
    };
    Ok(format!("{}:{absolute}", address(&task.task.job.role, task)))
}

/// A path without empty parts, `.` and what `..` takes back (Python's `posixpath.normpath`).
fn normalize(path: &str) -> String {
    // POSIX lets exactly two slashes at the beginning mean something of their own.
    let slashes = match path.len() - path.trim_start_matches('/').len() {
        count @ (0..=2) => count,
        _ => 1,
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if slashes > 0 => {}
            part => parts.push(part),
        }
    }
    match format!("{}{}", "/".repeat(slashes), parts.join("/")) {
        empty if empty.is_empty() => ".".to_owned(),
        normal => normal,
    }
}

#[cfg(test)]
mod tests {
    use super::normalize;

    #[test]
    fn paths_are_normal_as_in_python() {
        // Each line was tried with CPython 3.11's posixpath.normpath.
        for (path, expected) in [
            ("", "."),
            (".", "."),
            ("a//b/./c", "a/b/c"),
            ("a/../b", "b"),
            ("../../", "../.."),
            ("a/../..", ".."),
            ("/..", "/"),
            ("/a/../../b/", "/b"),
            ("//a", "//a"),
            ("///a", "/a"),
            ("~/x", "~/x"),
        ] {
            assert_eq!(normalize(path), expected, "{path}");
        }
    }
}
