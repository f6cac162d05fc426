//! What a task's command runs as: a process of this machine, or a container of the Docker engine.

use std::collections::BTreeMap;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{ExitStatus, Stdio};

use aurora_mesos::v1::{CommandInfo, IpAddress, NetworkInfo, NetworkProtocol, TaskInfo};
use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::process::Child;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::agent::docker::{self, Attended};
use crate::agent::launch_helper::{self, LaunchSpec};
use crate::agent::process;

/// Handed on to a container, whose environment is otherwise the task's alone (mesos: src/docker/docker.cpp).
const ROLE_VARIABLE: &str = "MESOS_ALLOCATION_ROLE";

/// A command that was started.
pub(super) enum Body {
    Process {
        child: Child,
        pid: i32,
    },
    Container {
        ended: JoinHandle<Result<i64, String>>,
        signals: mpsc::Sender<&'static str>,
    },
}

/// How a command has ended.
#[derive(Debug)]
pub(super) enum Exit {
    Process(ExitStatus),
    /// Its exit code, or why there is none.
    Container(Result<i64, String>),
}

impl Body {
    /// Starts a process, in an image where there is one. The error is a sentence.
    pub(super) fn process(info: &TaskInfo, image: Option<&LaunchSpec>) -> Result<Self, String> {
        let command = info.command.clone().unwrap_or_default();
        let value = command.value.clone().unwrap_or_default();
        let mut process = match image {
            Some(spec) => launch_helper::command_inside(spec, variables(&command))?,
            None if command.shell => {
                let mut shell = std::process::Command::new("/bin/sh");
                shell.arg0("sh").args(["-c", &value]);
                shell
            }
            None => {
                let mut program = std::process::Command::new(&value);
                if let Some((first, rest)) = command.arguments.split_first() {
                    program.arg0(first).args(rest);
                }
                program
            }
        };
        process.env_remove(launch_helper::TOKEN_VARIABLE);
        process.envs(variables(&command)).stdin(Stdio::null());
        // A group of its own, so that a signal for the command alone can be told from one for the executor.
        process.process_group(0);
        let child = tokio::process::Command::from(process)
            .spawn()
            .map_err(|error| format!("Failed to launch the command '{value}': {error}"))?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        let pid = pid.ok_or("Failed to launch the command: it has no process")?;
        Ok(Self::Process { child, pid })
    }

    /// Starts a container; what the engine says of it comes once it runs.
    pub(super) fn container(
        info: &TaskInfo,
        order: docker::Order,
    ) -> (Self, oneshot::Receiver<Value>) {
        let (signals, receiver) = mpsc::channel(2);
        let (started, running) = oneshot::channel();
        let mut environment = variables(&info.command.clone().unwrap_or_default());
        if let Ok(role) = std::env::var(ROLE_VARIABLE) {
            environment.insert(ROLE_VARIABLE.to_owned(), role);
        }
        let ended = tokio::spawn(docker::attend(Attended {
            order,
            environment: environment.into_iter().collect(),
            signals: receiver,
            started: Some(started),
        }));
        (Self::Container { ended, signals }, running)
    }

    pub(super) async fn wait(&mut self) -> Result<Exit, String> {
        match self {
            Self::Process { child, .. } => match child.wait().await {
                Ok(status) => Ok(Exit::Process(status)),
                Err(error) => Err(format!("waiting for the command: {error}")),
            },
            Self::Container { ended, .. } => match ended.await {
                Ok(ended) => Ok(Exit::Container(ended)),
                Err(error) => Err(format!("waiting for the container: {error}")),
            },
        }
    }

    /// SIGTERM to all of it.
    pub(super) fn terminate(&self) {
        self.signal(libc::SIGTERM, "SIGTERM");
    }

    /// SIGKILL to all of it.
    pub(super) fn kill(&self) {
        self.signal(libc::SIGKILL, "SIGKILL");
    }

    fn signal(&self, number: i32, name: &'static str) {
        match self {
            Self::Process { pid, .. } => {
                process::signal_tree(*pid, number);
            }
            // There is room for the one and the other; a container that has ended needs neither.
            Self::Container { signals, .. } => drop(signals.try_send(name)),
        }
    }
}

fn variables(command: &CommandInfo) -> BTreeMap<String, String> {
    command
        .environment
        .iter()
        .flat_map(|environment| &environment.variables)
        .filter_map(|variable| Some((variable.name.clone(), variable.value.clone()?)))
        .collect()
}

/// The addresses of a container by the engine's own words; `None` for one in the machine's network.
pub(super) fn network(info: &TaskInfo, inspected: &Value) -> Option<NetworkInfo> {
    let settings = &inspected["NetworkSettings"];
    let named = settings["Networks"].as_object().into_iter().flatten();
    // Only the bridge's are at the top.
    let places = std::iter::once(settings).chain(named.map(|(_, network)| network));
    let find = |name: &str| {
        places
            .clone()
            .find_map(|place| place[name].as_str().filter(|address| !address.is_empty()))
    };
    let address = |protocol, text: &str| IpAddress {
        protocol,
        ip_address: Some(text.to_owned()),
    };
    let ip_addresses: Vec<IpAddress> = [
        ("IPAddress", NetworkProtocol::Ipv4),
        ("GlobalIPv6Address", NetworkProtocol::Ipv6),
    ]
    .into_iter()
    .filter_map(|(name, protocol)| Some(address(protocol, find(name)?)))
    .collect();
    if ip_addresses.is_empty() {
        return None;
    }
    let asked = info.container.as_ref()?.network_infos.first().cloned();
    Some(NetworkInfo {
        ip_addresses,
        ..asked.unwrap_or_default()
    })
}

impl Exit {
    pub(super) fn is_success(&self) -> bool {
        match self {
            Self::Process(status) => status.success(),
            Self::Container(code) => *code == Ok(0),
        }
    }
}

impl std::fmt::Display for Exit {
    /// `Command exited with status 3`, `Command terminated with signal Killed` (mesos: stout's WSTRINGIFY).
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Container(Ok(code)) => write!(f, "Container exited with status {code}"),
            Self::Container(Err(message)) => {
                write!(f, "Failed to run docker container: {message}")
            }
            Self::Process(exit) => match (exit.code(), exit.signal()) {
                (Some(code), _) => write!(f, "Command exited with status {code}"),
                (None, Some(signal)) => {
                    let name = Signal::try_from(signal)
                        .ok()
                        .and_then(signal_name)
                        .map_or_else(|| signal.to_string(), str::to_owned);
                    let core = if exit.core_dumped() {
                        " (core dumped)"
                    } else {
                        ""
                    };
                    write!(f, "Command terminated with signal {name}{core}")
                }
                (None, None) => f.write_str("Command ended in an unknown way"),
            },
        }
    }
}

/// The name that strsignal gives.
fn signal_name(signal: Signal) -> Option<&'static str> {
    Some(match signal {
        Signal::SIGHUP => "Hangup",
        Signal::SIGINT => "Interrupt",
        Signal::SIGQUIT => "Quit",
        Signal::SIGILL => "Illegal instruction",
        Signal::SIGTRAP => "Trace/breakpoint trap",
        Signal::SIGABRT => "Aborted",
        Signal::SIGBUS => "Bus error",
        Signal::SIGFPE => "Floating point exception",
        Signal::SIGKILL => "Killed",
        Signal::SIGUSR1 => "User defined signal 1",
        Signal::SIGSEGV => "Segmentation fault",
        Signal::SIGUSR2 => "User defined signal 2",
        Signal::SIGPIPE => "Broken pipe",
        Signal::SIGALRM => "Alarm clock",
        Signal::SIGTERM => "Terminated",
        Signal::SIGXCPU => "CPU time limit exceeded",
        Signal::SIGXFSZ => "File size limit exceeded",
        Signal::SIGSYS => "Bad system call",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_described_as_mesos_does() {
        // Raw wait statuses: the exit code in the second byte, or the signal in the lowest seven bits.
        let cases = [
            (0, "Command exited with status 0"),
            (3 << 8, "Command exited with status 3"),
            (9, "Command terminated with signal Killed"),
            (15, "Command terminated with signal Terminated"),
            (
                11 | 0x80,
                "Command terminated with signal Segmentation fault (core dumped)",
            ),
        ];
        for (raw, text) in cases {
            assert_eq!(Exit::Process(ExitStatus::from_raw(raw)).to_string(), text);
        }
    }
}
