//! What topics tell, who may read them, and what a feed costs.

use std::collections::BTreeSet;

use super::*;

/// An op of a store, published as an entry of its own.
fn publish(world: &mut World, ops: &[Op]) {
    let before = world.store.view();
    let mut changes = Changes::new();
    for op in ops {
        changes.extend(world.store.apply(op).unwrap());
    }
    world.publish(&before, &changes);
}

async fn until(pieces: &mut mpsc::Receiver<Bytes>, fits: impl Fn(&Line) -> bool) -> Line {
    loop {
        if let Some(line) = lines(&next(pieces).await).into_iter().find(&fits) {
            return line;
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn updates_maintenance_and_audit_are_told_and_summaries_know_of_them() {
    use aurora_api::model::{
        HostMaintenanceRequest, InstanceTaskConfig, JobInstanceUpdateEvent, JobUpdate,
        JobUpdateAction, JobUpdateEvent, JobUpdateInstructions, JobUpdateKey, JobUpdateStatus,
        JobUpdateSummary, MaintenanceMode,
    };
    let mut world = World::new(1);
    let topics = parse_all(["updates", "maintenance", "audit"]).unwrap();
    let mut pieces = follow(&world.hub, topics, None);
    until(&mut pieces, |line| matches!(line, Line::Snapshot(end) if end.topic == "audit" && end.part == SnapshotPart::End)).await;

    let template = job("x", 3);
    let key = JobUpdateKey {
        job: template.key.clone(),
        id: "u1".to_owned(),
    };
    let mut cron = template.clone();
    cron.cron_schedule = Some("0 2 * * *".to_owned());
    let update = JobUpdate {
        summary: JobUpdateSummary {
            key: key.clone(),
            user: Some("alice".to_owned()),
            ..Default::default()
        },
        instructions: JobUpdateInstructions {
            desired_state: Some(InstanceTaskConfig {
                task: template.task_config.clone(),
                instances: [Range { first: 0, last: 2 }].into(),
            }),
            ..Default::default()
        },
    };
    let status = |status, time| Op::UpdateEvent {
        key: key.clone(),
        event: JobUpdateEvent {
            status,
            timestamp_ms: time,
            message: Some("go".to_owned()),
            ..Default::default()
        },
    };
    let instance = |instance_id, action| {
        let event = JobInstanceUpdateEvent {
            instance_id,
            action,
            timestamp_ms: 20,
            ..Default::default()
        };
        Op::instance_event(key.clone(), event)
    };
    let cron_key = cron.key.clone();
    publish(
        &mut world,
        &[
            Op::SaveCron { job: cron.into() },
            Op::SaveUpdate {
                update: update.into(),
            },
            status(JobUpdateStatus::RollingForward, 10),
            instance(0, JobUpdateAction::InstanceUpdating),
            instance(1, JobUpdateAction::InstanceUpdating),
            instance(0, JobUpdateAction::InstanceUpdated),
            Op::SaveHost {
                attributes: HostAttributes {
                    host: "h1".to_owned(),
                    mode: Some(MaintenanceMode::Draining),
                    ..HostAttributes::default()
                }
                .into(),
            },
            Op::SaveMaintenance {
                request: HostMaintenanceRequest {
                    host: "h1".to_owned(),
                    timeout_secs: 60,
                    ..Default::default()
                },
            },
            Op::Audit {
                record: Arc::new(crate::core::AuditRecord {
                    time: 9,
                    user: "alice".to_owned(),
                    method: "startJobUpdate".to_owned(),
                    target: "x".to_owned(),
                    detail: String::new(),
                }),
            },
            // 2023-11-14, 02:00 UTC.
            Op::CronDecided {
                key: cron_key,
                minute: 1_699_927_200_000,
                outcome: crate::core::CronOutcome::Launched,
            },
        ],
    );
    let Line::Audit(audit) = until(&mut pieces, |line| matches!(line, Line::Audit(_))).await else {
        unreachable!("it was looked for")
    };
    assert_eq!(
        (audit.user.as_str(), audit.seq.to_string()),
        ("alice", "1.8".to_owned())
    );
    // Summaries come together, a while later, in the order of the log.
    let told = lines(&next(&mut pieces).await);
    let Some(Line::Job(told_job)) = told.iter().find(|line| matches!(line, Line::Job(_))) else {
        panic!("{told:?}");
    };
    assert_eq!(told_job.cron_schedule.as_deref(), Some("0 2 * * *"));
    let days = (1..=5).map(|day| 1_699_927_200_000 + day * 86_400_000);
    let last = told_job.cron_last.as_ref().unwrap();
    assert_eq!(last.next_ms, days.collect::<Vec<i64>>());
    let active = told_job.update.as_ref().unwrap();
    assert_eq!(active.status, JobUpdateStatus::RollingForward);
    let Some(Line::Update(told_update)) = told.iter().find(|line| matches!(line, Line::Update(_)))
    else {
        panic!("{told:?}");
    };
    assert_eq!((told_update.instances, told_update.created_ms), (3, 10));
    let actions = [
        (JobUpdateAction::InstanceUpdated, 1),
        (JobUpdateAction::InstanceUpdating, 1),
    ];
    assert_eq!(told_update.actions, actions.into());
    let fits = |line: &&Line| matches!(line, Line::Maintenance(_));
    let Some(Line::Maintenance(host)) = told.iter().find(fits) else {
        panic!("{told:?}");
    };
    assert_eq!(host.mode, MaintenanceMode::Draining);
    assert_eq!(host.request.as_ref().unwrap().timeout_secs, 60);

    publish(
        &mut world,
        &[
            Op::RemoveUpdates {
                keys: vec![key.clone()],
            },
            Op::RemoveCron {
                key: key.job.clone(),
            },
        ],
    );
    let told = lines(&next(&mut pieces).await);
    assert!(
        told.iter()
            .any(|line| matches!(line, Line::UpdateRemoved(gone) if gone.id == "u1")),
        "{told:?}"
    );
    assert!(
        told.iter().any(|line| matches!(line, Line::JobRemoved(_))),
        "{told:?}"
    );
}

#[tokio::test(flavor = "current_thread")]
async fn a_topic_that_may_not_be_read_is_denied_and_the_others_are_not() {
    let mut world = World::new(1);
    let mut asked = subscription(BTreeSet::new(), None);
    asked.wanted = Wanted::of(parse_all(["audit"]).unwrap(), false);
    let mut pieces = open(&world.hub, greeting(), asked).unwrap();
    let heard = lines(&next(&mut pieces).await);
    let Line::Hello(hello) = &heard[0] else {
        panic!("{heard:?}");
    };
    assert_eq!(heard[1], Line::Denied("audit".to_owned()));
    let record = crate::core::AuditRecord {
        time: 1,
        user: "u".to_owned(),
        method: "m".to_owned(),
        target: "t".to_owned(),
        detail: String::new(),
    };
    let audit = Op::Audit {
        record: record.into(),
    };
    let quota = Op::SaveQuota {
        role: "r".to_owned(),
        quota: aurora_api::model::ResourceAggregate::default(),
    };
    publish(&mut world, &[audit, quota]);
    let heard = lines(&next(&mut pieces).await);
    assert!(matches!(&heard[..], [Line::Quota(_)]), "{heard:?}");
    // A running feed is refused in the same way.
    let feed = world.hub.feed(&hello.feed).unwrap();
    let wanted = Wanted::of(parse_all(["audit", "updates"]).unwrap(), false);
    feed.send(wanted).await.unwrap();
    let heard = lines(&next(&mut pieces).await);
    assert_eq!(heard[0], Line::Denied("audit".to_owned()));
    assert!(
        matches!(&heard[1], Line::Snapshot(begin) if begin.topic == "updates"),
        "{heard:?}"
    );
}

#[tokio::test(flavor = "current_thread")]
async fn one_principal_cannot_take_all_feeds() {
    let world = World::new(1);
    let mut open_feeds = Vec::new();
    let mut ask = |principal: &str| {
        let mut asked = subscription(parse_all([]).unwrap(), None);
        asked.principal = principal.to_owned();
        open(&world.hub, greeting(), asked).map(|pieces| open_feeds.push(pieces))
    };
    for _ in 0..hub::MAX_FEEDS_EACH {
        ask("greedy").unwrap();
    }
    assert_eq!(ask("greedy"), Err(Crowded::Own));
    ask("modest").unwrap();
    drop(open_feeds);
    // They are forgotten when their clients are gone.
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while world.hub.feeds() > 0 {
        assert!(
            std::time::Instant::now() < deadline,
            "{} feeds are left",
            world.hub.feeds()
        );
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_packed_feed_can_be_read_a_piece_at_a_time() {
    use std::io::Read;
    let mut world = World::new(1);
    let mut asked = subscription(parse_all([]).unwrap(), None);
    asked.encoding = Encoding::Gzip;
    let mut pieces = open(&world.hub, greeting(), asked).unwrap();
    let mut packed = next(&mut pieces).await.to_vec();
    let quota = |role: &str| Op::SaveQuota {
        role: role.to_owned(),
        quota: aurora_api::model::ResourceAggregate::default(),
    };
    for role in ["r1", "r2"] {
        publish(&mut world, &[quota(role)]);
        packed.extend(next(&mut pieces).await);
        let mut plain = vec![0; 1 << 16];
        let mut reader = flate2::read::GzDecoder::new(&packed[..]);
        let mut got = 0;
        // The stream has no end yet: what was flushed comes out, then the input is over.
        while let Ok(count @ 1..) = reader.read(&mut plain[got..]) {
            got += count;
        }
        let text = String::from_utf8_lossy(&plain[..got]).into_owned();
        assert!(
            text.starts_with("{\"hello\"") && text.ends_with('\n'),
            "{text}"
        );
        assert!(text.contains(&format!("\"role\":\"{role}\"")), "{text}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn the_cost_of_a_feed_is_by_the_changes_in_its_topics() {
    const CHANGES: u64 = 50;
    let mut world = World::new(1);
    let mut insert = |name: &str, instances: i32| {
        let config = world.store.next_config_id();
        world.seed += 1;
        let ops = [
            Op::AddConfig {
                id: config,
                config: job(name, 1).task_config.into(),
            },
            Op::InsertTasks {
                config,
                instances: vec![Range {
                    first: 0,
                    last: instances - 1,
                }],
                seed: world.seed,
                time: 1,
            },
        ];
        publish(&mut world, &ops);
    };
    insert("large", 5000);
    insert("small", 1);
    let count = |name: &'static str| {
        let topic = format!("job/www-data/devel/{name}");
        parse_all([topic.as_str()]).unwrap()
    };
    let mut feeds: Vec<_> = (0..20)
        .map(|_| follow(&world.hub, count("small"), None))
        .collect();
    for pieces in &mut feeds {
        until(pieces, |line| matches!(line, Line::Task(_))).await;
    }
    let before = world.hub.lines();
    // Changes of another job: a feed of this one gets what it gets of any job, a line now and then.
    for number in 0..CHANGES {
        let view = world.store.view();
        let task = view
            .active_task(&job("large", 1).key, i32::try_from(number).unwrap())
            .unwrap()
            .id()
            .clone();
        let op = Op::SaveStatus {
            task,
            status: ScheduleStatus::Finished,
            message: None,
            time: 2,
        };
        publish(&mut world, &[op]);
    }
    for pieces in &mut feeds {
        until(pieces, |line| matches!(line, Line::Job(record) if record.states.get(&ScheduleStatus::Finished) == Some(&50))).await;
    }
    let lines = world.hub.lines() - before;
    assert!(
        lines <= 20 * 4,
        "{lines} lines for 20 feeds, none of them about the {CHANGES} tasks"
    );
}

#[tokio::test(flavor = "current_thread")]
async fn large_tables_are_counted_and_left_out_for_those_who_ask_for_that() {
    let mut world = World::new(3);
    for name in ["x", "y", "z"] {
        let ops = world.insert_of(job(name, 1).task_config, 0);
        publish(&mut world, &ops);
    }
    let host = |name: &str| Op::SaveHost {
        attributes: HostAttributes {
            host: name.to_owned(),
            ..HostAttributes::default()
        }
        .into(),
    };
    publish(&mut world, &[host("h1"), host("h2")]);
    let hub = world.hub.clone();
    let begin = |bound| {
        let wanted = subscription(parse_all([]).unwrap(), None);
        let bounds = Bounds {
            rows: bound,
            ..Bounds::default()
        };
        open(&hub, greeting(), Subscription { bounds, ..wanted }).unwrap()
    };
    let is_end = |line: &Line| matches!(line, Line::Snapshot(end) if end.part == SnapshotPart::End);
    for (bound, jobs, hosts) in [
        (None, 3, 2),
        (Some(3), 3, 2),
        (Some(2), 0, 2),
        (Some(1), 0, 0),
    ] {
        let mut pieces = begin(bound);
        let mut told = Vec::new();
        while !told.iter().any(is_end) {
            told.extend(lines(&next(&mut pieces).await));
        }
        let count = |fits: fn(&Line) -> bool| told.iter().filter(|line| fits(line)).count();
        let found = (
            count(|line| matches!(line, Line::Job(_))),
            count(|line| matches!(line, Line::Host(_))),
        );
        assert_eq!(found, (jobs, hosts), "{bound:?}");
        let counts = told.iter().find_map(|line| match line {
            Line::Counts(counts) => Some(counts),
            _ => None,
        });
        let tables = &counts.expect("always there").tables;
        let size = |name: &str| (tables[name].rows, tables[name].told);
        assert_eq!(size("jobs"), (3, jobs > 0), "{bound:?}");
        assert_eq!(size("hosts"), (2, hosts > 0), "{bound:?}");
    }

    // Of what is left out no change is told; how many there are is.
    let mut pieces = begin(Some(1));
    until(&mut pieces, is_end).await;
    publish(&mut world, &[host("h3")]);
    let line = until(&mut pieces, |line| {
        matches!(line, Line::Counts(_) | Line::Host(_))
    })
    .await;
    let Line::Counts(counts) = line else {
        panic!("{line:?}");
    };
    assert_eq!(counts.tables["hosts"].rows, 3);
}

#[tokio::test(flavor = "current_thread")]
async fn jobs_of_many_tasks_are_counted_and_some_of_their_instances_told() {
    let mut world = World::new(5);
    let grow = |world: &mut World, instances: std::ops::Range<i32>| {
        for instance in instances {
            let ops = world.insert_of(job("x", 1).task_config, instance);
            publish(world, &ops);
        }
    };
    grow(&mut world, 0..3);
    let wanted = parse_all(["job/www-data/devel/x", "job/www-data/devel/x/1:5"]).unwrap();
    let begin = |world: &World, tasks| {
        let bounds = Bounds {
            tasks,
            ..Bounds::default()
        };
        let all = subscription(wanted.clone(), None);
        open(&world.hub, greeting(), Subscription { bounds, ..all }).unwrap()
    };
    let is_end = |line: &Line| {
        matches!(line, Line::Snapshot(end)
            if end.part == SnapshotPart::End && end.topic == "job/www-data/devel/x/1:5")
    };
    // Of the job and of those instances, and how many there are.
    for (bound, tasks, counted) in [(None, 4, None), (Some(3), 4, None), (Some(2), 1, Some(3))] {
        let mut pieces = begin(&world, bound);
        let mut told = Vec::new();
        while !told.iter().any(is_end) {
            told.extend(lines(&next(&mut pieces).await));
        }
        let found = told.iter().filter(|line| matches!(line, Line::Task(_)));
        assert_eq!(found.count(), tasks, "{bound:?}");
        let count = told.iter().find_map(|line| match line {
            Line::Counted(counted) => Some((counted.topic.as_str(), counted.tasks)),
            _ => None,
        });
        let counted = counted.map(|tasks| ("job/www-data/devel/x", tasks));
        assert_eq!(count, counted, "{bound:?}");
    }

    // One that grows is counted from then on; of its tasks those are told that are asked for.
    let mut pieces = begin(&world, Some(3));
    until(&mut pieces, is_end).await;
    grow(&mut world, 3..6);
    let mut told = Vec::new();
    let is_told = |line: &Line| matches!(line, Line::Task(task) if task.instance == 5);
    while !told.iter().any(is_told) {
        told.extend(lines(&next(&mut pieces).await));
    }
    let counted = told
        .iter()
        .position(|line| matches!(line, Line::Counted(_)));
    let after = told[counted.expect("it is counted")..].iter();
    let tasks = after.filter_map(|line| match line {
        Line::Task(task) => Some(task.instance),
        _ => None,
    });
    assert_eq!(tasks.collect::<Vec<_>>(), [5]);

    // A task that is gone is so for those instances alone.
    let gone: Vec<_> = world
        .tasks()
        .into_iter()
        .filter(|task| task.instance != 0)
        .collect();
    for task in gone {
        let (task, time) = (task.id(), 9);
        publish(
            &mut world,
            &[
                Op::SaveStatus {
                    task: task.clone(),
                    status: ScheduleStatus::Finished,
                    message: None,
                    time,
                },
                Op::RemoveTasks { tasks: vec![task] },
            ],
        );
    }
    let mut told = Vec::new();
    let is_last =
        |line: &Line| matches!(line, Line::TaskRemoved(task) if task.task_id.contains("x-5-"));
    while !told.iter().any(is_last) {
        told.extend(lines(&next(&mut pieces).await));
    }
    let removed = told.iter().filter_map(|line| match line {
        Line::TaskRemoved(removed) => removed.task_id.split('-').nth(4).map(str::to_owned),
        _ => None,
    });
    assert_eq!(removed.collect::<Vec<_>>(), ["1", "5"]);
}
