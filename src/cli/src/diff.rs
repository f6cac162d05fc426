//! What an update would change: the summary, and tasks through a diff program (aurora: `cli/diff_formatter.py`).

use std::collections::BTreeSet;
use std::io::Write;

use aurora_api::model::{ConfigGroup, GetJobUpdateDiffResult, JobUpdateRequest, Range, TaskConfig};
use aurora_api::service::arguments::GetJobUpdateDiff;
use aurora_client::job_file::{JobFile, task_text};
use tempfile::NamedTempFile;
use tokio::process::Command;

use crate::context::{Context, Outcome, print_out};
use crate::exit::{CommandError, ExitCode};

/// The update of a job to what its file says, of some instances or all.
pub(crate) fn update_request(
    job: &JobFile,
    instances: Option<&BTreeSet<i32>>,
) -> Outcome<JobUpdateRequest> {
    job.update_request(instances)
        .map_err(|what| CommandError::new(ExitCode::InvalidConfiguration, what))
}

/// Prints which instances an update adds, removes, changes and leaves alone; with `local`, how each group that it changes
/// differs from that.
pub(crate) async fn show_update_diff(
    context: &Context<'_>,
    cluster: &str,
    request: JobUpdateRequest,
    local: Option<&TaskConfig>,
) -> Outcome {
    let call = GetJobUpdateDiff {
        request: Some(request),
    };
    let what = "Error getting diff info from scheduler";
    let diff: GetJobUpdateDiffResult = context
        .ask(cluster, call, ExitCode::CommandFailure, what)
        .await?;
    print_out("This job update will:")?;
    show_groups("add instances:", &diff.add)?;
    show_groups("remove instances:", &diff.remove)?;
    match local {
        Some(local) => show_each("update instances:", &diff.update, local).await?,
        None => show_groups("update instances:", &diff.update)?,
    }
    show_groups("not change instances:", &diff.unchanged)
}

/// All groups in one line.
fn show_groups(title: &str, groups: &BTreeSet<ConfigGroup>) -> Outcome {
    if groups.is_empty() {
        return Ok(());
    }
    let ranges = groups.iter().flat_map(|group| &group.instances);
    print_out(&format!("{title} {}", spans(ranges)))
}

/// Each group with the difference of its configuration.
async fn show_each(title: &str, groups: &BTreeSet<ConfigGroup>, local: &TaskConfig) -> Outcome {
    let mut groups: Vec<&ConfigGroup> = groups.iter().collect();
    groups.sort_by_key(|group| group.instances.first().map(|range| range.first));
    for group in groups {
        print_out(&format!("{title} {}", spans(&group.instances)))?;
        print_out("with diff:\n")?;
        diff_tasks(&[&group.config], &[local]).await?;
        print_out("")?;
    }
    Ok(())
}

/// `[3], [5-9]`.
fn spans<'a>(ranges: impl IntoIterator<Item = &'a Range>) -> String {
    let mut ranges: Vec<&Range> = ranges.into_iter().collect();
    ranges.sort_by_key(|range| range.first);
    let shown: Vec<String> = ranges
        .into_iter()
        .map(|range| match range {
            Range { first, last } if first == last => format!("[{first}]"),
            Range { first, last } => format!("[{first}-{last}]"),
        })
        .collect();
    shown.join(", ")
}

/// Prints what `$DIFF_VIEWER`, else `diff`, says of the two lists of tasks.
pub(crate) async fn diff_tasks(remote: &[&TaskConfig], local: &[&TaskConfig]) -> Outcome {
    let failed = |what: String| {
        CommandError::new(
            ExitCode::CommandFailure,
            format!("Error running diff: {what}"),
        )
    };
    let viewer = std::env::var("DIFF_VIEWER").unwrap_or_default();
    let mut words = viewer.split_whitespace();
    let program = words.next().unwrap_or("diff");
    let dump = |tasks| dump(tasks).map_err(|error| failed(error.to_string()));
    let (remote, local) = (dump(remote)?, dump(local)?);
    let output = Command::new(program)
        .args(words)
        .args([remote.path(), local.path()])
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| failed(format!("{program}: {error}")))?;
    // diff says 1 when there are differences.
    if !matches!(output.status.code(), Some(0 | 1)) {
        return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    print_out(&String::from_utf8_lossy(&output.stdout))
}

fn dump(tasks: &[&TaskConfig]) -> std::io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new()?;
    let texts: Vec<String> = tasks.iter().map(|task| task_text(task)).collect();
    writeln!(file, "{}", texts.join(",\n"))?;
    file.flush()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use aurora_api::instances::ranges;

    use super::*;

    #[test]
    fn ids_become_the_fewest_ranges() {
        for (ids, expected) in [
            (vec![], ""),
            (vec![3], "[3]"),
            (vec![0, 1, 2, 5, 8, 9], "[0-2], [5], [8-9]"),
            (vec![i32::MAX - 1, i32::MAX], "[2147483646-2147483647]"),
        ] {
            assert_eq!(spans(&ranges(ids)), expected);
        }
    }
}
