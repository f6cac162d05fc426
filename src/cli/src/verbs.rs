//! Every noun and verb of `aurora` with its options: what is in this table is what there is.

use crate::args::{Noun, Verb};
use crate::options::*;
use crate::{config, cron, events, job, quota, sla, task, update};

/// What there is.
pub(crate) const NOUNS: &[Noun] = &[
    Noun {
        name: "job",
        help: "Work with an aurora job",
        verbs: JOB,
    },
    Noun {
        name: "update",
        help: "Interact with the aurora update service",
        verbs: UPDATE,
    },
    Noun {
        name: "cron",
        help: "Work with entries in the aurora cron scheduler",
        verbs: CRON,
    },
    Noun {
        name: "task",
        help: "Work with a task running in an Apache Aurora cluster",
        verbs: TASK,
    },
    Noun {
        name: "config",
        help: "Work with an aurora configuration file",
        verbs: CONFIG_VERBS,
    },
    Noun {
        name: "sla",
        help: "Work with SLA data in Aurora cluster",
        verbs: SLA,
    },
    Noun {
        name: "quota",
        help: "Work with quota settings for an Apache Aurora cluster",
        verbs: &[Verb {
            name: "get",
            help: "Print information about quotas for a role",
            options: &[&[&WRITE_JSON]],
            positionals: &[positional("CLUSTER/NAME", "The role")],
            run: |context| Box::pin(quota::run(context)),
        }],
    },
    Noun {
        name: "events",
        help: "Follow what happens in a cluster",
        verbs: &[Verb {
            name: "follow",
            help: "Print the scheduler's event feed, one JSON object a line, until interrupted",
            options: &[&[&TOPICS]],
            positionals: &[positional("CLUSTER", "The cluster")],
            run: |context| Box::pin(events::run(context)),
        }],
    },
];

const JOB: &[Verb] = &[
    Verb {
        name: "create",
        help: "Create a service or ad hoc job using aurora",
        options: &[JOB_FILE, &[&WAIT_UNTIL, &OPEN_BROWSER]],
        positionals: &[JOB_KEY, CONFIG_FILE],
        run: |context| Box::pin(job::create::run(context)),
    },
    Verb {
        name: "add",
        help: "Add instances to a scheduled job, with the configuration of a given instance",
        options: &[JOB_FILE, &[&OPEN_BROWSER, &WAIT_UNTIL, &CONFIG_UNUSED]],
        positionals: &[
            TASK_INSTANCE,
            positional("instance_count", "Number of instances to add"),
        ],
        run: |context| Box::pin(job::add::run(context)),
    },
    Verb {
        name: "kill",
        help: "Kill instances in a scheduled job",
        options: &[JOB_FILE, KILLING, &[&STRICT]],
        positionals: &[INSTANCE_SPEC],
        run: |context| Box::pin(job::kill::run(context)),
    },
    Verb {
        name: "killall",
        help: "Kill all instances of a scheduled job",
        options: &[JOB_FILE, KILLING],
        positionals: &[JOB_KEY],
        run: |context| Box::pin(job::kill::run_all(context)),
    },
    Verb {
        name: "restart",
        help: "Perform a rolling restart of instances within a job; ending this command ends the restart",
        options: &[
            JOB_FILE,
            &[
                &BATCH_SIZE,
                &OPEN_BROWSER,
                &CONFIG,
                &FORCE,
                &HEALTHCHECK_INTERVAL,
                &MAX_TOTAL_FAILURES,
                &STRICT,
                &WATCH_SECS,
                &MAX_PER_INSTANCE_FAILURES,
            ],
        ],
        positionals: &[INSTANCE_SPEC],
        run: |context| Box::pin(job::restart::run(context)),
    },
    Verb {
        name: "status",
        help: "Get status information about a scheduled job or group of jobs",
        options: &[&[&WRITE_JSON]],
        positionals: &[WILDCARD],
        run: |context| Box::pin(job::status::run(context)),
    },
    Verb {
        name: "list",
        help: "List jobs that match a jobkey or jobkey pattern",
        options: &[],
        positionals: &[WILDCARD],
        run: |context| Box::pin(job::list::run(context)),
    },
    Verb {
        name: "inspect",
        help: "Verify that a job can be parsed from a configuration file, and display it",
        options: &[JOB_FILE, &[&WRITE_JSON, &RAW]],
        positionals: &[JOB_KEY, CONFIG_FILE],
        run: |context| Box::pin(job::inspect::run(context)),
    },
    Verb {
        name: "diff",
        help: "Compare a job configuration against a running job, with diff or what $DIFF_VIEWER names",
        options: &[JOB_FILE, &[&FROM]],
        positionals: &[INSTANCE_SPEC, CONFIG_FILE],
        run: |context| Box::pin(job::diff::run(context)),
    },
    Verb {
        name: "open",
        help: "Open a job's scheduler page in the web browser",
        options: &[],
        positionals: &[PAGE],
        run: |context| Box::pin(job::open::run(context)),
    },
];

const UPDATE: &[Verb] = &[
    Verb {
        name: "start",
        help: "Start a rolling update of a running job, with the update configuration within the config file",
        options: &[
            JOB_FILE,
            &[
                &OPEN_BROWSER,
                &HEALTHCHECK_UNUSED,
                &UPDATE_MESSAGE,
                &STRICT_UNUSED,
                &WAIT_UPDATE,
            ],
        ],
        positionals: &[INSTANCE_SPEC, CONFIG_FILE],
        run: |context| Box::pin(update::start::run(context)),
    },
    Verb {
        name: "pause",
        help: "Pause an update",
        options: &[&[&UPDATE_MESSAGE]],
        positionals: &[JOB_KEY],
        run: |context| Box::pin(update::change::pause(context)),
    },
    Verb {
        name: "resume",
        help: "Resume an update",
        options: &[&[&UPDATE_MESSAGE]],
        positionals: &[JOB_KEY],
        run: |context| Box::pin(update::change::resume(context)),
    },
    Verb {
        name: "abort",
        help: "Abort an in-progress update",
        options: &[&[&UPDATE_MESSAGE]],
        positionals: &[JOB_KEY],
        run: |context| Box::pin(update::change::abort(context)),
    },
    Verb {
        name: "rollback",
        help: "Rollback an in-progress update",
        options: &[&[&UPDATE_MESSAGE, &WAIT_ROLLBACK]],
        positionals: &[JOB_KEY],
        run: |context| Box::pin(update::change::rollback(context)),
    },
    Verb {
        name: "list",
        help: "List summaries of job updates",
        options: &[&[&STATUS, &USER, &WRITE_JSON]],
        positionals: &[positional(
            "CLUSTER[/ROLE[/ENV[/JOB]]]",
            "A path-like specifier for the scope of updates to list",
        )],
        run: |context| Box::pin(update::list::run(context)),
    },
    Verb {
        name: "info",
        help: "Display detailed status information about an update, the active one unless an ID is given",
        options: &[&[&WRITE_JSON]],
        positionals: &[JOB_KEY, UPDATE_ID],
        run: |context| Box::pin(update::info::run(context)),
    },
    Verb {
        name: "wait",
        help: "Block until an update has entered a terminal state",
        options: &[],
        positionals: &[JOB_KEY, UPDATE_ID],
        run: |context| Box::pin(update::wait::run(context)),
    },
];

const CRON: &[Verb] = &[
    Verb {
        name: "schedule",
        help: "Create a cron schedule for a job, or replace it; active tasks are left intact",
        options: &[JOB_FILE],
        positionals: &[JOB_KEY, CONFIG_FILE],
        run: |context| Box::pin(cron::schedule(context)),
    },
    Verb {
        name: "deschedule",
        help: "Remove the cron schedule for a job; active tasks are left intact",
        options: &[],
        positionals: &[JOB_KEY],
        run: |context| Box::pin(cron::deschedule(context)),
    },
    Verb {
        name: "start",
        help: "Start a cron job immediately, outside of its normal cron schedule",
        options: &[JOB_FILE, &[&OPEN_BROWSER, &CONFIG]],
        positionals: &[JOB_KEY],
        run: |context| Box::pin(cron::start(context)),
    },
    Verb {
        name: "show",
        help: "Get the scheduling status of a cron job",
        options: &[],
        positionals: &[JOB_KEY],
        run: |context| Box::pin(cron::show(context)),
    },
];

const TASK: &[Verb] = &[
    Verb {
        name: "run",
        help: "Run a shell command on machines currently hosting instances of a single job",
        options: &[SSH, &[&THREADS]],
        positionals: &[
            INSTANCE_SPEC,
            positional(
                "unix_command_line",
                "The command, with {{mesos.*}} and {{thermos.*}} as in a job's commands",
            ),
        ],
        run: |context| Box::pin(task::run::run(context)),
    },
    Verb {
        name: "ssh",
        help: "Initiate an SSH session on the machine that a task instance is running on",
        options: &[SSH, &[&TUNNELS, &COMMAND, &PID_FILE]],
        positionals: &[SSH_INSTANCE],
        run: |context| Box::pin(task::ssh::run(context)),
    },
    Verb {
        name: "scp",
        help: "Execute an scp to, from or between task instances, whose sandboxes are the relative roots",
        options: &[&[&SCP_OPTIONS, &EXECUTOR_SANDBOX]],
        positionals: &[SOURCES, DESTINATION],
        run: |context| Box::pin(task::scp::run(context)),
    },
];

const CONFIG_VERBS: &[Verb] = &[
    Verb {
        name: "list",
        help: "List all of the jobs defined in a configuration file",
        options: &[JOB_FILE],
        positionals: &[CONFIG_FILE],
        run: |context| Box::pin(config::list::run(context)),
    },
    Verb {
        name: "check",
        help: "Check every job of configuration files, without a cluster",
        options: &[JOB_FILE, &[&WRITE_JSON]],
        positionals: &[CONFIG_FILES],
        run: |context| Box::pin(config::check::run(context)),
    },
];

const SLA: &[Verb] = &[
    Verb {
        name: "get-task-up-count",
        help: "Print the percentage of tasks that stayed up within the last durations",
        options: &[&[&DURATIONS]],
        positionals: &[JOB_KEY],
        run: |context| Box::pin(sla::task_up_count(context)),
    },
    Verb {
        name: "get-job-uptime",
        help: "Print the job uptime at the given percentiles",
        options: &[&[&PERCENTILES]],
        positionals: &[JOB_KEY],
        run: |context| Box::pin(sla::job_uptime(context)),
    },
];
