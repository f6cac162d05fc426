//! `aurora task ssh`: a session, or one command, in a task's sandbox.

use aurora_api::model::AssignedTask;
use tokio::process::Command;

use super::sandbox::Sandboxes;
use super::{address, cannot_run, ended, live_tasks, words};
use crate::context::{Context, Outcome};
use crate::exit::{CommandError, ExitCode};
use crate::keys::{InstanceSpec, id_list};

pub(crate) async fn run(context: &Context<'_>) -> Outcome {
    let options = context.options;
    let spec = context.positional(0, "instance_spec", InstanceSpec::parse)?;
    let command = options.given("command");
    if spec.instances.is_none() && command.is_some() {
        return Err(invalid(
            "INSTANCE must be specified when --command option is given".to_owned(),
        ));
    }
    let what = "Unable to get information about instance:";
    let tasks = live_tasks(context, &spec.key, spec.instances.as_ref(), what).await?;
    let Some(task) = tasks.first() else {
        let what = match &spec.instances {
            Some(ids) => format!("no live task of instances {}", id_list(ids.iter().copied())),
            None => "it has no live task".to_owned(),
        };
        return Err(invalid(format!("Job {} not found: {what}", spec.key)));
    };
    let sandboxes = Sandboxes::of(context, &spec.key.cluster)?;
    let command = sandboxes.command(command.unwrap_or("bash"), task)?;
    let user = options.given("ssh-user").unwrap_or(&task.task.job.role);
    let mut ssh = Command::new("ssh");
    ssh.arg("-t").args(words(context, "ssh-options"));
    for tunnel in options.all("tunnels") {
        ssh.arg("-L").arg(forward(tunnel, task)?);
    }
    ssh.arg(address(user, task)).arg(command);
    let mut child = ssh.spawn().map_err(|error| cannot_run(&ssh, &error))?;
    if let (Some(path), Some(pid)) = (options.given("pid-file"), child.id()) {
        std::fs::write(path, pid.to_string()).map_err(|error| {
            let text = format!("Cannot write the process id into {path}: {error}");
            CommandError::new(ExitCode::CommandFailure, text)
        })?;
    }
    let status = child.wait().await;
    ended(status.map_err(|error| cannot_run(&ssh, &error))?)
}

/// `PORT:NAME` as ssh wants it: `PORT:HOST:ASSIGNED`.
fn forward(tunnel: &str, task: &AssignedTask) -> Outcome<String> {
    let parsed = tunnel
        .split_once(':')
        .and_then(|(port, name)| Some((port.trim().parse::<u16>().ok()?, name)));
    let Some((port, name)) = parsed else {
        return Err(invalid(format!(
            "Could not parse tunnel: {tunnel}.  Must be of form PORT:NAME"
        )));
    };
    let Some(assigned) = task.assigned_ports.get(name) else {
        return Err(invalid(format!(
            "Task {} has no port named {name}",
            task.task_id
        )));
    };
    let host = task.slave_host.as_deref().unwrap_or_default();
    Ok(format!("{port}:{host}:{assigned}"))
}

fn invalid(what: String) -> CommandError {
    CommandError::new(ExitCode::InvalidParameter, what)
}
