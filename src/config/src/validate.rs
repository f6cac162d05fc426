//! What is checked of a job before it is converted (aurora: `client/config.py`, `config/__init__.py`).

use aurora_api::eval::{Diagnostic, DiagnosticKind};
use pystachio::{Finding, Raw, Value};

use crate::fault::{CIRCLE, Checked, allowing, at, fault, invalid, of_value};
use crate::job::Node;
use crate::ports;

const PRODUCTION_DEPRECATED: &str = "Job configuration attribute 'production' is deprecated.\n\
    Use 'tier' attribute instead. For more information please refer to \n\
    http://aurora.apache.org/documentation/latest/reference/configuration/#job-objects";

/// The most faults of types that are told of one job.
const MAX_TOLD: usize = 50;

/// The fields without which nothing else makes sense.
pub(crate) fn required(job: &Value) -> Result<(), Vec<Diagnostic>> {
    let job = Node::root(job.clone());
    let one = |diagnostic: Box<Diagnostic>| vec![*diagnostic];
    let name = match job.field("name").map_err(one)? {
        Some(name) => name.get().map_err(one)?.to_text().unwrap_or_default(),
        None => String::new(),
    };
    let mut missing: Vec<Diagnostic> = ["cluster", "task", "role"]
        .into_iter()
        .filter(|field| job.value.field(field).is_none())
        .map(|field| {
            let capital = format!("{}{}", field[..1].to_uppercase(), &field[1..]);
            *invalid(field, format!("{capital} required for job \"{name}\""))
        })
        .collect();
    if let Some(task) = job.value.field("task")
        && task.field("processes").is_none()
    {
        let message = format!("Processes required for task on job \"{name}\"");
        missing.push(*invalid("task.processes", message));
    }
    if missing.is_empty() {
        Ok(())
    } else {
        Err(missing)
    }
}

/// Everything that is looked at before a job is converted. Of several faults of one field the first is told.
pub(crate) fn all(job: &Node, warnings: &mut Vec<Diagnostic>) -> Result<(), Vec<Diagnostic>> {
    let mut found = settings(job);
    found.extend(announce(job, warnings).err().map(|fault| *fault));
    found.extend(deprecated(job, warnings).err().map(|fault| *fault));
    found.extend(types(job));
    let mut told: Vec<Diagnostic> = Vec::new();
    for diagnostic in found {
        if !told.iter().any(|known| known.field == diagnostic.field) {
            told.push(diagnostic);
        }
    }
    if told.is_empty() { Ok(()) } else { Err(told) }
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
        .map_err(|error| of_value(&constraints.path, &error))?
        .is_some())
}

fn fatal(field: &str, message: String) -> Box<Diagnostic> {
    at(field, fault(DiagnosticKind::Fatal, message))
}

/// Update and health settings that cannot work.
fn settings(job: &Node) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    found.extend(failures(job).err().map(|fault| *fault));
    for (owner, field) in [
        ("update_config", "watch_secs"),
        ("health_check_config", "max_consecutive_failures"),
        ("health_check_config", "min_consecutive_successes"),
        ("health_check_config", "initial_interval_secs"),
        ("health_check_config", "interval_secs"),
    ] {
        let fault = not_negative(job, owner, field).err();
        found.extend(fault.map(|fault| *fault));
    }
    found
}

fn number_in(job: &Node, owner: &str, field: &str) -> Checked<Option<(f64, String)>> {
    match job.field(owner)? {
        Some(owner) => number(owner.field(field)?),
        None => Ok(None),
    }
}

fn not_negative(job: &Node, owner: &str, field: &str) -> Checked<()> {
    match number_in(job, owner, field)? {
        Some((value, shown)) if value < 0.0 => {
            let message = format!(
                "Invalid value ({shown}) specified for {field}. Value cannot be less than 0."
            );
            let fault = fatal(&format!("{owner}.{field}"), message);
            Err(allowing(fault, "0 or more"))
        }
        _ => Ok(()),
    }
}

/// How many instances may fail in an update, against how many there are.
fn failures(job: &Node) -> Checked<()> {
    const FIELD: &str = "update_config.max_total_failures";
    let failures = number_in(job, "update_config", "max_total_failures")?;
    let size = number(job.field("instances")?)?;
    let (Some((failures, _)), Some((size, shown))) = (failures, size) else {
        return Ok(());
    };
    if failures >= size {
        let most = size - 1.0;
        let message = format!(
            "max_total_failures in update_config must be lesser than the job size.\n\
             Based on your job size ({shown}) you should use max_total_failures <= {most}."
        );
        return Err(allowing(
            fatal(FIELD, message),
            "less than there are instances",
        ));
    }
    let least = (size * 0.02).floor();
    if is_dedicated(job)? && failures < least {
        let message = format!(
            "Since this is a dedicated job, you must set your max_total_failures in\n\
             your update configuration to no less than 2% of your job size.\n\
             Based on your job size ({shown}) you should use max_total_failures >= {least}."
        );
        return Err(allowing(fatal(FIELD, message), &format!("{least} or more")));
    }
    Ok(())
}

/// Announcing: a primary port that nothing binds is worth a warning, static ports need a dedicated machine.
fn announce(job: &Node, warnings: &mut Vec<Diagnostic>) -> Checked<()> {
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
fn deprecated(job: &Node, warnings: &mut Vec<Diagnostic>) -> Checked<()> {
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
fn types(job: &Node) -> Vec<Diagnostic> {
    let findings = job.value.findings(MAX_TOLD).into_iter();
    findings
        .map(|finding| match finding {
            Finding::Broken(error) => *of_value("", &error),
            Finding::Failed(check) => {
                let mut found = fault(DiagnosticKind::Invalid, check.to_string());
                if check.message().ends_with("Maximum replacements reached.") {
                    found.hint = Some(CIRCLE.to_owned());
                }
                found.field = Some(check.path).filter(|path| !path.is_empty());
                *found
            }
        })
        .collect()
}
