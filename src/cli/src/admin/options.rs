//! The options and arguments of `aurora_admin`.

use crate::args::{Count, Opt, Positional, Takes};
use crate::options::{flag, option, positional, text};

pub(super) const FILENAME: Opt = text("filename", "FILENAME", "File with host names, one a line");
pub(super) const HOSTS: Opt = text("hosts", "HOSTS", "Host names, between commas");
/// Which hosts are meant: one of the two.
pub(super) const HOST_NAMES: &[&Opt] = &[&FILENAME, &HOSTS];
pub(super) const GROUPING: Opt = text(
    "grouping",
    "GROUPING",
    "How hosts are grouped: by_host (default) or none",
);
pub(super) const SH: Opt = flag("sh", "Print shell variables instead of JSON");
pub(super) const EXPORT: Opt = flag("export", "Print `export` before each shell variable");
pub(super) const POST_DRAIN_SCRIPT: Opt = text(
    "post_drain_script",
    "PATH",
    "Program to run for each drained host, with its name",
);
pub(super) const OVERRIDE_PERCENTAGE: Opt = text(
    "override_percentage",
    "PERCENTAGE",
    "Percentage of tasks that must be up for the duration (default 95); do not change it unless you must",
);
pub(super) const OVERRIDE_DURATION: Opt = text(
    "override_duration",
    "DURATION",
    "For how long tasks must have been up (default 30m); do not change it unless you must",
);
pub(super) const OVERRIDE_REASON: Opt = text(
    "override_reason",
    "REASON",
    "Why the SLA values are overridden, with the ticket's number",
);
pub(super) const UNSAFE_HOSTS_FILE: Opt = text(
    "unsafe_hosts_file",
    "FILE",
    "File to write the names of hosts to that were not drained",
);
pub(super) const DEFAULT_PERCENTAGE: Opt = text(
    "default_percentage",
    "PERCENTAGE",
    "Percentage of tasks that must be up for the duration, for tasks without an SlaPolicy (default 95)",
);
pub(super) const DEFAULT_DURATION: Opt = text(
    "default_duration",
    "DURATION",
    "For how long tasks must have been up, for tasks without an SlaPolicy (default 30m)",
);
pub(super) const FORCE_DRAIN_TIMEOUT: Opt = text(
    "force_drain_timeout",
    "DURATION",
    "After how long tasks are drained whatever becomes of the SLA (default 7d)",
);
pub(super) const WAIT: Opt = flag("wait", "Wait until all hosts are drained");
pub(super) const FORCE_QUERY: Opt = flag("force", "Force expensive queries to run");
pub(super) const SHARDS: Opt = text("shards", "N[,N,...]", "Only these instances of the job");
pub(super) const STATES: Opt = text(
    "states",
    "STATE[,STATE,...]",
    "Only tasks in these states (default RUNNING)",
);
pub(super) const ANY_STATES: Opt = text(
    "states",
    "STATE[,STATE,...]",
    "Only tasks in these states (default all terminal ones)",
);
pub(super) const LIST_FORMAT: Opt = option(
    "listformat",
    Some('l'),
    Takes::Text("FORMAT"),
    "What to print of each task (default \"%role%/%name%/%instanceId% %status%\")",
);
pub(super) const ROLE: Opt = text("role", "ROLE", "Only tasks of this role");
pub(super) const ENVIRONMENT: Opt = text("env", "ENVIRONMENT", "Only tasks of this environment");
pub(super) const LIMIT: Opt = option(
    "limit",
    None,
    Takes::Integer("LIMIT", 0),
    "Prune at most so many tasks",
);
pub(super) const RECONCILIATION: Opt = option(
    "type",
    Some('t'),
    Takes::OneOf(&["explicit", "implicit"]),
    "What to ask the master: about each known task (explicit, default), or for all it has",
);
pub(super) const BATCH_SIZE: Opt = option(
    "batch_size",
    Some('b'),
    Takes::Integer("BATCH_SIZE", 0),
    "Batch size for explicit reconciliation (default the scheduler's own)",
);
pub(super) const EXCLUDE_FILE: Opt = option(
    "exclude_file",
    Some('X'),
    Takes::Text("FILENAME"),
    "File with host names to leave out, one a line",
);
pub(super) const EXCLUDE_HOSTS: Opt = option(
    "exclude_hosts",
    Some('x'),
    Takes::Text("HOSTS"),
    "Host names to leave out, between commas",
);
pub(super) const INCLUDE_FILE: Opt = option(
    "include_file",
    Some('I'),
    Takes::Text("FILENAME"),
    "File with the host names to look at, one a line",
);
pub(super) const INCLUDE_HOSTS: Opt = option(
    "include_hosts",
    Some('i'),
    Takes::Text("HOSTS"),
    "The host names to look at, between commas",
);
pub(super) const LIST_JOBS: Opt = option(
    "list_jobs",
    Some('l'),
    Takes::Nothing,
    "List the jobs on each host: HOST JOB PREDICTED_SLA DURATION_SECONDS",
);
pub(super) const MIN_JOB_INSTANCE_COUNT: Opt = option(
    "min_job_instance_count",
    None,
    Takes::Integer("COUNT", 10),
    "Jobs with fewer instances do not count (default 10)",
);
pub(super) const OVERRIDE_FILE: Opt = option(
    "override_file",
    Some('o'),
    Takes::Text("FILENAME"),
    "File with SLAs of single jobs, lines of `cluster/role/env/job percentage duration`",
);

pub(super) const ROLE_ARGUMENT: Positional = Positional {
    count: Count::Optional,
    ..positional("role", "The role")
};
pub(super) const JOB_ARGUMENT: Positional = Positional {
    count: Count::Optional,
    ..positional("job", "The job's name")
};
pub(super) const QUOTA: &[Positional] = &[
    super::CLUSTER,
    positional("role", "The role"),
    positional("cpu", "Cores"),
    positional(
        "ram",
        "Memory, such as 10g; units k, m, g, t, bare numbers are bytes",
    ),
    positional("disk", "Disk, in the same units"),
];
pub(super) const SLA_LIMIT: &[Positional] = &[
    super::CLUSTER,
    positional(
        "percentage",
        "Percentage of tasks that must be up, in (0, 100]",
    ),
    positional("duration", "For how long, such as 5m or 1d3h45m"),
];
