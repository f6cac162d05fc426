//! `POST /api/v1` of the master.

use std::sync::Arc;
use std::time::Duration;

use aurora_daemon::guard::Guard;
use aurora_daemon::reply;
use aurora_daemon::server::{Request, Response};
use aurora_mesos::message::Format;
use aurora_mesos::v1::master::{Call, CallType, Response as Answer, ResponseType};
use aurora_mesos::v1::{DrainConfig, DurationInfo, ProtobufDuration, master as api, quota};
use http::{Method, StatusCode};

use super::core::DrainError;
use super::metrics;
use super::negotiate::{
    accepted_format, bad_request, expect_method, not_found, not_implemented, read_call,
};
use super::run::Info;
use super::shell::{Peer, Shell};
use super::views;

/// Answers one call.
pub(crate) fn handle(
    shell: &Arc<Shell>,
    info: &Info,
    guard: &Guard,
    request: &Request,
) -> Result<Response, Box<Response>> {
    expect_method(request, &Method::POST)?;
    let call: Call = read_call(request)?;
    let kind = call
        .kind
        .ok_or_else(|| invalid("Expecting 'type' to be present"))?;
    let format = accepted_format(request)?;
    if needs_secret(kind) {
        guard.check_secret(&request.headers).map_err(Box::new)?;
    }
    match kind {
        CallType::Subscribe => {
            let events = shell.open(Peer::Operator, format, |_, _, _| {});
            Ok(reply::stream(StatusCode::OK, format.media_type(), events))
        }
        _ if is_question(kind) => answer(shell, info, kind, &call, format),
        _ => order(shell, info, kind, call),
    }
}

fn invalid(text: &str) -> Box<Response> {
    Box::new(bad_request(format!(
        "Failed to validate master::Call: {text}"
    )))
}

fn present<T>(payload: Option<T>, name: &str) -> Result<T, Box<Response>> {
    payload.ok_or_else(|| invalid(&format!("Expecting '{name}' to be present")))
}

/// Whoever changes something or reads files shows the secret.
fn needs_secret(kind: CallType) -> bool {
    !(is_question(kind) || kind == CallType::Subscribe)
        || matches!(kind, CallType::ListFiles | CallType::ReadFile)
}

fn is_question(kind: CallType) -> bool {
    matches!(
        kind,
        CallType::GetHealth
            | CallType::GetFlags
            | CallType::GetVersion
            | CallType::GetMetrics
            | CallType::GetLoggingLevel
            | CallType::ListFiles
            | CallType::ReadFile
            | CallType::GetState
            | CallType::GetAgents
            | CallType::GetFrameworks
            | CallType::GetExecutors
            | CallType::GetOperations
            | CallType::GetTasks
            | CallType::GetRoles
            | CallType::GetWeights
            | CallType::GetMaster
            | CallType::GetMaintenanceStatus
            | CallType::GetMaintenanceSchedule
            | CallType::GetQuota
    )
}

fn answer(
    shell: &Shell,
    info: &Info,
    kind: CallType,
    call: &Call,
    format: Format,
) -> Result<Response, Box<Response>> {
    let mut answer = Answer::default();
    answer.kind = Some(match kind {
        CallType::GetHealth => {
            answer.get_health = Some(api::GetHealth { healthy: true });
            ResponseType::GetHealth
        }
        CallType::GetFlags => {
            answer.get_flags = Some(api::GetFlags {
                flags: info.flags.clone(),
            });
            ResponseType::GetFlags
        }
        CallType::GetVersion => {
            answer.get_version = Some(api::GetVersion {
                version_info: info.version.clone(),
            });
            ResponseType::GetVersion
        }
        CallType::GetMetrics => {
            present(call.get_metrics.as_ref(), "get_metrics")?;
            let metrics = shell.view(|master, now| metrics::of(master, now, info));
            answer.get_metrics = Some(api::GetMetrics { metrics });
            ResponseType::GetMetrics
        }
        CallType::GetLoggingLevel => {
            let level = info.logging.level();
            answer.get_logging_level = Some(api::GetLoggingLevel { level });
            ResponseType::GetLoggingLevel
        }
        // The master keeps no log files: it logs to standard error.
        CallType::ListFiles | CallType::ReadFile => return Ok(not_found()),
        CallType::GetState => {
            answer.get_state = Some(shell.view(|master, _| views::get_state(master)));
            ResponseType::GetState
        }
        CallType::GetAgents => {
            answer.get_agents = Some(shell.view(|master, _| views::get_agents(master)));
            ResponseType::GetAgents
        }
        CallType::GetFrameworks => {
            answer.get_frameworks = Some(shell.view(|master, _| views::get_frameworks(master)));
            ResponseType::GetFrameworks
        }
        CallType::GetExecutors => {
            answer.get_executors = Some(shell.view(|master, _| views::get_executors(master)));
            ResponseType::GetExecutors
        }
        CallType::GetOperations => {
            answer.get_operations = Some(api::GetOperations::default());
            ResponseType::GetOperations
        }
        CallType::GetTasks => {
            answer.get_tasks = Some(shell.view(|master, _| views::get_tasks(master)));
            ResponseType::GetTasks
        }
        CallType::GetRoles => {
            answer.get_roles = Some(shell.view(|master, _| views::get_roles(master)));
            ResponseType::GetRoles
        }
        // With nothing to list there is no payload at all.
        CallType::GetWeights => ResponseType::GetWeights,
        CallType::GetMaster => {
            answer.get_master = Some(shell.view(|master, _| views::get_master(master)));
            ResponseType::GetMaster
        }
        CallType::GetMaintenanceStatus => {
            let status = shell.view(|master, _| master.maintenance_status());
            answer.get_maintenance_status = Some(api::GetMaintenanceStatus { status });
            ResponseType::GetMaintenanceStatus
        }
        CallType::GetMaintenanceSchedule => {
            let schedule = shell.view(|master, _| master.registry.schedule.clone());
            answer.get_maintenance_schedule = Some(api::GetMaintenanceSchedule { schedule });
            ResponseType::GetMaintenanceSchedule
        }
        CallType::GetQuota => {
            answer.get_quota = Some(api::GetQuota {
                status: quota::QuotaStatus::default(),
            });
            ResponseType::GetQuota
        }
        _ => return Ok(not_implemented()),
    });
    let body = format.encode(&answer);
    Ok(reply::bytes(StatusCode::OK, format.media_type(), body))
}

fn order(
    shell: &Shell,
    info: &Info,
    kind: CallType,
    call: Call,
) -> Result<Response, Box<Response>> {
    let done = || reply::empty(StatusCode::OK);
    let maintenance = |result: Result<(), String>| match result {
        Ok(()) => done(),
        Err(text) => bad_request(text),
    };
    let draining = |result: Result<(), DrainError>| match result {
        Ok(()) => done(),
        Err(error) => bad_request(error.to_string()),
    };
    Ok(match kind {
        CallType::SetLoggingLevel => {
            let set = present(call.set_logging_level, "set_logging_level")?;
            info.logging.set(set.level, set.duration.to_std());
            done()
        }
        CallType::Teardown => {
            let id = present(call.teardown, "teardown")?.framework_id;
            if shell.with(|master, now| master.remove_framework(now, &id)) {
                done()
            } else {
                bad_request(format!("No framework found with ID {id}"))
            }
        }
        CallType::UpdateMaintenanceSchedule => {
            let update = present(
                call.update_maintenance_schedule,
                "update_maintenance_schedule",
            )?;
            maintenance(shell.with(|master, now| master.update_schedule(now, update.schedule)))
        }
        CallType::StartMaintenance => {
            let start = present(call.start_maintenance, "start_maintenance")?;
            maintenance(shell.with(|master, now| master.start_maintenance(now, start.machines)))
        }
        CallType::StopMaintenance => {
            let stop = present(call.stop_maintenance, "stop_maintenance")?;
            maintenance(shell.with(|master, _| master.stop_maintenance(&stop.machines)))
        }
        CallType::DrainAgent => {
            let drain = present(call.drain_agent, "drain_agent")?;
            let max_grace_period = match drain.max_grace_period.as_ref().map(duration) {
                None => None,
                Some(Some(duration)) => Some(duration),
                Some(None) => {
                    return Err(invalid("Expecting 'max_grace_period' to be non-negative"));
                }
            };
            let config = DrainConfig {
                max_grace_period,
                mark_gone: drain.mark_gone,
            };
            draining(shell.with(|master, now| master.drain_agent(now, &drain.agent_id, config)))
        }
        CallType::DeactivateAgent => {
            let id = present(call.deactivate_agent, "deactivate_agent")?.agent_id;
            draining(shell.with(|master, _| master.deactivate_agent(&id)))
        }
        CallType::ReactivateAgent => {
            let id = present(call.reactivate_agent, "reactivate_agent")?.agent_id;
            draining(shell.with(|master, now| master.reactivate_agent(now, &id)))
        }
        CallType::MarkAgentGone => {
            let id = present(call.mark_agent_gone, "mark_agent_gone")?.agent_id;
            match shell.with(|master, now| master.mark_gone(now, &id)) {
                Ok(()) => done(),
                Err(_) => reply::text(
                    StatusCode::NOT_FOUND,
                    format!("No agent found with ID {id}"),
                ),
            }
        }
        _ => not_implemented(),
    })
}

fn duration(duration: &ProtobufDuration) -> Option<DurationInfo> {
    let seconds = u64::try_from(duration.seconds.unwrap_or(0)).ok()?;
    let nanos = u32::try_from(duration.nanos.unwrap_or(0)).ok()?;
    Some(
        Duration::new(seconds, 0)
            .checked_add(Duration::from_nanos(nanos.into()))?
            .into(),
    )
}
