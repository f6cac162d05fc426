//! `aurora task scp`: files to, from and between sandboxes.

use std::collections::BTreeSet;

use tokio::process::Command;

use super::sandbox::Sandboxes;
use super::{address, cannot_run, ended, live_tasks, words};
use crate::context::{Context, Outcome};
use crate::exit::{CommandError, ExitCode};
use crate::keys::parse_task_instance;

pub(crate) async fn run(context: &Context<'_>) -> Outcome {
    let mut operands = Vec::new();
    for operand in context.options.positionals() {
        operands.push(resolve(context, operand).await?);
    }
    let mut scp = Command::new("scp");
    if operands.iter().any(|operand| operand.contains('*')) && speaks_sftp().await {
        scp.arg("-O");
    }
    scp.args(words(context, "scp-options")).args(operands);
    let status = scp.status().await;
    ended(status.map_err(|error| cannot_run(&scp, &error))?)
}

/// Whether scp takes SFTP unless it is told `-O`, as since OpenSSH 9.0: there nobody expands the patterns of sandboxes' paths
/// when something is written to them.
async fn speaks_sftp() -> bool {
    let told = Command::new("ssh").arg("-V").output().await;
    told.is_ok_and(|told| major_version(&String::from_utf8_lossy(&told.stderr)) >= Some(9))
}

/// 9 of `OpenSSH_9.2p1 Debian-2, OpenSSL 3.0.11`.
fn major_version(told: &str) -> Option<u32> {
    let version = told.strip_prefix("OpenSSH_")?;
    version.split('.').next()?.parse().ok()
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
    use super::{major_version, normalize};

    #[test]
    fn versions_of_ssh() {
        let debian = "OpenSSH_9.2p1 Debian-2+deb12u3, OpenSSL 3.0.13 30 Jan 2024";
        assert_eq!(major_version(debian), Some(9));
        assert_eq!(major_version("OpenSSH_10.0p2, OpenSSL 3.5.0"), Some(10));
        assert_eq!(major_version("OpenSSH_7.4p1, OpenSSL 1.0.2k-fips"), Some(7));
        assert_eq!(major_version("Dropbear v2022.83"), None);
    }

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
