//! Tests of the core as a whole, through `step` alone.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;

use aurora_api::model::*;
use aurora_api::service::{Call, arguments};
use aurora_api::wire::Double;
use aurora_mesos::v1;

use super::*;

mod cron;
mod cron_times;
mod launching;
mod lifecycle;
mod maintenance;
mod matching;
mod offers;
mod placement;
mod preemption;
mod quota;
mod replay;
mod rules;
mod samples;
mod script;
mod simulation;
mod sla;
mod tables;
mod transitions;
mod updates;
mod validation;
mod waits;
mod writes;

/// A core with a clock.
struct World {
    core: Core,
    now: Millis,
    ops: Vec<Op>,
    /// Steps that wrote something.
    entries: usize,
    replies: u64,
    offers: u64,
    questions: Vec<CoordinatorCall>,
}

const START: Millis = 1_700_000_000_000;

fn config() -> Config {
    Config {
        executor_path: "/opt/aurora/aurora-executor".to_owned(),
        hostname: "scheduler-1".to_owned(),
        ..Config::default()
    }
}

/// A host for [`World::offer`].
#[derive(Clone)]
struct Host {
    name: &'static str,
    cpus: f64,
    mem: f64,
    disk: f64,
    attributes: Vec<(&'static str, &'static str)>,
}

fn host(name: &'static str) -> Host {
    Host {
        name,
        cpus: 8.0,
        mem: 8192.0,
        disk: 65536.0,
        attributes: vec![("host", name)],
    }
}

fn scalar(name: &str, value: f64) -> v1::Resource {
    v1::Resource {
        name: name.to_owned(),
        kind: v1::ValueType::Scalar,
        scalar: Some(v1::Scalar { value }),
        role: Some("*".to_owned()),
        ..v1::Resource::default()
    }
}

fn ports(begin: u64, end: u64) -> v1::Resource {
    v1::Resource {
        name: "ports".to_owned(),
        kind: v1::ValueType::Ranges,
        ranges: Some(v1::Ranges {
            range: vec![v1::Range { begin, end }],
        }),
        role: Some("*".to_owned()),
        ..v1::Resource::default()
    }
}

fn text_attribute(name: &str, value: &str) -> v1::Attribute {
    v1::Attribute {
        name: name.to_owned(),
        kind: v1::ValueType::Text,
        text: Some(v1::Text {
            value: value.to_owned(),
        }),
        ..v1::Attribute::default()
    }
}

/// A job of service tasks that each need a core, 1 GiB and 1 GiB.
fn job(name: &str, instances: i32) -> JobConfiguration {
    let key = JobKey::new("www", "prod", name);
    JobConfiguration {
        key: key.clone(),
        owner: Some(Identity {
            user: Some("tester".to_owned()),
        }),
        task_config: TaskConfig {
            job: key,
            is_service: true,
            max_task_failures: 1,
            resources: BTreeSet::from([
                Resource::NumCpus(Double(1.0)),
                Resource::RamMb(1024),
                Resource::DiskMb(1024),
            ]),
            executor_config: Some(ExecutorConfig {
                name: Some("AuroraExecutor".to_owned()),
                data: Some("{}".to_owned()),
            }),
            ..TaskConfig::default()
        },
        instance_count: instances,
        ..JobConfiguration::default()
    }
}

fn limit(name: &str, limit: i32) -> Constraint {
    Constraint {
        name: name.to_owned(),
        constraint: Some(TaskConstraint::Limit(LimitConstraint { limit })),
    }
}

fn value(name: &str, negated: bool, values: &[&str]) -> Constraint {
    Constraint {
        name: name.to_owned(),
        constraint: Some(TaskConstraint::Value(ValueConstraint {
            negated,
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        })),
    }
}

impl World {
    fn new(config: Config) -> World {
        World {
            core: Core::new(config),
            now: START,
            ops: Vec::new(),
            entries: 0,
            replies: 0,
            offers: 0,
            questions: Vec::new(),
        }
    }

    /// A world whose core is subscribed.
    fn registered(config: Config) -> World {
        let mut world = World::new(config);
        world.mesos(MesosEvent::Registered {
            framework_id: "F1".to_owned(),
            master: "m".to_owned(),
        });
        world
    }

    fn step(&mut self, input: Input) -> Vec<Effect> {
        let step = self.core.step(self.now, input);
        self.entries += usize::from(!step.ops.is_empty());
        self.ops.extend(step.ops);
        let mut effects = step.effects;
        for effect in effects.extract_if(.., |effect| matches!(effect, Effect::AskCoordinator(_))) {
            if let Effect::AskCoordinator(question) = effect {
                self.questions.push(question);
            }
        }
        effects
    }

    fn mesos(&mut self, event: MesosEvent) -> Vec<MesosCall> {
        calls(self.step(Input::Mesos(event)))
    }

    fn call(&mut self, call: impl Into<Call>) -> (Response, Vec<MesosCall>) {
        self.replies += 1;
        let id = self.replies;
        let mut effects = self.step(Input::Write {
            id,
            user: "tester".to_owned(),
            call: call.into(),
        });
        let is_reply = |effect: &mut Effect| matches!(effect, Effect::Reply { .. });
        let mut replies: Vec<Effect> = effects.extract_if(.., is_reply).collect();
        let Some(Effect::Reply {
            id: replied,
            response,
        }) = replies.pop()
        else {
            panic!("no reply: {effects:?}");
        };
        assert_eq!(replied, id);
        (*response, calls(effects))
    }

    /// The call's code and first message.
    fn answer(&mut self, call: impl Into<Call>) -> (ResponseCode, String) {
        let (response, _) = self.call(call);
        let message = response
            .details
            .first()
            .and_then(|detail| detail.message.clone());
        (response.response_code, message.unwrap_or_default())
    }

    /// Gives the role of all test jobs more quota than they can use.
    fn allow_everything(&mut self) {
        let resources = [
            Resource::NumCpus(Double(1e6)),
            Resource::RamMb(1 << 40),
            Resource::DiskMb(1 << 40),
        ];
        let quota = ResourceAggregate {
            resources: resources.into(),
        };
        let answer = self.answer(arguments::SetQuota {
            owner_role: Some("www".to_owned()),
            quota: Some(quota),
        });
        assert_eq!(answer.0, ResponseCode::Ok, "{answer:?}");
    }

    fn create(&mut self, job: JobConfiguration) {
        let answer = self.answer(arguments::CreateJob {
            description: Some(job),
        });
        assert_eq!(answer, (ResponseCode::Ok, String::new()));
    }

    /// Lets time pass, stopping at every deadline.
    fn pass(&mut self, span: Millis) -> Vec<MesosCall> {
        let end = self.now + span;
        let mut effects = Vec::new();
        while let Some(next) = self.core.next_deadline().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            effects.extend(self.step(Input::Timer));
        }
        self.now = end;
        calls(effects)
    }

    fn make_offer(&mut self, host: &Host) -> v1::Offer {
        self.offers += 1;
        v1::Offer {
            id: format!("O{}", self.offers).into(),
            framework_id: "F1".into(),
            agent_id: format!("agent-{}", host.name).into(),
            hostname: host.name.to_owned(),
            resources: vec![
                scalar("cpus", host.cpus),
                scalar("mem", host.mem),
                scalar("disk", host.disk),
                ports(31000, 31009),
            ],
            attributes: host
                .attributes
                .iter()
                .map(|(name, value)| text_attribute(name, value))
                .collect(),
            ..v1::Offer::default()
        }
    }

    fn offer(&mut self, host: &Host) -> Vec<MesosCall> {
        let offer = self.make_offer(host);
        self.mesos(MesosEvent::Offers(vec![offer]))
    }

    fn status(&mut self, id: &str, state: v1::TaskState) -> Vec<MesosCall> {
        self.mesos(MesosEvent::Status(vec![v1::TaskStatus {
            task_id: id.into(),
            state,
            agent_id: Some("agent-a".into()),
            uuid: Some(bytes::Bytes::from_static(b"uuid")),
            ..v1::TaskStatus::default()
        }]))
    }

    /// Everything stored of a job, as `instance STATUS`, sorted.
    fn states(&self, name: &str) -> Vec<String> {
        let view = self.core.store().read();
        let tasks = view
            .jobs()
            .filter(|job| job.key.name == name)
            .flat_map(|job| view.tasks_of_job(job));
        let mut states: Vec<String> = tasks
            .map(|task| format!("{} {}", task.instance, task.status))
            .collect();
        states.sort();
        states
    }

    fn active(&self, name: &str, instance: i32) -> store::Task {
        let key = JobKey::new("www", "prod", name);
        self.core
            .store()
            .read()
            .active_task(&key, instance)
            .unwrap()
            .clone()
    }

    /// A job of one instance, brought to RUNNING on host `a`; its task id.
    fn running(&mut self, job: JobConfiguration) -> store::TaskId {
        let name = job.key.name.clone();
        self.create(job);
        self.offer(&host("a"));
        let launched = self.pass(2_000);
        assert_eq!(launches(&launched).len(), 1, "{launched:?}");
        let id = self.active(&name, 0).id();
        self.status(&id, v1::TaskState::Starting);
        self.status(&id, v1::TaskState::Running);
        assert_eq!(self.active(&name, 0).status, ScheduleStatus::Running);
        id
    }
}

fn calls(effects: Vec<Effect>) -> Vec<MesosCall> {
    let calls = effects.into_iter().map(|effect| match effect {
        Effect::Mesos(call) => call,
        Effect::Reply { .. } | Effect::AskCoordinator(_) => panic!("no call: {effect:?}"),
    });
    calls.collect()
}

fn launches(calls: &[MesosCall]) -> Vec<v1::TaskInfo> {
    let launches = calls.iter().filter_map(|call| match call {
        MesosCall::Launch { task, .. } => Some(task.info()),
        _ => None,
    });
    launches.collect()
}

fn kills(calls: &[MesosCall]) -> Vec<&str> {
    let kills = calls.iter().filter_map(|call| match call {
        MesosCall::Kill { task_id, .. } => Some(task_id.value.as_str()),
        _ => None,
    });
    kills.collect()
}

/// The statuses of a task's events, with their messages.
fn history(task: &store::Task) -> Vec<String> {
    let events = task.events.iter().map(|event| match &event.message {
        Some(message) => format!("{} {message}", event.status),
        None => event.status.to_string(),
    });
    events.collect()
}

fn declined(calls: &[MesosCall]) -> Vec<&str> {
    let declined = calls.iter().filter_map(|call| match call {
        MesosCall::Decline { offer_ids, .. } => Some(offer_ids.iter().map(|id| id.value.as_str())),
        _ => None,
    });
    declined.flatten().collect()
}

/// Why the job's first instance waits.
fn reason(world: &World, name: &str) -> Option<String> {
    let task = world.active(name, 0);
    world
        .core
        .store()
        .read()
        .pending_reason(&task.id())
        .map(|reason| reason.to_string())
}

fn create(world: &mut World, job: JobConfiguration) -> (ResponseCode, String) {
    world.answer(arguments::CreateJob {
        description: Some(job),
    })
}

fn preferred(name: &str, instances: i32) -> JobConfiguration {
    let mut job = job(name, instances);
    job.task_config.tier = Some("preferred".to_owned());
    job
}
