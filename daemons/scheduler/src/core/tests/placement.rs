//! Which task goes where, what Mesos is told, and what users read while a task waits.

use super::*;
use aurora_api::binary;
use aurora_mesos::v1::{OfferId, TaskState};

/// Tries one job on one host; the hosts of the tasks that were placed, and the reason that the others wait.
fn tried(job: JobConfiguration, hosts: &[Host]) -> (usize, Option<String>) {
    let mut world = World::registered(config());
    let name = job.key.name.clone();
    world.create(job);
    for host in hosts {
        world.offer(host);
    }
    let calls = world.pass(10_000);
    let waiting = world.states(&name).iter().any(|state| state == "0 PENDING");
    (
        launches(&calls).len(),
        if waiting { reason(&world, &name) } else { None },
    )
}

fn with(constraint: Constraint) -> JobConfiguration {
    let mut job = job("hello", 1);
    job.task_config.constraints.insert(constraint);
    job
}

#[test]
fn reasons_against_a_host() {
    let dedicated = Host {
        attributes: vec![("host", "a"), ("dedicated", "www/db")],
        ..host("a")
    };
    let rack = |rack| Host {
        attributes: vec![("host", "a"), ("rack", rack)],
        ..host("a")
    };
    let two_racks = Host {
        attributes: vec![("rack", "r1"), ("rack", "r2")],
        ..host("a")
    };
    let own = with(value("dedicated", false, &["www/db"]));
    let cases: Vec<(JobConfiguration, Host, Option<&str>)> = vec![
        (job("hello", 1), host("a"), None),
        (
            job("hello", 1),
            dedicated.clone(),
            Some("Host is dedicated"),
        ),
        (own.clone(), dedicated.clone(), None),
        (own, host("a"), Some("Constraint not satisfied: dedicated")),
        (
            with(value("dedicated", false, &["www/other"])),
            dedicated,
            Some("Constraint not satisfied: dedicated"),
        ),
        (with(value("rack", false, &["r1", "r2"])), rack("r2"), None),
        (
            with(value("rack", false, &["r1"])),
            rack("r2"),
            Some("Constraint not satisfied: rack"),
        ),
        (with(value("rack", true, &["r1"])), rack("r2"), None),
        (
            with(value("rack", true, &["r1"])),
            rack("r1"),
            Some("Constraint not satisfied: rack"),
        ),
        (with(value("rack", true, &["r1"])), host("a"), None),
        (
            with(value("rack", false, &["r1"])),
            host("a"),
            Some("Constraint not satisfied: rack"),
        ),
        (with(value("rack", false, &["r2"])), two_racks, None),
        (
            with(limit("rack", 1)),
            host("a"),
            Some("Constraint not satisfied: rack"),
        ),
        (
            with(limit("host", 0)),
            host("a"),
            Some("Limit not satisfied: host"),
        ),
        (with(limit("host", 1)), host("a"), None),
        // The executor's quarter of a core counts.
        (
            job("hello", 1),
            Host {
                cpus: 1.2,
                ..host("a")
            },
            Some("Insufficient: CPU"),
        ),
        (
            job("hello", 1),
            Host {
                cpus: 1.25,
                mem: 1152.0,
                disk: 1024.0,
                ..host("a")
            },
            None,
        ),
        (
            job("hello", 1),
            Host {
                mem: 1100.0,
                ..host("a")
            },
            Some("Insufficient: RAM"),
        ),
        (
            job("hello", 1),
            Host {
                cpus: 1.0,
                mem: 512.0,
                disk: 1.0,
                ..host("a")
            },
            Some("Insufficient: CPU,Insufficient: RAM,Insufficient: disk"),
        ),
    ];
    for (job, host, expected) in cases {
        let what = format!("{:?} on {:?}", job.task_config.constraints, host.attributes);
        let (placed, reason) = tried(job, &[host]);
        assert_eq!(
            (placed, reason.as_deref()),
            (usize::from(expected.is_none()), expected),
            "{what}"
        );
    }
}

#[test]
fn ports_are_counted_and_bound() {
    let mut greedy = job("hello", 1);
    greedy
        .task_config
        .resources
        .extend((0..11).map(|n| Resource::NamedPort(format!("p{n}"))));
    assert_eq!(
        tried(greedy, &[host("a")]),
        (0, Some("Insufficient: ports".to_owned()))
    );

    let mut world = World::registered(config());
    let mut web = job("web", 1);
    web.task_config
        .resources
        .extend(["http", "admin", "x"].map(|name| Resource::NamedPort(name.to_owned())));
    world.create(web);
    world.offer(&host("a"));
    let calls = world.pass(2_000);
    let info = launches(&calls)[0].clone();
    let task = world.active("web", 0);
    let names: Vec<&str> = task.ports.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["admin", "http", "x"]);
    let bound: BTreeSet<u64> = task.ports.iter().map(|(_, port)| *port as u64).collect();
    assert_eq!(bound.len(), 3);
    assert!(
        bound.iter().all(|port| (31000..=31009).contains(port)),
        "{bound:?}"
    );
    let launched = info
        .resources
        .iter()
        .find(|resource| resource.name == "ports")
        .unwrap();
    let ranges = &launched.ranges.as_ref().unwrap().range;
    let taken: BTreeSet<u64> = ranges
        .iter()
        .flat_map(|range| range.begin..=range.end)
        .collect();
    assert_eq!(taken, bound);
}

#[test]
fn mesos_is_told_what_the_task_is() {
    let mut world = World::registered(Config {
        executor_path: "/opt/aurora bin/executor".to_owned(),
        executor_flags: "--nosetuid --announcer-ensemble=z:2181".to_owned(),
        ..config()
    });
    let mut hello = job("hello", 1);
    hello.task_config.metadata.insert(Metadata {
        key: "team".to_owned(),
        value: "web".to_owned(),
    });
    world.create(hello);
    world.offer(&host("a"));
    let calls = world.pass(2_000);
    let [
        MesosCall::Launch {
            offer_ids,
            task,
            refuse_seconds,
        },
    ] = &calls[..]
    else {
        panic!("{calls:?}");
    };
    let info = task.info();
    assert_eq!(
        (offer_ids.as_slice(), *refuse_seconds),
        (&[OfferId::from("O1")][..], 5.0)
    );
    let task = world.active("hello", 0);
    assert_eq!(info.name, "www/prod/hello");
    assert_eq!(
        (info.task_id.value.as_str(), info.agent_id.value.as_str()),
        (&*task.id(), "agent-a")
    );
    assert_eq!(
        info.resources,
        [
            scalar("cpus", 1.0),
            scalar("mem", 1024.0),
            scalar("disk", 1024.0)
        ]
    );
    let labels: Vec<_> = info.labels.as_ref().unwrap().labels.iter().collect();
    let labels: Vec<_> = labels
        .iter()
        .map(|label| (label.key.as_str(), label.value.as_deref().unwrap()))
        .collect();
    assert_eq!(
        labels,
        [
            ("org.apache.aurora.tier", "preemptible"),
            ("org.apache.aurora.metadata.team", "web")
        ]
    );
    assert!(info.command.is_none() && info.container.is_none() && info.discovery.is_none());
    let executor = info.executor.as_ref().unwrap();
    assert_eq!(executor.executor_id.value, format!("thermos-{}", task.id()));
    assert_eq!(executor.framework_id.as_ref().unwrap().value, "F1");
    assert_eq!(executor.name.as_deref(), Some("AuroraExecutor"));
    assert_eq!(executor.source.as_deref(), Some("www.prod.hello.0"));
    assert_eq!(
        executor.resources,
        [scalar("cpus", 0.25), scalar("mem", 128.0)]
    );
    let command = executor.command.as_ref().unwrap();
    assert_eq!(
        command.value.as_deref(),
        Some("exec '/opt/aurora bin/executor' --nosetuid --announcer-ensemble=z:2181")
    );
    assert!(command.shell && command.uris.is_empty());
    let assigned: AssignedTask = binary::decode(info.data.as_ref().unwrap()).unwrap();
    assert_eq!(
        (assigned.task_id.as_str(), assigned.slave_host.as_deref()),
        (&*task.id(), Some("a"))
    );
    assert_eq!(assigned, task.to_assigned());
}

#[test]
fn reserved_resources_are_used_first() {
    let mut world = World::registered(config());
    world.create(job("hello", 1));
    let mut offer = world.make_offer(&host("a"));
    let reserved = |resource: v1::Resource| v1::Resource {
        role: Some("aurora".to_owned()),
        ..resource
    };
    offer.resources = vec![
        scalar("cpus", 4.0),
        scalar("mem", 4096.0),
        scalar("disk", 4096.0),
        reserved(scalar("cpus", 0.4)),
        reserved(scalar("mem", 2048.0)),
        scalar("unheard-of", 3.0),
    ];
    world.mesos(MesosEvent::Offers(vec![offer]));
    let calls = world.pass(2_000);
    let info = &launches(&calls)[0];
    assert_eq!(
        info.resources,
        [
            reserved(scalar("cpus", 0.4)),
            scalar("cpus", 0.6),
            reserved(scalar("mem", 1024.0)),
            scalar("disk", 1024.0)
        ]
    );
    assert_eq!(
        info.executor.as_ref().unwrap().resources,
        [scalar("cpus", 0.25), reserved(scalar("mem", 128.0))]
    );
}

#[test]
fn revocable_resources_are_for_revocable_tasks() {
    let revocable = |resource: v1::Resource| v1::Resource {
        revocable: Some(v1::RevocableInfo {}),
        ..resource
    };
    for (tier, firm, soft, placed) in [
        ("preferred", 2.0, 0.0, true),
        ("preferred", 0.0, 2.0, false),
        ("revocable", 0.0, 2.0, true),
        ("revocable", 2.0, 0.0, false),
    ] {
        let mut world = World::registered(config());
        let mut hello = job("hello", 1);
        hello.task_config.tier = Some(tier.to_owned());
        if tier == "preferred" {
            let quota = ResourceAggregate {
                resources: hello.task_config.resources.clone(),
            };
            world.answer(arguments::SetQuota {
                owner_role: Some("www".to_owned()),
                quota: Some(quota),
            });
        }
        world.create(hello);
        let mut offer = world.make_offer(&host("a"));
        offer.resources.retain(|resource| resource.name != "cpus");
        offer.resources.push(scalar("cpus", firm));
        offer.resources.push(revocable(scalar("cpus", soft)));
        world.mesos(MesosEvent::Offers(vec![offer]));
        let calls = world.pass(5_000);
        assert_eq!(
            launches(&calls).len(),
            usize::from(placed),
            "{tier} {firm} {soft}"
        );
        if placed && tier == "revocable" {
            assert_eq!(
                launches(&calls)[0].resources[0],
                revocable(scalar("cpus", 1.0))
            );
        }
    }
}

/// Five tasks are tried in one round; each is judged with the earlier ones in place, so a limit on racks holds.
#[test]
fn limits_hold_inside_one_round() {
    let mut world = World::registered(config());
    let mut hello = job("hello", 5);
    hello.task_config.constraints.insert(limit("rack", 1));
    world.create(hello);
    for (name, rack) in [
        ("a", "r1"),
        ("b", "r1"),
        ("c", "r1"),
        ("d", "r2"),
        ("e", "r2"),
    ] {
        world.offer(&Host {
            attributes: vec![("host", name), ("rack", rack)],
            ..host(name)
        });
    }
    let calls = world.pass(30_000);
    assert_eq!(launches(&calls).len(), 2);
    let view = world.core.store().read();
    let all = TaskQuery::default();
    let hosts: Vec<String> = view
        .tasks(&all)
        .filter_map(|task| task.host())
        .map(|host| host.to_string())
        .collect();
    let in_first = hosts
        .iter()
        .filter(|host| ["a", "b", "c"].contains(&host.as_str()))
        .count();
    assert_eq!((hosts.len(), in_first), (2, 1), "{hosts:?}");
    let waiting = view
        .tasks(&all)
        .find(|task| task.status == ScheduleStatus::Pending)
        .unwrap();
    assert_eq!(
        view.pending_reason(&waiting.id()).as_deref(),
        Some("Limit not satisfied: rack")
    );
    // Room on another rack is found, and room that an ended task leaves.
    let calls = world.offer(&Host {
        attributes: vec![("host", "f"), ("rack", "r3")],
        ..host("f")
    });
    assert!(calls.is_empty());
    assert_eq!(launches(&world.pass(60_000)).len(), 1);
    let on_d_or_e = world
        .core
        .store()
        .read()
        .tasks(&all)
        .find(|task| task.host().is_some_and(|host| ["d", "e"].contains(&host)));
    let id = on_d_or_e.unwrap().id();
    world.status(&id, TaskState::Running);
    world.call(arguments::KillTasks {
        job: Some(JobKey::new("www", "prod", "hello")),
        instances: Some([world.core.store().read().task(&id).unwrap().instance].into()),
        message: None,
    });
    world.status(&id, TaskState::Killed);
    assert_eq!(launches(&world.pass(60_000)).len(), 1);
}

#[test]
fn the_nearest_fit_is_shown() {
    let (_, reason) = tried(
        with(value("rack", false, &["r1"])),
        &[
            host("a"),
            Host {
                cpus: 0.5,
                attributes: vec![("rack", "r1")],
                ..host("b")
            },
        ],
    );
    assert_eq!(reason.as_deref(), Some("Insufficient: CPU"));
    // 0.75 cores lack on one host (46 of 1000), on the other 128 MiB of memory (5 of 1000).
    let short = |name, cpus, mem| Host {
        cpus,
        mem,
        ..host(name)
    };
    let (_, reason) = tried(
        job("hello", 1),
        &[short("a", 0.5, 4096.0), short("b", 4.0, 1024.0)],
    );
    assert_eq!(reason.as_deref(), Some("Insufficient: RAM"));
    // Nothing was tried: nothing is known.
    assert_eq!(tried(job("hello", 1), &[]), (0, None));
}

/// The wait between tries doubles, give or take chance, up to a minute; it does not begin anew for tasks that come later.
#[test]
fn tries_back_off() {
    let mut world = World::registered(config());
    world.create(job("hello", 1));
    world.pass(300_000);
    let tries = |world: &World| world.core.counters()["schedule_attempts_fired"];
    let early = tries(&world);
    // From 1 ms to a minute the wait doubles 16 times at the fastest.
    assert!((16..80).contains(&early), "{early}");
    world.pass(600_000);
    assert_eq!(tries(&world) - early, 10);
    world.create(job("other", 1));
    world.call(arguments::AddInstances {
        key: Some(InstanceKey {
            job_key: JobKey::new("www", "prod", "hello"),
            instance_id: 0,
        }),
        count: 3,
    });
    let before = tries(&world);
    world.pass(1_000);
    assert!(
        tries(&world) - before < 30,
        "only the new job is tried early"
    );
}

#[test]
fn attempts_are_rationed() {
    let mut world = World::registered(Config {
        max_schedule_attempts_per_sec: 2.0,
        max_tasks_per_schedule_attempt: 1,
        ..config()
    });
    for n in 0..10 {
        world.create(job(&format!("j{n}"), 1));
    }
    world.pass(1_010);
    let tries = |world: &World| world.core.counters()["schedule_attempts_fired"];
    // Two were saved up, two more came in the second.
    assert_eq!(tries(&world), 4);
    world.pass(10_000);
    assert_eq!(tries(&world), 24);
    assert!(world.core.counters()["schedule_attempts_blocks"] > 0);
}

#[test]
fn a_restarted_scheduler_goes_on() {
    let mut world = World::registered(config());
    let running = world.running(job("hello", 1));
    world.create(job("waiting", 2));
    world.create(job("dying", 1));
    world.offer(&host("b"));
    world.pass(3_000);
    let placed = ["waiting", "dying"]
        .iter()
        .flat_map(|name| world.states(name))
        .filter(|state| state.contains("ASS"));
    assert_eq!(placed.count(), 1);
    world.call(arguments::KillTasks {
        job: Some(JobKey::new("www", "prod", "hello")),
        ..arguments::KillTasks::default()
    });
    let snapshot = store::encode_snapshot(world.core.store().read());
    let now = world.now + 10_000;
    let successor = Config {
        hostname: "scheduler-2".to_owned(),
        ..config()
    };
    let (core, step) = Core::recover(successor, store::decode_snapshot(&snapshot).unwrap(), now);
    assert_eq!(
        step.ops,
        [Op::SaveScheduler {
            host: "scheduler-2".to_owned()
        }]
    );
    assert_eq!(step.effects, []);
    world = World {
        core,
        now,
        offers: 100,
        ..world
    };
    world.mesos(MesosEvent::Registered {
        framework_id: "F1".to_owned(),
        master: "m".to_owned(),
    });
    // What waits gets a turn within half a minute, and then backs off; kills are sent again.
    for name in ["c", "d"] {
        world.offer(&host(name));
    }
    let calls = world.pass(61_000);
    assert_eq!(launches(&calls).len(), 2, "{calls:?}");
    assert!(kills(&calls).contains(&&*running), "{calls:?}");
    world.pass(400_000);
    let task = world.core.store().read().task(&running).unwrap().clone();
    assert_eq!(history(&task).last().unwrap(), "LOST Task timed out");
    assert_eq!(
        task.to_thrift()
            .task_events
            .last()
            .unwrap()
            .scheduler
            .as_deref(),
        Some("scheduler-2")
    );
}
