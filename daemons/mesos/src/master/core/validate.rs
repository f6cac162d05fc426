//! What is refused, with the texts of `mesos: src/master/validation.cpp` and `src/common/roles.cpp`.

use std::collections::BTreeSet;

use aurora_mesos::resources::{Amount, describe};
use aurora_mesos::v1::{
    CheckInfo, CheckType, CommandInfo, ContainerInfo, ContainerType, EnvironmentVariableType,
    FrameworkCapabilityType, FrameworkInfo, HealthCheck, HealthCheckType, Resource, TaskInfo,
    ValueType,
};

const MAX_ID_LENGTH: usize = 255;
/// Seconds that fit a signed 64-bit number of nanoseconds.
const MAX_DURATION_SECONDS: f64 = i64::MAX as f64 / 1e9;

type Verdict = Result<(), String>;

/// Ids that users choose become names of directories.
pub(super) fn id(id: &str) -> Verdict {
    if id.is_empty() {
        return Err("ID must not be empty".to_owned());
    }
    if id.len() > MAX_ID_LENGTH {
        return Err(format!(
            "ID must not be greater than {MAX_ID_LENGTH} characters"
        ));
    }
    if id == "." || id == ".." {
        return Err(format!("'{id}' is disallowed"));
    }
    if id.chars().any(|c| c.is_control() || c == '/' || c == '\\') {
        return Err(format!("'{id}' contains invalid characters"));
    }
    Ok(())
}

/// One role, `/` separating its components.
fn role(role: &str) -> Verdict {
    if role == "*" {
        return Ok(());
    }
    if role.is_empty() {
        return Err("Role names cannot be the empty string".to_owned());
    }
    if role.starts_with('/') {
        return Err(format!("Role '{role}' cannot start with a slash"));
    }
    if role.ends_with('/') {
        return Err(format!("Role '{role}' cannot end with a slash"));
    }
    for component in role.split('/') {
        match component {
            "" => return Err(format!("Role '{role}' cannot contain two adjacent slashes")),
            "." | ".." | "*" => {
                return Err(format!(
                    "Role '{role}' cannot include '{component}' as a component"
                ));
            }
            _ if component.starts_with('-') => {
                return Err(format!(
                    "Role component '{component}' is invalid because it starts with a dash"
                ));
            }
            _ if component
                .contains(|c: char| c.is_ascii_whitespace() || c == '\x0b' || c == '\x08') =>
            {
                return Err(format!(
                    "Role component '{component}' is invalid because it contains backspace or whitespace"
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Roles and time-out of a framework.
pub(super) fn framework_info(info: &FrameworkInfo) -> Verdict {
    if info.has(FrameworkCapabilityType::MultiRole) {
        if info.role.is_some() {
            return Err(
                "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable"
                    .to_owned(),
            );
        }
        let mut seen = BTreeSet::new();
        let duplicates: BTreeSet<_> = info
            .roles
            .iter()
            .filter(|role| !seen.insert(role.as_str()))
            .map(String::as_str)
            .collect();
        if !duplicates.is_empty() {
            return Err(format!(
                "'FrameworkInfo.roles' contains duplicate items: {}",
                set(duplicates.into_iter())
            ));
        }
        for name in &info.roles {
            role(name)
                .map_err(|error| format!("'FrameworkInfo.roles' contains invalid role: {error}"))?;
        }
    } else {
        if !info.roles.is_empty() {
            return Err(
                "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable"
                    .to_owned(),
            );
        }
        if let Some(name) = &info.role {
            role(name)
                .map_err(|error| format!("'FrameworkInfo.role' is not a valid role: {error}"))?;
        }
    }
    let timeout = info.failover_timeout;
    if !timeout.is_finite() || timeout.abs() > MAX_DURATION_SECONDS {
        return Err(format!(
            "The framework failover_timeout ({}) is invalid",
            general(timeout)
        ));
    }
    Ok(())
}

/// `{ a, b }`
fn set<'a>(items: impl Iterator<Item = &'a str>) -> String {
    format!("{{ {} }}", items.collect::<Vec<_>>().join(", "))
}

/// As C++ streams write a double: `1e+12`, `inf`.
fn general(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if value.is_nan() {
        return "nan".to_owned();
    }
    let exponent = value.abs().log10().floor();
    if (-4.0..6.0).contains(&exponent) || value == 0.0 {
        return value.to_string();
    }
    // Six significant digits, without trailing zeros.
    let text = format!("{value:.5e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// The suppressed roles, which must be roles of the framework.
pub(super) fn suppressed_roles(
    info: &FrameworkInfo,
    roles: &[String],
) -> Result<BTreeSet<String>, String> {
    let own = info.effective_roles();
    let foreign: BTreeSet<_> = roles
        .iter()
        .map(String::as_str)
        .filter(|role| !own.contains(role))
        .collect();
    if !foreign.is_empty() {
        return Err(format!(
            "Suppressed roles {} are not contained in the set of roles",
            set(foreign.into_iter())
        ));
    }
    Ok(roles.iter().cloned().collect())
}

/// What can be said of a task without knowing the cluster, between its ids and its executor.
pub(super) fn task_fields(task: &TaskInfo) -> Verdict {
    if let Some(policy) = &task.kill_policy
        && policy
            .grace_period
            .as_ref()
            .is_some_and(|grace| grace.nanoseconds < 0)
    {
        return Err("Task's 'kill_policy.grace_period' must be non-negative".to_owned());
    }
    if task
        .max_completion_time
        .as_ref()
        .is_some_and(|time| time.nanoseconds < 0)
    {
        return Err("Task's `max_completion_time` must be non-negative".to_owned());
    }
    if let Some(info) = &task.check {
        check(info).map_err(|error| format!("Task uses invalid check: {error}"))?;
    }
    if let Some(info) = &task.health_check {
        health_check(info).map_err(|error| format!("Task uses invalid health check: {error}"))?;
    }
    if task.resources.is_empty() {
        return Err("Task uses no resources".to_owned());
    }
    resources(&task.resources)?;
    if let Some(info) = &task.command {
        command(info).map_err(|error| format!("Task's `CommandInfo` is invalid: {error}"))?;
    }
    if let Some(info) = &task.container {
        container(info).map_err(|error| format!("Task's `ContainerInfo` is invalid: {error}"))?;
    }
    limits(task)?;
    if task.command.is_some() == task.executor.is_some() {
        return Err(
            "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present"
                .to_owned(),
        );
    }
    Ok(())
}

fn non_negative(fields: &[(&str, f64)]) -> Verdict {
    match fields
        .iter()
        .find(|(_, value)| value.is_nan() || *value < 0.0)
    {
        Some((name, _)) => Err(format!("Expecting '{name}' to be non-negative")),
        None => Ok(()),
    }
}

fn check(check: &CheckInfo) -> Verdict {
    match check.kind {
        None => return Err("CheckInfo must specify 'type'".to_owned()),
        Some(CheckType::Unknown) => return Err("'UNKNOWN' is not a valid check type".to_owned()),
        Some(CheckType::Command) => match &check.command {
            None => return Err("Expecting 'command' to be set for COMMAND check".to_owned()),
            Some(info) => command(&info.command)?,
        },
        Some(CheckType::Http) if check.http.is_none() => {
            return Err("Expecting 'http' to be set for HTTP check".to_owned());
        }
        Some(CheckType::Tcp) if check.tcp.is_none() => {
            return Err("Expecting 'tcp' to be set for TCP check".to_owned());
        }
        Some(CheckType::Http | CheckType::Tcp) => {}
    }
    non_negative(&[
        ("delay_seconds", check.delay_seconds),
        ("interval_seconds", check.interval_seconds),
        ("timeout_seconds", check.timeout_seconds),
    ])
}

fn health_check(check: &HealthCheck) -> Verdict {
    match check.kind {
        None => return Err("HealthCheck must specify 'type'".to_owned()),
        Some(HealthCheckType::Unknown) => {
            return Err("'UNKNOWN' is not a valid health check type".to_owned());
        }
        Some(HealthCheckType::Command) => match &check.command {
            None => return Err("Expecting 'command' to be set for COMMAND health check".to_owned()),
            Some(info) => command(info)?,
        },
        Some(HealthCheckType::Http) => match &check.http {
            None => return Err("Expecting 'http' to be set for HTTP health check".to_owned()),
            Some(http) => {
                if http
                    .scheme
                    .as_deref()
                    .is_some_and(|scheme| scheme != "http" && scheme != "https")
                {
                    return Err(format!(
                        "Unsupported HTTP health check scheme: '{}'",
                        http.scheme.as_deref().unwrap_or_default()
                    ));
                }
                if http
                    .path
                    .as_deref()
                    .is_some_and(|path| !path.starts_with('/'))
                {
                    return Err(format!(
                        "The path '{}' of HTTP health check must start with '/'",
                        http.path.as_deref().unwrap_or_default()
                    ));
                }
            }
        },
        Some(HealthCheckType::Tcp) if check.tcp.is_none() => {
            return Err("Expecting 'tcp' to be set for TCP health check".to_owned());
        }
        Some(HealthCheckType::Tcp) => {}
    }
    non_negative(&[
        ("delay_seconds", check.delay_seconds),
        ("grace_period_seconds", check.grace_period_seconds),
        ("interval_seconds", check.interval_seconds),
        ("timeout_seconds", check.timeout_seconds),
    ])
}

/// Every resource by itself, before any sums are made.
pub(super) fn resources(resources: &[Resource]) -> Verdict {
    for resource in resources {
        let problem = match resource.kind {
            _ if resource.name.is_empty() => Some("Empty resource name"),
            ValueType::Scalar => match &resource.scalar {
                Some(_) if resource.ranges.is_some() || resource.set.is_some() => {
                    Some("Invalid scalar resource")
                }
                None => Some("Invalid scalar resource"),
                Some(scalar) if !(scalar.value >= 0.0 && scalar.value.is_finite()) => {
                    Some("Invalid scalar resource: value <= 0")
                }
                Some(_) => None,
            },
            ValueType::Ranges => match &resource.ranges {
                None => Some("Invalid ranges resource"),
                Some(ranges) if ranges.range.iter().any(|range| range.begin > range.end) => {
                    Some("Invalid ranges resource: begin > end")
                }
                Some(_) => None,
            },
            ValueType::Set => {
                if resource.set.is_some() {
                    None
                } else {
                    Some("Invalid set resource")
                }
            }
            ValueType::Text => Some("Unsupported resource type"),
        };
        if let Some(problem) = problem {
            return Err(format!(
                "Resource '{}' is invalid: {problem}",
                show(resource)
            ));
        }
    }
    Ok(())
}

/// A resource as given, wrong values included.
fn show(resource: &Resource) -> String {
    let value = match (resource.kind, Amount::of(resource)) {
        (ValueType::Scalar, _) => resource
            .scalar
            .as_ref()
            .map_or(0.0, |scalar| scalar.value)
            .to_string(),
        (_, Some(amount)) => amount.to_string(),
        (_, None) => String::new(),
    };
    format!("{}:{value}", describe(resource))
}

fn command(command: &CommandInfo) -> Verdict {
    for variable in command
        .environment
        .iter()
        .flat_map(|environment| &environment.variables)
    {
        match variable.kind {
            EnvironmentVariableType::Secret if variable.secret.is_none() => {
                return Err(format!(
                    "Environment variable '{}' of type 'SECRET' must have a secret set",
                    variable.name
                ));
            }
            EnvironmentVariableType::Value if variable.value.is_none() => {
                return Err(format!(
                    "Environment variable '{}' of type 'VALUE' must have a value set",
                    variable.name
                ));
            }
            EnvironmentVariableType::Unknown => {
                return Err("Environment variable of type 'UNKNOWN' is not allowed".to_owned());
            }
            EnvironmentVariableType::Secret | EnvironmentVariableType::Value => {}
        }
    }
    Ok(())
}

fn container(container: &ContainerInfo) -> Verdict {
    match container.kind {
        ContainerType::Docker if container.docker.is_none() => {
            Err("DockerInfo 'docker' is not set for DOCKER typed ContainerInfo".to_owned())
        }
        ContainerType::Docker | ContainerType::Mesos => Ok(()),
    }
}

fn limits(task: &TaskInfo) -> Verdict {
    for (name, limit) in &task.limits {
        let what = match name.as_str() {
            "cpus" => "cpu",
            "mem" => "memory",
            _ => {
                return Err(
                    "Only cpus and mem may be included in a task's resource limits".to_owned(),
                );
            }
        };
        let requested: f64 = task
            .resources
            .iter()
            .filter(|resource| resource.name == *name)
            .filter_map(|resource| resource.scalar.as_ref())
            .map(|scalar| scalar.value)
            .sum();
        if limit.value < requested {
            return Err(format!(
                "The {what} limit must be greater than or equal to the {what} request"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_written_as_by_cpp() {
        for (value, text) in [
            (1e12, "1e+12"),
            (f64::INFINITY, "inf"),
            (1.5, "1.5"),
            (-1.0, "-1"),
            (123_456_789.0, "1.23457e+08"),
            (1e-7, "1e-07"),
        ] {
            assert_eq!(general(value), text);
        }
    }

    #[test]
    fn ids() {
        for good in ["a", "a.b", "...", "x y", &"x".repeat(255)] {
            assert_eq!(id(good), Ok(()), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a\\b", "a\nb", &"x".repeat(256)] {
            assert!(id(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn roles() {
        for good in ["*", "a", "a/b", "a.b", "a-"] {
            assert_eq!(role(good), Ok(()), "{good}");
        }
        for bad in [
            "", "/a", "a/", "a//b", ".", "a/..", "*/a", "-a", "a/-b", "a b", "a\x08",
        ] {
            assert!(role(bad).is_err(), "{bad}");
        }
    }
}
