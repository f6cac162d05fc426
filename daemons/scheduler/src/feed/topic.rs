//! What a feed can be about.

use std::collections::BTreeSet;
use std::fmt;

use aurora_api::job_key::{JobPath, is_good_identifier};
use aurora_api::model::JobKey;

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Topic {
    /// Counts of all jobs, all hosts, all quotas.
    Summary,
    /// The tasks of a job.
    Job(JobKey),
    /// The tasks of a role.
    Role(String),
    /// The tasks of a host.
    Host(String),
}

/// The most topics of one feed.
const MAX_TOPICS: usize = 1000;

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Topic::Summary => f.write_str("summary"),
            Topic::Job(key) => write!(f, "job/{key}"),
            Topic::Role(role) => write!(f, "role/{role}"),
            Topic::Host(host) => write!(f, "host/{host}"),
        }
    }
}

fn parse(text: &str) -> Option<Topic> {
    if text == "summary" {
        return Some(Topic::Summary);
    }
    let (kind, name) = text.split_once('/')?;
    match kind {
        "job" => Some(Topic::Job(name.parse::<JobPath>().ok()?.0)),
        "role" => is_good_identifier(name).then(|| Topic::Role(name.to_owned())),
        "host" => (!name.is_empty() && name.len() <= 255).then(|| Topic::Host(name.to_owned())),
        _ => None,
    }
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
            "role/www-data",
            "host/10.0.0.1",
        ];
        let topics = parse_all(texts).unwrap();
        let mut written: Vec<String> = topics.iter().map(Topic::to_string).collect();
        written.sort();
        let mut expected = texts;
        expected.sort_unstable();
        assert_eq!(written, expected);
        assert_eq!(parse_all([]).unwrap(), BTreeSet::from([Topic::Summary]));
        for bad in [
            "", "job", "job/a/b", "role/", "role/a b", "host/", "updates", "Summary",
        ] {
            let error = parse_all(["summary", bad]).unwrap_err();
            assert!(error.contains("topic 2") && error.contains(bad), "{error}");
        }
    }
}
