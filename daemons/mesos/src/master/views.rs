//! What operators see: the tables of the core as messages of the operator API.

use aurora_mesos::resources::Resources;
use aurora_mesos::v1::{DrainInfo, FrameworkId, Role, Task, master as api};

use super::core::{Agent, Framework, Master, Time, time_info};

pub(crate) fn agent(agent: &Agent) -> api::Agent {
    let mut allocated = Resources::default();
    for used in agent.used.values() {
        allocated.add(used);
    }
    api::Agent {
        agent_info: agent.info.clone(),
        active: agent.is_offerable(),
        deactivated: Some(agent.deactivated),
        version: agent.version.clone(),
        pid: Some(agent.pid()),
        registered_time: Some(agent.registered.info()),
        reregistered_time: time_info(agent.reregistered),
        total_resources: agent.total.to_hybrid(),
        allocated_resources: allocated.to_hybrid(),
        offered_resources: agent.offered_sum.to_hybrid(),
        capabilities: agent.capabilities.clone(),
        drain_info: agent.drain.as_ref().map(|drain| DrainInfo {
            state: drain.state,
            config: drain.config.clone(),
        }),
        estimated_drain_start_time: agent.drain.as_ref().map(|drain| drain.started.clone()),
    }
}

pub(crate) fn framework(master: &Master, framework: &Framework) -> api::Framework {
    let mut allocated = Resources::default();
    for used in master
        .agents
        .values()
        .filter_map(|agent| agent.used.get(&framework.id))
    {
        allocated.add(used);
    }
    let pending: Vec<_> = master
        .offers
        .values()
        .filter(|offer| offer.framework_id == framework.id)
        .collect();
    let mut offered = Resources::default();
    for offer in &pending {
        offered.add(&offer.resources);
    }
    let is_subscribed = framework.stream.is_some();
    api::Framework {
        framework_info: framework.info.clone(),
        active: is_subscribed,
        connected: is_subscribed,
        recovered: framework.recovered,
        registered_time: Some(framework.registered.info()),
        reregistered_time: Some(
            framework
                .reregistered
                .unwrap_or(framework.registered)
                .info(),
        ),
        unregistered_time: time_info(framework.unregistered),
        offers: pending
            .into_iter()
            .filter_map(|offer| master.full_offer(offer))
            .collect(),
        inverse_offers: master.inverse_offers_of(&framework.id),
        allocated_resources: allocated.to_hybrid(),
        offered_resources: offered.to_hybrid(),
        offer_constraints: Some(framework.constraints_info.clone()),
    }
}

pub(crate) fn get_agents(master: &Master) -> api::GetAgents {
    api::GetAgents {
        agents: master.agents.values().map(agent).collect(),
        recovered_agents: master
            .recovered
            .keys()
            .filter_map(|id| master.registry.agents.get(&id.value))
            .map(|agent| agent.info.clone())
            .collect(),
    }
}

pub(crate) fn get_frameworks(master: &Master) -> api::GetFrameworks {
    api::GetFrameworks {
        frameworks: master
            .frameworks
            .values()
            .map(|f| framework(master, f))
            .collect(),
        completed_frameworks: master
            .completed
            .iter()
            .map(|f| framework(master, f))
            .collect(),
        ..api::GetFrameworks::default()
    }
}

pub(crate) fn get_executors(master: &Master) -> api::GetExecutors {
    let executors = master
        .frameworks
        .values()
        .flat_map(|framework| &framework.executors);
    api::GetExecutors {
        executors: executors
            .map(|((agent, _), info)| api::Executor {
                executor_info: info.clone(),
                agent_id: agent.clone(),
            })
            .collect(),
        ..api::GetExecutors::default()
    }
}

pub(crate) fn get_tasks(master: &Master) -> api::GetTasks {
    let all = || master.frameworks.values().chain(&master.completed);
    let tasks = |pick: fn(&Framework) -> Vec<Task>| all().flat_map(pick).collect();
    api::GetTasks {
        tasks: tasks(|framework| {
            framework
                .tasks
                .values()
                .map(|entry| entry.task.clone())
                .collect()
        }),
        unreachable_tasks: tasks(|framework| {
            framework.unreachable_tasks.values().cloned().collect()
        }),
        completed_tasks: tasks(|framework| framework.completed_tasks.iter().cloned().collect()),
        ..api::GetTasks::default()
    }
}

pub(crate) fn get_state(master: &Master) -> api::GetState {
    api::GetState {
        get_tasks: Some(get_tasks(master)),
        get_executors: Some(get_executors(master)),
        get_frameworks: Some(get_frameworks(master)),
        get_agents: Some(get_agents(master)),
    }
}

/// A role in use: its frameworks, and the scalars allocated or offered to it.
pub(crate) struct RoleView {
    pub(crate) name: String,
    pub(crate) frameworks: Vec<FrameworkId>,
    pub(crate) resources: Resources,
}

pub(crate) fn roles(master: &Master) -> Vec<RoleView> {
    let mut names: Vec<&str> = Vec::new();
    for framework in master.frameworks.values() {
        names.extend(framework.info.effective_roles());
    }
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .map(|name| {
            let of_role = |resources: &Resources| {
                let allocated = resources.filtered(|resource| {
                    resource
                        .allocation_info
                        .as_ref()
                        .and_then(|info| info.role.as_deref())
                        == Some(name)
                });
                allocated.unreserved()
            };
            let mut resources = Resources::default();
            for used in master.agents.values().flat_map(|agent| agent.used.values()) {
                resources.add(&of_role(used));
            }
            for offer in master.offers.values() {
                resources.add(&of_role(&offer.resources));
            }
            RoleView {
                name: name.to_owned(),
                frameworks: master
                    .frameworks
                    .values()
                    .filter(|framework| framework.info.effective_roles().contains(&name))
                    .map(|framework| framework.id.clone())
                    .collect(),
                resources,
            }
        })
        .collect()
}

pub(crate) fn get_roles(master: &Master) -> api::GetRoles {
    let roles = roles(master).into_iter().map(|role| {
        let mut resources = role.resources.to_refined();
        resources.retain(|resource| resource.scalar.is_some());
        resources.sort_by(|a, b| a.name.cmp(&b.name));
        Role {
            name: role.name,
            weight: 1.0,
            frameworks: role.frameworks,
            resources,
        }
    });
    api::GetRoles {
        roles: roles.collect(),
    }
}

pub(crate) fn get_master(master: &Master) -> api::GetMaster {
    let started = |time: Time| Some(time.seconds());
    api::GetMaster {
        master_info: Some(master.config.master_info.clone()),
        start_time: started(master.started),
        elected_time: started(master.started),
    }
}
