//! Parts of a job that come in alternatives.

use std::collections::BTreeSet;

use aurora_api::model::{
    AppcImage, Constraint, Container, CoordinatorSlaPolicy, CountSlaPolicy, DockerContainer,
    DockerImage, DockerParameter, Image, LimitConstraint, MesosContainer, Mode,
    PercentageSlaPolicy, SlaPolicy, TaskConstraint, ValueConstraint, Volume,
};
use pystachio::{Int, Raw};

use crate::fault::{Checked, allowing, invalid, of_value};
use crate::job::Node;

/// `limit:N`, or values separated by commas, negated by a leading `!`. Blanks count.
pub(super) fn constraints(job: &Node) -> Checked<BTreeSet<Constraint>> {
    let Some(constraints) = job.field("constraints")? else {
        return Ok(BTreeSet::new());
    };
    let Raw::Dict(pairs) = constraints.full()? else {
        return Ok(BTreeSet::new());
    };
    pairs
        .iter()
        .map(|(name, demand)| {
            let text = |raw: &Raw| {
                raw.to_text()
                    .map_err(|error| of_value(&constraints.path, &error))
            };
            let (name, demand) = (text(name)?, text(demand)?);
            Ok(Constraint {
                constraint: Some(demand_of(
                    &demand,
                    &format!("{}[{name}]", constraints.path),
                )?),
                name,
            })
        })
        .collect()
}

fn demand_of(demand: &str, path: &str) -> Checked<TaskConstraint> {
    if let Some(limit) = demand.strip_prefix("limit:") {
        let number = Int::parse(limit)
            .and_then(|number| number.to_i64())
            .and_then(|number| i32::try_from(number).ok());
        return match number {
            Some(limit) => Ok(TaskConstraint::Limit(LimitConstraint { limit })),
            None => {
                let message = format!("{demand} is not a valid limit value, must be integer");
                Err(allowing(
                    invalid(path, message),
                    "limit: and a whole number",
                ))
            }
        };
    }
    let (negated, values) = match demand.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, demand),
    };
    Ok(TaskConstraint::Value(ValueConstraint {
        negated,
        values: values.split(',').map(str::to_owned).collect(),
    }))
}

pub(super) fn container(job: &Node) -> Checked<Container> {
    let Some(container) = job.field("container")? else {
        return Ok(Container::Mesos(MesosContainer::default()));
    };
    let chosen = container.unwrap()?;
    match chosen.kind() {
        "Docker" => docker(&chosen).map(Container::Docker),
        "Container" => match chosen.field("docker")? {
            Some(inner) => docker(&inner).map(Container::Docker),
            None => Err(invalid(
                &chosen.path,
                "If a container is specified it must set one type.",
            )),
        },
        _ => mesos(&chosen).map(Container::Mesos),
    }
}

fn docker(docker: &Node) -> Checked<DockerContainer> {
    let mut parameters = Vec::new();
    if let Some(listed) = docker.field("parameters")? {
        for parameter in listed.elements()? {
            parameters.push(DockerParameter {
                name: parameter.need("name")?.text()?,
                value: parameter.need("value")?.text()?,
            });
        }
    }
    Ok(DockerContainer {
        image: Some(docker.need("image")?.text()?),
        parameters,
    })
}

fn mesos(mesos: &Node) -> Checked<MesosContainer> {
    let image = match mesos.field("image")? {
        None => None,
        Some(image) => {
            let chosen = image.unwrap()?;
            Some(match chosen.kind() {
                "AppcImage" => Image::Appc(AppcImage {
                    name: chosen.need("name")?.text()?,
                    image_id: chosen.need("image_id")?.text()?,
                }),
                _ => Image::Docker(DockerImage {
                    name: chosen.need("name")?.text()?,
                    tag: chosen.need("tag")?.text()?,
                }),
            })
        }
    };
    let mut volumes = Vec::new();
    if let Some(listed) = mesos.field("volumes")? {
        for volume in listed.elements()? {
            let mode = volume.need("mode")?;
            let text = mode.text()?;
            let mode = Mode::from_name(&text.to_uppercase())
                .ok_or_else(|| invalid(&mode.path, format!("Invalid Mode type: {text}")))?;
            volumes.push(Volume {
                container_path: volume.need("container_path")?.text()?,
                host_path: volume.need("host_path")?.text()?,
                mode: Some(mode),
            });
        }
    }
    Ok(MesosContainer {
        image,
        volumes: Some(volumes),
    })
}

pub(super) fn sla_policy(job: &Node) -> Checked<Option<SlaPolicy>> {
    let Some(policy) = job.field("sla_policy")? else {
        return Ok(None);
    };
    let chosen = policy.unwrap()?;
    Ok(Some(match chosen.kind() {
        "PercentageSlaPolicy" => SlaPolicy::PercentageSlaPolicy(PercentageSlaPolicy {
            percentage: chosen.need("percentage")?.f64()?.into(),
            duration_secs: chosen.need("duration_secs")?.i64()?,
        }),
        "CountSlaPolicy" => SlaPolicy::CountSlaPolicy(CountSlaPolicy {
            count: chosen.need("count")?.i64()?,
            duration_secs: chosen.need("duration_secs")?.i64()?,
        }),
        _ => SlaPolicy::CoordinatorSlaPolicy(CoordinatorSlaPolicy {
            coordinator_url: chosen.need("coordinator_url")?.text()?,
            status_key: chosen.need("status_key")?.text()?,
        }),
    }))
}
