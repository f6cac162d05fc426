//! The four daemons and their flags.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::flags::ClusterFlags;
use crate::layout::Layout;

/// A daemon of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Master,
    Agent,
    Scheduler,
    Observer,
}

impl Role {
    /// Its name: in the ready line, for its log and its directory.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Role::Master => "master",
            Role::Agent => "agent",
            Role::Scheduler => "scheduler",
            Role::Observer => "observer",
        }
    }

    /// The program that it is.
    pub(crate) const fn program(self) -> &'static str {
        match self {
            Role::Master => "aurora-mesos-master",
            Role::Agent => "aurora-mesos-agent",
            Role::Scheduler => "aurora-scheduler",
            Role::Observer => "aurora-observer",
        }
    }

    /// How long it may take to become ready: the scheduler replays its log first, the agent finds its executors.
    pub(crate) const fn ready_deadline(self) -> Duration {
        Duration::from_secs(match self {
            Role::Master | Role::Observer => 30,
            Role::Agent | Role::Scheduler => 90,
        })
    }

    /// How long it may take to end after SIGTERM: the agent ends every task first.
    pub(crate) const fn stop_deadline(self) -> Duration {
        Duration::from_secs(match self {
            Role::Agent => 90,
            Role::Master | Role::Scheduler | Role::Observer => 15,
        })
    }
}

/// What the flags of the daemons are made of.
#[derive(Debug, Clone)]
pub(crate) struct Wiring {
    pub(crate) layout: Layout,
    pub(crate) cluster: ClusterFlags,
    /// `aurora-executor`, absolute.
    pub(crate) executor: PathBuf,
}

/// What the scheduler of a local cluster does otherwise than that of a fleet, unless it is told.
const OF_A_LOCAL_SCHEDULER: [(&str, &str); 5] = [
    // The waits that spare a fleet's master make somebody at a terminal wait.
    ("offer-filter-duration", "0secs"),
    ("initial-schedule-penalty", "50ms"),
    ("max-schedule-penalty", "1secs"),
    ("max-reschedule-task-delay-on-startup", "1secs"),
    // One machine is small, and its tasks are new.
    ("executor-overhead", "lean"),
];

impl Wiring {
    /// The arguments of a daemon on a port (0: any), with the master's address once it is known.
    pub(crate) fn arguments(
        &self,
        role: Role,
        port: u16,
        master: Option<SocketAddr>,
    ) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::new();
        let mut set = |name: &str, value: OsString| arguments.extend([name.into(), value]);
        let text = |value: &str| OsString::from(value);
        set("--ip", text("127.0.0.1"));
        set("--port", text(&port.to_string()));
        set("--token-file", self.layout.token().into());
        let master = master
            .map(|address| address.to_string())
            .unwrap_or_default();
        let hostname = &self.cluster.hostname;
        match role {
            Role::Master => {
                set("--cluster", text(&self.cluster.state.cluster_name));
                set("--work-dir", self.layout.work_dir("master").into());
                // With one agent, what one task leaves of an offer is the only place for the next: it comes back at once.
                set("--allocation-interval", text("100ms"));
            }
            Role::Agent => {
                set("--master", text(&master));
                set("--work-dir", self.layout.work_dir("agent").into());
                set("--hostname", text(hostname));
                set("--cgroups-root", text(&self.layout.control_group()));
                let attributes = match &self.cluster.attributes {
                    Some(attributes) => attributes.clone(),
                    None => format!("host:{hostname};rack:local"),
                };
                set("--attributes", text(&attributes));
                if let Some(resources) = &self.cluster.resources {
                    set("--resources", text(resources));
                }
                arguments.push("--stop-executors-on-shutdown".into());
            }
            Role::Scheduler => {
                set("--cluster-name", text(&self.cluster.state.cluster_name));
                set("--mesos-master", text(&master));
                set("--state-dir", self.layout.work_dir("scheduler").into());
                set("--thermos-executor-path", self.executor.clone().into());
                for (name, value) in OF_A_LOCAL_SCHEDULER {
                    if !self.cluster.sets(name) {
                        set(&format!("--{name}"), text(value));
                    }
                }
                arguments.extend(self.cluster.scheduler_flag.iter().map(OsString::from));
                if self.cluster.allow_root_role {
                    arguments.push("--allow-root-role".into());
                }
            }
            Role::Observer => set("--mesos-root", self.layout.work_dir("agent").into()),
        }
        arguments
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::flags::{Flags, Verb};

    #[test]
    fn the_schedulers_flags_may_be_the_operators_own() {
        let line = [
            "aurora-local",
            "start",
            "--state-dir=/s",
            "--scheduler-flag=-executor_overhead=upstream",
            "--scheduler-flag",
            "--flapping-task-threshold=0secs",
        ];
        let Verb::Start(cluster) = Flags::parse_from(line).verb else {
            panic!("another verb");
        };
        let again = [
            &["aurora-local", "start"].map(str::to_owned)[..],
            &cluster.arguments(),
        ]
        .concat();
        let Verb::Start(again) = Flags::parse_from(again).verb else {
            panic!("another verb");
        };
        let state = tempfile::tempdir().unwrap();
        let wiring = Wiring {
            layout: Layout::new(state.path()).unwrap(),
            cluster: again,
            executor: "/e".into(),
        };
        let arguments = wiring.arguments(Role::Scheduler, 0, None);
        let arguments: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
        for expected in [
            "-executor_overhead=upstream",
            "--flapping-task-threshold=0secs",
        ] {
            assert!(arguments.contains(&expected), "{arguments:?}");
        }
        assert!(!arguments.contains(&"--executor-overhead"), "{arguments:?}");
        assert!(
            arguments.contains(&"--offer-filter-duration"),
            "{arguments:?}"
        );
    }
}
