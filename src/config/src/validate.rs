//! What is checked of a job before it is converted (aurora: `client/config.py`, `config/__init__.py`).

use aurora_api::eval::{Diagnostic, DiagnosticKind};
use pystachio::Raw;

use crate::fault::{Checked, at, fault, invalid};
use crate::job::Node;
use crate::ports;

const PRODUCTION_DEPRECATED: &str = "Job configuration attribute 'production' is deprecated.\n\
    Use 'tier' attribute instead. For more information please refer to \n\
    http://aurora.apache.org/documentation/latest/reference/configuration/#job-objects";

/// The fields without which nothing else makes sense.
pub(crate) fn required(job: &Node, name: &str) -> Checked<()> {
    for field in ["cluster", "task", "role"] {
        if job.value.field(field).is_none() {
            let capital = format!("{}{}", field[..1].to_uppercase(), &field[1..]);
            return Err(invalid(
                field,
                format!("{capital} required for job \"{name}\""),
            ));
        }
    }
    if job.need("task")?.value.field("processes").is_none() {
        return Err(invalid(
            "task.processes",
            format!("Processes required for task on job \"{name}\""),
        ));
    }
    Ok(())
}

/// A number, unless a reference is left in it: such values are not compared.
fn number(node: Option<Node>) -> Checked<Option<(f64, String)>> {
    let Some(node) = node else { return Ok(None) };
    Ok(match node.get()? {
        Raw::Int(number) => Some((number.to_f64(), number.to_string())),
        Raw::Float(number) => Some((number, pystachio::float_text(number))),
        _ => None,
    })
}

pub(crate) fn is_dedicated(job: &Node) -> Checked<bool> {
    let Some(constraints) = job.field("constraints")? else {
        return Ok(false);
    };
    let found = constraints.value.map_get("dedicated".into());
    Ok(found
        .map_err(|error| crate::fault::of_value(&constraints.path, &error))?
        .is_some())
}

fn fatal(field: &str, message: String) -> Box<Diagnostic> {
    at(field, fault(DiagnosticKind::Fatal, message))
}

/// Update and health settings that cannot work.
pub(crate) fn settings(job: &Node) -> Checked<()> {
    let update = job.field("update_config")?;
    let health = job.field("health_check_config")?;
    let of = |node: &Option<Node>, field: &str| match node {
        Some(node) => number(node.field(field)?),
        None => Ok(None),
    };
    let failures = of(&update, "max_total_failures")?;
    if let (Some((failures, _)), Some((size, shown))) =
        (&failures, number(job.field("instances")?)?)
    {
        if *failures >= size {
            return Err(fatal(
                "update_config.max_total_failures",
                format!(
                    "max_total_failures in update_config must be lesser than the job size.\n\
                     Based on your job size ({shown}) you should use max_total_failures <= {}.",
                    size - 1.0
                ),
            ));
        }
        let least = (size * 0.02).floor();
        if is_dedicated(job)? && *failures < least {
            return Err(fatal(
                "update_config.max_total_failures",
                format!(
                    "Since this is a dedicated job, you must set your max_total_failures in\n\
                     your update configuration to no less than 2% of your job size.\n\
                     Based on your job size ({shown}) you should use max_total_failures >= {least}."
                ),
            ));
        }
    }
    for (owner, path, field) in [
        (&update, "update_config", "watch_secs"),
        (&health, "health_check_config", "max_consecutive_failures"),
        (&health, "health_check_config", "min_consecutive_successes"),
        (&health, "health_check_config", "initial_interval_secs"),
        (&health, "health_check_config", "interval_secs"),
    ] {
        if let Some((value, shown)) = of(owner, field)?
            && value < 0.0
        {
            return Err(fatal(
                &format!("{path}.{field}"),
                format!(
                    "Invalid value ({shown}) specified for {field}. Value cannot be less than 0."
                ),
            ));
        }
    }
    Ok(())
}

/// Announcing: a primary port that nothing binds is worth a warning, static ports need a dedicated machine.
pub(crate) fn announce(job: &Node, warnings: &mut Vec<Diagnostic>) -> Checked<()> {
    let Some(announce) = job.field("announce")? else {
        return Ok(());
    };
    let portmap = ports::portmap(job)?;
    if let Some(primary) = announce.field("primary_port")? {
        let port = primary.get()?.to_text().unwrap_or_default();
        if !ports::requested(job)?.contains(&port) && !portmap.iter().any(|(name, _)| *name == port)
        {
            let mut warning = fault(
                DiagnosticKind::Warning,
                format!(
                    "Announcer specified primary port as '{port}' but no processes have bound that port.\n\
                     If you would like to utilize this port, you should listen on {{{{thermos.ports[{port}]}}}}\n\
                     from some Process bound to your task."
                ),
            );
            warning.field = Some(primary.path);
            warnings.push(*warning);
        }
    }
    let fixed = portmap
        .iter()
        .any(|(_, port)| pystachio::Int::parse(port).is_some());
    if fixed && !is_dedicated(job)? {
        return Err(at(
            "announce.portmap",
            fault(
                DiagnosticKind::Invalid,
                "Job must be dedicated in order to specify static ports!",
            ),
        ));
    }
    Ok(())
}

/// Fields that upstream is about to drop.
pub(crate) fn deprecated(job: &Node, warnings: &mut Vec<Diagnostic>) -> Checked<()> {
    let production = match job.field("production")? {
        Some(node) => matches!(node.get()?, Raw::Bool(true)),
        None => false,
    };
    if production && job.value.field("tier").is_none() {
        let mut warning = fault(DiagnosticKind::Warning, PRODUCTION_DEPRECATED);
        warning.field = Some("production".to_owned());
        warnings.push(*warning);
    }
    Ok(())
}

/// The whole job against its types.
pub(crate) fn types(job: &Node) -> Checked<()> {
    let check = job
        .value
        .check()
        .map_err(|error| crate::fault::of_value("", &error))?;
    if check.is_ok() {
        return Ok(());
    }
    let mut found = fault(DiagnosticKind::Invalid, check.to_string());
    found.field = Some(check.path).filter(|path| !path.is_empty());
    Err(found)
}
