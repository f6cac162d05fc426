//! Agents.

use aurora_mesos::message::to_value;
use aurora_mesos::resources::{Amount, Resources};
use aurora_mesos::v1::{Attribute, Resource};
use serde_json::{Map, Value, json};

use super::{capability_names, flat, full, put};
use crate::master::core::{Agent, Master};

pub(super) fn recovered(master: &Master) -> Vec<Value> {
    let agents = master
        .recovered
        .keys()
        .filter_map(|id| master.registry.agents.get(&id.value));
    agents
        .map(|agent| {
            json!({
                "id": agent.info.id.as_ref().map(|id| &id.value),
                "hostname": agent.info.hostname,
                "port": agent.info.port,
                "attributes": attributes(&agent.info.attributes),
                "resources": flat(&Resources::of(&agent.info.resources)),
            })
        })
        .collect()
}

fn used(agent: &Agent) -> Resources {
    let mut sum = Resources::default();
    for used in agent.used.values() {
        sum.add(used);
    }
    sum
}

fn reserved_roles(resources: &Resources) -> Vec<String> {
    let mut roles: Vec<String> = resources
        .iter()
        .filter_map(|(resource, _)| resource.reservations.last()?.role.clone())
        .collect();
    roles.sort_unstable();
    roles.dedup();
    roles
}

fn reserved_to(resources: &Resources, role: &str) -> Resources {
    resources.filtered(|resource| {
        resource.reservations.last().and_then(|r| r.role.as_deref()) == Some(role)
    })
}

pub(super) fn agent(agent: &Agent) -> Value {
    let reserved: Map<String, Value> = reserved_roles(&agent.total)
        .into_iter()
        .map(|role| {
            let resources = flat(&reserved_to(&agent.total, &role));
            (role, resources)
        })
        .collect();
    let mut value = json!({
        "id": agent.id.value,
        "hostname": agent.info.hostname,
        "port": agent.info.port,
        "attributes": attributes(&agent.info.attributes),
        "pid": agent.pid(),
        "registered_time": agent.registered.seconds(),
        "resources": flat(&agent.total),
        "used_resources": flat(&agent.used_sum),
        "offered_resources": flat(&agent.offered_sum),
        "reserved_resources": reserved,
        "unreserved_resources": flat(&agent.total.filtered(|r| r.reservations.is_empty())),
        "active": agent.is_offerable(),
        "deactivated": agent.deactivated,
        "version": agent.version,
        "capabilities": capability_names(&agent.capabilities, |c| c.kind.map(|k| k.to_string())),
    });
    put(
        &mut value,
        "reregistered_time",
        agent.reregistered.map(|time| json!(time.seconds())),
    );
    if let Some(drain) = &agent.drain {
        let config = to_value(&drain.config);
        put(
            &mut value,
            "drain_info",
            Some(json!({"state": drain.state, "config": config})),
        );
        let seconds = drain.started.nanoseconds as f64 / 1e9;
        put(
            &mut value,
            "estimated_drain_start_time_seconds",
            Some(json!(seconds)),
        );
    }
    value
}

/// `/slaves`
pub(crate) fn agents(master: &Master, only: Option<&str>) -> Value {
    let agents = master
        .agents
        .values()
        .filter(|agent| only.is_none_or(|id| agent.id.value == id));
    let agents: Vec<Value> = agents
        .map(|known| {
            let mut value = agent(known);
            let reserved: Map<String, Value> = reserved_roles(&known.total)
                .into_iter()
                .map(|role| {
                    let resources = full(&reserved_to(&known.total, &role));
                    (role, resources)
                })
                .collect();
            let unreserved = known
                .total
                .filtered(|resource| resource.reservations.is_empty());
            put(
                &mut value,
                "reserved_resources_full",
                Some(Value::Object(reserved)),
            );
            put(
                &mut value,
                "unreserved_resources_full",
                Some(full(&unreserved)),
            );
            put(&mut value, "used_resources_full", Some(full(&used(known))));
            put(
                &mut value,
                "offered_resources_full",
                Some(full(&known.offered_sum)),
            );
            value
        })
        .collect();
    let recovered = if only.is_none() {
        recovered(master)
    } else {
        Vec::new()
    };
    json!({"slaves": agents, "recovered_slaves": recovered})
}

fn attributes(attributes: &[Attribute]) -> Value {
    let value = |attribute: &Attribute| {
        if let Some(scalar) = &attribute.scalar {
            return json!(scalar.value);
        }
        if let Some(text) = &attribute.text {
            return json!(text.value);
        }
        let resource = Resource {
            kind: attribute.kind,
            ranges: attribute.ranges.clone(),
            set: attribute.set.clone(),
            ..Resource::default()
        };
        json!(Amount::of(&resource).map(|amount| amount.to_string()))
    };
    attributes
        .iter()
        .map(|attribute| (attribute.name.clone(), value(attribute)))
        .collect()
}
