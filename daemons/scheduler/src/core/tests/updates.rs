//! Updates as scripts, in the words of [`Stage`].

use aurora_api::model;

use super::script::key;
use super::*;
use crate::core::codec::{decode_ops, encode_ops};

/// A job that is being updated, driven by lines:
///
/// | Line | Meaning |
/// |---|---|
/// | `job 3` | a job of so many instances runs, in version `old` |
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
            ["job", count] => {
                self.world.create(version("old", count.parse().unwrap()));
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
                self.world.status(&task.id, v1::TaskState::Failed);
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
                self.world.status(&task.id, v1::TaskState::Killed);
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
                    self.world.status(&task.id, v1::TaskState::Starting);
                    self.world.status(&task.id, v1::TaskState::Running);
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

#[test]
fn one_instance_after_the_other() {
    Stage::new().play(
        "job 3
         update 3 watch=10s
         is ROLLING_FORWARD
         old 0-2
         moving 1
         run
         new 0 old 1-2
         moving 0
         # Young: the whole minimum time is waited for after a look.
         pass 9s
         says 0 INSTANCE_UPDATING
         pass 1s
         says 0 INSTANCE_UPDATING INSTANCE_UPDATED
         says 1 INSTANCE_UPDATING
         says 2
         settle
         new 0-2
         is ROLLED_FORWARD
         says 2 INSTANCE_UPDATING INSTANCE_UPDATED",
    );
}

#[test]
fn a_queue_is_refilled_and_a_batch_is_not() {
    for (strategy, moving) in [("group=2", "moving 2"), ("batch=2", "moving 1")] {
        Stage::new().play(&format!(
            "job 4
             update 4 {strategy}
             moving 2"
        ));
        let mut stage = Stage::new();
        stage.play(&format!("job 4\nupdate 4 {strategy}"));
        let first = stage.world.active(NAME, 0);
        stage.world.status(&first.id, v1::TaskState::Killed);
        stage.world.offer(&host("a"));
        stage.world.pass(1_000);
        let new = stage.world.active(NAME, 0);
        stage.world.status(&new.id, v1::TaskState::Running);
        stage.line(moving);
        stage.play("settle\nis ROLLED_FORWARD\nnew 0-3");
    }
}

#[test]
fn jobs_grow_and_shrink() {
    Stage::new().play(
        "job 2
         update 4 group=4
         # New instances first.
         moving 4
         settle
         is ROLLED_FORWARD
         new 0-3",
    );
    let mut shrinking = Stage::new();
    shrinking.play(
        "job 3
         update 1 only=2
         settle
         is ROLLED_FORWARD
         old 0-1",
    );
    // Nothing but removals: there is nothing that the job is to become.
    assert_eq!(shrinking.update().update.instructions.desired_state, None);
}

#[test]
fn a_job_is_made_by_an_update() {
    Stage::new().play(
        "update 2 group=2
         settle
         is ROLLED_FORWARD
         new 0-1",
    );
}

#[test]
fn what_is_right_already_is_passed_over() {
    let mut stage = Stage::new();
    stage.play(
        "job 4
         update 4 only=0 only=1
         settle
         new 0-1 old 2-3
         update 4 batch=1
         says 0
         settle
         says 0
         says 1
         says 2 INSTANCE_UPDATING INSTANCE_UPDATED
         is ROLLED_FORWARD
         new 0-3",
    );
    let answer = stage.start(4, &[]);
    let message = answer
        .details
        .first()
        .and_then(|detail| detail.message.clone());
    assert_eq!(
        (answer.response_code, message.as_deref(), answer.result),
        (
            ResponseCode::Ok,
            Some("Job is unchanged by proposed update."),
            None
        )
    );
}

#[test]
fn too_many_failures_bring_everything_back() {
    Stage::new().play(
        "job 2
         update 3 group=1 watch=10s
         # The new instance, well; then the first of the old ones, not.
         run
         pass 10s
         says 2 INSTANCE_UPDATING INSTANCE_UPDATED
         run
         new 0,2 old 1
         fail 0
         is ROLLING_BACK
         says 0 INSTANCE_UPDATING INSTANCE_UPDATE_FAILED INSTANCE_ROLLING_BACK
         settle
         is ROLLED_BACK
         old 0-1
         says 2 INSTANCE_UPDATING INSTANCE_UPDATED INSTANCE_ROLLING_BACK INSTANCE_ROLLED_BACK
         says 1",
    );
}

#[test]
fn failures_are_let_pass_as_far_as_was_said() {
    Stage::new().play(
        "job 2
         update 2 watch=10s failures=1 failed=1
         run
         fail 0
         is ROLLING_FORWARD
         settle
         is ROLLED_FORWARD
         new 0-1",
    );
    let mut stage = Stage::new();
    stage.play(
        "job 2
         update 2 watch=10s failed=1 stay
         run
         fail 0
         says 0 INSTANCE_UPDATING INSTANCE_UPDATE_FAILED
         is ROLLING_FORWARD
         run
         fail 1
         is FAILED",
    );
    let last = stage.update().last_event().unwrap().message.clone();
    assert_eq!(last.as_deref(), Some("Latest failure: instance 1 exited."));
}

#[test]
fn pausing_resuming_aborting() {
    Stage::new().play(
        "job 3
         update 3
         pause
         is ROLL_FORWARD_PAUSED
         pause
         run
         pass 60s
         # What was killed is not replaced before it goes on.
         old 1-2
         resume
         is ROLLING_FORWARD
         resume
         run
         abort
         is ABORTED
         settle
         # Tasks are left as they are, and those that are being killed are gone.
         new 0 old 2",
    );
}

#[test]
fn a_way_back_is_open_at_any_time() {
    Stage::new().play(
        "job 3
         update 3
         run
         pause
         rollback
         is ROLLING_BACK
         settle
         is ROLLED_BACK
         old 0-2",
    );
}

#[test]
fn batches_that_pause() {
    for restart in ["", "restart"] {
        Stage::new().play(&format!(
            "job 4
             update 4 pausing=2
             run
             is ROLL_FORWARD_PAUSED
             says 1 INSTANCE_UPDATING INSTANCE_UPDATED
             says 2
             {restart}
             pass 60s
             new 0-1 old 2-3
             resume
             says 2 INSTANCE_UPDATING
             {restart}
             settle
             # The last batch ends the update and does not pause.
             is ROLLED_FORWARD
             new 0-3"
        ));
    }
}

#[test]
fn pulses_keep_a_coordinated_update_going() {
    Stage::new().play(
        "job 3
         update 3 pulse=60s
         is ROLL_FORWARD_AWAITING_PULSE
         pass 300s
         old 0-2
         pulse
         is ROLLING_FORWARD
         moving 1
         pass 50s
         pulse
         pass 50s
         run
         is ROLLING_FORWARD
         pass 70s
         # Noticed when something happens, and not before.
         is ROLLING_FORWARD
         run
         is ROLL_FORWARD_AWAITING_PULSE
         pause
         pulse
         is ROLL_FORWARD_PAUSED
         resume
         is ROLLING_FORWARD
         pulse
         settle
         pulse
         settle
         is ROLLED_FORWARD
         pulse",
    );
}

/// A leader dies after each line; the next one comes to the same end.
#[test]
fn a_successor_goes_on_from_any_point() {
    let script = "        job 3\nupdate 4 group=2 watch=10s\nrun\npass 5s\npause\nrun\nresume\nrun\npass 10s\nrun\nsettle\n\
        is ROLLED_FORWARD\nnew 0-3";
    for at in 2..10 {
        let mut stage = Stage::new();
        for (number, line) in script.lines().enumerate() {
            stage.line(line);
            if number == at {
                stage.restart();
            }
        }
        for instance in 0..4 {
            let once = ["INSTANCE_UPDATING", "INSTANCE_UPDATED"];
            assert_eq!(stage.said(instance), once, "restart after line {at}");
        }
    }
}

/// The successor of an old task that fails while its instance is under way is old as well, and has to go.
#[test]
fn a_successor_of_the_old_version_goes_too() {
    let mut stage = Stage::with(
        Config {
            min_required_instances_for_sla_check: 1,
            sla_aware_kill_non_prod: true,
            ..config()
        },
        JobUpdateSettings::default(),
    );
    stage.policy = Some(SlaPolicy::CoordinatorSlaPolicy(CoordinatorSlaPolicy {
        coordinator_url: "http://c".to_owned(),
        status_key: "ok".to_owned(),
    }));
    // The kill waits for the coordinator; meanwhile the task ends by itself.
    stage.play("job 1\nupdate 1 sla\nold 0\nfail 0\nis ROLLING_FORWARD");
    assert_eq!(stage.world.questions.len(), 1);
    stage.play("settle\nis ROLLED_FORWARD\nnew 0");
}

#[test]
fn a_policy_is_asked_before_each_kill() {
    let config = Config {
        min_required_instances_for_sla_check: 3,
        sla_aware_kill_non_prod: true,
        ..config()
    };
    let mut stage = Stage::with(config, JobUpdateSettings::default());
    stage.policy = Some(SlaPolicy::CountSlaPolicy(CountSlaPolicy {
        count: 2,
        duration_secs: 0,
    }));
    stage.play("job 4\npass 60s\nupdate 4 group=4 sla\nmoving 2");
    let said: Vec<Option<String>> = stage
        .update()
        .instance_events()
        .filter(|event| event.instance_id == 0)
        .map(|event| event.message.clone())
        .collect();
    assert_eq!(
        said,
        [
            None,
            Some("Checking SLA before continuing.".to_owned()),
            Some("SLA check passed, continuing.".to_owned()),
        ]
    );
    stage.play("settle\nsettle\nsettle\npass 600s\nsettle\nis ROLLED_FORWARD\nnew 0-3");
}

#[test]
fn while_it_is_updated_a_job_is_left_alone() {
    let mut stage = Stage::new();
    stage.play("job 2\nupdate 2");
    let job = Some(key(NAME));
    let calls: Vec<Call> = vec![
        arguments::KillTasks {
            job: job.clone(),
            instances: None,
            message: None,
        }
        .into(),
        arguments::RestartShards {
            job,
            shard_ids: BTreeSet::from([0]),
        }
        .into(),
        arguments::AddInstances {
            key: Some(InstanceKey {
                job_key: key(NAME),
                instance_id: 1,
            }),
            count: 1,
        }
        .into(),
    ];
    for call in calls {
        let (code, text) = stage.world.answer(call);
        assert_eq!(
            (code, &*text),
            (ResponseCode::JobUpdatingError, "Job is currently updating")
        );
    }
    let other = stage.start(3, &[]);
    assert_eq!(other.response_code, ResponseCode::InvalidRequest);
    let Some(model::Result::StartJobUpdateResult(result)) = other.result else {
        panic!("the update in the way is not told");
    };
    assert_eq!(Some(result.key), stage.key);
}

/// Settings, and why they are refused; the checks come in upstream's order.
#[test]
fn settings_are_checked() {
    for (settings, expected) in [
        ("group=0", "Update results in no instance being modified."),
        (
            "group=1 failures=-1",
            "maxPerInstanceFailures must be non-negative.",
        ),
        (
            "group=1 failed=-1",
            "maxFailedInstances must be non-negative.",
        ),
        (
            "group=1 failures=10001",
            "Your update allows too many failures to occur",
        ),
        (
            "group=1 watch=-1s",
            "minWaitInInstanceRunningMs must be non-negative.",
        ),
        (
            "group=1 pulse=-1s",
            "blockIfNoPulsesAfterMs must be positive.",
        ),
        (
            "group=1 sla",
            "slaAware is true, but no task slaPolicy is specified.",
        ),
        (
            "group=1 only=7",
            "some are irrelevant to the update and current job state: {7}",
        ),
    ] {
        let mut stage = Stage::new();
        stage.line("job 2");
        let words: Vec<&str> = settings.split(' ').collect();
        let answer = stage.start(2, &words);
        let text = answer
            .details
            .first()
            .and_then(|detail| detail.message.clone())
            .unwrap_or_default();
        assert_eq!(
            answer.response_code,
            ResponseCode::InvalidRequest,
            "{settings}"
        );
        assert!(text.contains(expected), "{settings}: {text}");
        assert_eq!(stage.world.core.store().read().updates().count(), 0);
    }
}

#[test]
fn unknown_updates_and_impossible_commands_are_refused() {
    let mut stage = Stage::new();
    stage.play("job 1\nupdate 1\nabort");
    let resume = |key: Option<JobUpdateKey>| arguments::ResumeJobUpdate { key, message: None };
    let (code, text) = stage.world.answer(resume(stage.key.clone()));
    assert_eq!(code, ResponseCode::InvalidRequest);
    assert_eq!(
        text,
        "Cannot transition update from ABORTED to ROLLING_FORWARD"
    );
    let unknown = JobUpdateKey {
        job: key(NAME),
        id: "u".to_owned(),
    };
    let (code, text) = stage.world.answer(resume(Some(unknown.clone())));
    assert_eq!(
        (code, &*text),
        (
            ResponseCode::InvalidRequest,
            "Update does not exist u of www/prod/web"
        )
    );
    let (answer, _) = stage
        .world
        .call(arguments::PulseJobUpdate { key: Some(unknown) });
    let Some(model::Result::PulseJobUpdateResult(result)) = answer.result else {
        panic!("{answer:?}");
    };
    assert_eq!(result.status, JobUpdatePulseStatus::Finished);
    let long = arguments::AbortJobUpdate {
        key: stage.key.clone(),
        message: Some("m".repeat(1025)),
    };
    assert_eq!(stage.world.answer(long).0, ResponseCode::Error);
}

#[test]
fn old_updates_are_forgotten() {
    let config = Config {
        job_update_history_per_job_threshold: 2,
        ..config()
    };
    let mut stage = Stage::with(config, JobUpdateSettings::default());
    for instances in 1..=4 {
        stage.play(&format!("update {instances}\nabort\nsettle\npass 1s"));
    }
    assert_eq!(stage.world.core.store().read().updates().count(), 4);
    stage.play("restart\npass 900s");
    assert_eq!(stage.world.core.store().read().updates().count(), 2);
    stage.play("pass 2592001s\npass 900s");
    assert_eq!(stage.world.core.store().read().updates().count(), 0);
}
