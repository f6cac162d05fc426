//! A real cluster as a source: the scheduler's feed and calls, the hosts' observers.

use std::collections::BTreeSet;
use std::time::Duration;

use aurora_api::binary;
use aurora_api::model::{
    ExplicitReconciliationSettings, Hosts as HostNames, JobConfiguration, JobUpdateKey,
    JobUpdateRequest, Resource, ResourceAggregate, ResponseCode, ScheduleStatus, TaskQuery,
};
use aurora_api::service::Call as ThriftCall;
use aurora_api::service::arguments::{
    AbortJobUpdate, CommitRecovery, CreateJob, DeleteRecoveryTasks, DescheduleCronJob, DrainHosts,
    EndMaintenance, ForceTaskState, KillTasks, PauseJobUpdate, PerformBackup, PruneTasks,
    PulseJobUpdate, RestartShards, ResumeJobUpdate, RollbackJobUpdate, ScheduleCronJob, SetQuota,
    StageRecovery, StartCronJob, StartJobUpdate, StartMaintenance,
    TriggerExplicitTaskReconciliation, TriggerImplicitTaskReconciliation, UnloadRecovery,
};
use aurora_api::wire::Wire;
use aurora_client::auth::Auth;
use aurora_client::directory::Target;
use aurora_client::feed::{Feed, Item};
use aurora_client::http::{HttpError, describe};
use aurora_client::observer::Observer;
use aurora_client::scheduler::{CallError, Retry, Scheduler, combine_messages};
use aurora_tui_model::actions::{
    Action, Cron, Ended, Forced, Hosts, Instances, JobOfFile, Progress, Quota, Subject, Update,
};
use aurora_tui_model::event::{
    Call, Event, Launch, LinkEvent, Seen, ShellTarget, Watch, WatchWhat,
};
use aurora_tui_model::jobfile::Purpose;
use aurora_tui_model::pages;
use aurora_tui_model::told::Amounts;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::watch;

use crate::data::{Events, Job, Source, now_ms, report};
use crate::shell::Program;
use crate::{USER_AGENT, examples, observe, poll};

/// The port of an observer when nothing else is said (aurora: the observer's `--port`).
const OBSERVER_PORT: u16 = 1338;
/// After this long without an answer a change's outcome is unknown.
const CALL_DEADLINE: Duration = Duration::from_secs(30);

/// A cluster that was found.
pub(crate) struct Cluster {
    target: Target,
}

impl Cluster {
    pub(crate) fn new(target: Target) -> Cluster {
        Cluster { target }
    }

    fn observer(&self, host: &str) -> Result<Observer, HttpError> {
        match &self.target.local {
            Some(local) => Observer::new(&local.observer, USER_AGENT, self.target.auth.clone()),
            // The scheduler's secret is not for whoever answers on a host.
            None => Observer::new(
                &format!("http://{host}:{OBSERVER_PORT}"),
                USER_AGENT,
                Auth::None,
            ),
        }
    }
}

impl Source for Cluster {
    fn follow(&self, mut topics: watch::Receiver<BTreeSet<String>>, events: Events) -> Job {
        let target = self.target.clone();
        Box::pin(async move {
            let first = topics.borrow_and_update().clone();
            let mut feed = Feed::bounded(&target, USER_AGENT, first, pages::BOUND);
            loop {
                let event = tokio::select! {
                    changed = topics.changed() => {
                        if changed.is_err() {
                            return;
                        }
                        feed.set_topics(topics.borrow_and_update().clone());
                        continue;
                    }
                    item = feed.next() => match item {
                        Some(Item::Line(line)) => Event::Feed(now_ms(), line),
                        Some(Item::Lost { why, refused, .. }) => {
                            let link = match refused {
                                true => LinkEvent::Refused(why),
                                false => LinkEvent::Lost(why),
                            };
                            Event::Link(now_ms(), link)
                        }
                        Some(Item::Unsupported) | None => {
                            let scheduler = Scheduler::new(&target, USER_AGENT);
                            return poll::follow(scheduler, topics, events).await;
                        }
                    },
                };
                if !report(&events, event).await {
                    return;
                }
            }
        })
    }

    fn watch(&self, generation: u64, watch: Watch, events: Events) -> Job {
        if let WatchWhat::Ask(question) = &watch.what
            && observe::is_of_files(question)
        {
            let target = self.target.clone();
            return Box::pin(observe::ask_of_files(
                target, generation, watch.what, events,
            ));
        }
        let Some(host) = &watch.host else {
            let scheduler = Scheduler::new(&self.target, USER_AGENT);
            return Box::pin(observe::ask(scheduler, generation, watch.what, events));
        };
        let observer = self.observer(host);
        Box::pin(async move {
            match observer {
                Ok(observer) => observe::watch(observer, generation, watch, events).await,
                Err(error) => {
                    report(
                        &events,
                        Event::Seen(generation, Seen::Trouble(describe(&error))),
                    )
                    .await;
                }
            }
        })
    }

    fn send(&self, call: Call, events: Events) -> Job {
        let scheduler = Scheduler::new(&self.target, USER_AGENT);
        Box::pin(async move {
            let id = call.id;
            let call = match thrift(call) {
                Ok(call) => call,
                Err(why) => {
                    report(&events, Event::Answer(id, Progress::Refused(why))).await;
                    return;
                }
            };
            let answer =
                tokio::time::timeout(CALL_DEADLINE, scheduler.call(call, Retry::Never)).await;
            let progress = match answer {
                Err(_) => Progress::Unknown(format!(
                    "no answer within {} s; it may have happened or not",
                    CALL_DEADLINE.as_secs()
                )),
                Ok(Err(error)) => refused_or_unknown(&error),
                Ok(Ok(response)) => {
                    let said = combine_messages(&response);
                    match response.response_code {
                        ResponseCode::Ok if is_nothing(&said) => Progress::NoEffect(said),
                        ResponseCode::Ok | ResponseCode::Warning => Progress::Accepted,
                        code if said.is_empty() => Progress::Refused(code.name().to_owned()),
                        _ => Progress::Refused(said),
                    }
                }
            };
            report(&events, Event::Answer(id, progress)).await;
        })
    }

    fn launch(&self, events: Events) -> Job {
        let scheduler = Scheduler::new(&self.target, USER_AGENT);
        Box::pin(async move {
            let outcome = match examples::launch(&scheduler, &events).await {
                Ok(text) => Launch::Done(text),
                Err(error) => Launch::Failed(format!("{error:#}")),
            };
            report(&events, Event::Launch(outcome)).await;
        })
    }

    fn shell(&self, task: &ShellTarget) -> Result<Program, String> {
        let cluster = &self.target.cluster;
        match &self.target.local {
            Some(local) => Ok(Program::in_sandbox(&local.agent_work_dir(), &task.task)),
            None => Program::by_ssh(&format!("{cluster}/{}/{}", task.job, task.instance)),
        }
    }

    fn suggest(&self, events: Events) -> Job {
        let cluster = self.target.cluster.clone();
        Box::pin(async move {
            let line = examples::create_line(&cluster).await;
            report(&events, Event::Suggestion(line)).await;
        })
    }
}

/// Whether the scheduler said that there was nothing to do (aurora: `SchedulerThriftInterface.NO_TASKS_TO_KILL_MESSAGE`
/// and `NOOP_JOB_UPDATE_MESSAGE`).
fn is_nothing(said: &str) -> bool {
    said.contains("No tasks to kill") || said.contains("unchanged by proposed update")
}

/// A value that the evaluation of a job file gave.
fn decoded<T: Wire + Default>(text: &str) -> Result<T, String> {
    let bytes = STANDARD.decode(text).map_err(|error| error.to_string())?;
    binary::decode(&bytes).map_err(|error| error.to_string())
}

/// The call of a change; the error says why there is none.
fn thrift(call: Call) -> Result<ThriftCall, String> {
    let message = (!call.reason.is_empty()).then_some(call.reason);
    Ok(match call.subject {
        Subject::Rounds(_) => return Err("rounds are sent step by step".to_owned()),
        Subject::File(JobOfFile { aim, found, .. }) => {
            let job: JobConfiguration = decoded(&found.configuration)?;
            match (aim.purpose, &found.settings) {
                (Purpose::Create, _) => CreateJob {
                    description: Some(job),
                }
                .into(),
                (Purpose::Schedule, _) => ScheduleCronJob {
                    description: Some(job),
                }
                .into(),
                (Purpose::Update, settings) => StartJobUpdate {
                    request: Some(JobUpdateRequest {
                        task_config: job.task_config,
                        instance_count: job.instance_count,
                        settings: decoded(settings.as_deref().unwrap_or_default())?,
                        ..JobUpdateRequest::default()
                    }),
                    message,
                }
                .into(),
            }
        }
        Subject::Instances(Instances { job, targets, .. }) => {
            let instances = targets.iter().map(|target| target.instance).collect();
            match call.action {
                Action::Restart => RestartShards {
                    job: Some(job.0),
                    shard_ids: instances,
                }
                .into(),
                _ => KillTasks {
                    job: Some(job.0),
                    instances: Some(instances),
                    message,
                }
                .into(),
            }
        }
        Subject::Cron(Cron { job, .. }) => {
            let job = Some(job.0);
            match call.action {
                Action::CronStart => StartCronJob { job }.into(),
                _ => DescheduleCronJob { job }.into(),
            }
        }
        Subject::Update(Update { job, id, .. }) => {
            let key = Some(JobUpdateKey { job: job.0, id });
            match call.action {
                Action::UpdatePause => PauseJobUpdate { key, message }.into(),
                Action::UpdateResume => ResumeJobUpdate { key, message }.into(),
                Action::UpdateRollback => RollbackJobUpdate { key, message }.into(),
                Action::UpdatePulse => PulseJobUpdate { key }.into(),
                _ => AbortJobUpdate { key, message }.into(),
            }
        }
        Subject::Quota(Quota { role, after, .. }) => SetQuota {
            owner_role: Some(role),
            quota: Some(aggregate(after)),
        }
        .into(),
        Subject::Forced(Forced { task, after, .. }) => ForceTaskState {
            task_id: Some(task),
            status: Some(after),
        }
        .into(),
        Subject::Ended(Ended { job, tasks }) => PruneTasks {
            query: Some(TaskQuery {
                job_keys: Some([job.0].into()),
                task_ids: Some(tasks.into_iter().collect()),
                statuses: Some(terminal()),
                ..TaskQuery::default()
            }),
        }
        .into(),
        Subject::Backup(backup) => match call.action {
            Action::BackupStage => StageRecovery {
                backup_id: backup.name,
            }
            .into(),
            Action::BackupDelete => DeleteRecoveryTasks {
                query: Some(TaskQuery {
                    task_ids: Some(backup.tasks()),
                    ..TaskQuery::default()
                }),
            }
            .into(),
            Action::BackupUnload => UnloadRecovery::default().into(),
            Action::BackupCommit => CommitRecovery::default().into(),
            _ => PerformBackup::default().into(),
        },
        Subject::Reconciliation(_) => match call.action {
            Action::ReconcileImplicit => TriggerImplicitTaskReconciliation::default().into(),
            _ => TriggerExplicitTaskReconciliation {
                settings: Some(ExplicitReconciliationSettings::default()),
            }
            .into(),
        },
        Subject::Hosts(Hosts { hosts, .. }) => {
            let host_names = hosts.into_iter().map(|host| host.host).collect();
            let hosts = Some(HostNames { host_names });
            match call.action {
                Action::HostDrain => DrainHosts { hosts }.into(),
                Action::HostActivate => EndMaintenance { hosts }.into(),
                _ => StartMaintenance { hosts }.into(),
            }
        }
    })
}

fn aggregate(amounts: Amounts) -> ResourceAggregate {
    // Plans are in whole mebibytes.
    let mebibytes = |bytes: f64| (bytes / 1024.0 / 1024.0) as i64;
    ResourceAggregate {
        resources: [
            Resource::NumCpus(aurora_api::wire::Double(amounts.cpus)),
            Resource::RamMb(mebibytes(amounts.ram)),
            Resource::DiskMb(mebibytes(amounts.disk)),
        ]
        .into(),
    }
}

fn terminal() -> BTreeSet<ScheduleStatus> {
    let all = ScheduleStatus::ALL.iter().copied();
    all.filter(|status| status.is_terminal()).collect()
}

/// A call that cannot have reached the scheduler was refused; of any other failure the outcome is unknown.
fn refused_or_unknown(error: &CallError) -> Progress {
    let text = describe(error);
    match error {
        CallError::Auth { .. } | CallError::Http(HttpError::Setup(_)) => Progress::Refused(text),
        CallError::NotRetriable(HttpError::Connect { .. }) => {
            Progress::Refused(format!("it was not sent: {text}"))
        }
        CallError::NotRetriable(_)
        | CallError::TimedOut { .. }
        | CallError::Decode { .. }
        | CallError::Http(_)
        | CallError::Answer { .. }
        | CallError::MissingResult { .. } => Progress::Unknown(text),
    }
}
