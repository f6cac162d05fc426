//! `aurora_admin` (aurora: `src/main/python/apache/aurora/admin`): what there is, and what its commands share.
//!
//! Data goes to standard output, everything else is a line of the log; every failure has exit code 1.

mod clusters;
mod drain;
mod hosts;
mod options;
mod query;
mod quota;
mod reconcile;
mod recovery;
mod sla;

use aurora_api::model::{Response, ResponseCode};
use aurora_api::service::Call;
use aurora_client::results::FromResult;
use aurora_client::scheduler::{Retry, Scheduler, combine_messages, take};

use crate::args::{Positional, Verb};
use crate::context::{Context, Outcome};
use crate::exit::{CommandError, ExitCode};
use crate::options::positional;
use options::*;

const CLUSTER: Positional = positional("cluster", "The cluster");

/// What there is.
pub(crate) const COMMANDS: &[Verb] = &[
    Verb {
        name: "get_cluster_config",
        help: "Dump the configuration of a cluster as JSON, or as shell variables",
        options: &[&[&SH, &EXPORT]],
        positionals: &[CLUSTER],
        run: |context| Box::pin(clusters::get_cluster_config(context)),
    },
    Verb {
        name: "get_scheduler",
        help: "Print the leading scheduler's URL",
        options: &[],
        positionals: &[CLUSTER],
        run: |context| Box::pin(clusters::get_scheduler(context)),
    },
    Verb {
        name: "host_activate",
        help: "Remove maintenance mode from hosts",
        options: &[HOST_NAMES],
        positionals: &[CLUSTER],
        run: |context| Box::pin(hosts::activate(context)),
    },
    Verb {
        name: "host_deactivate",
        help: "Put hosts into maintenance mode: they are used last",
        options: &[HOST_NAMES],
        positionals: &[CLUSTER],
        run: |context| Box::pin(hosts::deactivate(context)),
    },
    Verb {
        name: "host_drain",
        help: "Put hosts into maintenance mode and drain them, group by group, where the jobs' SLA allows it",
        options: &[
            HOST_NAMES,
            &[
                &POST_DRAIN_SCRIPT,
                &GROUPING,
                &OVERRIDE_PERCENTAGE,
                &OVERRIDE_DURATION,
                &OVERRIDE_REASON,
                &UNSAFE_HOSTS_FILE,
            ],
        ],
        positionals: &[CLUSTER],
        run: |context| Box::pin(drain::host_drain(context)),
    },
    Verb {
        name: "host_status",
        help: "Log the maintenance mode of hosts",
        options: &[HOST_NAMES],
        positionals: &[CLUSTER],
        run: |context| Box::pin(hosts::status(context)),
    },
    Verb {
        name: "increase_quota",
        help: "Increase the production quota of a role",
        options: &[],
        positionals: QUOTA,
        run: |context| Box::pin(quota::increase(context)),
    },
    Verb {
        name: "prune_tasks",
        help: "Remove ended tasks from the scheduler's memory",
        options: &[&[&ANY_STATES, &ROLE, &ENVIRONMENT, &LIMIT]],
        positionals: &[CLUSTER],
        run: |context| Box::pin(query::prune_tasks(context)),
    },
    Verb {
        name: "query",
        help: "Print tasks, one a line",
        options: &[&[&FORCE_QUERY, &SHARDS, &STATES, &LIST_FORMAT]],
        positionals: &[CLUSTER, ROLE_ARGUMENT, JOB_ARGUMENT],
        run: |context| Box::pin(query::query(context)),
    },
    Verb {
        name: "reconcile_tasks",
        help: "Reconcile the Mesos master and the scheduler",
        options: &[&[&RECONCILIATION, &BATCH_SIZE]],
        positionals: &[CLUSTER],
        run: |context| Box::pin(reconcile::run(context)),
    },
    Verb {
        name: "scheduler_backup_now",
        help: "Write a full backup of the scheduler's state now",
        options: &[],
        positionals: &[CLUSTER],
        run: |context| Box::pin(recovery::backup_now(context)),
    },
    Verb {
        name: "scheduler_commit_recovery",
        help: "Make the staged recovery the scheduler's state",
        options: &[],
        positionals: &[CLUSTER],
        run: |context| Box::pin(recovery::commit(context)),
    },
    Verb {
        name: "scheduler_delete_recovery_tasks",
        help: "Delete tasks from a staged recovery",
        options: &[],
        positionals: &[CLUSTER, positional("task_ids", "Task ids, between commas")],
        run: |context| Box::pin(recovery::delete_tasks(context)),
    },
    Verb {
        name: "scheduler_list_backups",
        help: "List the backups that there are",
        options: &[],
        positionals: &[CLUSTER],
        run: |context| Box::pin(recovery::list_backups(context)),
    },
    Verb {
        name: "scheduler_print_recovery_tasks",
        help: "Log the active tasks of a staged recovery",
        options: &[],
        positionals: &[CLUSTER],
        run: |context| Box::pin(recovery::print_tasks(context)),
    },
    Verb {
        name: "scheduler_snapshot",
        help: "Have the scheduler write a snapshot, and wait for it",
        options: &[],
        positionals: &[CLUSTER],
        run: |context| Box::pin(recovery::snapshot(context)),
    },
    Verb {
        name: "scheduler_stage_recovery",
        help: "Stage a backup for recovery",
        options: &[],
        positionals: &[CLUSTER, positional("backup_id", "The backup")],
        run: |context| Box::pin(recovery::stage(context)),
    },
    Verb {
        name: "scheduler_unload_recovery",
        help: "Drop the staged recovery",
        options: &[],
        positionals: &[CLUSTER],
        run: |context| Box::pin(recovery::unload(context)),
    },
    Verb {
        name: "set_quota",
        help: "Set the production quota of a role",
        options: &[],
        positionals: QUOTA,
        run: |context| Box::pin(quota::set(context)),
    },
    Verb {
        name: "sla_host_drain",
        help: "Have the scheduler drain hosts as the jobs' SLA policies allow",
        options: &[
            HOST_NAMES,
            &[
                &FORCE_DRAIN_TIMEOUT,
                &DEFAULT_PERCENTAGE,
                &DEFAULT_DURATION,
                &WAIT,
            ],
        ],
        positionals: &[CLUSTER],
        run: |context| Box::pin(drain::sla_host_drain(context)),
    },
    Verb {
        name: "sla_list_safe_domain",
        help: "List the hosts that can go down without a job losing its SLA",
        options: &[&[
            &EXCLUDE_FILE,
            &EXCLUDE_HOSTS,
            &GROUPING,
            &INCLUDE_FILE,
            &INCLUDE_HOSTS,
            &LIST_JOBS,
            &MIN_JOB_INSTANCE_COUNT,
            &OVERRIDE_FILE,
        ]],
        positionals: SLA_LIMIT,
        run: |context| Box::pin(sla::list_safe_domain(context)),
    },
    Verb {
        name: "sla_probe_hosts",
        help: "Print what becomes of the jobs on hosts that go down: HOST JOB PREDICTED_SLA SAFE? PREDICTED_SAFE_IN",
        options: &[HOST_NAMES, &[&GROUPING, &MIN_JOB_INSTANCE_COUNT]],
        positionals: SLA_LIMIT,
        run: |context| Box::pin(sla::probe_hosts(context)),
    },
];

/// The end of a command, with its reason.
fn fatal(what: impl Into<String>) -> CommandError {
    CommandError::new(ExitCode::Crash, what)
}

/// The scheduler of the cluster that the first argument names.
fn scheduler(context: &Context<'_>) -> Outcome<Scheduler> {
    context.scheduler(context.options.positional(0))
}

/// An integer option that goes over the wire, when it was given.
fn bounded(context: &Context<'_>, long: &str) -> Outcome<Option<i32>> {
    let Some(given) = context.options.given_integer(long) else {
        return Ok(None);
    };
    let bounded = i32::try_from(given).map_err(|_| {
        let most = i32::MAX;
        fatal(format!(
            "--{long} is out of bounds: {given} (at most {most})"
        ))
    })?;
    Ok(Some(bounded))
}

/// Makes a call and logs what the scheduler says; anything but OK ends the command.
async fn call(context: &Context<'_>, call: impl Into<Call>, retry: Retry) -> Outcome<Response> {
    let response = scheduler(context)?.call(call, retry).await?;
    let (code, messages) = (response.response_code, combine_messages(&response));
    tracing::info!("Response from scheduler: {code} (message: {messages})");
    if code == ResponseCode::Ok {
        Ok(response)
    } else {
        Err(CommandError::printed(ExitCode::Crash))
    }
}

/// Makes a call for its result.
async fn ask<T: FromResult>(
    context: &Context<'_>,
    what: impl Into<Call>,
    retry: Retry,
) -> Outcome<T> {
    let what = what.into();
    let method = what.method();
    Ok(take(method, call(context, what, retry).await?)?)
}
