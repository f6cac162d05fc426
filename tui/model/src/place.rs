//! Where one is: every view has an address that can be written as a link and opened again.

mod link;

use std::collections::BTreeSet;

use aurora_api::job_key::JobPath;
use serde::{Deserialize, Serialize};

use crate::store;
use crate::told::Question;

use self::link::encode;
pub use self::link::{Link, ParseLinkError};

/// Names of the views, as commands, key maps and links use them.
pub const VIEWS: &[&str] = &[
    "jobs",
    "instances",
    "task",
    "why",
    "timeline",
    "config",
    "diff",
    "sandbox",
    "file",
    "logs",
    "tails",
    "hosts",
    "offers",
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
    "backups",
    "storage",
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
    /// What happened to the tasks of a job, or of one instance of it.
    Timeline(JobPath, Option<i32>),
    /// The configuration of a job's instances, or of a task by its id.
    Config(JobPath, Option<String>),
    /// How the configurations of a job's instances differ, or what an update changes, by its id.
    Diff(JobPath, Option<String>),
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
    /// What hosts offer.
    Offers,
    /// One host: its mode, attributes, tasks and offers.
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
    /// Backups of the scheduler's state.
    Backups,
    /// What the scheduler counts about its state and log.
    Storage,
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

/// The views that need no object.
const LISTS: &[Place] = &[
    Place::Jobs,
    Place::Hosts,
    Place::Offers,
    Place::Quotas,
    Place::Roles,
    Place::Crons,
    Place::Updates,
    Place::Maintenance,
    Place::Audit,
    Place::Journal,
    Place::Metrics,
    Place::Sla,
    Place::Events,
    Place::Backups,
    Place::Storage,
    Place::Settings,
    Place::Clusters,
    Place::Find,
    Place::Bookmarks,
];

impl Place {
    /// The view of this name that needs no object.
    pub(crate) fn named(name: &str) -> Option<Place> {
        LISTS.iter().find(|place| place.view() == name).cloned()
    }

    /// The view's name, one of [`VIEWS`].
    pub fn view(&self) -> &'static str {
        match self {
            Place::Jobs => "jobs",
            Place::Instances(_) => "instances",
            Place::Task(_) => "task",
            Place::Why(_) => "why",
            Place::Timeline(..) => "timeline",
            Place::Config(..) => "config",
            Place::Diff(..) => "diff",
            Place::Sandbox(..) => "sandbox",
            Place::File(..) => "file",
            Place::Logs(..) => "logs",
            Place::Tails(..) => "tails",
            Place::Hosts => "hosts",
            Place::Offers => "offers",
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
            Place::Backups => "backups",
            Place::Storage => "storage",
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
            Place::Instances(job)
            | Place::Update(job, _)
            | Place::Timeline(job, _)
            | Place::Config(job, _)
            | Place::Diff(job, _)
            | Place::Tails(job, ..) => Some(job),
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
            Place::Config(..) | Place::Diff(..) => None,
            place => place.job().map(store::job_topic),
        }
    }

    /// What the scheduler is asked for this view.
    pub fn questions(&self) -> Vec<Question> {
        match self {
            Place::Why(task) => vec![Question::Why(task.task.clone())],
            Place::Update(job, id) => vec![Question::Update(job.clone(), id.clone())],
            Place::Config(job, task) => vec![Question::Config(job.clone(), task.clone())],
            Place::Diff(job, update) => vec![Question::Diff(job.clone(), update.clone())],
            Place::Quotas => vec![Question::Quotas],
            Place::Offers => vec![Question::Offers],
            Place::Host(host) => vec![Question::OffersOf(host.clone())],
            Place::Backups => vec![Question::Backups],
            Place::Metrics | Place::Storage | Place::Sla => vec![Question::Vars],
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

    /// Whether it is a text that the scheduler is asked for.
    pub fn is_sheet(&self) -> bool {
        matches!(self, Place::Config(..) | Place::Diff(..))
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
            Place::Config(job, Some(task)) => Place::Task(TaskRef {
                job: job.clone(),
                task: task.clone(),
            }),
            Place::Diff(job, Some(update)) => Place::Update(job.clone(), update.clone()),
            Place::Tails(job, ..)
            | Place::Timeline(job, _)
            | Place::Config(job, None)
            | Place::Diff(job, None) => Place::Instances(job.clone()),
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
        let (job, instances, instance);
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
            Place::Logs(_, Some(one)) | Place::Config(_, Some(one)) | Place::Diff(_, Some(one)) => {
                parts.push(one)
            }
            Place::Tails(_, wanted, process) => {
                instances = if wanted.is_empty() {
                    ALL.to_owned()
                } else {
                    crate::command::show_instances(wanted)
                };
                parts.push(&instances);
                parts.extend(process.as_deref());
            }
            Place::Timeline(_, Some(one)) => {
                instance = one.to_string();
                parts.push(&instance);
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
