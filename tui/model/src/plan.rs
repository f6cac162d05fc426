//! What a change is about, and what will come of it: resolved and frozen before anybody says yes.

use aurora_api::instances;
use aurora_api::job_key::JobPath;
use aurora_api::model::{JobUpdateStatus, MaintenanceMode, ScheduleStatus};

use crate::actions::{Action, Guard};
use crate::store::{SUMMARY, Store, UPDATES, job_topic};

/// What somebody wants changed, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Instances of a job; none named: all active ones.
    Instances(JobPath, Option<Vec<i32>>),
    /// A cron job.
    Cron(JobPath),
    /// The update of a job that goes on.
    Update(JobPath),
    /// Hosts.
    Hosts(Vec<String>),
}

/// A change that somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What.
    pub action: Action,
    /// On what.
    pub wish: Wish,
    /// Why.
    pub reason: String,
}

/// One instance and the task that it had when the plan was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The instance.
    pub instance: i32,
    /// Its task.
    pub task: String,
}

/// A host as it was when the plan was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostTarget {
    /// Its name.
    pub host: String,
    /// Its place in maintenance.
    pub mode: MaintenanceMode,
    /// Tasks on it that have not ended.
    pub tasks: u32,
}

/// On what: frozen when the question is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Instances of a job.
    Instances {
        /// The job.
        job: JobPath,
        /// They.
        targets: Vec<Target>,
        /// How many active instances the job has.
        active: usize,
    },
    /// A cron job.
    Cron {
        /// The job.
        job: JobPath,
        /// Its schedule.
        schedule: String,
        /// When one of its tasks last changed.
        changed_ms: i64,
        /// How many active instances it has.
        active: u32,
    },
    /// An update.
    Update {
        /// Its job.
        job: JobPath,
        /// Its id.
        id: String,
        /// Its status.
        status: JobUpdateStatus,
    },
    /// Hosts.
    Hosts(Vec<HostTarget>),
}

/// A change, before anybody said yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What.
    pub action: Action,
    /// Cluster.
    pub cluster: String,
    /// On what.
    pub subject: Subject,
    /// Why, as the user said.
    pub reason: String,
}

impl Wish {
    /// The job that it is about.
    pub fn job(&self) -> Option<&JobPath> {
        match self {
            Wish::Instances(job, _) | Wish::Cron(job) | Wish::Update(job) => Some(job),
            Wish::Hosts(_) => None,
        }
    }

    /// The topic that has to be whole before it can be resolved.
    pub fn topic(&self) -> String {
        match self {
            Wish::Instances(job, _) => job_topic(job),
            Wish::Update(_) => UPDATES.to_owned(),
            Wish::Cron(_) | Wish::Hosts(_) => SUMMARY.to_owned(),
        }
    }
}

/// Whether an action can be done to an update in this status (aurora:
/// `src/main/java/org/apache/aurora/scheduler/updater/JobUpdateStateMachine.java`).
fn fits(action: Action, status: JobUpdateStatus) -> bool {
    use JobUpdateStatus::*;
    let paused = matches!(
        status,
        RollForwardPaused | RollBackPaused | RollForwardAwaitingPulse | RollBackAwaitingPulse
    );
    match action {
        Action::UpdatePause => matches!(
            status,
            RollingForward | RollingBack | RollForwardAwaitingPulse | RollBackAwaitingPulse
        ),
        Action::UpdateResume => matches!(status, RollForwardPaused | RollBackPaused),
        Action::UpdateRollback => matches!(
            status,
            RollingForward | RollForwardPaused | RollForwardAwaitingPulse
        ),
        Action::UpdateAbort => paused || matches!(status, RollingForward | RollingBack),
        _ => false,
    }
}

/// Whether the status is what the action leads to.
fn led_to(action: Action, status: JobUpdateStatus) -> bool {
    use JobUpdateStatus::*;
    match action {
        Action::UpdatePause => matches!(status, RollForwardPaused | RollBackPaused),
        Action::UpdateResume => !matches!(status, RollForwardPaused | RollBackPaused),
        Action::UpdateRollback => matches!(
            status,
            RollingBack | RollBackPaused | RollBackAwaitingPulse | RolledBack
        ),
        Action::UpdateAbort => status == Aborted,
        _ => false,
    }
}

fn instances_of(
    store: &Store,
    action: Action,
    job: &JobPath,
    wanted: Option<&[i32]>,
) -> Result<Subject, String> {
    let name = action.name();
    let known = store.instances(job);
    let mut targets: Vec<Target> = known
        .values()
        .filter(|task| task.status.is_active())
        .map(|task| Target {
            instance: task.instance,
            task: task.task_id.clone(),
        })
        .collect();
    let active = targets.len();
    if let Some(wanted) = wanted {
        let missing: Vec<i32> = wanted
            .iter()
            .copied()
            .filter(|instance| !targets.iter().any(|target| target.instance == *instance))
            .collect();
        if !missing.is_empty() {
            return Err(format!(
                "cannot {name} {job}/{}: not active; only active instances can be changed",
                instances::text(missing)
            ));
        }
        targets.retain(|target| wanted.contains(&target.instance));
    }
    if targets.is_empty() {
        return Err(format!("cannot {name} {job}: it has no active instance"));
    }
    Ok(Subject::Instances {
        job: job.clone(),
        targets,
        active,
    })
}

fn cron(store: &Store, action: Action, job: &JobPath) -> Result<Subject, String> {
    let schedule = |record: &aurora_api::feed::JobRecord| record.cron_schedule.clone();
    let record = store.jobs.get(job);
    match record.and_then(|record| Some((schedule(record)?, record))) {
        Some((schedule, record)) => Ok(Subject::Cron {
            job: job.clone(),
            schedule,
            changed_ms: record.changed_ms,
            active: record.active,
        }),
        None => Err(format!(
            "cannot {} {job}: it has no cron schedule",
            action.name()
        )),
    }
}

fn update(store: &Store, action: Action, job: &JobPath) -> Result<Subject, String> {
    let name = action.name();
    let record = store
        .updates
        .values()
        .find(|update| update.job == *job && update.status.is_active())
        .ok_or_else(|| format!("cannot {name} {job}: no update of it goes on"))?;
    if !fits(action, record.status) {
        return Err(format!(
            "cannot {name} {job}: its update is {}",
            record.status
        ));
    }
    Ok(Subject::Update {
        job: job.clone(),
        id: record.id.clone(),
        status: record.status,
    })
}

fn hosts(store: &Store, action: Action, names: &[String]) -> Result<Subject, String> {
    let mut out = Vec::new();
    for name in names {
        let record = store
            .hosts
            .get(name)
            .ok_or_else(|| format!("there is no host {name}"))?;
        let fits = match action {
            Action::HostActivate => record.mode != MaintenanceMode::None,
            Action::HostDrain => record.mode != MaintenanceMode::Drained,
            _ => record.mode == MaintenanceMode::None,
        };
        if !fits {
            return Err(format!(
                "cannot {} {name}: its mode is {}",
                action.name(),
                record.mode
            ));
        }
        out.push(HostTarget {
            host: name.clone(),
            mode: record.mode,
            tasks: record.tasks,
        });
    }
    if out.is_empty() {
        return Err("which hosts? name them, or mark them in the hosts' view".to_owned());
    }
    Ok(Subject::Hosts(out))
}

impl Plan {
    /// Resolves a request to what there is now; the error says why it cannot be done.
    pub fn resolve(store: &Store, cluster: &str, request: &Request) -> Result<Plan, String> {
        let action = request.action;
        let subject = match &request.wish {
            Wish::Instances(job, wanted) => instances_of(store, action, job, wanted.as_deref())?,
            Wish::Cron(job) => cron(store, action, job)?,
            Wish::Update(job) => update(store, action, job)?,
            Wish::Hosts(names) => hosts(store, action, names)?,
        };
        Ok(Plan {
            action,
            cluster: cluster.to_owned(),
            subject,
            reason: request.reason.clone(),
        })
    }

    /// The request that it came from, with its objects by name.
    pub fn request(&self) -> Request {
        let wish = match &self.subject {
            Subject::Instances { job, targets, .. } => Wish::Instances(
                job.clone(),
                Some(targets.iter().map(|target| target.instance).collect()),
            ),
            Subject::Cron { job, .. } => Wish::Cron(job.clone()),
            Subject::Update { job, .. } => Wish::Update(job.clone()),
            Subject::Hosts(hosts) => {
                Wish::Hosts(hosts.iter().map(|host| host.host.clone()).collect())
            }
        };
        Request {
            action: self.action,
            wish,
            reason: self.reason.clone(),
        }
    }

    /// The job, or the hosts.
    pub fn object(&self) -> String {
        match &self.subject {
            Subject::Instances { job, .. } | Subject::Cron { job, .. } => job.to_string(),
            Subject::Update { job, id, .. } => format!("{job} update {id}"),
            Subject::Hosts(hosts) => {
                let names: Vec<&str> = hosts.iter().map(|host| host.host.as_str()).collect();
                names.join(",")
            }
        }
    }

    /// Instances in brief; empty when it is not about instances.
    pub fn instances(&self) -> String {
        match &self.subject {
            Subject::Instances { targets, .. } => {
                instances::text(targets.iter().map(|target| target.instance))
            }
            _ => String::new(),
        }
    }

    /// The object with its instances.
    pub fn whole_object(&self) -> String {
        match self.instances().as_str() {
            "" => self.object(),
            instances => format!("{}/{instances}", self.object()),
        }
    }

    /// Whether it touches a production job.
    pub fn is_production(&self) -> bool {
        self.job().is_some_and(|job| job.0.environment == "prod")
    }

    /// The job that it is about.
    pub fn job(&self) -> Option<&JobPath> {
        match &self.subject {
            Subject::Instances { job, .. }
            | Subject::Cron { job, .. }
            | Subject::Update { job, .. } => Some(job),
            Subject::Hosts(_) => None,
        }
    }

    /// What a yes takes: one object outside of production a key, anything else a text; a drain always a text.
    pub fn guard(&self) -> Guard {
        let count = match &self.subject {
            Subject::Instances { targets, .. } => targets.len(),
            Subject::Hosts(hosts) => hosts.len(),
            Subject::Cron { .. } | Subject::Update { .. } => 1,
        };
        match (&self.subject, self.job()) {
            (_, Some(job)) if self.is_production() => Guard::Type(job.0.name.clone()),
            (Subject::Hosts(hosts), _) if count == 1 && self.action == Action::HostDrain => {
                Guard::Type(hosts[0].host.clone())
            }
            _ if count == 1 => Guard::Yes,
            _ => Guard::Type(count.to_string()),
        }
    }

    /// What will happen, in sentences.
    pub fn consequence(&self) -> Vec<String> {
        match &self.subject {
            Subject::Instances {
                targets, active, ..
            } => self.consequence_for_instances(targets.len(), *active),
            Subject::Cron { schedule, .. } => vec![match self.action {
                Action::CronStart => format!(
                    "The job is launched now, beside its schedule `{schedule}` and by its collision policy."
                ),
                _ => format!("The schedule `{schedule}` is taken away; tasks that run go on."),
            }],
            Subject::Update { status, .. } => vec![
                match self.action {
                    Action::UpdatePause => "The update stops where it is until it is resumed.",
                    Action::UpdateResume => "The update goes on.",
                    Action::UpdateRollback => {
                        "Instances that were updated go back to what they were."
                    }
                    _ => "The update ends where it is: some instances stay new, others old.",
                }
                .to_owned(),
                format!("It is {status} now."),
            ],
            Subject::Hosts(hosts) => {
                let tasks: u32 = hosts.iter().map(|host| host.tasks).sum();
                vec![match self.action {
                    Action::HostDrain => format!(
                        "{tasks} task(s) on {} host(s) are killed and placed elsewhere; no new ones come.",
                        hosts.len()
                    ),
                    Action::HostActivate => "The hosts take tasks again.".to_owned(),
                    _ => format!(
                        "The hosts take new tasks only where nothing else is free; {tasks} task(s) stay."
                    ),
                }]
            }
        }
    }

    fn consequence_for_instances(&self, count: usize, active: usize) -> Vec<String> {
        let rest = active - count;
        match self.action {
            Action::Restart => vec![
                format!(
                    "{count} of {active} active instances end and start again with the same configuration, at once."
                ),
                format!("Until the new ones run, {rest} of {active} serve."),
            ],
            _ if rest == 0 => vec![
                match active {
                    1 => {
                        "The only active instance ends, and the scheduler does not start it again."
                            .to_owned()
                    }
                    _ => format!(
                        "All {active} active instances end, and the scheduler does not start them again."
                    ),
                },
                "The job is gone from the cluster until it is created anew.".to_owned(),
            ],
            _ => vec![
                format!(
                    "{count} of {active} active instances end, and the scheduler does not start them again."
                ),
                match rest {
                    1 => "One stays; `aurora job add` brings the number back.".to_owned(),
                    rest => format!("{rest} stay; `aurora job add` brings the number back."),
                },
            ],
        }
    }

    /// The same as a command line for another terminal.
    pub fn cli(&self) -> String {
        let cluster = &self.cluster;
        match &self.subject {
            Subject::Instances {
                job,
                targets,
                active,
            } => {
                let key = format!("{cluster}/{job}");
                let whole = targets.len() == *active;
                match (self.action, whole) {
                    (Action::Restart, true) => format!("aurora job restart {key}"),
                    (Action::Restart, false) => {
                        format!("aurora job restart {key}/{}", self.instances())
                    }
                    (_, true) => format!("aurora job killall {key}"),
                    (_, false) => format!("aurora job kill {key}/{}", self.instances()),
                }
            }
            Subject::Cron { job, .. } | Subject::Update { job, .. } => {
                format!(
                    "aurora {} {cluster}/{job}",
                    self.action.name().replace('-', " ")
                )
            }
            Subject::Hosts(_) => {
                let verb = match self.action {
                    Action::HostDrain => "host_drain",
                    Action::HostActivate => "host_activate",
                    _ => "host_deactivate",
                };
                format!("aurora_admin {verb} --hosts={} {cluster}", self.object())
            }
        }
    }

    /// What has changed underneath since the plan was made, if anything.
    pub fn drift(&self, store: &Store) -> Option<String> {
        match &self.subject {
            Subject::Instances { job, targets, .. } => {
                let known = store.instances(job);
                let changed: Vec<i32> = targets
                    .iter()
                    .filter(|target| {
                        !known.get(&target.instance).is_some_and(|task| {
                            task.task_id == target.task && task.status.is_active()
                        })
                    })
                    .map(|target| target.instance)
                    .collect();
                (!changed.is_empty()).then(|| {
                    format!(
                        "instances {} are not what they were when this was asked",
                        instances::text(changed)
                    )
                })
            }
            Subject::Cron { job, schedule, .. } => {
                let now = store
                    .jobs
                    .get(job)
                    .and_then(|job| job.cron_schedule.as_ref());
                (now != Some(schedule)).then(|| "the schedule has changed".to_owned())
            }
            Subject::Update { job, id, status } => {
                let now = store.update(job, id).map(|update| update.status);
                (now != Some(*status)).then(|| "the update has another status now".to_owned())
            }
            Subject::Hosts(hosts) => {
                let changed = hosts.iter().find(|host| {
                    store.hosts.get(&host.host).map(|now| now.mode) != Some(host.mode)
                });
                changed.map(|host| format!("{} has another mode now", host.host))
            }
        }
    }

    /// Reads back from what the feed tells: what is not there yet; nothing: all of it has happened.
    pub fn missing(&self, store: &Store) -> Option<String> {
        match &self.subject {
            Subject::Instances { job, targets, .. } => {
                let missing: Vec<i32> = targets
                    .iter()
                    .filter(|target| !self.is_done(store, job, target))
                    .map(|target| target.instance)
                    .collect();
                (!missing.is_empty()).then(|| {
                    format!(
                        "instances {} are not where they should be",
                        instances::text(missing)
                    )
                })
            }
            Subject::Cron {
                job,
                changed_ms,
                active,
                ..
            } => {
                let record = store.jobs.get(job);
                let done = match self.action {
                    Action::CronStart => record.is_some_and(|record| {
                        record.changed_ms > *changed_ms || record.active > *active
                    }),
                    _ => record.is_none_or(|record| record.cron_schedule.is_none()),
                };
                (!done).then(|| "nothing of it is seen".to_owned())
            }
            Subject::Update { job, id, .. } => match store.update(job, id) {
                Some(update) if led_to(self.action, update.status) => None,
                Some(update) => Some(format!("the update is {}", update.status)),
                None => Some("the update is gone".to_owned()),
            },
            Subject::Hosts(hosts) => {
                let late: Vec<String> = hosts
                    .iter()
                    .filter_map(|host| self.is_late(store, &host.host))
                    .collect();
                (!late.is_empty()).then(|| late.join(", "))
            }
        }
    }

    /// What is missing on a host. A drain is over when no active task remains, not when it was accepted.
    fn is_late(&self, store: &Store, host: &str) -> Option<String> {
        let Some(record) = store.hosts.get(host) else {
            return Some(format!("{host} is gone"));
        };
        let done = match self.action {
            Action::HostDrain => record.mode == MaintenanceMode::Drained && record.tasks == 0,
            Action::HostActivate => record.mode == MaintenanceMode::None,
            _ => record.mode != MaintenanceMode::None,
        };
        (!done).then(|| format!("{host} is {} with {} task(s)", record.mode, record.tasks))
    }

    fn is_done(&self, store: &Store, job: &JobPath, target: &Target) -> bool {
        let ended = store
            .tasks
            .get(&target.task)
            .is_none_or(|task| task.status.is_terminal());
        let renewed = || {
            store.current(job, target.instance).is_some_and(|task| {
                task.task_id != target.task && task.status == ScheduleStatus::Running
            })
        };
        ended && (self.action != Action::Restart || renewed())
    }
}
