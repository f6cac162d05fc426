//! The command line, parsed by hand: the table below is also the help text.

use std::path::PathBuf;
use std::time::Duration;

use aurora_thermos::logs::LogDefaults;
use aurora_thermos::schema::{parse_destination, parse_mode};

use crate::announce::AnnouncerFlags;

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flags {
    /// The sandbox belongs to this user, and processes keep the executor's own.
    pub execute_as_user: Option<String>,
    /// No chown, no setuid.
    pub nosetuid: bool,
    /// Shell health checks keep the executor's own user.
    pub nosetuid_health_checks: bool,
    /// Logging of processes without a logger of their own.
    pub logging: LogDefaults,
    /// Processes see the executor's environment.
    pub preserve_env: bool,
    /// Time for each step of a shutdown.
    pub stop_timeout: Duration,
    /// Programs of a task may gain rights by setuid bits.
    pub allow_new_privileges: bool,
    /// Tasks have a /tmp of their own, where the executor is root.
    pub private_tmp: bool,
    /// Processes of a task see only their own, where the executor is root.
    pub pid_namespace: bool,
    /// Images are left without the task's user and group.
    pub no_create_user: bool,
    /// Where the sandbox is inside an image.
    pub sandbox_mount_point: PathBuf,
    /// Where and how tasks are announced.
    pub announcer: AnnouncerFlags,
}

impl Default for Flags {
    fn default() -> Self {
        Self {
            execute_as_user: None,
            nosetuid: false,
            nosetuid_health_checks: false,
            logging: LogDefaults::default(),
            preserve_env: false,
            stop_timeout: Duration::from_secs(120),
            allow_new_privileges: false,
            private_tmp: false,
            pid_namespace: false,
            no_create_user: false,
            sandbox_mount_point: PathBuf::from("/mnt/mesos/sandbox"),
            announcer: AnnouncerFlags::default(),
        }
    }
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Run a task for the agent whose environment this is.
    Run(Flags),
    /// Print the help.
    Help,
    /// Print the version.
    Version,
}

/// A command line that is not understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FlagError {
    /// No such flag.
    #[error("unknown flag {0}; --help lists the flags there are")]
    Unknown(String),
    /// It needs a value.
    #[error("{0} needs a value")]
    MissingValue(&'static str),
    /// It takes none.
    #[error("{0} takes no value")]
    UnwantedValue(&'static str),
    /// The value is of the wrong kind.
    #[error("{flag} should be {wanted}, not {value:?}")]
    Value {
        /// The flag.
        flag: &'static str,
        /// What belongs there.
        wanted: &'static str,
        /// What was given.
        value: String,
    },
}

struct Flag {
    name: &'static str,
    value: Option<&'static str>,
    help: &'static str,
}

const FLAGS: &[Flag] = &[
    Flag {
        name: "--announcer-ensemble",
        value: Some("SERVERS"),
        help: "ZooKeeper's servers, host:port,…; nothing is announced without them",
    },
    Flag {
        name: "--announcer-serverset-path",
        value: Some("PATH"),
        help: "announce at PATH/<role>/<environment>/<job> (default /aurora)",
    },
    Flag {
        name: "--announcer-allow-custom-serverset-path",
        value: None,
        help: "jobs may name a path of their own",
    },
    Flag {
        name: "--announcer-hostname",
        value: Some("HOST"),
        help: "announce HOST instead of the agent's name",
    },
    Flag {
        name: "--announcer-zookeeper-auth-config",
        value: Some("FILE"),
        help: "JSON file of ZooKeeper credentials and access lists",
    },
    Flag {
        name: "--execute-as-user",
        value: Some("USER"),
        help: "the sandbox belongs to USER, and processes run as the executor does",
    },
    Flag {
        name: "--nosetuid",
        value: None,
        help: "neither chown the sandbox nor run processes as the role",
    },
    Flag {
        name: "--nosetuid-health-checks",
        value: None,
        help: "shell health checks run as the executor does",
    },
    Flag {
        name: "--allow-new-privileges",
        value: None,
        help: "sudo and other setuid programs work in tasks (they do not by default where the executor is root)",
    },
    Flag {
        name: "--private-tmp",
        value: None,
        help: "/tmp of a task is a folder of its sandbox (where the executor is root)",
    },
    Flag {
        name: "--pid-namespace",
        value: None,
        help: "each process of a task sees only what it started (where the executor is root)",
    },
    Flag {
        name: "--no-create-user",
        value: None,
        help: "images get neither the role's user nor its group",
    },
    Flag {
        name: "--sandbox-mount-point",
        value: Some("PATH"),
        help: "the sandbox inside an image (default /mnt/mesos/sandbox)",
    },
    Flag {
        name: "--mesos-containerizer-path",
        value: Some("PATH"),
        help: "read for compatibility: images are entered without its help",
    },
    Flag {
        name: "--runner-logger-destination",
        value: Some("DEST"),
        help: "output of processes without a logger: file (default), console, both, none",
    },
    Flag {
        name: "--runner-logger-mode",
        value: Some("MODE"),
        help: "their log files: standard (default), rotate",
    },
    Flag {
        name: "--runner-rotate-log-size-mb",
        value: Some("MIB"),
        help: "when to rotate them (default 100)",
    },
    Flag {
        name: "--runner-rotate-log-backups",
        value: Some("N"),
        help: "old files kept (default 5)",
    },
    Flag {
        name: "--preserve_env",
        value: None,
        help: "processes see the executor's environment",
    },
    Flag {
        name: "--stop_timeout_in_secs",
        value: Some("SECS"),
        help: "time for each step of a shutdown (default 120)",
    },
    Flag {
        name: "--help",
        value: None,
        help: "print this",
    },
    Flag {
        name: "--version",
        value: None,
        help: "print the version",
    },
];

/// The help text.
#[must_use]
pub fn help() -> String {
    let mut text = "aurora-executor: runs one Aurora task for a Mesos agent, which starts it.\n\n\
        Usage: aurora-executor [FLAGS]\n\nFlags:\n"
        .to_owned();
    for flag in FLAGS {
        let left = flag.value.map_or(flag.name.to_owned(), |value| {
            format!("{}={value}", flag.name)
        });
        text.push_str(&format!("  {left:<42}  {}\n", flag.help));
    }
    text.push_str(
        "\nFrom the environment: the MESOS_* variables of an executor, and AURORA_HTTP_SIGNALER_TIMEOUT_SECS, \
         the seconds that a request to end over HTTP may take (default 1).\n",
    );
    text
}

/// Parses the arguments after the program's name. `-` and `_` inside a flag's name are the same.
///
/// # Errors
/// [`FlagError`].
pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Command, FlagError> {
    let mut flags = Flags::default();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let (name, inline) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        let plain = |name: &str| name.replace('_', "-");
        let flag = FLAGS
            .iter()
            .find(|flag| plain(flag.name) == plain(name))
            .ok_or_else(|| FlagError::Unknown(name.to_owned()))?;
        let value = match (flag.value, inline) {
            (None, None) => String::new(),
            (None, Some(_)) => return Err(FlagError::UnwantedValue(flag.name)),
            (Some(_), Some(value)) => value,
            (Some(_), None) => arguments.next().ok_or(FlagError::MissingValue(flag.name))?,
        };
        let wrong = |wanted| FlagError::Value {
            flag: flag.name,
            wanted,
            value: value.clone(),
        };
        let number = || {
            value
                .parse::<u32>()
                .ok()
                .filter(|&number| number > 0)
                .ok_or_else(|| wrong("a number above zero"))
        };
        match flag.name {
            "--announcer-ensemble" => flags.announcer.ensemble = Some(value),
            "--announcer-serverset-path" => flags.announcer.root = value,
            "--announcer-allow-custom-serverset-path" => flags.announcer.allow_custom_path = true,
            "--announcer-hostname" => flags.announcer.hostname = Some(value),
            "--announcer-zookeeper-auth-config" => {
                flags.announcer.access_file = Some(value.into());
            }
            "--execute-as-user" => flags.execute_as_user = Some(value),
            "--nosetuid" => flags.nosetuid = true,
            "--nosetuid-health-checks" => flags.nosetuid_health_checks = true,
            "--allow-new-privileges" => flags.allow_new_privileges = true,
            "--private-tmp" => flags.private_tmp = true,
            "--pid-namespace" => flags.pid_namespace = true,
            "--no-create-user" => flags.no_create_user = true,
            "--sandbox-mount-point" => {
                flags.sandbox_mount_point = Some(PathBuf::from(&value))
                    .filter(|path| path.is_absolute() && path.parent().is_some())
                    .ok_or_else(|| wrong("an absolute path"))?;
            }
            "--mesos-containerizer-path" => {}
            "--runner-logger-destination" => {
                let destination = parse_destination(&value)
                    .ok_or_else(|| wrong("file, console, both or none"))?;
                flags.logging.destination = Some(destination);
            }
            "--runner-logger-mode" => {
                flags.logging.mode =
                    Some(parse_mode(&value).ok_or_else(|| wrong("standard or rotate"))?);
            }
            "--runner-rotate-log-size-mb" => flags.logging.rotate_size_mib = Some(number()?),
            "--runner-rotate-log-backups" => flags.logging.rotate_backups = Some(number()?),
            "--preserve_env" => flags.preserve_env = true,
            "--stop_timeout_in_secs" => flags.stop_timeout = Duration::from_secs(number()?.into()),
            "--help" => return Ok(Command::Help),
            "--version" => return Ok(Command::Version),
            _ => return Err(FlagError::Unknown(name.to_owned())),
        }
    }
    Ok(Command::Run(flags))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aurora_thermos::schema::{Destination, LogMode};

    fn parsed(line: &str) -> Result<Command, FlagError> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn command_lines() {
        assert_eq!(parsed(""), Ok(Command::Run(Flags::default())));
        assert_eq!(
            parsed(
                "--nosetuid --private-tmp --pid-namespace --no-create-user --sandbox-mount-point=/box --mesos-containerizer-path=/x --allow-new-privileges --preserve-env --execute-as-user=www --stop_timeout_in_secs 7 --runner-logger-mode rotate \
                --runner-logger-destination=both --runner-rotate-log-size-mb=3 --runner-rotate-log-backups=2 \
                --announcer-ensemble=zk:2181 --announcer-serverset-path=/x --announcer-allow-custom-serverset-path \
                --announcer-hostname=h --announcer-zookeeper-auth-config=/f"
            ),
            Ok(Command::Run(Flags {
                execute_as_user: Some("www".into()),
                nosetuid: true,
                nosetuid_health_checks: false,
                allow_new_privileges: true,
                private_tmp: true,
                pid_namespace: true,
                no_create_user: true,
                sandbox_mount_point: "/box".into(),
                preserve_env: true,
                stop_timeout: Duration::from_secs(7),
                logging: LogDefaults {
                    destination: Some(Destination::Both),
                    mode: Some(LogMode::Rotate),
                    rotate_size_mib: Some(3),
                    rotate_backups: Some(2),
                },
                announcer: AnnouncerFlags {
                    ensemble: Some("zk:2181".into()),
                    root: "/x".into(),
                    allow_custom_path: true,
                    hostname: Some("h".into()),
                    access_file: Some("/f".into()),
                },
            }))
        );
        assert_eq!(parsed("--help"), Ok(Command::Help));
        for (line, message) in [
            (
                "--sandbox-mount-point=box",
                "--sandbox-mount-point should be an absolute path, not \"box\"",
            ),
            (
                "--runner-rotate-log-backups=0",
                "--runner-rotate-log-backups should be a number above zero, not \"0\"",
            ),
            ("run", "unknown flag run; --help lists the flags there are"),
            ("--nosetuid=1", "--nosetuid takes no value"),
            ("--execute-as-user", "--execute-as-user needs a value"),
            (
                "--stop_timeout_in_secs=0",
                "--stop_timeout_in_secs should be a number above zero, not \"0\"",
            ),
            (
                "--runner-logger-mode=daily",
                "--runner-logger-mode should be standard or rotate, not \"daily\"",
            ),
        ] {
            assert_eq!(parsed(line).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn the_help_names_every_flag() {
        for flag in FLAGS {
            assert!(help().contains(flag.name), "{}", flag.name);
        }
    }
}
