//! The changing calls: what they refuse, in which words, and what they do.

use super::*;
use aurora_mesos::v1::TaskState;

fn quota(cpus: f64, ram_mb: i64, disk_mb: i64) -> ResourceAggregate {
    ResourceAggregate {
        resources: BTreeSet::from([
            Resource::NumCpus(Double(cpus)),
            Resource::RamMb(ram_mb),
            Resource::DiskMb(disk_mb),
        ]),
    }
}

fn set_quota(world: &mut World, role: &str, quota: ResourceAggregate) -> (ResponseCode, String) {
    world.answer(arguments::SetQuota {
        owner_role: Some(role.to_owned()),
        quota: Some(quota),
    })
}

#[test]
fn a_job_exists_while_it_is_active() {
    let mut world = World::registered(config());
    let id = world.running(job("hello", 1));
    assert_eq!(
        create(&mut world, job("hello", 1)),
        (
            ResponseCode::InvalidRequest,
            "Job www/prod/hello already exists".to_owned()
        )
    );
    world.call(arguments::KillTasks {
        job: Some(JobKey::new("www", "prod", "hello")),
        ..arguments::KillTasks::default()
    });
    world.status(&id, TaskState::Killed);
    world.create(job("hello", 1));
}

#[test]
fn what_calls_change_is_counted_from_zero() {
    let mut world = World::registered(config());
    let others = [
        "offer_accept_races",
        "schedule_attempts_no_match",
        "tasks_pruned",
    ];
    for name in crate::core::writes::COUNTERS.iter().chain(&others) {
        assert_eq!(world.core.counters().get(*name), Some(&0), "{name}");
    }
    world.create(job("hello", 5));
    assert_eq!(world.core.counters()["thrift_workload_createJob"], 5);
}

#[test]
fn some_instances_can_be_killed() {
    let mut world = World::registered(config());
    world.create(job("hello", 5));
    world.call(arguments::KillTasks {
        job: Some(JobKey::new("www", "prod", "hello")),
        instances: Some(BTreeSet::from([1, 3, 77])),
        message: None,
    });
    assert_eq!(
        world.states("hello"),
        ["0 PENDING", "2 PENDING", "4 PENDING"]
    );
    let bad = arguments::KillTasks {
        job: Some(JobKey::new("www", "prod", "a b")),
        ..arguments::KillTasks::default()
    };
    assert_eq!(world.answer(bad).0, ResponseCode::Error);
}

#[test]
fn instances_are_added_above_the_greatest() {
    let mut world = World::registered(Config {
        max_tasks_per_job: 6,
        ..config()
    });
    world.create(job("hello", 3));
    let add = |instance_id, count| arguments::AddInstances {
        key: Some(InstanceKey {
            job_key: JobKey::new("www", "prod", "hello"),
            instance_id,
        }),
        count,
    };
    let invalid = |text: &str| (ResponseCode::InvalidRequest, text.to_owned());
    assert_eq!(
        world.answer(add(0, 0)),
        invalid("Instance count must be positive.")
    );
    assert_eq!(
        world.answer(add(9, 1)),
        invalid("No active task found for a given instance ID.")
    );
    assert_eq!(
        world.answer(add(0, 4)),
        invalid("Instance count must be between 1 and 6 inclusive.")
    );
    world.call(arguments::KillTasks {
        job: Some(JobKey::new("www", "prod", "hello")),
        instances: Some(BTreeSet::from([1])),
        message: None,
    });
    assert_eq!(world.answer(add(2, 4)), (ResponseCode::Ok, String::new()));
    let expected = [0, 2, 3, 4, 5, 6].map(|instance| format!("{instance} PENDING"));
    assert_eq!(world.states("hello"), expected);
    assert_eq!(world.core.store().read().configs().count(), 1);
}

#[test]
fn quotas_limit_production() {
    let mut world = World::registered(config());
    let invalid = |text: &str| (ResponseCode::InvalidRequest, text.to_owned());
    assert_eq!(
        create(&mut world, preferred("hello", 2)),
        invalid(
            "Insufficient resource quota: CPU quota exceeded by 2.00 core(s); RAM quota exceeded by 2048.00 MB; \
             disk quota exceeded by 2048.00 MB"
        )
    );
    assert_eq!(
        set_quota(&mut world, "www", quota(2.5, 4096, 4096)).0,
        ResponseCode::Ok
    );
    world.create(preferred("hello", 2));
    assert_eq!(
        create(&mut world, preferred("more", 1)),
        invalid("Insufficient resource quota: CPU quota exceeded by 0.50 core(s)")
    );
    let add = arguments::AddInstances {
        key: Some(InstanceKey {
            job_key: JobKey::new("www", "prod", "hello"),
            instance_id: 0,
        }),
        count: 1,
    };
    assert_eq!(
        world.answer(add),
        invalid("Insufficient resource quota: CPU quota exceeded by 0.50 core(s)")
    );
    let (response, _) = world.call(arguments::CreateJob {
        description: Some(preferred("more", 1)),
    });
    assert_eq!(
        response.details[1].message.as_deref(),
        Some("CPU: 2.00 used, 1.00 asked, 2.50 allowed core(s)")
    );
    // Other tiers, and production on dedicated hosts, are not limited.
    world.create(job("batch", 100));
    let mut own = preferred("own", 50);
    own.task_config
        .constraints
        .insert(value("dedicated", false, &["www/db"]));
    world.create(own);

    let (code, text) = set_quota(&mut world, "www", quota(1.0, 4096, 4096));
    assert_eq!(code, ResponseCode::InvalidRequest);
    assert!(
        text.contains("is less then current prod reservation"),
        "{text}"
    );
    let (code, text) = set_quota(&mut world, "www", quota(5.0, -1, 4096));
    assert!(
        code == ResponseCode::InvalidRequest && text.starts_with("Negative values in: "),
        "{text}"
    );
    let short = ResourceAggregate {
        resources: BTreeSet::from([Resource::NumCpus(Double(1.0))]),
    };
    assert_eq!(set_quota(&mut world, "www", short).0, ResponseCode::Error);
    assert_eq!(
        set_quota(&mut world, " ", quota(1.0, 1, 1)).0,
        ResponseCode::Error
    );

    // What ends is given back.
    world.call(arguments::KillTasks {
        job: Some(JobKey::new("www", "prod", "hello")),
        ..arguments::KillTasks::default()
    });
    assert_eq!(
        world
            .core
            .store()
            .read()
            .usage("www", store::Pool::ProdShared),
        store::Usage::default()
    );
    assert_eq!(
        set_quota(&mut world, "www", quota(0.0, 0, 0)).0,
        ResponseCode::Ok
    );
}

#[test]
fn a_state_can_be_forced() {
    let mut world = World::registered(config());
    let id = world.running(job("hello", 1));
    let force = |id: &str, status| arguments::ForceTaskState {
        task_id: Some(id.to_owned()),
        status: Some(status),
    };
    let ok = (ResponseCode::Ok, String::new());
    assert_eq!(
        world.answer(force(&id, ScheduleStatus::Pending)),
        ok,
        "illegal, and not told"
    );
    assert_eq!(world.active("hello", 0).status, ScheduleStatus::Running);
    assert_eq!(world.answer(force(&id, ScheduleStatus::Lost)), ok);
    let task = world.core.store().read().task(&id).unwrap().clone();
    assert_eq!(
        history(&task).last().unwrap(),
        "LOST Transition forced by tester"
    );
    assert_eq!(
        world.answer(force(" ", ScheduleStatus::Lost)).0,
        ResponseCode::Error
    );
    assert_eq!(
        world.answer(arguments::ForceTaskState::default()).0,
        ResponseCode::Error
    );
}

#[test]
fn only_ended_tasks_are_pruned() {
    let mut world = World::registered(config());
    let id = world.running(job("hello", 1));
    world.create(job("waiting", 1));
    world.status(&id, TaskState::Failed);
    let prune = |query: TaskQuery| arguments::PruneTasks { query: Some(query) };
    let active = TaskQuery {
        statuses: Some(BTreeSet::from([
            ScheduleStatus::Failed,
            ScheduleStatus::Running,
        ])),
        ..TaskQuery::default()
    };
    assert_eq!(
        world.answer(prune(active)),
        (
            ResponseCode::Error,
            "Tasks in non-terminal state cannot be pruned.".to_owned()
        )
    );
    let ok = (ResponseCode::Ok, String::new());
    let nothing = TaskQuery {
        role: Some("nobody".to_owned()),
        ..TaskQuery::default()
    };
    assert_eq!(world.answer(prune(nothing)), ok);
    let none = TaskQuery {
        limit: Some(0),
        ..TaskQuery::default()
    };
    assert_eq!(world.answer(prune(none)), ok);
    assert_eq!(world.states("hello"), ["0 FAILED", "0 PENDING"]);
    let empty = TaskQuery {
        statuses: Some(BTreeSet::new()),
        ..TaskQuery::default()
    };
    assert_eq!(world.answer(prune(empty)), ok);
    assert_eq!(world.states("hello"), ["0 PENDING"]);
    assert_eq!(world.states("waiting"), ["0 PENDING"]);
}

#[test]
fn reconciliation_asks_in_batches() {
    let mut world = World::registered(config());
    world.create(job("hello", 3));
    for name in ["a", "b", "c"] {
        world.offer(&host(name));
    }
    world.pass(5_000);
    assert_eq!(
        world.states("hello"),
        vec!["0 ASSIGNED", "1 ASSIGNED", "2 ASSIGNED"]
    );
    let trigger = |batch_size| arguments::TriggerExplicitTaskReconciliation {
        settings: Some(ExplicitReconciliationSettings { batch_size }),
    };
    let sizes = |calls: &[MesosCall]| -> Vec<usize> {
        let sizes = calls.iter().filter_map(|call| match call {
            MesosCall::Reconcile { tasks } => Some(tasks.len()),
            _ => None,
        });
        sizes.collect()
    };
    assert_eq!(
        world.answer(trigger(Some(0))),
        (
            ResponseCode::InvalidRequest,
            "Batch size must be greater than zero.".to_owned()
        )
    );
    let (_, calls) = world.call(trigger(Some(2)));
    assert_eq!(sizes(&calls), [2]);
    assert_eq!(sizes(&world.pass(4_000)), Vec::<usize>::new());
    assert_eq!(sizes(&world.pass(1_000)), [1]);
    let (_, calls) = world.call(trigger(None));
    assert_eq!(sizes(&calls), [3]);
    let (_, calls) = world.call(arguments::TriggerImplicitTaskReconciliation {});
    assert_eq!(calls, [MesosCall::Reconcile { tasks: vec![] }]);
}

#[test]
fn reconciliation_runs_by_itself() {
    let mut world = World::registered(config());
    let id = world.running(job("hello", 1));
    world.pass(3 * 3_600_000 - 3_000);
    // Explicitly after 1, 61 and 121 minutes, implicitly after 31, 91 and 151; both once more at most by three hours.
    assert_eq!(world.core.counters()["reconciliation_explicit_runs"], 3);
    assert_eq!(world.core.counters()["reconciliation_implicit_runs"], 3);
    assert_eq!(
        world.core.store().read().task(&id).unwrap().status,
        ScheduleStatus::Running
    );
}

#[test]
fn a_read_changes_nothing() {
    use aurora_api::service::arguments::GetRoleSummary;
    let mut world = World::registered(config());
    assert_eq!(
        world.answer(GetRoleSummary::default()).0,
        ResponseCode::Error
    );
}

/// A line for each change by somebody, none for what was refused or changed nothing.
#[test]
fn changes_are_on_the_audit_trail() {
    let mut world = World::registered(config());
    world.create(job("hello", 2));
    let key = JobKey::new("www", "prod", "hello");
    let kill = |name: &str, message: Option<&str>| arguments::KillTasks {
        job: Some(JobKey::new("www", "prod", name)),
        instances: Some(BTreeSet::from([1])),
        message: message.map(str::to_owned),
    };
    world.call(kill("hello", Some("too loud")));
    world.call(kill("hello", None));
    world.call(kill("other", None));
    world.call(arguments::RestartShards {
        job: Some(key),
        shard_ids: BTreeSet::from([7]),
    });
    let lines: Vec<String> = world
        .core
        .store()
        .read()
        .audit()
        .map(|record| {
            format!(
                "{} {} {} ({})",
                record.user, record.method, record.target, record.detail
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "tester createJob www/prod/hello (2 instances)",
            "tester killTasks www/prod/hello (instances 1: too loud)",
        ]
    );
}
