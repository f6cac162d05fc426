//! Finding the job that was asked for (aurora: `config/__init__.py`, `AuroraConfig.pick`).

use aurora_api::eval::{DiagnosticKind, JobSelector};
use pystachio::Value;

use crate::fault::{Checked, at, fault, of_value};

/// What stands for a field without a value in upstream's texts.
const EMPTY: &str = "<class 'pystachio.composite.Empty'>";
const MISSING: &str = "{MISSING}";

/// A job's key as it is shown, and its parts as they are compared.
#[derive(Debug)]
pub(crate) struct Key {
    cluster: String,
    role: String,
    environment: Option<String>,
    name: String,
}

impl Key {
    pub(crate) fn of(job: &Value, index: usize) -> Checked<Key> {
        let text = |field: &str| -> Checked<Option<String>> {
            let read = || match job.interpolated_field(field)? {
                Some(value) => value.text().map(Some),
                None => Ok(None),
            };
            read().map_err(|error| {
                let place = if error.path.is_empty() { field } else { "" };
                at(&format!("jobs[{index}]"), of_value(place, &error))
            })
        };
        let or_empty = |text: Option<String>| text.unwrap_or_else(|| EMPTY.to_owned());
        Ok(Key {
            cluster: or_empty(text("cluster")?),
            role: or_empty(text("role")?),
            environment: text("environment")?,
            name: or_empty(text("name")?),
        })
    }

    fn matches(&self, wanted: &JobSelector) -> bool {
        let part = |wanted: &str, has: &str| wanted.is_empty() || wanted == has;
        part(&wanted.cluster, &self.cluster)
            && part(&wanted.role, &self.role)
            && part(
                &wanted.environment,
                self.environment.as_deref().unwrap_or(EMPTY),
            )
            && wanted.name == self.name
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let environment = self.environment.as_deref().unwrap_or(MISSING);
        write!(
            f,
            "{}/{}/{environment}/{}",
            self.cluster, self.role, self.name
        )
    }
}

/// The index of the one job that matches.
pub(crate) fn select(keys: &[Key], wanted: &JobSelector) -> Checked<usize> {
    if keys.is_empty() {
        return Err(fault(
            DiagnosticKind::Selection,
            "No job defined in this config!",
        ));
    }
    if wanted.name.is_empty() {
        return match keys {
            [_] => Ok(0),
            _ => Err(fault(
                DiagnosticKind::Selection,
                "Configuration has multiple jobs but no job name specified!",
            )),
        };
    }
    let found: Vec<usize> = (0..keys.len())
        .filter(|index| keys[*index].matches(wanted))
        .collect();
    let candidates = || {
        let lines: Vec<String> = keys.iter().map(|key| format!("  {key}")).collect();
        format!("Candidates are:\n{}", lines.join("\n"))
    };
    match found.as_slice() {
        [index] => Ok(*index),
        [] => {
            let any = |part: &str| {
                if part.is_empty() {
                    "*".to_owned()
                } else {
                    part.to_owned()
                }
            };
            let mut message = format!(
                "Could not find job {}/{}/{}/{}\n",
                any(&wanted.cluster),
                any(&wanted.role),
                any(&wanted.environment),
                wanted.name
            );
            for key in keys.iter().filter(|key| key.environment.is_none()) {
                message.push_str(&format!(
                    "Job {key} in configuration file doesn't specify an environment\n"
                ));
            }
            Err(fault(DiagnosticKind::Selection, message + &candidates()))
        }
        _ => Err(fault(
            DiagnosticKind::Selection,
            format!(
                "Multiple jobs match, please disambiguate by specifying a job key.\n{}",
                candidates()
            ),
        )),
    }
}
