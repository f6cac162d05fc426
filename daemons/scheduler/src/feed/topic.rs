//! What a feed can be about.

use std::collections::BTreeSet;
use std::fmt;

use aurora_api::feed::MOST_INSTANCES;
use aurora_api::instances;
use aurora_api::job_key::{JobPath, is_good_identifier};
use aurora_api::model::JobKey;

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Topic {
    /// Counts of all jobs, all hosts, all quotas.
    Summary,
    /// The tasks of a job.
    Job(JobKey),
    /// The tasks of some instances of a job.
    Instances(JobKey, BTreeSet<i32>),
    /// The tasks of a role.
    Role(String),
    /// The tasks of a host.
    Host(String),
    /// Job updates.
    Updates,
    /// Hosts in maintenance.
    Maintenance,
    /// Who changed what. For those who hold the secret: it tells names and reasons that no read of the API does.
    Audit,
}

/// What a feed is to be about, by what its principal may read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) topics: BTreeSet<Topic>,
    /// Topics that were asked for and may not be read.
    pub(crate) denied: BTreeSet<Topic>,
}

impl Wanted {
    /// Splits topics by what a principal may read, who may have shown the secret or not.
    pub(crate) fn of(topics: BTreeSet<Topic>, is_trusted: bool) -> Wanted {
        let (topics, denied) = topics
            .into_iter()
            .partition(|topic| is_trusted || *topic != Topic::Audit);
        Wanted { topics, denied }
    }
}

/// The most topics of one feed.
const MAX_TOPICS: usize = 1000;

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Topic::Summary => f.write_str("summary"),
            Topic::Job(key) => write!(f, "job/{key}"),
            Topic::Instances(key, wanted) => {
                let wanted = instances::text(wanted.iter().copied());
                write!(f, "job/{key}/{}", wanted.replace(',', ":"))
            }
            Topic::Role(role) => write!(f, "role/{role}"),
            Topic::Host(host) => write!(f, "host/{host}"),
            Topic::Updates => f.write_str("updates"),
            Topic::Maintenance => f.write_str("maintenance"),
            Topic::Audit => f.write_str("audit"),
        }
    }
}

fn parse(text: &str) -> Option<Topic> {
    match text {
        "summary" => return Some(Topic::Summary),
        "updates" => return Some(Topic::Updates),
        "maintenance" => return Some(Topic::Maintenance),
        "audit" => return Some(Topic::Audit),
        _ => {}
    }
    let (kind, name) = text.split_once('/')?;
    match kind {
        "job" => of_job(name),
        "role" => is_good_identifier(name).then(|| Topic::Role(name.to_owned())),
        "host" => (!name.is_empty() && name.len() <= 255).then(|| Topic::Host(name.to_owned())),
        _ => None,
    }
}

/// `ROLE/ENV/NAME`, and instances of it. Commas stand between topics.
fn of_job(name: &str) -> Option<Topic> {
    if let Ok(JobPath(key)) = name.parse() {
        return Some(Topic::Job(key));
    }
    let (job, wanted) = name.rsplit_once('/')?;
    let JobPath(key) = job.parse().ok()?;
    let wanted = instances::parse(&wanted.replace(':', ","), MOST_INSTANCES)?;
    Some(Topic::Instances(key, wanted))
}

/// Reads a list of topics. `summary` is always among them.
///
/// # Errors
/// What is wrong, and at which place of the list (from 1).
pub(crate) fn parse_all<'a>(
    topics: impl IntoIterator<Item = &'a str>,
) -> Result<BTreeSet<Topic>, String> {
    let mut found = BTreeSet::from([Topic::Summary]);
    for (place, text) in topics.into_iter().enumerate() {
        let topic = parse(text).ok_or_else(|| {
            format!(
                "topic {} of the list, `{text}`, is not known here",
                place + 1
            )
        })?;
        found.insert(topic);
        if found.len() > MAX_TOPICS {
            return Err(format!("a feed has at most {MAX_TOPICS} topics"));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_read_and_written() {
        let texts = [
            "summary",
            "job/www-data/prod/hello",
            "job/www-data/prod/hello/0-2:5",
            "role/www-data",
            "host/10.0.0.1",
            "updates",
            "maintenance",
            "audit",
        ];
        let topics = parse_all(texts).unwrap();
        let mut written: Vec<String> = topics.iter().map(Topic::to_string).collect();
        written.sort();
        let mut expected = texts;
        expected.sort_unstable();
        assert_eq!(written, expected);
        assert_eq!(parse_all([]).unwrap(), BTreeSet::from([Topic::Summary]));
        for bad in [
            "",
            "job",
            "job/a/b",
            "job/a/b/c/",
            "job/a/b/c/0/1",
            "job/a/b/c/0-10000",
            "role/",
            "role/a b",
            "host/",
            "update",
            "Summary",
        ] {
            let error = parse_all(["summary", bad]).unwrap_err();
            assert!(error.contains("topic 2") && error.contains(bad), "{error}");
        }
    }

    #[test]
    fn who_changed_what_is_for_those_who_hold_the_secret() {
        let asked = parse_all(["audit", "updates"]).unwrap();
        let trusted = Wanted::of(asked.clone(), true);
        assert_eq!((trusted.topics, trusted.denied.len()), (asked.clone(), 0));
        let stranger = Wanted::of(asked, false);
        assert_eq!(stranger.denied, BTreeSet::from([Topic::Audit]));
        assert_eq!(stranger.topics.len(), 2, "{stranger:?}");
    }
}
