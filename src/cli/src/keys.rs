//! Job keys as arguments (aurora: `cli/options.py`, `common/aurora_job_key.py`).

use std::collections::BTreeSet;
use std::fmt;

use aurora_api::job_key::is_good_identifier;
use aurora_api::model::JobKey;
use pystachio::Ref;

/// A job in a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FullKey {
    pub(crate) cluster: String,
    pub(crate) job: JobKey,
}

impl fmt::Display for FullKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.cluster, self.job)
    }
}

impl FullKey {
    /// A key of valid parts.
    pub(crate) fn new(
        cluster: &str,
        role: &str,
        environment: &str,
        name: &str,
    ) -> Result<FullKey, String> {
        for (field, value) in [("role", role), ("env", environment), ("name", name)] {
            if !is_good_identifier(value) {
                return Err(format!("Invalid {field} '{value}'"));
            }
        }
        Ok(FullKey {
            cluster: cluster.to_owned(),
            job: JobKey::new(role, environment, name),
        })
    }

    /// `CLUSTER/ROLE/ENV/NAME`.
    pub(crate) fn parse(text: &str) -> Result<FullKey, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let [cluster, role, environment, name] = parts[..] else {
            return Err(format!(
                "Invalid path '{text}'. path should be a string in the form CLUSTER/ROLE/ENV/NAME"
            ));
        };
        FullKey::new(cluster, role, environment, name)
    }
}

/// A job, and some of its instances or all (`None`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InstanceSpec {
    pub(crate) key: FullKey,
    pub(crate) instances: Option<BTreeSet<i32>>,
}

impl InstanceSpec {
    /// `CLUSTER/ROLE/ENV/NAME[/INSTANCES]`.
    pub(crate) fn parse(text: &str) -> Result<InstanceSpec, String> {
        if text.is_empty() {
            return Err("Instance specifier must be non-empty".to_owned());
        }
        let parts: Vec<&str> = text.split('/').collect();
        let (job, instances) = match parts[..] {
            [_, _, _, _] => (&parts[..], None),
            [_, _, _, _, instances] => (&parts[..4], parse_instances(instances)?),
            _ => {
                return Err(
                    "Instance specifier must be a CLUSTER/ROLE/ENV/JOB/INSTANCES tuple".to_owned(),
                );
            }
        };
        Ok(InstanceSpec {
            key: FullKey::new(job[0], job[1], job[2], job[3])?,
            instances,
        })
    }
}

/// The most instances that one argument may name; upstream's jobs are limited to 4,000.
const MAX_INSTANCES: usize = 1_000_000;

/// `0,2-4,7`; nothing means all.
fn parse_instances(text: &str) -> Result<Option<BTreeSet<i32>>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let mut ids = BTreeSet::new();
    for part in text.split(',') {
        let number = |digits: &str| {
            digits
                .trim()
                .parse::<i32>()
                .map_err(|_| format!("Invalid instance '{part}'"))
        };
        let pieces: Vec<&str> = part.split('-').collect();
        let first = number(pieces[0])?;
        let last = number(pieces[pieces.len() - 1])?;
        if first > last {
            return Err(format!("Invalid instance range: {part}"));
        }
        if ids.len() + (last - first) as usize >= MAX_INSTANCES {
            return Err(format!("More than {MAX_INSTANCES} instances: {part}"));
        }
        ids.extend(first..=last);
    }
    Ok(Some(ids))
}

/// `CLUSTER/ROLE/ENV/NAME/INSTANCE`.
pub(crate) fn parse_task_instance(text: &str) -> Result<(FullKey, i32), String> {
    let parts: Vec<&str> = text.split('/').collect();
    let [cluster, role, environment, name, instance] = parts[..] else {
        return Err(format!(
            "Task instance specifier {text} is not in the form CLUSTER/ROLE/ENV/NAME/INSTANCE"
        ));
    };
    let id = instance
        .parse()
        .map_err(|_| format!("Instance must be an integer, but got {instance}"))?;
    Ok((FullKey::new(cluster, role, environment, name)?, id))
}

/// A job key whose parts may be patterns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wildcard {
    pub(crate) cluster: String,
    pub(crate) role: String,
    pub(crate) environment: String,
    pub(crate) name: String,
}

impl fmt::Display for Wildcard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Wildcard {
            cluster,
            role,
            environment,
            name,
        } = self;
        write!(f, "{cluster}/{role}/{environment}/{name}")
    }
}

impl Wildcard {
    /// `cluster[/role[/env[/name]]]`; what is missing is `*`.
    pub(crate) fn parse(text: &str) -> Result<Wildcard, String> {
        let mut parts = text.split('/').map(str::to_owned);
        let mut next = || parts.next().unwrap_or_else(|| "*".to_owned());
        let key = Wildcard {
            cluster: next(),
            role: next(),
            environment: next(),
            name: next(),
        };
        if parts.next().is_some() {
            return Err("Job key must have no more than 4 segments".to_owned());
        }
        Ok(key)
    }

    /// Whether no part holds a star: then it names one job.
    pub(crate) fn is_one_job(&self) -> bool {
        [&self.cluster, &self.role, &self.environment, &self.name]
            .into_iter()
            .all(|part| !part.contains('*'))
    }
}

/// `cluster[/role[/env[/job]]]`: the cluster, and what of the rest is given.
pub(crate) fn parse_page(text: &str) -> Result<(String, Vec<String>), String> {
    let mut parts = text.trim_end_matches('/').split('/').map(str::to_owned);
    let cluster = parts.next().unwrap_or_default();
    let rest: Vec<String> = parts.collect();
    if rest.len() > 3 {
        return Err("Key must have no more than 4 segments".to_owned());
    }
    match ["role", "env", "job"]
        .iter()
        .zip(&rest)
        .find(|(_, part)| part.is_empty())
    {
        Some((missing, _)) => Err(format!("'{text}' lacks its {missing}")),
        None => Ok((cluster, rest)),
    }
}

/// `CLUSTER/ROLE`.
pub(crate) fn parse_qualified_role(text: &str) -> Result<(String, String), String> {
    match text.split('/').collect::<Vec<_>>()[..] {
        [cluster, role] => Ok((cluster.to_owned(), role.to_owned())),
        _ => Err("Role argument must be a CLUSTER/NAME pair".to_owned()),
    }
}

/// `name=value` of `--bind`.
pub(crate) fn parse_binding(text: &str) -> Result<(String, String), String> {
    let Some((name, value)) = text.split_once('=') else {
        return Err("Binding parameter must be formatted name=value".to_owned());
    };
    Ref::parse(name)
        .map_err(|error| format!("Could not parse binding parameter {text}: {error}"))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Instance ids as upstream prints a list: `[0, 1]`.
pub(crate) fn id_list(ids: impl IntoIterator<Item = i32>) -> String {
    let ids: Vec<String> = ids.into_iter().map(|id| id.to_string()).collect();
    format!("[{}]", ids.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances() {
        let ids = |text: &str| parse_instances(text).map(|ids| ids.map(id_list));
        assert_eq!(ids(""), Ok(None));
        assert_eq!(ids("7,0,2-4").unwrap().unwrap(), "[0, 2, 3, 4, 7]");
        assert_eq!(ids("3-3").unwrap().unwrap(), "[3]");
        for bad in ["4-2", "a", "1,", "-1", "0-2000000"] {
            assert!(ids(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn keys() {
        let key = FullKey::parse("west/www-data/prod/hello").unwrap();
        assert_eq!(key.to_string(), "west/www-data/prod/hello");
        for bad in ["a/b/c", "a/b/c/d/e", "a/b/c/d*", "a//c/d"] {
            assert!(FullKey::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(InstanceSpec::parse("c/r/e/n").unwrap().instances, None);
        assert_eq!(InstanceSpec::parse("c/r/e/n/").unwrap().instances, None);
        let spec = InstanceSpec::parse("c/r/e/n/0-1").unwrap();
        assert_eq!(spec.instances, Some(BTreeSet::from([0, 1])));
        assert!(InstanceSpec::parse("c/r/e").is_err());
        assert_eq!(parse_task_instance("c/r/e/n/3").unwrap().1, 3);
        assert!(parse_task_instance("c/r/e/n").is_err());
        assert!(parse_task_instance("c/r/e/n/x").is_err());
        assert_eq!(Wildcard::parse("c/r").unwrap().to_string(), "c/r/*/*");
        assert!(Wildcard::parse("c/r/e/n/0").is_err());
        assert!(Wildcard::parse("c/r/e/n").unwrap().is_one_job());
        assert!(!Wildcard::parse("c/r/e").unwrap().is_one_job());
        assert_eq!(parse_page("c/r/").unwrap(), ("c".into(), vec!["r".into()]));
        for bad in ["c//e", "c/r//j", "c/r/e/j/0"] {
            assert!(parse_page(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_qualified_role("c/r").unwrap().1, "r");
        assert!(parse_qualified_role("c").is_err());
        assert_eq!(
            parse_binding("a.b[c]=x=y").unwrap(),
            ("a.b[c]".into(), "x=y".into())
        );
        for bad in ["a", "=x", "a b=x", "a..b=x"] {
            assert!(parse_binding(bad).is_err(), "{bad}");
        }
    }
}
