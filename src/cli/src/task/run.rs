//! `aurora task run`: a command on every machine that runs an instance.

use std::io::Read;
use std::process::{Command, ExitStatus, Stdio};

use aurora_api::model::AssignedTask;
use futures_util::StreamExt;

use super::sandbox::Sandboxes;
use super::{address, live_tasks, words};
use crate::context::{Context, Outcome, print_out};
use crate::exit::{CommandError, ExitCode};
use crate::keys::InstanceSpec;

/// How much of what one machine says is kept.
const MAX_OUTPUT: u64 = 64 * 1024 * 1024;

pub(crate) async fn run(context: &Context<'_>) -> Outcome {
    let spec = context.positional(0, "instance_spec", InstanceSpec::parse)?;
    let sandboxes = Sandboxes::of(context, &spec.key.cluster)?;
    let what = "Error: could not retrieve task information for run command:";
    let tasks = live_tasks(context, &spec.key, spec.instances.as_ref(), what).await?;
    let mut runs = Vec::new();
    for task in &tasks {
        let command = sandboxes.command(context.options.positional(1), task)?;
        runs.push((task, ssh(context, task, &command)));
    }
    let runs = runs.into_iter().map(|(task, ssh)| async move {
        let said = tokio::task::spawn_blocking(move || output(ssh)).await;
        (task, said)
    });
    let threads = context.options.positive("threads");
    let mut results = futures_util::stream::iter(runs).buffer_unordered(threads);
    while let Some((task, said)) = results.next().await {
        let (said, ended) = said
            .map_err(std::io::Error::other)
            .flatten()
            .map_err(|error| {
                CommandError::new(ExitCode::CommandFailure, format!("Cannot run ssh: {error}"))
            })?;
        print_out(&with_host(task, &said))?;
        // It is success all the same; but ssh is called so that it does not say itself why it could not connect.
        if !ended.success() {
            let host = task.slave_host.as_deref().unwrap_or_default();
            tracing::warn!("ssh to {host} for instance {}: {ended}", task.instance_id);
        }
    }
    Ok(())
}

fn ssh(context: &Context<'_>, task: &AssignedTask, command: &str) -> Command {
    let role = &task.task.job.role;
    let user = context.options.given("ssh-user").unwrap_or(role);
    let mut ssh = Command::new("ssh");
    ssh.args(["-n", "-q"])
        .args(words(context, "ssh-options"))
        .arg(address(user, task))
        .arg(command)
        .stdin(Stdio::null());
    ssh
}

/// What a program says on both its outputs, in its order, up to [`MAX_OUTPUT`]: then it finds them closed; and how it ends.
fn output(mut command: Command) -> std::io::Result<(Vec<u8>, ExitStatus)> {
    let (reader, writer) = std::io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn()?;
    // It holds the writing ends; the reading one ends when the child alone has held them.
    drop(command);
    let mut said = Vec::new();
    reader.take(MAX_OUTPUT).read_to_end(&mut said)?;
    Ok((said, child.wait()?))
}

/// Each line with the host before it.
fn with_host(task: &AssignedTask, said: &[u8]) -> String {
    let host = task.slave_host.as_deref().unwrap_or_default();
    let lines: Vec<String> = String::from_utf8_lossy(said)
        .lines()
        .map(|line| format!("{host}:  {line}"))
        .collect();
    lines.join("\n")
}
