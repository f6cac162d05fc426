//! Where a task's sandbox is on its machine, and commands that run in it.

use aurora_api::model::AssignedTask;
use pystachio::text::{Bindings, interpolate};

use crate::context::{Context, Outcome};
use crate::exit::{CommandError, ExitCode};

/// The agents' layout in one cluster.
pub(super) struct Sandboxes {
    root: String,
    run: String,
    /// Whether the executor's own directory is meant, not the task's in it.
    executor: bool,
}

impl Sandboxes {
    /// From the cluster's entry; a local cluster's agent lies in its state directory.
    pub(super) fn of(context: &Context<'_>, cluster: &str) -> Outcome<Sandboxes> {
        let missing = |field: &str| {
            CommandError::new(
                ExitCode::InvalidConfiguration,
                format!("The entry of cluster {cluster} in clusters.json lacks {field}"),
            )
        };
        let directory = context.directory()?;
        let (root, run) = match directory.described(cluster) {
            Some(entry) => (entry.slave_root.clone(), entry.slave_run_directory.clone()),
            None => {
                let local = context.find(cluster)?.local;
                let root = local.map(|local| local.agent_work_dir().display().to_string());
                (root, Some("latest".to_owned()))
            }
        };
        let root = root.ok_or_else(|| missing("slave_root"))?;
        let run = run.ok_or_else(|| missing("slave_run_directory"))?;
        Ok(Sandboxes {
            root,
            run,
            executor: context.options.flag("executor-sandbox"),
        })
    }

    /// A task's sandbox: the remote shell fills in the stars.
    pub(super) fn path(&self, task_id: &str) -> String {
        let root = self.root.trim_end_matches('/');
        let inner = if self.executor { "" } else { "/sandbox" };
        format!(
            "{root}/slaves/*/frameworks/*/executors/thermos-{task_id}/runs/{}{inner}",
            self.run
        )
    }

    /// `cd SANDBOX;COMMAND`, with the references that a task's processes may have.
    pub(super) fn command(&self, command: &str, task: &AssignedTask) -> Outcome<String> {
        let bad = |error: pystachio::Error| {
            CommandError::new(
                ExitCode::InvalidParameter,
                format!("Cannot fill in the command: {error}"),
            )
        };
        let mut bindings = Bindings::default();
        let mut bind = |address: &str, value: String| bindings.insert(address, value).map_err(bad);
        bind("thermos.task_id", task.task_id.clone())?;
        bind("mesos.instance", task.instance_id.to_string())?;
        for (name, port) in &task.assigned_ports {
            bind(&format!("thermos.ports[{name}]"), port.to_string())?;
        }
        let (command, _) = interpolate(command, &bindings).map_err(bad)?;
        Ok(format!("cd {};{command}", self.path(&task.task_id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_run_in_the_sandbox_with_their_references() {
        let task = AssignedTask {
            task_id: "t-1".into(),
            instance_id: 7,
            assigned_ports: [("http".to_owned(), 31_000)].into(),
            ..AssignedTask::default()
        };
        let mut sandboxes = Sandboxes {
            root: "/var/lib/mesos/".into(),
            run: "latest".into(),
            executor: false,
        };
        let command = "echo {{thermos.task_id}} {{thermos.ports[http]}} {{mesos.instance}} {{x}}";
        assert_eq!(
            sandboxes.command(command, &task).unwrap(),
            "cd /var/lib/mesos/slaves/*/frameworks/*/executors/thermos-t-1/runs/latest/sandbox;\
             echo t-1 31000 7 {{x}}"
        );
        sandboxes.executor = true;
        assert_eq!(
            sandboxes.path("t"),
            "/var/lib/mesos/slaves/*/frameworks/*/executors/thermos-t/runs/latest"
        );
        assert!(sandboxes.command("{{ x }}", &task).is_err());
    }
}
