//! What is asked of the scheduler beside its feed, and of job files on this machine: questions, and their newest answers.
//!
//! A question is asked again and again as long as a view, a change that is being prepared or one that is being verified needs
//! its answer, and forgotten after that.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use aurora_api::drain_plan::DrainPlan;
use aurora_api::job_key::JobPath;
use aurora_api::model::{JobUpdateAction, JobUpdateStatus};
use serde::{Deserialize, Serialize};

use crate::jobfile::{FileJob, FromFile};

/// Something that the scheduler, or this machine, can be asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Question {
    /// Why a task is as it is.
    Why(String),
    /// All of an update, by its job and id.
    Update(JobPath, String),
    /// Quotas and what is used of them.
    Quotas,
    /// What hosts offer.
    Offers,
    /// What one host offers.
    OffersOf(String),
    /// The configuration of a job's instances, or of a task by its id.
    Config(JobPath, Option<String>),
    /// How the configurations of a job's instances differ, or what an update changes, by its id.
    Diff(JobPath, Option<String>),
    /// Backups of the scheduler's state, and the one that is staged.
    Backups,
    /// What the scheduler counts.
    Vars,
    /// What a drain of these hosts would do.
    Drain(Vec<String>),
    /// What a job file asks for, beside what the cluster has.
    JobFile(FileJob),
    /// Paths of job files and directories on this machine that begin like this.
    Paths(String),
    /// Jobs of this cluster in a job file.
    JobsOf(String),
}

impl Question {
    /// What it is about, in words.
    pub fn describe(&self) -> &'static str {
        match self {
            Question::Why(_) => "the scheduler's explanation",
            Question::Update(..) => "the scheduler's account of the update",
            Question::Quotas => "what is used of the quotas",
            Question::Offers => "what the hosts offer",
            Question::OffersOf(_) => "what the host offers",
            Question::Config(..) => "the configuration",
            Question::Diff(..) => "the configurations that are compared",
            Question::Backups => "the scheduler's backups",
            Question::Vars => "what the scheduler counts",
            Question::Drain(_) => "the forecast of the drain",
            Question::JobFile(_) => "what the job file asks for",
            Question::Paths(_) => "files on this machine",
            Question::JobsOf(_) => "the jobs of the file",
        }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// To [`Question::Why`], as the scheduler puts it.
    Why(serde_json::Value),
    /// To [`Question::Update`].
    Update(Box<UpdateInfo>),
    /// To [`Question::Quotas`], by role.
    Quotas(BTreeMap<String, QuotaUse>),
    /// To [`Question::Offers`] and [`Question::OffersOf`].
    Offers(Vec<Offer>),
    /// To [`Question::Config`] and [`Question::Diff`].
    Sheet(Vec<Section>),
    /// To [`Question::Backups`].
    Backups(Backups),
    /// To [`Question::Vars`].
    Vars(BTreeMap<String, f64>),
    /// To [`Question::Drain`].
    Drain(DrainPlan),
    /// To [`Question::JobFile`].
    JobFile(Box<FromFile>),
    /// To [`Question::Paths`] and [`Question::JobsOf`].
    Words(Vec<String>),
    /// There is none, and why.
    None(String),
}

/// A part of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// What it is about.
    pub title: String,
    /// Its lines; in differences they begin with `+`, `-` or a blank.
    pub lines: Vec<String>,
}

/// Backups of the scheduler's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backups {
    /// Their names.
    pub names: BTreeSet<String>,
    /// Tasks of the one that is staged, by job; nothing when none is.
    pub staged: Option<BTreeMap<String, BTreeSet<String>>>,
}

/// Amounts of the three resources that quotas count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Amounts {
    /// Cores.
    pub cpus: f64,
    /// Bytes of memory.
    pub ram: f64,
    /// Bytes of disk.
    pub disk: f64,
}

/// What a host offers at this moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    /// The offer's id.
    pub id: String,
    /// The host.
    pub host: String,
    /// Cores, memory, disk.
    pub amounts: Amounts,
    /// How many ports.
    pub ports: u64,
    /// Whether some of it may be taken away again (revocable).
    pub revocable: bool,
}

/// What a role uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QuotaUse {
    /// What counts against its quota: production tasks on shared hosts.
    pub counted: Amounts,
    /// Everything else.
    pub other: Amounts,
}

/// How an update groups its instances.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Strategy {
    /// So many in motion at any time.
    Queue(usize),
    /// One batch after the other.
    Batches {
        /// Their sizes; the last one repeats.
        sizes: Vec<usize>,
        /// Whether it pauses after each.
        pauses: bool,
    },
}

/// What an update did to an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceStep {
    /// The instance.
    pub instance: i32,
    /// When, milliseconds since 1970.
    pub time_ms: i64,
    /// What.
    pub action: JobUpdateAction,
    /// Why, where it was said.
    pub message: Option<String>,
}

/// What became of an update.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateStep {
    /// When, milliseconds since 1970.
    pub time_ms: i64,
    /// Its status from then on.
    pub status: JobUpdateStatus,
    /// Who did it.
    pub user: Option<String>,
    /// Why, where it was said.
    pub message: Option<String>,
}

/// All of an update.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpdateInfo {
    /// Its status.
    pub status: JobUpdateStatus,
    /// Who began it.
    pub user: Option<String>,
    /// When it began, milliseconds since 1970.
    pub created_ms: i64,
    /// When it last changed.
    pub changed_ms: i64,
    /// The instances that it touches, as they were before.
    pub before: Vec<i32>,
    /// The same as they will be.
    pub after: Vec<i32>,
    /// How they are grouped.
    pub strategy: Strategy,
    /// Its limits, in words.
    pub limits: Vec<String>,
    /// What became of it, oldest first.
    pub steps: Vec<UpdateStep>,
    /// What it did to instances, oldest first.
    pub instances: Vec<InstanceStep>,
}

impl UpdateInfo {
    /// Its instances in the order in which it takes them when it rolls forward: new ones, then changed ones, then those that
    /// go (aurora: `src/main/java/org/apache/aurora/scheduler/updater/UpdateFactory.java`).
    pub fn order(&self) -> Vec<i32> {
        let before: BTreeSet<i32> = self.before.iter().copied().collect();
        let after: BTreeSet<i32> = self.after.iter().copied().collect();
        let new = after.difference(&before);
        let changed = before.intersection(&after);
        let going = before.difference(&after);
        new.chain(changed).chain(going).copied().collect()
    }

    /// The order cut into its batches; a queue is one.
    pub fn batches(&self) -> Vec<Vec<i32>> {
        let order = self.order();
        let Strategy::Batches { sizes, .. } = &self.strategy else {
            return vec![order];
        };
        let mut rest = order.as_slice();
        let mut out = Vec::new();
        let mut sizes = sizes.iter().copied();
        let mut size = usize::MAX;
        while !rest.is_empty() {
            size = sizes.next().unwrap_or(size).max(1);
            let (batch, more) = rest.split_at(size.min(rest.len()));
            out.push(batch.to_vec());
            rest = more;
        }
        out
    }

    /// The last thing done to each instance.
    pub fn last_steps(&self) -> BTreeMap<i32, &InstanceStep> {
        let steps = self.instances.iter();
        steps.map(|step| (step.instance, step)).collect()
    }
}

/// So many values of a count are kept.
const MOST_VALUES: usize = 120;

/// What the scheduler counted at the last looks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// When it was looked, our clock; oldest first.
    pub times_ms: VecDeque<i64>,
    /// A value for each of these times; a count that came later has fewer.
    pub values: BTreeMap<String, VecDeque<f64>>,
}

impl Series {
    /// Takes in one look.
    pub fn push(&mut self, at_ms: i64, look: &BTreeMap<String, f64>) {
        keep(&mut self.times_ms, at_ms);
        self.values.retain(|name, _| look.contains_key(name));
        for (name, value) in look {
            keep(self.values.entry(name.clone()).or_default(), *value);
        }
    }
}

fn keep<T>(values: &mut VecDeque<T>, newest: T) {
    values.push_back(newest);
    if values.len() > MOST_VALUES {
        values.pop_front();
    }
}

/// Answers that are needed now.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    newest: BTreeMap<Question, Answer>,
    /// What was counted; kept while it is being asked.
    pub series: Series,
}

impl Answers {
    /// Takes in an answer. `at_ms` is our clock.
    pub(crate) fn take(&mut self, question: Question, answer: Answer, at_ms: i64) {
        if let Answer::Vars(look) = &answer {
            self.series.push(at_ms, look);
        }
        self.newest.insert(question, answer);
    }

    /// Forgets what is no longer asked.
    pub(crate) fn keep(&mut self, is_asked: impl Fn(&Question) -> bool) {
        self.newest.retain(|question, _| is_asked(question));
        if !is_asked(&Question::Vars) {
            self.series = Series::default();
        }
    }

    /// The newest answer.
    pub fn get(&self, question: &Question) -> Option<&Answer> {
        self.newest.get(question)
    }

    /// What is used of quotas, by role; nothing where that is not known.
    pub fn quotas(&self) -> Option<&BTreeMap<String, QuotaUse>> {
        match self.get(&Question::Quotas) {
            Some(Answer::Quotas(used)) => Some(used),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_by_strategy() {
        let mut info = UpdateInfo {
            status: JobUpdateStatus::RollingForward,
            user: None,
            created_ms: 0,
            changed_ms: 0,
            before: vec![0, 1, 2, 3],
            after: vec![2, 3, 4, 5, 6],
            strategy: Strategy::Queue(2),
            limits: Vec::new(),
            steps: Vec::new(),
            instances: Vec::new(),
        };
        let batches = |sizes: &[usize]| Strategy::Batches {
            sizes: sizes.to_vec(),
            pauses: false,
        };
        for (strategy, expected) in [
            (Strategy::Queue(2), vec![vec![4, 5, 6, 2, 3, 0, 1]]),
            (batches(&[3]), vec![vec![4, 5, 6], vec![2, 3, 0], vec![1]]),
            (
                batches(&[1, 2]),
                vec![vec![4], vec![5, 6], vec![2, 3], vec![0, 1]],
            ),
            (batches(&[50]), vec![vec![4, 5, 6, 2, 3, 0, 1]]),
        ] {
            info.strategy = strategy;
            assert_eq!(info.batches(), expected, "{:?}", info.strategy);
        }
    }

    #[test]
    fn series_are_bounded_and_follow_what_is_counted() {
        let mut series = Series::default();
        for at in 0..200_i32 {
            let mut look = BTreeMap::from([("a".to_owned(), f64::from(at))]);
            if at < 100 {
                look.insert("gone".to_owned(), 1.0);
            }
            series.push(i64::from(at), &look);
        }
        assert_eq!(series.times_ms.len(), MOST_VALUES);
        assert_eq!(series.values["a"].front(), Some(&80.0));
        assert_eq!(series.values["a"].back(), Some(&199.0));
        assert!(!series.values.contains_key("gone"));
    }
}
