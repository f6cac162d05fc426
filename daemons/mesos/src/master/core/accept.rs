//! ACCEPT: operations on offered resources.

use aurora_mesos::resources::{Resources, refine};
use aurora_mesos::v1::scheduler::{Accept, Event, EventType, UpdateOperationStatus};
use aurora_mesos::v1::{
    AgentId, AllocationInfo, ExecutorInfo, ExecutorType, FrameworkId, OfferOperation,
    OfferOperationType, OperationState, OperationStatus, Resource, StatusReason, Task, TaskInfo,
    TaskState, master,
};

use super::framework::event;
use super::state::{PendingOffer, TaskEntry};
use super::tally::OfferFate;
use super::time::Time;
use super::{Master, validate};
use crate::link;

/// What the operations of one call work on.
struct Pool {
    framework_id: FrameworkId,
    agent_id: AgentId,
    role: String,
    left: Resources,
}

impl Master {
    /// ACCEPT.
    pub(crate) fn accept(&mut self, now: Time, id: &FrameworkId, accept: Accept) {
        let offers = match self.take_offers(id, &accept) {
            Ok(offers) => offers,
            Err(message) => {
                self.drop_operations(
                    now,
                    id,
                    accept.operations,
                    StatusReason::InvalidOffers,
                    &message,
                );
                return;
            }
        };
        // `take_offers` refuses an empty list.
        let Some(first) = offers.first().cloned() else {
            return;
        };
        let mut pool = Pool {
            framework_id: id.clone(),
            agent_id: first.agent_id.clone(),
            role: first.role.clone(),
            left: Resources::default(),
        };
        for offer in &offers {
            pool.left.add(&offer.resources);
        }
        self.count_offers(id, OfferFate::Accepted, offers.len());
        if self
            .agents
            .get(&pool.agent_id)
            .is_none_or(|agent| agent.session.is_none())
        {
            let message = "Agent disconnected";
            self.drop_operations(
                now,
                id,
                accept.operations,
                StatusReason::AgentDisconnected,
                message,
            );
            return;
        }
        for operation in accept.operations {
            match operation.kind {
                Some(OfferOperationType::Launch) => self.launch(now, &mut pool, operation),
                _ => self.refuse_operation(now, id, operation),
            }
        }
        self.refuse(now, &first, &pool.left, accept.filters.as_ref());
        let agent_id = pool.agent_id;
        self.check_drained(now, &agent_id);
    }

    /// Takes all offers of the call, or says what is wrong with one; then the good ones are free again.
    fn take_offers(
        &mut self,
        id: &FrameworkId,
        accept: &Accept,
    ) -> Result<Vec<PendingOffer>, String> {
        let verdict = self.check_offers(id, accept);
        let mine = |offer: &PendingOffer| offer.framework_id == *id;
        let ids: Vec<_> = accept
            .offer_ids
            .iter()
            .filter(|offer| self.offers.get(offer).is_some_and(mine))
            .cloned()
            .collect();
        let offers = ids
            .iter()
            .filter_map(|offer| self.remove_offer(offer))
            .collect();
        verdict.map(|()| offers)
    }

    fn check_offers(&self, id: &FrameworkId, accept: &Accept) -> Result<(), String> {
        if accept.offer_ids.is_empty() {
            return Err("No offers specified".to_owned());
        }
        let mut first: Option<&PendingOffer> = None;
        for (index, offer_id) in accept.offer_ids.iter().enumerate() {
            if accept.offer_ids[..index].contains(offer_id) {
                return Err(format!("Duplicate offer {offer_id} in offer list"));
            }
            let Some(offer) = self.offers.get(offer_id) else {
                return Err(format!("Offer {offer_id} is no longer valid"));
            };
            if offer.framework_id != *id {
                return Err(format!(
                    "Offer {offer_id} has invalid framework {} while framework {id} is expected",
                    offer.framework_id
                ));
            }
            let first = first.get_or_insert(offer);
            if first.role != offer.role {
                return Err(format!(
                    "Aggregated offers must be allocated to the same role. Offer {offer_id} uses role '{}' but another is using role '{}'",
                    offer.role, first.role
                ));
            }
            if first.agent_id != offer.agent_id {
                return Err(format!(
                    "Aggregated offers must belong to one single agent. Offer {offer_id} uses agent {} and agent {}",
                    offer.agent_id, first.agent_id
                ));
            }
        }
        Ok(())
    }

    /// None of the call is done: its tasks are dropped.
    fn drop_operations(
        &mut self,
        now: Time,
        id: &FrameworkId,
        operations: Vec<OfferOperation>,
        reason: StatusReason,
        message: &str,
    ) {
        for operation in operations {
            let tasks = match (operation.launch, operation.launch_group) {
                (Some(launch), _) => launch.task_infos,
                (None, Some(group)) => group.task_group.tasks,
                (None, None) => {
                    if let Some(operation_id) = operation.id {
                        let message = format!("Operation attempted with invalid offers: {message}");
                        self.send_operation_error(id, operation_id, message);
                    }
                    continue;
                }
            };
            let text = match reason {
                StatusReason::InvalidOffers => {
                    format!("Task launched with invalid offers: {message}")
                }
                _ => message.to_owned(),
            };
            for task in tasks {
                self.refuse_task(now, id, &task, TaskState::Dropped, reason, &text);
            }
        }
    }

    /// Everything but LAUNCH.
    fn refuse_operation(&mut self, now: Time, id: &FrameworkId, operation: OfferOperation) {
        if let Some(group) = operation.launch_group {
            for task in &group.task_group.tasks {
                self.refuse_task(
                    now,
                    id,
                    task,
                    TaskState::Error,
                    StatusReason::TaskGroupInvalid,
                    "Task groups are not supported by this master",
                );
            }
        }
        if let Some(operation_id) = operation.id {
            let kind = operation
                .kind
                .map_or_else(|| "of unknown type".to_owned(), |kind| kind.to_string());
            let message = format!("Operation {kind} is not supported by this master");
            self.send_operation_error(id, operation_id, message);
        }
    }

    fn send_operation_error(
        &mut self,
        id: &FrameworkId,
        operation_id: aurora_mesos::v1::OperationId,
        message: String,
    ) {
        let status = OperationStatus {
            operation_id: Some(operation_id),
            state: OperationState::Error,
            message: Some(message),
            ..OperationStatus::default()
        };
        let update = UpdateOperationStatus { status };
        self.send(
            id,
            Event {
                update_operation_status: Some(update),
                ..event(EventType::UpdateOperationStatus)
            },
        );
    }

    fn refuse_task(
        &mut self,
        now: Time,
        id: &FrameworkId,
        task: &TaskInfo,
        state: TaskState,
        reason: StatusReason,
        message: &str,
    ) {
        let Some(framework) = self.frameworks.get(id) else {
            return;
        };
        let state = framework.seen_state(state);
        let status = self.master_status(
            now,
            &task.task_id,
            Some(&task.agent_id),
            state,
            reason,
            message,
        );
        self.counters.count_end(state, &status);
        self.send_update(id, status);
    }

    fn launch(&mut self, now: Time, pool: &mut Pool, operation: OfferOperation) {
        let has_id = operation.id.is_some();
        for task in operation.launch.unwrap_or_default().task_infos {
            let id = pool.framework_id.clone();
            let verdict = if has_id {
                Err("The 'id' field must not be set for a LAUNCH operation".to_owned())
            } else {
                self.prepare(pool, task.clone())
            };
            match verdict {
                Ok(prepared) => self.run(pool, prepared),
                Err(message) => self.refuse_task(
                    now,
                    &id,
                    &task,
                    TaskState::Error,
                    StatusReason::TaskInvalid,
                    &message,
                ),
            }
        }
    }

    /// Checks a task against the pool and brings it into the form that agents get.
    fn prepare(&self, pool: &Pool, mut task: TaskInfo) -> Result<Prepared, String> {
        let framework = self
            .frameworks
            .get(&pool.framework_id)
            .ok_or_else(|| "Framework is gone".to_owned())?;
        validate::id(&task.task_id.value)?;
        if framework.tasks.contains_key(&task.task_id)
            || framework.unreachable_tasks.contains_key(&task.task_id)
        {
            return Err(format!("Task has duplicate ID: {}", task.task_id));
        }
        if task.agent_id != pool.agent_id {
            return Err(format!(
                "Task uses invalid agent {} while agent {} is expected",
                task.agent_id, pool.agent_id
            ));
        }
        validate::task_fields(&task)?;
        allocate(&mut task.resources, &pool.role);
        let mut required = Resources::of(&task.resources);
        let mut launch_executor = true;
        if let Some(executor) = &mut task.executor {
            check_executor(executor, &pool.framework_id)?;
            executor.framework_id = Some(pool.framework_id.clone());
            executor.kind.get_or_insert(ExecutorType::Custom);
            allocate(&mut executor.resources, &pool.role);
            let key = (pool.agent_id.clone(), executor.executor_id.clone());
            match framework.executors.get(&key) {
                None => required.add(&Resources::of(&executor.resources)),
                Some(existing) if existing == executor => launch_executor = false,
                Some(existing) => {
                    return Err(format!(
                        "ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID.\n------------------------------------------------------------\nExisting ExecutorInfo:\n{}\n------------------------------------------------------------\nExecutorInfo:\n{}\n------------------------------------------------------------\n",
                        String::from_utf8_lossy(&aurora_mesos::message::to_vec(existing)),
                        String::from_utf8_lossy(&aurora_mesos::message::to_vec(executor)),
                    ));
                }
            }
        }
        if !pool.left.contains(&required) {
            return Err(format!(
                "Total resources {required} required by task and its executor is more than available {}",
                pool.left
            ));
        }
        Ok(Prepared {
            task,
            required,
            launch_executor,
        })
    }

    fn run(&mut self, pool: &mut Pool, prepared: Prepared) {
        let Prepared {
            task,
            required,
            launch_executor,
        } = prepared;
        pool.left.subtract(&required);
        if let Some(agent) = self.agents.get_mut(&pool.agent_id) {
            agent.charge(&pool.framework_id, &required);
        }
        let Some(framework) = self.frameworks.get_mut(&pool.framework_id) else {
            return;
        };
        if let Some(executor) = task.executor.as_ref().filter(|_| launch_executor) {
            let key = (pool.agent_id.clone(), executor.executor_id.clone());
            framework.executors.insert(key, executor.clone());
        }
        let summary = summary(&task, &pool.framework_id);
        framework
            .tasks
            .insert(task.task_id.clone(), TaskEntry::new(summary.clone()));
        let framework_info = framework.info.clone();
        self.tell_operators(master::Event {
            kind: Some(master::EventType::TaskAdded),
            task_added: Some(master::TaskAdded { task: summary }),
            ..master::Event::default()
        });
        self.send_agent(
            &pool.agent_id,
            link::Event::RunTask(link::RunTask {
                framework_info,
                task,
                launch_executor,
            }),
        );
    }
}

struct Prepared {
    task: TaskInfo,
    required: Resources,
    launch_executor: bool,
}

fn check_executor(executor: &ExecutorInfo, framework_id: &FrameworkId) -> Result<(), String> {
    match executor.kind {
        None | Some(ExecutorType::Custom) => {}
        Some(ExecutorType::Default | ExecutorType::Unknown) => {
            return Err("'ExecutorInfo.type' must be 'CUSTOM'".to_owned());
        }
    }
    validate::id(&executor.executor_id.value)?;
    if executor.command.is_none() {
        return Err("'ExecutorInfo.command' must be set".to_owned());
    }
    if let Some(given) = executor
        .framework_id
        .as_ref()
        .filter(|given| *given != framework_id)
    {
        return Err(format!(
            "ExecutorInfo has an invalid FrameworkID (Actual: {given} vs Expected: {framework_id})"
        ));
    }
    validate::resources(&executor.resources)
}

/// Into the refined form, allocated to `role` where nothing else is said.
fn allocate(resources: &mut [Resource], role: &str) {
    for resource in resources {
        *resource = refine(std::mem::take(resource));
        resource
            .allocation_info
            .get_or_insert_with(|| AllocationInfo {
                role: Some(role.to_owned()),
            });
    }
}

fn summary(task: &TaskInfo, framework_id: &FrameworkId) -> Task {
    let command = task
        .command
        .as_ref()
        .or_else(|| task.executor.as_ref()?.command.as_ref());
    Task {
        name: task.name.clone(),
        task_id: task.task_id.clone(),
        framework_id: framework_id.clone(),
        executor_id: task
            .executor
            .as_ref()
            .map(|executor| executor.executor_id.clone()),
        agent_id: task.agent_id.clone(),
        state: TaskState::Staging,
        resources: task.resources.clone(),
        labels: task.labels.clone(),
        discovery: task.discovery.clone(),
        container: task.container.clone(),
        health_check: task.health_check.clone(),
        kill_policy: task.kill_policy.clone(),
        user: command.and_then(|command| command.user.clone()),
        limits: task.limits.clone(),
        ..Task::default()
    }
}
