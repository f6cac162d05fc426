//! Every noun and verb with its options: what is in these tables is what there is.

use crate::args::{Noun, Opt, Parsed, Positional, Takes, Verb};
use crate::context::{Context, Outcome};
use crate::{config_list, job, quota};

const fn flag(long: &'static str, help: &'static str) -> Opt {
    Opt {
        long,
        short: None,
        takes: Takes::Nothing,
        help,
    }
}

const BIND: Opt = Opt {
    long: "bind",
    short: None,
    takes: Takes::Text("var=value"),
    help: "Bind a pystachio variable name to a value; may be given several times",
};
const READ_JSON: Opt = flag("read-json", "Read job configuration in json format");
const WRITE_JSON: Opt = flag("write-json", "Generate command output in JSON format");
const OPEN_BROWSER: Opt = flag("open-browser", "Open browser to view job page");
const RAW: Opt = flag("raw", "Show the raw configuration");
const STRICT: Opt = flag(
    "strict",
    "Fail when an instance that is named is not active",
);
const FORCE: Opt = flag("force", "Accepted for compatibility; has no effect");
const NO_BATCHING: Opt = flag(
    "no-batching",
    "Run the command on all instances at once, instead of running in batches",
);
const CONFIG: Opt = Opt {
    long: "config",
    short: None,
    takes: Takes::Text("pathname"),
    help: "Job configuration to check first",
};
const BATCH_SIZE: Opt = Opt {
    long: "batch-size",
    short: None,
    takes: Takes::Integer("BATCH_SIZE", 1),
    help: "Number of instances to operate on in one iteration (default 1)",
};
const MAX_TOTAL_FAILURES: Opt = Opt {
    long: "max-total-failures",
    short: None,
    takes: Takes::Integer("MAX_TOTAL_FAILURES", 0),
    help: "Number of instance failures tolerated in total before aborting (default 0)",
};
const MAX_PER_INSTANCE_FAILURES: Opt = Opt {
    long: "max-per-instance-failures",
    short: None,
    takes: Takes::Integer("MAX_PER_INSTANCE_FAILURES", 0),
    help: "Number of restarts per instance tolerated before it counts as failed (default 0)",
};
const WATCH_SECS: Opt = Opt {
    long: "watch-secs",
    short: None,
    takes: Takes::Integer("WATCH_SECS", 30),
    help: "Seconds that an instance must stay RUNNING to count as restarted (default 30)",
};
const HEALTHCHECK_INTERVAL: Opt = Opt {
    long: "healthcheck-interval-seconds",
    short: None,
    takes: Takes::Integer("HEALTHCHECK_INTERVAL_SECONDS", 3),
    help: "Seconds between looks at the instances (default 3)",
};
const MESSAGE: Opt = Opt {
    long: "message",
    short: Some('m'),
    takes: Takes::Text("MESSAGE"),
    help: "Message to include with the kill state transition",
};
const WAIT_UNTIL: Opt = Opt {
    long: "wait-until",
    short: None,
    takes: Takes::OneOf(&["PENDING", "RUNNING", "FINISHED"]),
    help: "Block until all tasks have reached this state (default PENDING)",
};

const JOB_KEY: Positional = Positional {
    name: "CLUSTER/ROLE/ENV/NAME",
    help: "Fully specified job key",
};
const INSTANCE_SPEC: Positional = Positional {
    name: "CLUSTER/ROLE/ENV/NAME[/INSTANCES]",
    help: "Job key, and instances such as 0,2-4; without them all",
};
const WILDCARD: Positional = Positional {
    name: "cluster[/role[/env[/name]]]",
    help: "A job key, optionally containing wildcards",
};
const CONFIG_FILE: Positional = Positional {
    name: "pathname",
    help: "Job configuration file",
};

/// What there is.
pub(crate) const NOUNS: &[Noun] = &[
    Noun {
        name: "job",
        help: "Work with an aurora job",
        verbs: &[
            Verb {
                name: "create",
                help: "Create a service or ad hoc job using aurora",
                options: &[&BIND, &READ_JSON, &WAIT_UNTIL, &OPEN_BROWSER],
                positionals: &[JOB_KEY, CONFIG_FILE],
            },
            Verb {
                name: "add",
                help: "Add instances to a scheduled job, with the configuration of a given instance",
                options: &[&OPEN_BROWSER, &BIND, &WAIT_UNTIL, &CONFIG, &READ_JSON],
                positionals: &[
                    Positional {
                        name: "CLUSTER/ROLE/ENV/NAME/INSTANCE",
                        help: "The instance whose configuration the new ones get",
                    },
                    Positional {
                        name: "instance_count",
                        help: "Number of instances to add",
                    },
                ],
            },
            Verb {
                name: "kill",
                help: "Kill instances in a scheduled job",
                options: &[
                    &OPEN_BROWSER,
                    &BIND,
                    &READ_JSON,
                    &CONFIG,
                    &BATCH_SIZE,
                    &MAX_TOTAL_FAILURES,
                    &NO_BATCHING,
                    &MESSAGE,
                    &STRICT,
                ],
                positionals: &[INSTANCE_SPEC],
            },
            Verb {
                name: "killall",
                help: "Kill all instances of a scheduled job",
                options: &[
                    &OPEN_BROWSER,
                    &BIND,
                    &READ_JSON,
                    &CONFIG,
                    &BATCH_SIZE,
                    &MAX_TOTAL_FAILURES,
                    &NO_BATCHING,
                    &MESSAGE,
                ],
                positionals: &[JOB_KEY],
            },
            Verb {
                name: "restart",
                help: "Perform a rolling restart of instances within a job; ending this command ends the restart",
                options: &[
                    &BATCH_SIZE,
                    &BIND,
                    &OPEN_BROWSER,
                    &CONFIG,
                    &FORCE,
                    &HEALTHCHECK_INTERVAL,
                    &READ_JSON,
                    &MAX_TOTAL_FAILURES,
                    &STRICT,
                    &WATCH_SECS,
                    &MAX_PER_INSTANCE_FAILURES,
                ],
                positionals: &[INSTANCE_SPEC],
            },
            Verb {
                name: "status",
                help: "Get status information about a scheduled job or group of jobs",
                options: &[&WRITE_JSON],
                positionals: &[WILDCARD],
            },
            Verb {
                name: "list",
                help: "List jobs that match a jobkey or jobkey pattern",
                options: &[],
                positionals: &[WILDCARD],
            },
            Verb {
                name: "inspect",
                help: "Verify that a job can be parsed from a configuration file, and display it",
                options: &[&BIND, &READ_JSON, &WRITE_JSON, &RAW],
                positionals: &[JOB_KEY, CONFIG_FILE],
            },
            Verb {
                name: "open",
                help: "Open a job's scheduler page in the web browser",
                options: &[],
                positionals: &[Positional {
                    name: "cluster[/role[/env[/job]]]",
                    help: "The cluster, role, environment or job whose page to open",
                }],
            },
        ],
    },
    Noun {
        name: "config",
        help: "Work with an aurora configuration file",
        verbs: &[Verb {
            name: "list",
            help: "List all of the jobs defined in a configuration file",
            options: &[&BIND, &READ_JSON],
            positionals: &[CONFIG_FILE],
        }],
    },
    Noun {
        name: "quota",
        help: "Work with quota settings for an Apache Aurora cluster",
        verbs: &[Verb {
            name: "get",
            help: "Print information about quotas for a role",
            options: &[&WRITE_JSON],
            positionals: &[Positional {
                name: "CLUSTER/NAME",
                help: "The role",
            }],
        }],
    },
];

/// Runs the verb.
pub(crate) async fn dispatch(parsed: &Parsed) -> Outcome {
    let context = Context::new(parsed)?;
    match (parsed.noun, parsed.verb) {
        ("job", "create") => job::create::run(&context).await,
        ("job", "add") => job::add::run(&context).await,
        ("job", "kill") => job::kill::run(&context).await,
        ("job", "killall") => job::kill::run_all(&context).await,
        ("job", "restart") => job::restart::run(&context).await,
        ("job", "status") => job::status::run(&context).await,
        ("job", "list") => job::list::run(&context).await,
        ("job", "inspect") => job::inspect::run(&context).await,
        ("job", "open") => job::open::run(&context).await,
        ("config", "list") => config_list::run(&context).await,
        ("quota", "get") => quota::run(&context).await,
        (noun, verb) => Err(crate::CommandError::new(
            crate::ExitCode::Crash,
            format!("{noun} {verb} is in the tables but nothing runs it"),
        )),
    }
}
