//! What is not allowed, and what is forgotten.

use super::*;

#[test]
fn while_it_is_updated_a_job_is_left_alone() {
    let mut stage = Stage::new();
    stage.play("job 2\nupdate 2");
    let job = Some(key(NAME));
    let mut cron = version("old", 2);
    cron.cron_schedule = Some("* * * * *".to_owned());
    cron.task_config.is_service = false;
    let calls: Vec<Call> = vec![
        arguments::ScheduleCronJob {
            description: Some(cron.clone()),
        }
        .into(),
        arguments::ReplaceCronTemplate { config: Some(cron) }.into(),
        arguments::DescheduleCronJob { job: job.clone() }.into(),
        arguments::CreateJob {
            description: Some(version("old", 2)),
        }
        .into(),
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

/// Settings with two faults, and the one that is told: the checks come in upstream's order.
#[test]
fn settings_are_checked() {
    for (settings, expected) in [
        (
            "group=0 failures=-1",
            "Update results in no instance being modified.",
        ),
        (
            "group=1 failures=-1 failed=-1",
            "maxPerInstanceFailures must be non-negative.",
        ),
        (
            "group=1 failures=10001 failed=-1",
            "maxFailedInstances must be non-negative.",
        ),
        (
            "group=1 failures=10001 watch=-1s",
            "Your update allows too many failures to occur",
        ),
        (
            "group=1 watch=-1s pulse=-1s",
            "minWaitInInstanceRunningMs must be non-negative.",
        ),
        (
            "group=1 pulse=-1s sla",
            "blockIfNoPulsesAfterMs must be positive.",
        ),
        (
            "group=1 sla only=7",
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

/// More instances than a job may have are refused before anybody looks at each of them.
#[test]
fn counts_beyond_the_limit_are_refused_unseen() {
    let config = Config {
        max_tasks_per_job: 3,
        ..config()
    };
    let mut stage = Stage::with(config, JobUpdateSettings::default());
    stage.line("job 2");
    for count in [0, 4, i32::MAX] {
        let answer = stage.start(count, &["group=1", "only=7"]);
        let said = answer.details.first().and_then(|part| part.message.clone());
        assert_eq!(
            said.as_deref(),
            Some("Instance count must be between 1 and 3 inclusive."),
            "{count}"
        );
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
    for (key, id, expected) in [
        (
            JobKey::new("www", "prod", ""),
            "u",
            "is not a valid job key",
        ),
        (key(NAME), " ", "cannot be blank"),
    ] {
        let key = Some(JobUpdateKey {
            job: key,
            id: id.to_owned(),
        });
        let (code, text) = stage.world.answer(arguments::PulseJobUpdate { key });
        assert_eq!(code, ResponseCode::Error, "{text}");
        assert!(text.contains(expected), "{text}");
    }
    let long = arguments::AbortJobUpdate {
        key: stage.key.clone(),
        message: Some("m".repeat(1025)),
    };
    assert_eq!(stage.world.answer(long).0, ResponseCode::Error);
}

/// Of a job of which no task is left nothing stays.
#[test]
fn updates_of_jobs_that_are_gone_are_forgotten() {
    let mut stage = Stage::new();
    stage.play("update 1\nsettle\nis ROLLED_FORWARD\nrestart\npass 86400s");
    assert_eq!(stage.world.core.store().read().updates().count(), 1);
    let id = stage.world.active(NAME, 0).id();
    stage.world.call(arguments::KillTasks {
        job: Some(key(NAME)),
        ..arguments::KillTasks::default()
    });
    stage.world.status(&id, v1::TaskState::Killed);
    // Its last task is remembered for two days.
    stage.play("pass 172000s");
    assert_eq!(stage.world.core.store().read().updates().count(), 1);
    stage.play("pass 2000s");
    assert_eq!(stage.world.core.store().read().updates().count(), 0);
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

/// The id alone is not the update: whoever may pulse one job may not keep another's update going.
#[test]
fn a_pulse_is_for_one_jobs_update() {
    let mut stage = Stage::new();
    stage.play("job 1\nupdate 1 pulse=60s");
    let mut elsewhere = stage.key.clone().unwrap();
    elsewhere.job = key("other");
    let pulse = arguments::PulseJobUpdate {
        key: Some(elsewhere),
    };
    let (answer, _) = stage.world.call(pulse);
    let Some(model::Result::PulseJobUpdateResult(result)) = answer.result else {
        panic!("{answer:?}");
    };
    assert_eq!(result.status, JobUpdatePulseStatus::Finished);
    stage.play("is ROLL_FORWARD_AWAITING_PULSE\npulse\nis ROLLING_FORWARD");
}

/// An update makes the job where there is none: its role is looked at as that of a job that is created.
#[test]
fn updates_of_the_role_root_need_a_flag() {
    for (allow_root_role, expected) in [
        (false, ResponseCode::InvalidRequest),
        (true, ResponseCode::Ok),
    ] {
        let config = Config {
            allow_root_role,
            ..config()
        };
        let mut stage = Stage::with(config, JobUpdateSettings::default());
        stage.shape = |_, task| "root".clone_into(&mut task.job.role);
        let answer = stage.start(1, &["group=1"]);
        assert_eq!(answer.response_code, expected, "{answer:?}");
        let said = answer.details.first().and_then(|part| part.message.clone());
        let refused = said.is_some_and(|text| text.starts_with("Role root is not allowed"));
        assert_eq!(refused, !allow_root_role);
    }
}
