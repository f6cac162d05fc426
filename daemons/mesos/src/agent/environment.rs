//! The environment of an executor, built from nothing: an executor never inherits the agent's own environment.

use std::path::Path;
use std::time::Duration;

use super::duration;

/// `PATH` when nobody sets one (mesos: src/slave/slave.cpp, executorEnvironment).
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Facts about one executor that its environment tells.
#[derive(Debug)]
pub(crate) struct ExecutorFacts<'a> {
    pub(crate) framework_id: &'a str,
    pub(crate) executor_id: &'a str,
    pub(crate) agent_id: &'a str,
    /// `ip:port` of the agent.
    pub(crate) agent_endpoint: &'a str,
    /// The address alone, for `LIBPROCESS_IP`.
    pub(crate) agent_ip: &'a str,
    pub(crate) sandbox: &'a Path,
    pub(crate) checkpoint: bool,
    pub(crate) recovery_timeout: Duration,
    /// The longest wait between two tries of an executor to subscribe again.
    pub(crate) subscription_backoff_max: Duration,
    pub(crate) shutdown_grace_period: Duration,
    /// The secret of this container, when the agent asks executors for one.
    pub(crate) authentication_token: Option<&'a str>,
    /// Role that the resources were allocated to; only the built-in executor passes it on to tasks.
    pub(crate) allocation_role: Option<&'a str>,
    /// Entries of `--executor_environment_variables`.
    pub(crate) configured: &'a [(String, String)],
    /// `CommandInfo.environment`; wins over everything else.
    pub(crate) command: &'a [(String, String)],
}

/// All variables of an executor, each name once. Later layers win: the agent's block, then the configured entries, then
/// the command's own.
pub(crate) fn executor_environment(facts: &ExecutorFacts<'_>) -> Vec<(String, String)> {
    let sandbox = facts.sandbox.to_string_lossy();
    let flag = |value: bool| if value { "1" } else { "0" };
    let mut environment = Environment::default();
    environment.set("PATH", DEFAULT_PATH);
    for (name, value) in facts.configured {
        environment.set(name, value);
    }
    environment.set("LIBPROCESS_PORT", "0");
    environment.set("LIBPROCESS_IP", facts.agent_ip);
    environment.set("MESOS_FRAMEWORK_ID", facts.framework_id);
    environment.set("MESOS_EXECUTOR_ID", facts.executor_id);
    environment.set("MESOS_DIRECTORY", &sandbox);
    environment.set("MESOS_SANDBOX", &sandbox);
    environment.set("MESOS_SLAVE_ID", facts.agent_id);
    environment.set(
        "MESOS_SLAVE_PID",
        &format!("slave(1)@{}", facts.agent_endpoint),
    );
    environment.set("MESOS_AGENT_ENDPOINT", facts.agent_endpoint);
    environment.set("MESOS_CHECKPOINT", flag(facts.checkpoint));
    environment.set("MESOS_HTTP_COMMAND_EXECUTOR", "1");
    environment.set(
        "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD",
        &duration::format(facts.shutdown_grace_period),
    );
    if facts.checkpoint {
        environment.set(
            "MESOS_RECOVERY_TIMEOUT",
            &duration::format(facts.recovery_timeout),
        );
        environment.set(
            "MESOS_SUBSCRIPTION_BACKOFF_MAX",
            &duration::format(facts.subscription_backoff_max),
        );
    }
    if let Some(token) = facts.authentication_token {
        environment.set("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", token);
    }
    if let Some(role) = facts.allocation_role {
        environment.set("MESOS_ALLOCATION_ROLE", role);
    }
    for (name, value) in facts.command {
        environment.set(name, value);
    }
    environment.into_vec()
}

/// Variables in the order in which they were first set.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    variables: Vec<(String, String)>,
}

impl Environment {
    /// Sets one variable. Names that the system cannot hold (empty, with `=` or NUL) and values with NUL are left out.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return;
        }
        match self.variables.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.variables.push((name.to_owned(), value.to_owned())),
        }
    }

    pub(crate) fn into_vec(self) -> Vec<(String, String)> {
        self.variables
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts<'a>(command: &'a [(String, String)]) -> ExecutorFacts<'a> {
        ExecutorFacts {
            framework_id: "F",
            executor_id: "E",
            agent_id: "S0",
            agent_endpoint: "10.0.0.5:5051",
            agent_ip: "10.0.0.5",
            sandbox: Path::new("/w/runs/C"),
            checkpoint: true,
            recovery_timeout: Duration::from_secs(900),
            subscription_backoff_max: Duration::from_secs(2),
            shutdown_grace_period: Duration::from_secs(5),
            authentication_token: None,
            allocation_role: None,
            configured: &[],
            command,
        }
    }

    fn pairs(text: &[(&str, &str)]) -> Vec<(String, String)> {
        text.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_checkpointing_executor_gets_the_documented_block() {
        let mut got = executor_environment(&facts(&[]));
        got.sort();
        let want = pairs(&[
            ("LIBPROCESS_IP", "10.0.0.5"),
            ("LIBPROCESS_PORT", "0"),
            ("MESOS_AGENT_ENDPOINT", "10.0.0.5:5051"),
            ("MESOS_CHECKPOINT", "1"),
            ("MESOS_DIRECTORY", "/w/runs/C"),
            ("MESOS_EXECUTOR_ID", "E"),
            ("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", "5secs"),
            ("MESOS_FRAMEWORK_ID", "F"),
            ("MESOS_HTTP_COMMAND_EXECUTOR", "1"),
            ("MESOS_RECOVERY_TIMEOUT", "15mins"),
            ("MESOS_SANDBOX", "/w/runs/C"),
            ("MESOS_SLAVE_ID", "S0"),
            ("MESOS_SLAVE_PID", "slave(1)@10.0.0.5:5051"),
            ("MESOS_SUBSCRIPTION_BACKOFF_MAX", "2secs"),
            ("PATH", DEFAULT_PATH),
        ]);
        assert_eq!(got, want);
    }

    #[test]
    fn without_checkpointing_there_is_no_recovery() {
        let got = executor_environment(&ExecutorFacts {
            checkpoint: false,
            ..facts(&[])
        });
        let names: Vec<&str> = got.iter().map(|(name, _)| name.as_str()).collect();
        assert!(got.contains(&("MESOS_CHECKPOINT".into(), "0".into())));
        assert!(
            !names.contains(&"MESOS_RECOVERY_TIMEOUT")
                && !names.contains(&"MESOS_SUBSCRIPTION_BACKOFF_MAX")
        );
    }

    #[test]
    fn the_command_wins_and_no_name_appears_twice() {
        let command = pairs(&[
            ("MESOS_CHECKPOINT", "x"),
            ("FOO", "bar"),
            ("PATH", "/opt"),
            ("A=B", "1"),
            ("N", "a\0b"),
        ]);
        let got = executor_environment(&facts(&command));
        let value = |name: &str| {
            let found: Vec<&str> = got
                .iter()
                .filter(|(n, _)| n == name)
                .map(|(_, v)| v.as_str())
                .collect();
            found
        };
        assert_eq!(value("MESOS_CHECKPOINT"), ["x"]);
        assert_eq!(value("FOO"), ["bar"]);
        assert_eq!(value("PATH"), ["/opt"]);
        assert!(value("A=B").is_empty() && value("N").is_empty());
    }
}
