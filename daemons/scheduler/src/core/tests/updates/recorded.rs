//! What is written down, counted, charged and kept free while an update goes on.

use super::*;
use crate::core::updates::COUNTERS;

#[test]
fn events_have_users_and_messages() {
    let mut stage = Stage::new();
    stage.play("job 1\nupdate 1");
    let said = |text: &str| Some(text.to_owned());
    stage.steer("pause", |key| {
        let message = said("lunch");
        arguments::PauseJobUpdate { key, message }.into()
    });
    stage.steer("resume", |key| {
        let message = said("back");
        arguments::ResumeJobUpdate { key, message }.into()
    });
    stage.line("settle");
    let update = stage.update();
    let events = update.events().map(|event| {
        let user = event.user.as_deref().unwrap_or("-");
        let message = event.message.as_deref().unwrap_or("-");
        format!("{} {user} {message}", event.status)
    });
    assert_eq!(
        events.collect::<Vec<_>>(),
        [
            "ROLLING_FORWARD tester -",
            "ROLL_FORWARD_PAUSED tester lunch",
            "ROLLING_FORWARD tester back",
            "ROLLED_FORWARD - -",
        ]
    );
    assert_eq!(update.update.summary.user.as_deref(), Some("tester"));
    // Who killed the old task, and why, is in its history.
    let view = stage.world.core.store().read();
    let job = view.job(&key(NAME)).unwrap();
    let ended: Vec<String> = view.ended_tasks(job).flat_map(history).collect();
    let message = format!("KILLING Killed for job update {}", update.key().id);
    assert!(ended.contains(&message), "{ended:?}");
}

#[test]
fn updates_are_counted_from_zero() {
    let mut stage = Stage::new();
    let value = |stage: &Stage, name: &str| stage.world.core.counters().get(name).copied();
    for name in COUNTERS {
        assert_eq!(value(&stage, name), Some(0), "{name}");
    }
    stage.play("job 2\nupdate 2 watch=10s\nrun\npass 10s\nrun\nfail 1\nsettle\nis ROLLED_BACK");
    for (name, expected) in [
        ("update_transition_ROLLING_FORWARD", 1),
        ("update_transition_ROLLING_BACK", 1),
        ("update_transition_ROLLED_BACK", 1),
        ("update_transition_ABORTED", 0),
        ("update_instance_transition_INSTANCE_UPDATING", 2),
        ("update_instance_transition_INSTANCE_UPDATED", 1),
        ("update_instance_transition_INSTANCE_UPDATE_FAILED", 1),
        ("update_instance_transition_INSTANCE_ROLLING_BACK", 2),
        ("update_instance_transition_INSTANCE_ROLLED_BACK", 2),
        ("update_instance_transition_INSTANCE_ROLLBACK_FAILED", 0),
        ("job_update_state_change_errors", 0),
    ] {
        assert_eq!(value(&stage, name), Some(expected), "{name}");
    }
}

/// A failure that is let pass is forgotten by whatever makes the update begin to roll again.
#[test]
fn failures_are_counted_anew() {
    for (between, expected) in [
        ("", "ROLLING_BACK"),
        ("pause\nresume", "ROLLING_FORWARD"),
        ("restart", "ROLLING_FORWARD"),
    ] {
        let mut stage = Stage::new();
        stage.play("job 1\nupdate 1 watch=10s failures=1\nrun\nfail 0\nis ROLLING_FORWARD");
        stage.play(between);
        stage.play("pass 60s\nrun\nnew 0\nmoving 0\nfail 0");
        assert_eq!(stage.status().name(), expected, "{between}");
    }
    // The pulse that is missing is noticed when the task fails, so that this failure is not counted either.
    Stage::new().play(
        "job 1
         update 1 watch=600s failures=1 pulse=600s
         pulse
         run
         fail 0
         is ROLLING_FORWARD
         pass 300s
         run
         pass 300s
         fail 0
         is ROLL_FORWARD_AWAITING_PULSE
         pulse
         pass 300s
         run
         moving 0
         fail 0
         is ROLLING_FORWARD",
    );
}

/// Two events of a task in one message: the first is overtaken, and only the end is a failure.
#[test]
fn overtaken_news_is_not_counted() {
    let mut stage = Stage::new();
    stage.play("job 1\nupdate 1 watch=10s failures=1");
    let old = stage.world.active(NAME, 0);
    stage.world.status(&old.id(), v1::TaskState::Killed);
    stage.world.offer(&host("a"));
    stage.world.pass(1_000);
    let new = stage.world.active(NAME, 0);
    let status = |state| v1::TaskStatus {
        task_id: (&*new.id()).into(),
        state,
        agent_id: Some("agent-a".into()),
        ..v1::TaskStatus::default()
    };
    let statuses = [v1::TaskState::Running, v1::TaskState::Failed].map(status);
    stage.world.mesos(MesosEvent::Status(statuses.into()));
    stage.line("is ROLLING_FORWARD");
    assert!(stage.said(0).iter().all(|said| said == "INSTANCE_UPDATING"));
}

#[test]
fn a_task_without_a_place_makes_way_at_once() {
    let mut stage = Stage::new();
    stage.play("waiting job 2\nupdate 2\nnew 0 old 1");
    assert_eq!(stage.world.states(NAME), ["0 PENDING", "1 PENDING"]);
    stage.play("settle\nis ROLLED_FORWARD\nnew 0-1");
}

/// The next task of an instance goes where the last one was, when it fits there and the flag is set.
#[test]
fn an_agent_is_kept_for_the_next_task() {
    let larger: fn(&str, &mut TaskConfig) = |version, config| {
        if version == "new" {
            config.resources.replace(Resource::NumCpus(Double(2.0)));
            let resources = config.resources.iter().cloned();
            let is_old = |resource: &Resource| *resource == Resource::NumCpus(Double(1.0));
            config.resources = resources.filter(|resource| !is_old(resource)).collect();
        }
    };
    for (enabled, shape, expected) in [
        (true, (|_, _| {}) as fn(&str, &mut TaskConfig), "a"),
        (true, larger, "b"),
        (false, |_, _| {}, "b"),
    ] {
        let config = Config {
            enable_update_affinity: enabled,
            ..config()
        };
        let mut stage = Stage::with(config, JobUpdateSettings::default());
        stage.shape = shape;
        stage.play("job 1\nupdate 1");
        let old = stage.world.active(NAME, 0);
        assert_eq!(old.host(), Some("a"));
        stage.world.status(&old.id(), v1::TaskState::Killed);
        stage.world.offer(&host("b"));
        stage.world.pass(5_000);
        stage.world.offer(&host("a"));
        stage.world.pass(60_000);
        let new = stage.world.active(NAME, 0);
        assert_eq!(new.host(), Some(expected), "enabled {enabled}");
    }
}

/// From one core and 2 GiB to two and 1 GiB: on the way two and 2 GiB are charged, by hand.
#[test]
fn the_larger_side_of_each_kind_is_charged() {
    let mut stage = Stage::new();
    stage.shape = |version, config| {
        config.tier = Some("preferred".to_owned());
        let (cpus, ram_mb) = if version == "old" {
            (1.0, 2048)
        } else {
            (2.0, 1024)
        };
        config.resources = [
            Resource::NumCpus(Double(cpus)),
            Resource::RamMb(ram_mb),
            Resource::DiskMb(1024),
        ]
        .into();
    };
    stage.play("job 1");
    let quota = [
        Resource::NumCpus(Double(2.5)),
        Resource::RamMb(2560),
        Resource::DiskMb(1 << 20),
    ];
    let answer = stage.world.answer(arguments::SetQuota {
        owner_role: Some("www".to_owned()),
        quota: Some(ResourceAggregate {
            resources: quota.into(),
        }),
    });
    assert_eq!(answer.0, ResponseCode::Ok, "{answer:?}");
    let other = |cpus, ram_mb| {
        let mut job = preferred("other", 1);
        job.task_config.resources = [
            Resource::NumCpus(Double(cpus)),
            Resource::RamMb(ram_mb),
            Resource::DiskMb(1),
        ]
        .into();
        job
    };
    stage.line("update 1");
    for (cpus, ram_mb, lacking) in [(0.6, 1, "CPU"), (0.1, 513, "RAM")] {
        let (code, text) = create(&mut stage.world, other(cpus, ram_mb));
        assert_eq!(code, ResponseCode::InvalidRequest, "{cpus} {ram_mb}");
        assert!(text.contains(lacking), "{text}");
    }
    // Who asks once more is told of the update that is there, though both of them would be too much.
    let (first, again) = (stage.key.clone(), stage.start(1, &[]));
    assert!(again.result.is_some(), "{again:?}");
    assert_eq!(stage.key, first);
    stage.play("settle\nis ROLLED_FORWARD");
    stage.world.create(other(0.5, 1536));
}

/// A policy that allows everything.
fn free() -> SlaPolicy {
    SlaPolicy::PercentageSlaPolicy(PercentageSlaPolicy {
        percentage: Double(0.0),
        duration_secs: 0,
    })
}

/// So many kills ask their policies in one step; the others a moment later.
#[test]
fn policies_are_asked_in_batches() {
    let config = Config {
        sla_aware_action_max_batch_size: 2,
        min_required_instances_for_sla_check: 1,
        sla_aware_kill_non_prod: true,
        ..config()
    };
    let mut stage = Stage::with(config, JobUpdateSettings::default());
    stage.policy = Some(free());
    stage.play("job 5\npass 60s\nupdate 5 group=5 sla\nmoving 2");
    for moving in ["moving 4", "moving 5"] {
        stage.world.pass(1);
        stage.line(moving);
    }
    stage.play("settle\nis ROLLED_FORWARD\nnew 0-4");
    let attempts = |name: &str| stage.world.core.counters().get(name).copied();
    assert_eq!(attempts("updates_sla_kill_attempt_www/prod/web"), Some(5));
    assert_eq!(attempts("updates_sla_kill_success_www/prod/web"), Some(5));
}

/// An entry of the log is what one step wrote. The least that an instance takes: its old task is killed (with what is recorded
/// of the instance before it), is gone (and the new one is there), the new one is assigned, starts, runs; with a minimum
/// time, that it is over. Each of these is one op, and so is what the update says of its instances at one moment.
#[test]
fn an_instance_takes_few_entries_of_the_log() {
    for (settings, entries) in [
        ("group=1", 5),
        ("group=1 watch=10s", 6),
        ("group=5 watch=10s", 6),
        ("batch=5", 5),
        ("batch=5 watch=10s", 6),
        ("group=1 sla", 5),
        ("batch=5 sla", 6),
    ] {
        let count = 20;
        let config = Config {
            min_required_instances_for_sla_check: 1,
            sla_aware_kill_non_prod: true,
            ..config()
        };
        let mut stage = Stage::with(config, JobUpdateSettings::default());
        stage.policy = Some(free());
        stage.play(&format!("job {count}"));
        let before = (stage.world.entries, stage.world.ops.len());
        stage.play(&format!(
            "update {count} {settings}\nsettle\nsettle\nis ROLLED_FORWARD"
        ));
        let each = |now: usize, then: usize| (now - then) as f64 / f64::from(count);
        let taken = each(stage.world.entries, before.0);
        assert!(taken <= f64::from(entries), "{settings}: {taken} entries");
        // With the update itself: configuration, request, who asked, beginning, end.
        let taken = each(stage.world.ops.len(), before.1);
        assert!(taken <= 6.0, "{settings}: {taken} ops");
    }
}
