//! The options and positional arguments that verbs share.

use crate::args::{Count, Opt, Positional, Takes};
use crate::keys::{FullKey, parse_binding};

pub(crate) const fn flag(long: &'static str, help: &'static str) -> Opt {
    option(long, None, Takes::Nothing, help)
}

pub(crate) const fn text(long: &'static str, shown: &'static str, help: &'static str) -> Opt {
    option(long, None, Takes::Text(shown), help)
}

pub(crate) const fn checked(
    long: &'static str,
    shown: &'static str,
    check: fn(&str) -> Result<(), String>,
    help: &'static str,
) -> Opt {
    option(long, None, Takes::Checked(shown, check), help)
}

pub(crate) const fn option(
    long: &'static str,
    short: Option<char>,
    takes: Takes,
    help: &'static str,
) -> Opt {
    Opt {
        long,
        short,
        takes,
        help,
    }
}

pub(crate) const fn positional(name: &'static str, help: &'static str) -> Positional {
    Positional {
        name,
        help,
        count: Count::One,
    }
}

pub(crate) const BIND: Opt = checked(
    "bind",
    "var=value",
    |text| parse_binding(text).map(|_| ()),
    "Bind a pystachio variable name to a value; may be given several times",
);
pub(crate) const READ_JSON: Opt = flag("read-json", "Read job configuration in json format");
pub(crate) const PYTHON2_DIVISION: Opt = flag(
    "python2-division",
    "Divide integers in the job file as Python 2 did, dropping remainders",
);
pub(crate) const EVAL_SECS: Opt = option(
    "eval-secs",
    None,
    Takes::Positive("SECONDS", 30),
    "Processor time that evaluating the job file may take (default 30)",
);
pub(crate) const EVAL_MEMORY: Opt = option(
    "eval-memory",
    None,
    Takes::Positive("MIB", 2048),
    "Memory that evaluating the job file may take (default 2048)",
);
pub(crate) const WRITE_JSON: Opt = flag("write-json", "Generate command output in JSON format");
pub(crate) const OPEN_BROWSER: Opt = flag("open-browser", "Open browser to view job page");
pub(crate) const RAW: Opt = flag("raw", "Show the raw configuration");
pub(crate) const STRICT: Opt = flag(
    "strict",
    "Fail when an instance that is named is not active",
);
pub(crate) const STRICT_UNUSED: Opt = flag("strict", "Accepted for compatibility; has no effect");
pub(crate) const FORCE: Opt = flag("force", "Accepted for compatibility; has no effect");
pub(crate) const NO_BATCHING: Opt = flag(
    "no-batching",
    "Run the command on all instances at once, instead of running in batches",
);
pub(crate) const CONFIG: Opt = text("config", "pathname", "Job configuration to check first");
pub(crate) const CONFIG_UNUSED: Opt = text(
    "config",
    "pathname",
    "Accepted for compatibility; has no effect",
);
pub(crate) const BATCH_SIZE: Opt = option(
    "batch-size",
    None,
    Takes::Positive("BATCH_SIZE", 1),
    "Number of instances to operate on in one iteration (default 1)",
);
pub(crate) const MAX_TOTAL_FAILURES: Opt = option(
    "max-total-failures",
    None,
    Takes::Integer("MAX_TOTAL_FAILURES", 0),
    "Number of instance failures tolerated in total before aborting (default 0)",
);
pub(crate) const MAX_PER_INSTANCE_FAILURES: Opt = option(
    "max-per-instance-failures",
    None,
    Takes::Integer("MAX_PER_INSTANCE_FAILURES", 0),
    "Number of restarts per instance tolerated before it counts as failed (default 0)",
);
pub(crate) const WATCH_SECS: Opt = option(
    "watch-secs",
    None,
    Takes::Integer("WATCH_SECS", 30),
    "Seconds that an instance must stay RUNNING to count as restarted (default 30)",
);
pub(crate) const HEALTHCHECK_INTERVAL: Opt = option(
    "healthcheck-interval-seconds",
    None,
    Takes::Integer("HEALTHCHECK_INTERVAL_SECONDS", 3),
    "Seconds between looks at the instances (default 3)",
);
pub(crate) const HEALTHCHECK_UNUSED: Opt = option(
    "healthcheck-interval-seconds",
    None,
    Takes::Integer("HEALTHCHECK_INTERVAL_SECONDS", 3),
    "Accepted for compatibility; has no effect",
);
pub(crate) const KILL_MESSAGE: Opt = option(
    "message",
    Some('m'),
    Takes::Text("MESSAGE"),
    "Message to include with the kill state transition",
);
pub(crate) const UPDATE_MESSAGE: Opt = option(
    "message",
    Some('m'),
    Takes::Text("MESSAGE"),
    "Message to include with the update state transition",
);
pub(crate) const WAIT_UNTIL: Opt = option(
    "wait-until",
    None,
    Takes::OneOf(&["PENDING", "RUNNING", "FINISHED"]),
    "Block until all tasks have reached this state (default PENDING)",
);
pub(crate) const WAIT_UPDATE: Opt = flag("wait", "Wait until the update completes");
pub(crate) const WAIT_ROLLBACK: Opt = flag("wait", "Wait until the update rolls back");
pub(crate) const FROM: Opt = checked(
    "from",
    "cluster/role/env/name",
    |text| FullKey::parse(text).map(|_| ()),
    "The job key to diff against, instead of the job's own",
);
pub(crate) const STATUS: Opt = option(
    "status",
    None,
    Takes::AnyOf(crate::update::STATUSES),
    "Update state to filter by; may be given several times",
);
pub(crate) const USER: Opt = text(
    "user",
    "username",
    "The name of the user who initiated the update",
);
pub(crate) const THREADS: Opt = option(
    "threads",
    Some('t'),
    Takes::Positive("NUM_THREADS", 1),
    "Number of machines to run on at the same time (default 1)",
);
pub(crate) const SSH_USER: Opt = option(
    "ssh-user",
    Some('l'),
    Takes::Text("ssh_username"),
    "ssh as this username instead of the job's role",
);
pub(crate) const SSH_OPTIONS: Opt = text(
    "ssh-options",
    "ssh_options",
    "A string of space separated system ssh options",
);
pub(crate) const SCP_OPTIONS: Opt = text(
    "scp-options",
    "scp_options",
    "A string of space separated system scp options",
);
pub(crate) const EXECUTOR_SANDBOX: Opt = flag(
    "executor-sandbox",
    "Run the command in the executor sandbox instead of the task sandbox",
);
pub(crate) const TUNNELS: Opt = option(
    "tunnels",
    Some('L'),
    Takes::Text("PORT:NAME"),
    "Add tunnel from local port PORT to remote named port NAME; may be given several times",
);
pub(crate) const COMMAND: Opt = option(
    "command",
    Some('c'),
    Takes::Text("unix_command_line"),
    "Command to execute through the ssh connection",
);
pub(crate) const PID_FILE: Opt = option(
    "pid-file",
    Some('p'),
    Takes::Text("pid_file"),
    "File in which to store the PID of the resulting ssh call",
);
pub(crate) const DURATIONS: Opt = text(
    "durations",
    "DURATIONS",
    "Durations to report uptime for, such as 1d or 3m,10s,1h3m10s (default 1m,10m,1h,12h,7d)",
);
pub(crate) const PERCENTILES: Opt = text(
    "percentiles",
    "PERCENTILES",
    "Percentiles to report uptime for, within (0, 100) (default 99,95,90,85,75,60,50,30,10)",
);
pub(crate) const TOPICS: Opt = text(
    "topic",
    "TOPIC",
    "What to follow: summary, job/ROLE/ENV/NAME, host/NAME, role/NAME; may be given several times (default summary)",
);

/// How a job file is evaluated: the options of all verbs that take one.
pub(crate) const JOB_FILE: &[&Opt] = &[
    &BIND,
    &READ_JSON,
    &PYTHON2_DIVISION,
    &EVAL_SECS,
    &EVAL_MEMORY,
];
/// How instances are killed.
pub(crate) const KILLING: &[&Opt] = &[
    &CONFIG,
    &BATCH_SIZE,
    &MAX_TOTAL_FAILURES,
    &NO_BATCHING,
    &KILL_MESSAGE,
    &OPEN_BROWSER,
];
/// How ssh is called.
pub(crate) const SSH: &[&Opt] = &[&SSH_USER, &SSH_OPTIONS, &EXECUTOR_SANDBOX];

pub(crate) const JOB_KEY: Positional =
    positional("CLUSTER/ROLE/ENV/NAME", "Fully specified job key");
pub(crate) const INSTANCE_SPEC: Positional = positional(
    "CLUSTER/ROLE/ENV/NAME[/INSTANCES]",
    "Job key, and instances such as 0,2-4; without them all",
);
pub(crate) const SSH_INSTANCE: Positional = positional(
    "CLUSTER/ROLE/ENV/NAME[/INSTANCES]",
    "Job key, and the instance; without one the first that the scheduler names",
);
pub(crate) const TASK_INSTANCE: Positional = positional(
    "CLUSTER/ROLE/ENV/NAME/INSTANCE",
    "The instance whose configuration the new ones get",
);
pub(crate) const WILDCARD: Positional = positional(
    "cluster[/role[/env[/name]]]",
    "A job key, optionally containing wildcards",
);
pub(crate) const PAGE: Positional = positional(
    "cluster[/role[/env[/job]]]",
    "The cluster, role, environment or job whose page to open",
);
pub(crate) const CONFIG_FILE: Positional = positional("pathname", "Job configuration file");
pub(crate) const CONFIG_FILES: Positional = Positional {
    count: Count::Many,
    ..positional("pathname", "Job configuration files; - is standard input")
};
pub(crate) const UPDATE_ID: Positional = Positional {
    count: Count::Optional,
    ..positional(
        "ID",
        "Update identifier provided by the scheduler when an update was started",
    )
};
pub(crate) const SOURCES: Positional = Positional {
    count: Count::Many,
    ..positional(
        "source",
        "Files to copy, as [CLUSTER/ROLE/ENV/NAME/INSTANCE:]path",
    )
};
pub(crate) const DESTINATION: Positional = positional(
    "dest",
    "Where to copy to, as [CLUSTER/ROLE/ENV/NAME/INSTANCE:]path",
);
