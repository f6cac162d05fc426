//! Updates as scripts, in the words of [`Stage`].

use aurora_api::model;

use super::script::key;
use super::*;
use crate::core::codec::{decode_ops, encode_ops};

/// A job that is being updated, driven by lines:
///
/// | Line | Meaning |
/// |---|---|
/// | `job 3` | a job of so many instances runs, in version `old`; after `waiting`: has no place yet |
/// | `update 3 group=1 watch=10s …` | startJobUpdate to so many instances of version `new`; also `failures=1 failed=1 stay` |
/// | `pass 10s` | time passes |
/// | `run` | pending instances come to run; what is being killed is gone first |
/// | `fail 1` | the instance's task fails |
/// | `settle` | `run`, and ten seconds, until nothing changes any more |
/// | `pause`, `resume`, `abort`, `rollback`, `pulse` | the calls |
/// | `is ROLLING_FORWARD` | the update's status |
/// | `new 0-1 old 2` | the versions of the active instances |
/// | `moving 2` | so many instances are not RUNNING |
/// | `says 0 INSTANCE_UPDATING INSTANCE_UPDATED` | what the update recorded of an instance |
/// | `restart` | the scheduler dies and another takes over from the log |
struct Stage {
    world: World,
    config: Config,
    key: Option<JobUpdateKey>,
    settings: JobUpdateSettings,
    /// What the new version has that the old one has not.
    policy: Option<SlaPolicy>,
    /// What else is special about a version.
    shape: fn(&str, &mut TaskConfig),
}

const NAME: &str = "web";

fn version(data: &str, instances: i32) -> JobConfiguration {
    let mut job = job(NAME, instances);
    job.task_config.executor_config = Some(ExecutorConfig {
        name: Some("AuroraExecutor".to_owned()),
        data: Some(data.to_owned()),
    });
    job
}

impl Stage {
    fn new() -> Stage {
        Stage::with(config(), JobUpdateSettings::default())
    }

    fn with(config: Config, settings: JobUpdateSettings) -> Stage {
        let mut world = World::registered(config.clone());
        world.allow_everything();
        Stage {
            world,
            config,
            key: None,
            settings,
            policy: None,
            shape: |_, _| {},
        }
    }

    fn play(&mut self, script: &str) {
        for line in script.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            self.line(line);
        }
    }

    fn line(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match *words.as_slice() {
            ["waiting", "job", count] => {
                self.world.create(version("old", count.parse().unwrap()));
            }
            ["job", count] => {
                let mut job = version("old", count.parse().unwrap());
                (self.shape)("old", &mut job.task_config);
                self.world.create(job);
                self.run();
            }
            ["update", count, ref settings @ ..] => {
                let answer = self.start(count.parse().unwrap(), settings);
                assert_eq!(answer.response_code, ResponseCode::Ok, "{line}: {answer:?}");
            }
            ["pass", seconds] => {
                let seconds: i64 = seconds.trim_end_matches('s').parse().unwrap();
                self.world.pass(seconds * 1000);
            }
            ["run"] => self.run(),
            ["fail", instance] => {
                let task = self.world.active(NAME, instance.parse().unwrap());
                self.world.status(&task.id(), v1::TaskState::Failed);
            }
            ["settle"] => self.settle(),
            ["pause"] => self.steer(line, |key| {
                arguments::PauseJobUpdate { key, message: None }.into()
            }),
            ["resume"] => self.steer(line, |key| {
                arguments::ResumeJobUpdate { key, message: None }.into()
            }),
            ["abort"] => self.steer(line, |key| {
                arguments::AbortJobUpdate { key, message: None }.into()
            }),
            ["rollback"] => {
                self.steer(line, |key| {
                    arguments::RollbackJobUpdate { key, message: None }.into()
                });
            }
            ["pulse"] => self.steer(line, |key| arguments::PulseJobUpdate { key }.into()),
            ["is", status] => assert_eq!(self.status().name(), status, "at `{line}`"),
            ["moving", count] => assert_eq!(self.moving().to_string(), count, "at `{line}`"),
            ["says", instance, ref actions @ ..] => {
                assert_eq!(self.said(instance.parse().unwrap()), actions, "at `{line}`");
            }
            ["restart"] => self.restart(),
            ["new" | "old" | "none", ..] => assert_eq!(self.versions(), line, "at `{line}`"),
            _ => panic!("`{line}` is not understood"),
        }
    }

    fn start(&mut self, instance_count: i32, words: &[&str]) -> Response {
        let mut settings = JobUpdateSettings {
            update_group_size: 1,
            rollback_on_failure: true,
            ..self.settings.clone()
        };
        for word in words {
            let (name, number) = word.split_once('=').unwrap_or((word, "0"));
            let number: i32 = number.trim_end_matches('s').parse().unwrap();
            match name {
                "group" => settings.update_group_size = number,
                "watch" => settings.min_wait_in_instance_running_ms = number * 1000,
                "failures" => settings.max_per_instance_failures = number,
                "failed" => settings.max_failed_instances = number,
                "stay" => settings.rollback_on_failure = false,
                "pulse" => settings.block_if_no_pulses_after_ms = Some(number * 1000),
                "sla" => settings.sla_aware = Some(true),
                "only" => {
                    let range = Range {
                        first: number,
                        last: number,
                    };
                    settings.update_only_these_instances.insert(range);
                }
                "batch" | "pausing" => {
                    let batch = BatchJobUpdateStrategy {
                        group_size: number,
                        autopause_after_batch: name == "pausing",
                    };
                    settings.update_strategy = Some(JobUpdateStrategy::BatchStrategy(batch));
                }
                _ => panic!("{word}"),
            }
        }
        let mut task_config = version("new", 1).task_config;
        task_config.sla_policy.clone_from(&self.policy);
        (self.shape)("new", &mut task_config);
        let request = JobUpdateRequest {
            task_config,
            instance_count,
            settings,
            metadata: BTreeSet::new(),
        };
        let (response, _) = self.world.call(arguments::StartJobUpdate {
            request: Some(request),
            message: None,
        });
        if let Some(model::Result::StartJobUpdateResult(result)) = &response.result {
            self.key = Some(result.key.clone());
        }
        response
    }

    fn steer(&mut self, line: &str, call: impl FnOnce(Option<JobUpdateKey>) -> Call) {
        let (response, _) = self.world.call(call(self.key.clone()));
        assert_eq!(
            response.response_code,
            ResponseCode::Ok,
            "at `{line}`: {response:?}"
        );
    }

    fn tasks(&self) -> Vec<store::Task> {
        let view = self.world.core.store().read();
        let job = view.job(&key(NAME));
        job.into_iter()
            .flat_map(|job| view.active_tasks(job))
            .cloned()
            .collect()
    }

    /// What is being killed ends, and what is pending runs.
    fn run(&mut self) {
        for task in self.tasks() {
            if task.status == ScheduleStatus::Killing {
                self.world.status(&task.id(), v1::TaskState::Killed);
            }
        }
        let waiting = |task: &store::Task| {
            matches!(
                task.status,
                ScheduleStatus::Pending | ScheduleStatus::Throttled
            )
        };
        for _ in 0..self.tasks().iter().filter(|task| waiting(task)).count() {
            self.world.offer(&host("a"));
            self.world.pass(1_000);
            for task in self.tasks() {
                if task.status == ScheduleStatus::Assigned {
                    self.world.status(&task.id(), v1::TaskState::Starting);
                    self.world.status(&task.id(), v1::TaskState::Running);
                }
            }
        }
    }

    fn settle(&mut self) {
        for _ in 0..100 {
            let before = self.world.ops.len();
            self.run();
            self.world.pass(10_000);
            if self.world.ops.len() == before {
                return;
            }
        }
        panic!("this does not come to an end: {}", self.versions());
    }

    fn update(&self) -> store::Update {
        let key = self.key.as_ref().unwrap();
        self.world.core.store().read().update(key).unwrap().clone()
    }

    fn status(&self) -> JobUpdateStatus {
        self.update().status().unwrap()
    }

    fn moving(&self) -> usize {
        let running = |task: &&store::Task| task.status != ScheduleStatus::Running;
        self.tasks().iter().filter(running).count()
    }

    fn said(&self, instance: i32) -> Vec<String> {
        let update = self.update();
        let events = update.instance_events();
        let events = events.filter(|event| event.instance_id == instance);
        events.map(|event| event.action.to_string()).collect()
    }

    fn versions(&self) -> String {
        let of = |data: &str| {
            let tasks = self.tasks();
            let tasks = tasks.iter().filter(|task| {
                let config = task.config.task.executor_config.as_ref();
                config.and_then(|config| config.data.as_deref()) == Some(data)
            });
            aurora_api::instances::text(tasks.map(|task| task.instance))
        };
        let parts = [("new", of("new")), ("old", of("old"))];
        let parts = parts.iter().filter(|(_, instances)| !instances.is_empty());
        let parts: Vec<String> = parts
            .map(|(name, instances)| format!("{name} {instances}"))
            .collect();
        if parts.is_empty() {
            "none".to_owned()
        } else {
            parts.join(" ")
        }
    }

    fn restart(&mut self) {
        let mut store = Store::default();
        for op in decode_ops(&encode_ops(&self.world.ops)).unwrap() {
            store.apply(&op).unwrap();
        }
        let (core, step) = Core::recover(self.config.clone(), store, self.world.now);
        self.world.core = core;
        self.world.ops.extend(step.ops);
        self.world.mesos(MesosEvent::Registered {
            framework_id: "F1".to_owned(),
            master: "m".to_owned(),
        });
        self.world.pass(0);
    }
}

mod recorded;
mod refused;
mod rolling;
mod steered;
