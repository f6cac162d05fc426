//! What a change is about, and what will come of it: resolved and frozen before anybody says yes.
//!
//! Each kind of object has a file of its own, with its answers to the questions of [`Planned`].

mod backup;
mod cron;
mod file;
mod hosts;
mod instances;
pub(crate) mod quota;
mod reconcile;
mod rounds;
mod tasks;
mod update;

use aurora_api::job_key::JobPath;
use aurora_api::model::ScheduleStatus;

use crate::actions::{Action, Guard};
use crate::follow;
use crate::jobfile::{FileJob, Purpose};
use crate::rounds::Rounds;
use crate::rules::Rules;
use crate::state::Setup;
use crate::store::{SUMMARY, Store, UPDATES, job_topic};
use crate::text;
use crate::told::{Amounts, Question};

pub use backup::Backup;
pub use cron::Cron;
pub use file::JobOfFile;
pub use hosts::{HostTarget, Hosts};
pub use instances::{Instances, Target};
pub use quota::Quota;
pub use reconcile::Reconciliation;
pub use rounds::PlannedRounds;
pub use tasks::{Ended, Forced};
pub use update::Update;

/// What somebody wants changed, by name.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    /// Instances of a job; none named: all active ones.
    Instances(JobPath, Option<Vec<i32>>),
    /// A cron job.
    Cron(JobPath),
    /// The update of a job that goes on.
    Update(JobPath),
    /// Hosts.
    Hosts(Vec<String>),
    /// Another quota for a role.
    Quota(String, Amounts),
    /// Another state for a task of a job, by its id.
    Force(JobPath, String, ScheduleStatus),
    /// The ended tasks of a job.
    Prune(JobPath),
    /// Mesos's view of all tasks.
    Reconcile,
    /// Backups: which one is staged, or the job whose tasks leave the staged one.
    Backup(Option<String>),
    /// Maintenance of hosts, group by group.
    Rounds(Rounds),
    /// What a job file says.
    File(FileJob),
}

impl Wish {
    /// The job that it is about.
    pub fn job(&self) -> Option<&JobPath> {
        match self {
            Wish::Instances(job, _)
            | Wish::Cron(job)
            | Wish::Update(job)
            | Wish::Force(job, ..)
            | Wish::Prune(job)
            | Wish::File(FileJob { job, .. }) => Some(job),
            Wish::Hosts(_)
            | Wish::Quota(..)
            | Wish::Reconcile
            | Wish::Backup(_)
            | Wish::Rounds(_) => None,
        }
    }

    /// The topic that has to be whole before it can be resolved.
    pub fn topic(&self, store: &Store) -> String {
        match self {
            Wish::Instances(job, Some(wanted)) => store.topic_of(job, wanted),
            Wish::Force(job, task, _) => {
                let instance = follow::instance_of(store, job, task);
                instance.map_or_else(|| job_topic(job), |one| store.topic_of(job, &[one]))
            }
            Wish::Instances(job, None)
            | Wish::Prune(job)
            | Wish::File(FileJob {
                job,
                purpose: Purpose::Create,
                ..
            }) => job_topic(job),
            Wish::Update(_)
            | Wish::File(FileJob {
                purpose: Purpose::Update,
                ..
            }) => UPDATES.to_owned(),
            Wish::Cron(_)
            | Wish::Hosts(_)
            | Wish::Quota(..)
            | Wish::Reconcile
            | Wish::Backup(_)
            | Wish::File(_)
            | Wish::Rounds(_) => SUMMARY.to_owned(),
        }
    }
}

/// A change that somebody asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What.
    pub action: Action,
    /// On what.
    pub wish: Wish,
    /// Why.
    pub reason: String,
}

impl Request {
    /// What has to be asked before it can be resolved, or in order to verify it.
    pub fn questions(&self) -> Vec<Question> {
        match (&self.wish, self.action) {
            (Wish::Hosts(hosts), Action::HostDrain) if !hosts.is_empty() => {
                vec![Question::Drain(hosts.clone())]
            }
            (Wish::Rounds(rounds), _) => vec![Question::Drain(rounds.hosts())],
            (Wish::Quota(..), _) => vec![Question::Quotas],
            (Wish::File(aim), _) => vec![Question::JobFile(aim.clone()), Question::Quotas],
            (Wish::Reconcile, _) => vec![Question::Vars],
            (Wish::Backup(_), _) => vec![Question::Backups],
            _ => Vec::new(),
        }
    }

    /// Whether nothing can be said of it before those questions are answered.
    pub(crate) fn rests_on_answers(&self) -> bool {
        matches!(self.wish, Wish::File(_) | Wish::Backup(_))
    }
}

/// On what: frozen when the question is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// Instances of a job.
    Instances(Instances),
    /// A cron job.
    Cron(Cron),
    /// An update.
    Update(Update),
    /// Hosts.
    Hosts(Hosts),
    /// A role's quota.
    Quota(Quota),
    /// A task's state.
    Forced(Forced),
    /// Ended tasks.
    Ended(Ended),
    /// A reconciliation.
    Reconciliation(Reconciliation),
    /// Backups.
    Backup(Backup),
    /// Maintenance in rounds.
    Rounds(PlannedRounds),
    /// A job as a file has it.
    File(JobOfFile),
}

/// What has to be known of every kind of object that is changed.
trait Planned {
    /// The wish that it came from, with its objects by name.
    fn wish(&self) -> Wish;
    /// What kind of object it is, in a word.
    fn label(&self) -> &'static str {
        "job"
    }
    /// Its name.
    fn object(&self) -> String;
    /// Its instances in brief; empty when it is not about instances.
    fn instances(&self) -> String {
        String::new()
    }
    /// The job that it is about.
    fn job(&self) -> Option<&JobPath> {
        None
    }
    /// How many objects it is.
    fn count(&self) -> usize {
        1
    }
    /// What has to be typed for a yes even where a key would do.
    fn always_typed(&self, _action: Action) -> Option<String> {
        None
    }
    /// What will happen, in sentences.
    fn consequence(&self, action: Action) -> Vec<String>;
    /// What else there is to see, a line each, however long.
    fn details(&self) -> Vec<String> {
        Vec::new()
    }
    /// The same as a command line for another terminal.
    fn cli(&self, action: Action, cluster: &str) -> String;
    /// What has changed underneath since the plan was made, if anything.
    fn drift(&self, store: &Store) -> Option<String>;
    /// Reads back from what the feed tells: what is not there yet; nothing: all of it has happened.
    fn missing(&self, action: Action, store: &Store) -> Option<String>;
}

impl Subject {
    fn part(&self) -> &dyn Planned {
        match self {
            Subject::Instances(part) => part,
            Subject::Cron(part) => part,
            Subject::Update(part) => part,
            Subject::Hosts(part) => part,
            Subject::Quota(part) => part,
            Subject::Forced(part) => part,
            Subject::Ended(part) => part,
            Subject::Reconciliation(part) => part,
            Subject::Backup(part) => part,
            Subject::Rounds(part) => part,
            Subject::File(part) => part,
        }
    }
}

/// Refuses what the cluster's rules forbid.
pub(crate) fn allowed(setup: &Setup, action: Action) -> Result<(), String> {
    match setup.rules.forbid.contains(action.name()) {
        false => Ok(()),
        true => Err(format!(
            "cannot {}: the rules of {} forbid it (tui.toml)",
            action.name(),
            setup.cluster
        )),
    }
}

/// One object outside of production takes a key, anything else a text; some actions always do.
fn guard(part: &dyn Planned, action: Action, production: bool, rules: &Rules) -> Guard {
    let name = part.job().map(|job| job.0.name.clone());
    let count = part.count();
    if let Some(text) = part.always_typed(action) {
        return Guard::Type(text);
    }
    match rules.typed_above {
        _ if production => Guard::Type(name.unwrap_or_else(|| count.to_string())),
        Some(most) if count > most => Guard::Type(name.unwrap_or_else(|| count.to_string())),
        Some(_) => Guard::Yes,
        None if count == 1 => Guard::Yes,
        None => Guard::Type(count.to_string()),
    }
}

/// The command line of a change that only the workbench has a command for.
fn own_cli(action: Action, cluster: &str, words: &str) -> String {
    format!(
        "aurora-tui --cluster {cluster} --exec '{} {words}'",
        action.name()
    )
}

/// Whether the call of an action has room for a reason, and its command line an option for it.
fn has_message(action: Action) -> bool {
    use Action::*;
    matches!(
        action,
        Kill | UpdateStart | UpdatePause | UpdateResume | UpdateRollback | UpdateAbort
    )
}

/// A change, before anybody said yes.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What.
    pub action: Action,
    /// Cluster.
    pub cluster: String,
    /// On what.
    pub subject: Subject,
    /// Why, as the user said.
    pub reason: String,
    /// The first of its details on the screen.
    pub top: usize,
    /// What a yes takes.
    guard: Guard,
    /// Whether the rules ask for a reason.
    takes_reason: bool,
    production: bool,
}

impl Plan {
    /// Resolves a request to what there is now; the error says why it cannot be done.
    pub fn resolve(store: &Store, setup: &Setup, request: &Request) -> Result<Plan, String> {
        let action = request.action;
        let rules = &setup.rules;
        allowed(setup, action)?;
        let subject = match &request.wish {
            Wish::Instances(job, wanted) => {
                Instances::resolve(store, action, job, wanted.as_deref()).map(Subject::Instances)
            }
            Wish::Cron(job) => Cron::resolve(store, action, job).map(Subject::Cron),
            Wish::Update(job) => Update::resolve(store, action, job).map(Subject::Update),
            Wish::Hosts(names) => Hosts::resolve(store, action, names).map(Subject::Hosts),
            Wish::Quota(role, after) => Quota::resolve(store, role, *after).map(Subject::Quota),
            Wish::Force(job, id, after) => {
                Forced::resolve(store, job, id, *after).map(Subject::Forced)
            }
            Wish::Prune(job) => Ended::resolve(store, job).map(Subject::Ended),
            Wish::Backup(name) => {
                Backup::resolve(store, action, name.as_deref()).map(Subject::Backup)
            }
            Wish::Rounds(rounds) => PlannedRounds::resolve(store, rounds).map(Subject::Rounds),
            Wish::File(aim) => JobOfFile::resolve(store, action, aim).map(Subject::File),
            Wish::Reconcile => Ok(Subject::Reconciliation(Reconciliation::resolve(
                store, action,
            ))),
        }?;
        let in_prod = |job: &JobPath| job.0.environment == "prod";
        let production = rules.production || subject.part().job().is_some_and(in_prod);
        Ok(Plan {
            action,
            cluster: setup.cluster.clone(),
            guard: guard(subject.part(), action, production, rules),
            takes_reason: rules.reason,
            production,
            subject,
            reason: request.reason.clone(),
            top: 0,
        })
    }

    /// The request that it came from, with its objects by name.
    pub fn request(&self) -> Request {
        Request {
            action: self.action,
            wish: self.subject.part().wish(),
            reason: self.reason.clone(),
        }
    }

    /// The job, or the hosts.
    pub fn object(&self) -> String {
        self.subject.part().object()
    }

    /// What kind of object it is, in a word.
    pub fn label(&self) -> &'static str {
        self.subject.part().label()
    }

    /// Instances in brief; empty when it is not about instances.
    pub fn instances(&self) -> String {
        self.subject.part().instances()
    }

    /// The object with its instances.
    pub fn whole_object(&self) -> String {
        match self.instances().as_str() {
            "" => self.object(),
            instances => format!("{}/{instances}", self.object()),
        }
    }

    /// Whether it touches a production job, or a cluster that is production as a whole.
    pub fn is_production(&self) -> bool {
        self.production
    }

    /// The job that it is about.
    pub fn job(&self) -> Option<&JobPath> {
        self.subject.part().job()
    }

    /// Whether a reason has to be given before anything else.
    pub fn lacks_reason(&self) -> bool {
        self.takes_reason && self.reason.trim().is_empty()
    }

    /// What a yes takes.
    pub fn guard(&self) -> Guard {
        self.guard.clone()
    }

    /// What will happen, in sentences.
    pub fn consequence(&self) -> Vec<String> {
        self.subject.part().consequence(self.action)
    }

    /// Shows the details further down or up, where there is room for so many.
    pub(crate) fn scroll(&mut self, by: isize, rows: usize) {
        let last = self.details().len().saturating_sub(rows);
        self.top = self.top.saturating_add_signed(by).min(last);
    }

    /// What else there is to see, a line each, however long.
    pub fn details(&self) -> Vec<String> {
        self.subject.part().details()
    }

    /// The same as a command line for another terminal.
    pub fn cli(&self) -> String {
        let line = self.subject.part().cli(self.action, &self.cluster);
        match self.reason.as_str() {
            reason if !reason.is_empty() && has_message(self.action) => {
                format!("{line} --message={}", text::shell_word(reason))
            }
            _ => line,
        }
    }

    /// What has changed underneath since the plan was made, if anything.
    pub fn drift(&self, store: &Store) -> Option<String> {
        self.subject.part().drift(store)
    }

    /// Reads back from what the feed tells: what is not there yet; nothing: all of it has happened.
    pub fn missing(&self, store: &Store) -> Option<String> {
        self.subject.part().missing(self.action, store)
    }
}
