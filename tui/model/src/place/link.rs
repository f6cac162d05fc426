//! Places as links.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use aurora_api::job_key::JobPath;

use super::{ALL, Place, TaskRef, VIEWS};
use crate::logs::stamp::stamp;
use crate::text;

/// An address: `aurora://CLUSTER/VIEW/…?filter=…&sort=…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The cluster.
    pub cluster: String,
    /// The view.
    pub place: Place,
    /// The filter's text.
    pub filter: String,
    /// Column, with `-` before it for descending order.
    pub sort: String,
    /// The moment to look at, a second by the server's clock in milliseconds since 1970; none: now.
    pub at_ms: Option<i64>,
    /// All tabs and panes around the place, a [`Saved`](crate::layout::Saved) as JSON; empty: the place alone.
    pub layout: String,
}

impl Link {
    /// The text of a link to a path of [`Place::path`].
    pub(crate) fn at(cluster: &str, path: &str) -> String {
        format!("aurora://{}/{path}", encode(cluster))
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "aurora://{}/{}",
            encode(&self.cluster),
            self.place.path()
        )?;
        let mut separator = '?';
        let at = self.at_ms.map_or_else(String::new, text::utc_link);
        for (name, value) in [
            ("filter", &self.filter),
            ("sort", &self.sort),
            ("at", &at),
            ("layout", &self.layout),
        ] {
            if !value.is_empty() {
                write!(f, "{separator}{name}={}", encode(value))?;
                separator = '&';
            }
        }
        Ok(())
    }
}

/// A text that is not a link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{link}` is not a link: {message}; links look like aurora://CLUSTER/instances/ROLE/ENVIRONMENT/NAME"
)]
pub struct ParseLinkError {
    link: String,
    message: String,
}

impl FromStr for Link {
    type Err = ParseLinkError;

    fn from_str(text: &str) -> Result<Link, ParseLinkError> {
        let fault = |message: &str| ParseLinkError {
            link: text.to_owned(),
            message: message.to_owned(),
        };
        let rest = text
            .strip_prefix("aurora://")
            .ok_or_else(|| fault("it does not begin with aurora://"))?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let parts: Vec<String> = path
            .split('/')
            .map(|part| {
                decode(part).ok_or_else(|| fault("a % is not followed by two hexadecimal digits"))
            })
            .collect::<Result<_, _>>()?;
        let mut parts = parts.into_iter();
        let cluster = parts
            .next()
            .filter(|cluster| !cluster.is_empty())
            .ok_or_else(|| fault("the cluster is missing"))?;
        let view = parts
            .next()
            .filter(|view| !view.is_empty())
            .unwrap_or_else(|| "jobs".to_owned());
        let rest: Vec<String> = parts.collect();
        let job = || -> Result<JobPath, ParseLinkError> {
            rest.get(..3)
                .and_then(|parts| parts.join("/").parse().ok())
                .ok_or_else(|| fault("this view needs ROLE/ENVIRONMENT/NAME"))
        };
        let task = || -> Result<TaskRef, ParseLinkError> {
            Ok(TaskRef {
                job: job()?,
                task: rest
                    .get(3)
                    .filter(|task| !task.is_empty())
                    .cloned()
                    .ok_or_else(|| fault("this view needs a task id after the job"))?,
            })
        };
        let tail = || rest.get(4..).unwrap_or_default().join("/");
        let (place, most) = match view.as_str() {
            "host" => {
                let host = rest.first().filter(|host| !host.is_empty()).cloned();
                (
                    Place::Host(host.ok_or_else(|| fault("this view needs a host"))?),
                    1,
                )
            }
            "related" => match rest.split_first() {
                Some((kind, name)) if !name.is_empty() => {
                    (Place::Related(kind.clone(), name.join("/")), usize::MAX)
                }
                _ => return Err(fault("this view needs a kind and a name")),
            },
            "help" => (
                Place::Help(rest.first().cloned().unwrap_or_else(|| "jobs".to_owned())),
                1,
            ),
            "instances" => (Place::Instances(job()?), 3),
            "update" => {
                let id = rest.get(3).filter(|id| !id.is_empty()).cloned();
                let id = id.ok_or_else(|| fault("this view needs an update's id after the job"))?;
                (Place::Update(job()?, id), 4)
            }
            "task" => (Place::Task(task()?), 4),
            "why" => (Place::Why(task()?), 4),
            "timeline" => {
                let instance = rest.get(3).map(|text| text.parse());
                let instance = instance
                    .transpose()
                    .map_err(|_| fault("what stands after the job is not an instance"))?;
                (Place::Timeline(job()?, instance), 4)
            }
            "logs" => (Place::Logs(task()?, rest.get(4).cloned()), 5),
            "tails" => {
                let wanted = match rest.get(3).map(String::as_str) {
                    None | Some(ALL) => BTreeSet::new(),
                    Some(list) => crate::command::instances(list).map_err(|why| fault(&why))?,
                };
                (Place::Tails(job()?, wanted, rest.get(4).cloned()), 5)
            }
            "config" => (Place::Config(job()?, rest.get(3).cloned()), 4),
            "diff" => (Place::Diff(job()?, rest.get(3).cloned()), 4),
            "sandbox" => (Place::Sandbox(task()?, tail()), usize::MAX),
            "file" if !tail().is_empty() => (Place::File(task()?, tail()), usize::MAX),
            "file" => return Err(fault("the file's path is missing")),
            other => match Place::named(other) {
                Some(place) => (place, 0),
                None => {
                    return Err(fault(&format!(
                        "there is no view `{other}`; views are {}",
                        VIEWS.join(", ")
                    )));
                }
            },
        };
        if rest.len() > most {
            return Err(fault("there is more after the place than this view takes"));
        }
        let mut link = Link {
            cluster,
            place,
            filter: String::new(),
            sort: String::new(),
            at_ms: None,
            layout: String::new(),
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value)
                .ok_or_else(|| fault("a % is not followed by two hexadecimal digits"))?;
            match name {
                "filter" => link.filter = value,
                "sort" => link.sort = value,
                "layout" => link.layout = value,
                "at" => {
                    let at = stamp(&value, i64::MAX);
                    let form = "a time is written at=2026-01-31T23:59:07Z";
                    link.at_ms = Some(at.ok_or_else(|| fault(form))?);
                }
                other => {
                    return Err(fault(&format!(
                        "`{other}` is not known; a link takes filter, sort, at and layout"
                    )));
                }
            }
        }
        Ok(link)
    }
}

pub(super) fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn decode(text: &str) -> Option<String> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let value = digit(bytes.next()?)? * 16 + digit(bytes.next()?)?;
            out.push(u8::try_from(value).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn links_round_trip() {
        for text in [
            "aurora://devcluster/jobs",
            "aurora://devcluster/jobs?filter=%21staging%20failures%3E0&sort=-changed",
            "aurora://west/instances/www-data/prod/hello",
            "aurora://west/task/www-data/prod/hello/www-data-prod-hello-0-abc",
            "aurora://west/sandbox/www-data/prod/hello/t1",
            "aurora://west/sandbox/www-data/prod/hello/t1/.logs/x",
            "aurora://west/file/www-data/prod/hello/t1/a%20b/c.txt",
            "aurora://west/logs/www-data/prod/hello/t1/main",
            "aurora://west/tails/www-data/prod/hello/all",
            "aurora://west/tails/www-data/prod/hello/0%2C2-4/main",
            "aurora://west/help/jobs",
            "aurora://west/jobs?sort=-changed&at=2026-01-02T03%3A04%3A05Z",
            "aurora://west/host/h-1.example",
            "aurora://west/updates",
            "aurora://west/update/www-data/prod/hello/u-1",
            "aurora://west/why/www-data/prod/hello/t1",
            "aurora://west/timeline/www-data/prod/hello",
            "aurora://west/timeline/www-data/prod/hello/3",
            "aurora://west/config/www-data/prod/hello",
            "aurora://west/config/www-data/prod/hello/t1",
            "aurora://west/diff/www-data/prod/hello",
            "aurora://west/diff/www-data/prod/hello/u-1",
            "aurora://west/roles",
            "aurora://west/crons",
            "aurora://west/maintenance",
            "aurora://west/audit",
            "aurora://west/metrics",
            "aurora://west/sla",
            "aurora://west/events",
            "aurora://west/backups",
            "aurora://west/storage",
            "aurora://west/settings",
            "aurora://west/clusters",
            "aurora://west/find?filter=web",
            "aurora://west/related/job/www-data/prod/hello",
            "aurora://west/related/host/h-1.example",
            "aurora://west/bookmarks",
        ] {
            assert_eq!(text.parse::<Link>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_not_a_link() {
        for text in [
            "",
            "http://x/jobs",
            "aurora://",
            "aurora://c/moon",
            "aurora://c/instances/a/b",
            "aurora://c/task/a/b/c",
            "aurora://c/update/a/b/c",
            "aurora://c/file/a/b/c/t",
            "aurora://c/timeline/a/b/c/x",
            "aurora://c/jobs/x",
            "aurora://c/host",
            "aurora://c/tails/a/b/c/x",
            "aurora://c/jobs?colour=red",
            "aurora://c/jobs?filter=%zz",
            "aurora://c/jobs?at=noon",
        ] {
            assert!(text.parse::<Link>().is_err(), "{text}");
        }
    }

    #[test]
    fn parents_lead_up_to_the_jobs() {
        let mut place = "aurora://c/file/a/b/c/t/x/y.txt"
            .parse::<Link>()
            .unwrap()
            .place;
        let mut views = vec![place.view()];
        while let Some(parent) = place.parent() {
            place = parent;
            views.push(place.view());
        }
        assert_eq!(
            views,
            ["file", "sandbox", "sandbox", "task", "instances", "jobs"]
        );
    }

    proptest! {
        #[test]
        fn any_text_survives_a_link(filter in "\\PC{0,30}") {
            let link = Link { cluster: "c".to_owned(), place: Place::Jobs, filter, sort: String::new(), at_ms: None, layout: String::new() };
            prop_assert_eq!(link.to_string().parse::<Link>().unwrap(), link);
        }
    }
}
