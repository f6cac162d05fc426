//! Programs of this machine: a shell in a sandbox, and the command after a drain.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use aurora_client::programs;
use aurora_tui_model::event::{Event, Viewer};
use tokio::process::Command;

/// How long the command after a drain may take.
const PATIENCE: Duration = Duration::from_secs(3600);
/// Bytes of what it said that are told when it fails.
const MOST_SAID: usize = 400;

/// A program that gets the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    program: PathBuf,
    arguments: Vec<String>,
    /// What it is, for people.
    name: &'static str,
    /// A text that it gets as a file, whose path is its last argument.
    text: Option<String>,
}

impl Program {
    /// The user's shell in a sandbox on this machine.
    pub(crate) fn in_sandbox(agent: &Path, task: &str) -> Program {
        // The agent's directories are between; the shell finds them.
        let script = "cd \"$1\"/slaves/*/frameworks/*/executors/thermos-\"$2\"/runs/latest/sandbox \
            && exec \"${SHELL:-/bin/sh}\"";
        let arguments = ["-c", script, "sh", &agent.display().to_string(), task];
        Program {
            program: PathBuf::from("/bin/sh"),
            arguments: arguments.map(str::to_owned).to_vec(),
            name: "the shell",
            text: None,
        }
    }

    /// The user's program for texts, with this one.
    pub(crate) fn viewing(with: Viewer, text: String) -> Program {
        // The variables hold command lines.
        let (name, script) = match with {
            Viewer::Pager => ("the pager", "eval \"exec ${PAGER:-less -R} \\\"\\$1\\\"\""),
            Viewer::Editor => (
                "the editor",
                "eval \"exec ${VISUAL:-${EDITOR:-vi}} \\\"\\$1\\\"\"",
            ),
        };
        Program {
            program: PathBuf::from("/bin/sh"),
            arguments: ["-c", script, "sh"].map(str::to_owned).to_vec(),
            name,
            text: Some(text),
        }
    }

    /// A session on the task's host, as `aurora task ssh` gives it.
    pub(crate) fn by_ssh(instance: &str) -> Result<Program, String> {
        let program = programs::find("aurora").map_err(|error| error.to_string())?;
        Ok(Program::of_client(program, instance))
    }

    fn of_client(program: PathBuf, instance: &str) -> Program {
        Program {
            program,
            arguments: ["task", "ssh", instance].map(str::to_owned).to_vec(),
            name: "the shell",
            text: None,
        }
    }

    /// Runs it on the terminal, which has to be given back before. Says how it ended.
    pub(crate) async fn run(&self) -> Event {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        // Readable for its owner alone, and gone when the program has ended.
        let file = match self.text.as_deref().map(written).transpose() {
            Ok(file) => file,
            Err(error) => return Event::Fault(format!("cannot write a file for it: {error}")),
        };
        command.args(file.as_ref().map(tempfile::NamedTempFile::path));
        // Should we end in disorder, it must not go on beside the shell that gets the terminal then.
        command.kill_on_drop(true);
        match command.status().await {
            Ok(status) if status.success() => Event::Notice(format!("{} has ended", self.name)),
            Ok(status) => Event::Notice(format!("{} has ended: {status}", self.name)),
            Err(error) => Event::Fault(format!("cannot run {}: {error}", self.program.display())),
        }
    }
}

fn written(text: &str) -> std::io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix("aurora-")
        .suffix(".log")
        .tempfile()?;
    file.write_all(text.as_bytes())?;
    Ok(file)
}

/// Runs the command after a drain, the host's name as its last argument. The error says how it failed.
pub(crate) async fn execute(command: &str, host: &str) -> Result<String, String> {
    let child = Command::new("/bin/sh")
        .args(["-c", &format!("{command} \"$@\""), "sh", host])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, child)
        .await
        .map_err(|_| format!("it took longer than {} s", PATIENCE.as_secs()))?
        .map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    let said: String = said.trim().chars().take(MOST_SAID).collect();
    match output.status.success() {
        true => Ok(said),
        false => Err(failure(output.status, &said)),
    }
}

fn failure(status: ExitStatus, said: &str) -> String {
    match said {
        "" => status.to_string(),
        said => format!("{status}: {said}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn commands_get_the_host_and_say_how_they_fail() {
        let outcome = execute("test h1 =", "h1").await;
        assert_eq!(outcome, Ok(String::new()));
        let outcome = execute("f() { echo \"no $1\" >&2; exit 3; }; f", "h2").await;
        let why = outcome.unwrap_err();
        assert!(why.contains('3') && why.ends_with("no h2"), "{why}");
    }

    #[tokio::test]
    async fn a_shell_elsewhere_is_the_clients_and_its_end_is_told() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (client, said) = (dir.path().join("aurora"), dir.path().join("said"));
        let script = format!(
            "#!/bin/sh\necho \"$@\" > '{}'\nexit $CODE\n",
            said.display()
        );
        for (code, expected) in [("0", "the shell has ended"), ("3", "exit status: 3")] {
            std::fs::write(&client, script.replace("$CODE", code)).unwrap();
            std::fs::set_permissions(&client, std::fs::Permissions::from_mode(0o755)).unwrap();
            let program = Program::of_client(client.clone(), "west/www/prod/hello/1");
            match program.run().await {
                Event::Notice(text) => assert!(text.contains(expected), "{text}"),
                other => panic!("{other:?}"),
            }
            let arguments = std::fs::read_to_string(&said).unwrap();
            assert_eq!(arguments, "task ssh west/www/prod/hello/1\n");
        }
        let missing = Program::of_client(dir.path().join("none"), "w/x/y/z/0");
        assert!(matches!(missing.run().await, Event::Fault(_)));
    }

    #[tokio::test]
    async fn a_shell_begins_in_the_sandbox() {
        let dir = tempfile::tempdir().unwrap();
        let run = "slaves/S0/frameworks/F0/executors/thermos-t-1/runs/latest/sandbox";
        std::fs::create_dir_all(dir.path().join(run)).unwrap();
        let program = Program::in_sandbox(dir.path(), "t-1");
        let output = Command::new(&program.program)
            .args(&program.arguments)
            .env("SHELL", "/bin/pwd")
            .output()
            .await
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.trim_end().ends_with(run), "{said}");
    }
}
