//! Where one is: every view has an address that can be written as a link and opened again.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use aurora_api::job_key::JobPath;
use serde::{Deserialize, Serialize};

use crate::logs::stamp::stamp;
use crate::told::Question;
use crate::{store, text};

/// Names of the views, as commands, key maps and links use them.
pub const VIEWS: &[&str] = &[
    "jobs",
    "instances",
    "task",
    "why",
    "sandbox",
    "file",
    "logs",
    "tails",
    "hosts",
    "host",
    "quotas",
    "roles",
    "crons",
    "updates",
    "update",
    "maintenance",
    "audit",
    "journal",
    "metrics",
    "sla",
    "events",
    "settings",
    "clusters",
    "find",
    "related",
    "bookmarks",
    "help",
];

/// What stands in a link for all instances.
const ALL: &str = "all";

/// A task of a job.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TaskRef {
    /// Its job.
    pub job: JobPath,
    /// Its id.
    pub task: String,
}

/// A view and what it shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// All jobs.
    Jobs,
    /// A job's instances.
    Instances(JobPath),
    /// One task: its processes, ports, resources, events.
    Task(TaskRef),
    /// Why a task waits or failed.
    Why(TaskRef),
    /// A directory of a task's sandbox; the path is relative, empty for the top.
    Sandbox(TaskRef, String),
    /// A file of a sandbox.
    File(TaskRef, String),
    /// Output of a process; none: the one that matters most.
    Logs(TaskRef, Option<String>),
    /// Output of several instances of a job (none named: all of them), by time; of this process or of those that matter most.
    Tails(JobPath, BTreeSet<i32>, Option<String>),
    /// Hosts.
    Hosts,
    /// One host: its tasks.
    Host(String),
    /// Quotas.
    Quotas,
    /// Roles.
    Roles,
    /// Cron jobs.
    Crons,
    /// Updates.
    Updates,
    /// One update of a job, by its id.
    Update(JobPath, String),
    /// Hosts in maintenance.
    Maintenance,
    /// Who changed what, as the scheduler has it.
    Audit,
    /// What was done from here.
    Journal,
    /// What the scheduler counts.
    Metrics,
    /// Service levels.
    Sla,
    /// What changed on the cluster since the workbench looks.
    Events,
    /// How the workbench is set up.
    Settings,
    /// Clusters that are configured.
    Clusters,
    /// Objects of all kinds.
    Find,
    /// What belongs to an object: its kind and name, of a task `ROLE/ENVIRONMENT/NAME/TASK`.
    Related(String, String),
    /// Places that were kept.
    Bookmarks,
    /// Keys and commands of the view named.
    Help(String),
}

impl Place {
    /// The view's name, one of [`VIEWS`].
    pub fn view(&self) -> &'static str {
        match self {
            Place::Jobs => "jobs",
            Place::Instances(_) => "instances",
            Place::Task(_) => "task",
            Place::Why(_) => "why",
            Place::Sandbox(..) => "sandbox",
            Place::File(..) => "file",
            Place::Logs(..) => "logs",
            Place::Tails(..) => "tails",
            Place::Hosts => "hosts",
            Place::Host(_) => "host",
            Place::Quotas => "quotas",
            Place::Roles => "roles",
            Place::Crons => "crons",
            Place::Updates => "updates",
            Place::Update(..) => "update",
            Place::Maintenance => "maintenance",
            Place::Audit => "audit",
            Place::Journal => "journal",
            Place::Metrics => "metrics",
            Place::Sla => "sla",
            Place::Events => "events",
            Place::Settings => "settings",
            Place::Clusters => "clusters",
            Place::Find => "find",
            Place::Related(..) => "related",
            Place::Bookmarks => "bookmarks",
            Place::Help(_) => "help",
        }
    }

    /// The job whose tasks this view needs.
    pub fn job(&self) -> Option<&JobPath> {
        match self {
            Place::Instances(job) | Place::Update(job, _) | Place::Tails(job, ..) => Some(job),
            Place::Task(task)
            | Place::Why(task)
            | Place::Sandbox(task, _)
            | Place::File(task, _)
            | Place::Logs(task, _) => Some(&task.job),
            _ => None,
        }
    }

    /// The topic of the feed that this view needs besides the summary.
    pub fn topic(&self) -> Option<String> {
        match self {
            Place::Updates => Some(store::UPDATES.to_owned()),
            Place::Maintenance => Some(store::MAINTENANCE.to_owned()),
            Place::Audit => Some(store::AUDIT.to_owned()),
            Place::Host(host) => Some(store::host_topic(host)),
            Place::Related(kind, name) => match kind.as_str() {
                "job" => Some(format!("job/{name}")),
                "host" => Some(store::host_topic(name)),
                "task" => Some(format!("job/{}", name.rsplit_once('/')?.0)),
                _ => None,
            },
            place => place.job().map(store::job_topic),
        }
    }

    /// What the scheduler is asked for this view.
    pub fn questions(&self) -> Vec<Question> {
        match self {
            Place::Why(task) => vec![Question::Why(task.task.clone())],
            Place::Update(job, id) => vec![Question::Update(job.clone(), id.clone())],
            Place::Quotas => vec![Question::Quotas],
            Place::Metrics | Place::Sla => vec![Question::Vars],
            _ => Vec::new(),
        }
    }

    /// The version of the feed from which on it tells what this view shows; 0: a scheduler without a feed tells it too.
    pub fn since_version(&self) -> u32 {
        match self {
            Place::Why(_) | Place::Updates | Place::Maintenance | Place::Audit => 2,
            Place::Hosts | Place::Host(_) | Place::Quotas => 1,
            _ => 0,
        }
    }

    /// The task that this view is about.
    pub fn task(&self) -> Option<&TaskRef> {
        match self {
            Place::Task(task)
            | Place::Why(task)
            | Place::Sandbox(task, _)
            | Place::File(task, _)
            | Place::Logs(task, _) => Some(task),
            _ => None,
        }
    }

    /// The view that `back` leads to when there is no history.
    pub fn parent(&self) -> Option<Place> {
        Some(match self {
            Place::Jobs => return None,
            Place::Host(_) => Place::Hosts,
            Place::Update(..) => Place::Updates,
            Place::Task(task) => Place::Instances(task.job.clone()),
            Place::Tails(job, ..) => Place::Instances(job.clone()),
            Place::Logs(task, _) | Place::Why(task) => Place::Task(task.clone()),
            Place::Sandbox(task, path) | Place::File(task, path) => match path.rsplit_once('/') {
                Some((directory, _)) => Place::Sandbox(task.clone(), directory.to_owned()),
                None if matches!(self, Place::File(..)) || !path.is_empty() => {
                    Place::Sandbox(task.clone(), String::new())
                }
                None => Place::Task(task.clone()),
            },
            _ => Place::Jobs,
        })
    }

    /// What stands after the cluster in a link.
    pub(crate) fn path(&self) -> String {
        let mut parts: Vec<&str> = vec![self.view()];
        let (job, instances);
        if let Some(path) = self.job() {
            job = path.to_string();
            parts.extend(job.split('/'));
        }
        if let Some(task) = self.task() {
            parts.push(&task.task);
        }
        match self {
            Place::Sandbox(_, path) | Place::File(_, path) => {
                parts.extend(path.split('/').filter(|part| !part.is_empty()))
            }
            Place::Logs(_, Some(process)) => parts.push(process),
            Place::Tails(_, wanted, process) => {
                instances = if wanted.is_empty() {
                    ALL.to_owned()
                } else {
                    crate::command::show_instances(wanted)
                };
                parts.push(&instances);
                parts.extend(process.as_deref());
            }
            Place::Help(view) => parts.push(view),
            Place::Related(kind, name) => {
                parts.push(kind);
                parts.extend(name.split('/'));
            }
            Place::Host(host) => parts.push(host),
            Place::Update(_, id) => parts.push(id),
            _ => {}
        }
        let encoded: Vec<String> = parts.into_iter().map(encode).collect();
        encoded.join("/")
    }
}

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
        for (name, value) in [("filter", &self.filter), ("sort", &self.sort), ("at", &at)] {
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
            "jobs" => (Place::Jobs, 0),
            "hosts" => (Place::Hosts, 0),
            "host" => {
                let host = rest.first().filter(|host| !host.is_empty()).cloned();
                (
                    Place::Host(host.ok_or_else(|| fault("this view needs a host"))?),
                    1,
                )
            }
            "quotas" => (Place::Quotas, 0),
            "roles" => (Place::Roles, 0),
            "crons" => (Place::Crons, 0),
            "updates" => (Place::Updates, 0),
            "maintenance" => (Place::Maintenance, 0),
            "audit" => (Place::Audit, 0),
            "journal" => (Place::Journal, 0),
            "metrics" => (Place::Metrics, 0),
            "sla" => (Place::Sla, 0),
            "events" => (Place::Events, 0),
            "settings" => (Place::Settings, 0),
            "clusters" => (Place::Clusters, 0),
            "find" => (Place::Find, 0),
            "bookmarks" => (Place::Bookmarks, 0),
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
            "logs" => (Place::Logs(task()?, rest.get(4).cloned()), 5),
            "tails" => {
                let wanted = match rest.get(3).map(String::as_str) {
                    None | Some(ALL) => BTreeSet::new(),
                    Some(list) => crate::command::instances(list).map_err(|why| fault(&why))?,
                };
                (Place::Tails(job()?, wanted, rest.get(4).cloned()), 5)
            }
            "sandbox" => (Place::Sandbox(task()?, tail()), usize::MAX),
            "file" if !tail().is_empty() => (Place::File(task()?, tail()), usize::MAX),
            "file" => return Err(fault("the file's path is missing")),
            other => {
                return Err(fault(&format!(
                    "there is no view `{other}`; views are {}",
                    VIEWS.join(", ")
                )));
            }
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
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value)
                .ok_or_else(|| fault("a % is not followed by two hexadecimal digits"))?;
            match name {
                "filter" => link.filter = value,
                "sort" => link.sort = value,
                "at" => {
                    let at = stamp(&value, i64::MAX);
                    let form = "a time is written at=2026-01-31T23:59:07Z";
                    link.at_ms = Some(at.ok_or_else(|| fault(form))?);
                }
                other => {
                    return Err(fault(&format!(
                        "`{other}` is not known; a link takes filter, sort and at"
                    )));
                }
            }
        }
        Ok(link)
    }
}

fn encode(text: &str) -> String {
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
            "aurora://west/roles",
            "aurora://west/crons",
            "aurora://west/maintenance",
            "aurora://west/audit",
            "aurora://west/metrics",
            "aurora://west/sla",
            "aurora://west/events",
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
            let link = Link { cluster: "c".to_owned(), place: Place::Jobs, filter, sort: String::new(), at_ms: None };
            prop_assert_eq!(link.to_string().parse::<Link>().unwrap(), link);
        }
    }
}
