//! The executor API: SUBSCRIBE, UPDATE, MESSAGE and HEARTBEAT (mesos: src/slave/http.cpp, Http::executor).

use std::collections::BTreeSet;

use aurora_mesos::v1::{
    ExecutorId, FrameworkId, StatusReason, StatusSource, TaskId, TaskState, executor as api_v1,
    scheduler,
};
use http::StatusCode;

use super::master::{deliver_queue, shutdown_event};
use super::{Agent, ConnectionId, Effect, ExecutorState, Now, Termination};
use crate::link;

/// A call that is not taken: the status and the text that Mesos answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
}

impl Refusal {
    fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self {
            status,
            text: text.into(),
        }
    }
}

/// How a call is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallAnswer {
    /// 202, once all effects are carried out.
    Accepted,
    /// 200 and the event stream.
    Stream,
}

/// Checks what can be checked without knowing any executor.
pub(crate) fn validate(call: &api_v1::Call) -> Result<api_v1::CallType, Refusal> {
    let invalid = |text: String| {
        Refusal::new(
            StatusCode::BAD_REQUEST,
            format!("Failed to validate Executor::Call: {text}"),
        )
    };
    let absent = |field: &str| invalid(format!("Expecting '{field}' to be present"));
    let kind = call.kind.ok_or_else(|| absent("type"))?;
    match kind {
        api_v1::CallType::Subscribe if call.subscribe.is_none() => Err(absent("subscribe")),
        api_v1::CallType::Message if call.message.is_none() => Err(absent("message")),
        api_v1::CallType::Update => {
            let update = call.update.as_ref().ok_or_else(|| absent("update"))?;
            validate_status(call, &update.status).map_err(invalid)?;
            Ok(kind)
        }
        api_v1::CallType::Unknown => Err(Refusal::new(
            StatusCode::NOT_IMPLEMENTED,
            "501 Not Implemented.",
        )),
        api_v1::CallType::Subscribe | api_v1::CallType::Message | api_v1::CallType::Heartbeat => {
            Ok(kind)
        }
    }
}

fn validate_status(
    call: &api_v1::Call,
    status: &aurora_mesos::v1::TaskStatus,
) -> Result<(), String> {
    let uuid = status
        .uuid
        .as_ref()
        .ok_or("Expecting 'uuid' to be present")?;
    if uuid.len() != 16 {
        return Err("Not a valid UUID".to_owned());
    }
    let (executor, framework) = (&call.executor_id, &call.framework_id);
    if status
        .executor_id
        .as_ref()
        .is_some_and(|given| given != executor)
    {
        return Err(format!(
            "ExecutorID in Call: {executor} does not match ExecutorID in TaskStatus: {}",
            status
                .executor_id
                .as_ref()
                .map_or("", |id| id.value.as_str())
        ));
    }
    if status.source != Some(StatusSource::Executor) {
        let source = status.source.unwrap_or_default();
        return Err(format!(
            "Received Call from executor {executor} of framework {framework} with invalid source, expecting \
             'SOURCE_EXECUTOR', got '{source}'"
        ));
    }
    if status.state == TaskState::Staging {
        return Err(format!(
            "Received TASK_STAGING from executor {executor} of framework {framework} which is not allowed"
        ));
    }
    Ok(())
}

impl Agent {
    /// Takes a validated call. `secret` is what the caller presented; `connection` numbers the stream that a SUBSCRIBE
    /// opens.
    pub(crate) fn on_call(
        &mut self,
        now: Now,
        call: api_v1::Call,
        secret: Option<&str>,
        connection: ConnectionId,
    ) -> Result<(CallAnswer, Vec<Effect>), Refusal> {
        let kind = validate(&call)?;
        let mut effects = Vec::new();
        if kind == api_v1::CallType::Heartbeat {
            return Ok((CallAnswer::Accepted, effects));
        }
        if self.is_recovering() && kind != api_v1::CallType::Subscribe {
            return Err(Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "Agent has not finished recovery",
            ));
        }
        let unknown =
            |what: &str| Refusal::new(StatusCode::BAD_REQUEST, format!("{what} cannot be found"));
        let framework = self
            .frameworks
            .get(&call.framework_id)
            .ok_or_else(|| unknown("Framework"))?;
        let executor = framework
            .executors
            .get(&call.executor_id)
            .ok_or_else(|| unknown("Executor"))?;
        if executor.secret.is_some() && !same_secret(executor.secret.as_deref(), secret) {
            return Err(match secret {
                None => Refusal::new(
                    StatusCode::UNAUTHORIZED,
                    "The token of this executor's container is required",
                ),
                Some(_) => Refusal::new(
                    StatusCode::FORBIDDEN,
                    "The token is not that of this executor's container",
                ),
            });
        }
        match kind {
            api_v1::CallType::Subscribe => {
                if executor.state == ExecutorState::Terminated {
                    return Err(unknown("Executor"));
                }
                let subscribe = call.subscribe.unwrap_or_default();
                self.subscribe(
                    now,
                    &call.framework_id,
                    &call.executor_id,
                    subscribe,
                    connection,
                    &mut effects,
                );
                Ok((CallAnswer::Stream, effects))
            }
            api_v1::CallType::Update | api_v1::CallType::Message
                if executor.state == ExecutorState::Registering || executor.recovering =>
            {
                Err(Refusal::new(
                    StatusCode::FORBIDDEN,
                    "Executor is not subscribed",
                ))
            }
            api_v1::CallType::Update => {
                if let Some(update) = call.update {
                    self.take_update(
                        now,
                        &call.framework_id,
                        &call.executor_id,
                        update.status,
                        &mut effects,
                    );
                }
                Ok((CallAnswer::Accepted, effects))
            }
            api_v1::CallType::Message => {
                if let (Some(message), Some(agent_id)) = (call.message, self.agent_id.clone()) {
                    effects.push(Effect::Send(Box::new(link::Call::ExecutorMessage(
                        link::ExecutorMessage {
                            framework_id: call.framework_id,
                            message: scheduler::EventMessage {
                                agent_id,
                                executor_id: call.executor_id,
                                data: message.data,
                            },
                        },
                    ))));
                }
                Ok((CallAnswer::Accepted, effects))
            }
            api_v1::CallType::Heartbeat | api_v1::CallType::Unknown => {
                Ok((CallAnswer::Accepted, effects))
            }
        }
    }

    fn subscribe(
        &mut self,
        now: Now,
        framework_id: &FrameworkId,
        executor_id: &ExecutorId,
        subscribe: api_v1::Subscribe,
        connection: ConnectionId,
        effects: &mut Vec<Effect>,
    ) {
        let Some(framework) = self.frameworks.get_mut(framework_id) else {
            return;
        };
        let partition_aware = framework.is_partition_aware();
        let framework_info = framework.info.clone();
        let Some(executor) = framework.executors.get_mut(executor_id) else {
            return;
        };
        if let Some(old) = executor.connection.replace(connection) {
            effects.push(Effect::Close { connection: old });
        }
        executor.recovering = false;
        if executor.state == ExecutorState::Terminating {
            effects.push(Effect::Event {
                connection,
                event: Box::new(shutdown_event()),
            });
            self.end_recovery_if_complete();
            return;
        }
        executor.state = ExecutorState::Running;
        executor.registration_deadline = None;
        let mut executor_info = executor.info.clone();
        executor_info.framework_id = Some(framework_id.clone());
        let event = api_v1::Event {
            kind: Some(api_v1::EventType::Subscribed),
            subscribed: Some(api_v1::Subscribed {
                executor_info,
                framework_info,
                agent_info: self.settings.info.clone(),
                container_id: Some(executor.container.clone().into()),
            }),
            ..api_v1::Event::default()
        };
        effects.push(Effect::Event {
            connection,
            event: Box::new(event),
        });
        let limits = executor.limits(&self.settings);
        effects.push(Effect::Limit {
            container: executor.container.clone(),
            limits,
        });
        for update in subscribe.unacknowledged_updates {
            let valid = update
                .status
                .uuid
                .as_ref()
                .is_some_and(|uuid| uuid.len() == 16);
            if valid && update.status.state != TaskState::Staging {
                self.take_update(now, framework_id, executor_id, update.status, effects);
            }
        }
        self.drop_undelivered(
            now,
            framework_id,
            executor_id,
            &subscribe.unacknowledged_tasks,
            partition_aware,
            effects,
        );
        if let Some(executor) = self.executor_mut(framework_id, executor_id) {
            deliver_queue(executor, effects);
        }
        self.end_recovery_if_complete();
    }

    /// A task that was sent to the executor, of which it never told anything and which it does not name now, never arrived.
    fn drop_undelivered(
        &mut self,
        now: Now,
        framework: &FrameworkId,
        executor_id: &ExecutorId,
        named: &[aurora_mesos::v1::TaskInfo],
        partition_aware: bool,
        effects: &mut Vec<Effect>,
    ) {
        let Some(executor) = self.executor(framework, executor_id) else {
            return;
        };
        let named: BTreeSet<&TaskId> = named.iter().map(|task| &task.task_id).collect();
        let lost: Vec<TaskId> = executor
            .launched
            .iter()
            .filter(|(id, task)| task.state == TaskState::Staging && !named.contains(id))
            .map(|(id, _)| id.clone())
            .collect();
        let state = if partition_aware {
            TaskState::Dropped
        } else {
            TaskState::Lost
        };
        let lost_on_the_way = Termination::new(
            state,
            StatusReason::AgentRestarted,
            "Task was lost on its way to the executor",
        );
        for task in lost {
            self.own_update(now, framework, executor_id, task, &lost_on_the_way, effects);
        }
    }

    /// A stream is gone. The executor may live on; events for it are lost until it subscribes again.
    pub(crate) fn connection_closed(&mut self, connection: ConnectionId) {
        for framework in self.frameworks.values_mut() {
            for executor in framework.executors.values_mut() {
                if executor.connection == Some(connection) {
                    executor.connection = None;
                }
            }
        }
    }
}

/// Compares in time that depends on the lengths alone.
fn same_secret(known: Option<&str>, given: Option<&str>) -> bool {
    let (Some(known), Some(given)) = (known, given) else {
        return false;
    };
    known.len() == given.len()
        && known
            .bytes()
            .zip(given.bytes())
            .fold(0, |diff, (a, b)| diff | (a ^ b))
            == 0
}
