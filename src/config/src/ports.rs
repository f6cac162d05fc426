//! Which named ports a job asks the scheduler for.

use std::collections::{BTreeMap, BTreeSet};

use aurora_api::eval::DiagnosticKind;
use pystachio::{Component, Int, Raw, Ref};

use crate::fault::{Checked, fault, invalid};
use crate::job::Node;

/// The port names in `{{thermos.ports[name]}}` references.
///
/// # Errors
/// When one is not of that form, such as `{{thermos.ports.name}}`.
pub(crate) fn names(unbound: &[Ref], path: &str) -> Checked<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for reference in unbound {
        let [
            Component::Dereference(thermos),
            Component::Dereference(ports),
            rest @ ..,
        ] = reference.components()
        else {
            continue;
        };
        if &**thermos != "thermos" || &**ports != "ports" || rest.is_empty() {
            continue;
        }
        match &rest[0] {
            Component::Index(name) => {
                names.insert(name.to_string());
            }
            Component::Dereference(_) => {
                return Err(invalid(
                    path,
                    format!(
                        "Bad port specification \"{}\" (should be of form \"thermos.ports[name]\")",
                        reference.address()
                    ),
                ));
            }
        }
    }
    Ok(names)
}

/// Where a name of a port map leads in the end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Port {
    /// A port that is allocated by the scheduler.
    Named(String),
    /// A fixed number.
    Static(String),
}

/// Follows every name of a port map to its end (aurora: `config/port_resolver.py`).
///
/// # Errors
/// When names lead in a circle.
pub(crate) fn resolve(portmap: &[(String, String)]) -> Checked<BTreeMap<String, Port>> {
    let direct: BTreeMap<&str, Port> = portmap
        .iter()
        .map(|(name, port)| {
            let port = match Int::parse(port) {
                Some(number) => Port::Static(number.to_string()),
                None => Port::Named(port.clone()),
            };
            (name.as_str(), port)
        })
        .collect();
    let mut resolved = BTreeMap::new();
    for name in direct.keys() {
        let mut end = &direct[name];
        let mut steps = 0;
        while let Port::Named(next) = end
            && let Some(further) = direct.get(next.as_str())
        {
            end = further;
            steps += 1;
            if steps > direct.len() {
                return Err(fault(DiagnosticKind::Invalid, "Found cycle in portmap!"));
            }
        }
        resolved.insert((*name).to_owned(), end.clone());
    }
    Ok(resolved)
}

/// The pairs of an announcer's port map.
pub(crate) fn portmap(job: &Node) -> Checked<Vec<(String, String)>> {
    let Some(announce) = job.field("announce")? else {
        return Ok(Vec::new());
    };
    let Some(portmap) = announce.field("portmap")? else {
        return Ok(Vec::new());
    };
    match portmap.get()? {
        Raw::Dict(pairs) => pairs
            .iter()
            .map(|(name, port)| {
                let text = |raw: &Raw| {
                    raw.to_text()
                        .map_err(|e| crate::fault::of_value(&portmap.path, &e))
                };
                Ok((text(name)?, text(port)?))
            })
            .collect(),
        _ => Ok(Vec::new()),
    }
}

/// The ports that the job's tasks get from the scheduler.
pub(crate) fn requested(job: &Node) -> Checked<BTreeSet<String>> {
    let mut referenced = BTreeSet::new();
    if let Some(processes) = job.need("task")?.field("processes")? {
        for process in processes.elements()? {
            referenced.extend(names(&process.unbound()?, &process.path)?);
        }
    }
    let resolved = resolve(&portmap(job)?)?;
    let mut requested: BTreeSet<String> = BTreeSet::new();
    for port in resolved.values() {
        if let Port::Named(name) = port {
            requested.insert(name.clone());
        }
    }
    for name in referenced {
        match resolved.get(&name) {
            Some(Port::Static(_)) => {}
            Some(Port::Named(end)) => {
                requested.insert(end.clone());
            }
            None => {
                requested.insert(name);
            }
        }
    }
    Ok(requested)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of upstream's `port_resolver.py`, and circles.
    #[test]
    fn port_maps_resolve_to_their_ends() {
        let pairs = |list: &[(&str, &str)]| -> Vec<(String, String)> {
            list.iter()
                .map(|(name, port)| ((*name).to_owned(), (*port).to_owned()))
                .collect()
        };
        let found = resolve(&pairs(&[
            ("http", "80"),
            ("aurora", "http"),
            ("https", "aurora"),
            ("thrift", "service"),
        ]))
        .expect("no circle");
        let eighty = Port::Static("80".to_owned());
        assert_eq!(found["http"], eighty);
        assert_eq!(found["aurora"], eighty);
        assert_eq!(found["https"], eighty);
        assert_eq!(found["thrift"], Port::Named("service".to_owned()));
        for circle in [
            &[("http", "http")][..],
            &[("a", "b"), ("b", "c"), ("c", "a")],
        ] {
            let error = resolve(&pairs(circle)).expect_err("a circle");
            assert_eq!(error.message, "Found cycle in portmap!");
        }
    }
}
