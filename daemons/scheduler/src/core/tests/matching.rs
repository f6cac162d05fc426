//! Turns of groups, kinds of vetoes and orders of offers, as small tables.

use super::*;
use aurora_mesos::v1::TaskState;

fn counter(world: &World, name: &str) -> u64 {
    world.core.counters().get(name).copied().unwrap_or(0)
}

/// At most five of a group at a time; the others follow after the first delay, and what finds nothing is counted.
#[test]
fn a_group_is_placed_in_portions() {
    let mut world = World::registered(config());
    world.create(job("hello", 12));
    for name in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"] {
        world.offer(&host(name));
    }
    let portions: Vec<usize> = (0..4).map(|_| launches(&world.pass(1)).len()).collect();
    assert_eq!(portions, [5, 5, 1, 0]);
    assert_eq!(counter(&world, "schedule_attempts_fired"), 13);
    assert_eq!(counter(&world, "schedule_attempts_no_match"), 2);
}

/// An offer serves one task a round, however much room it has.
#[test]
fn an_offer_serves_one_task() {
    let mut world = World::registered(config());
    world.create(job("hello", 3));
    world.offer(&Host {
        cpus: 100.0,
        mem: 1e6,
        disk: 1e6,
        ..host("a")
    });
    assert_eq!(launches(&world.pass(30_000)).len(), 1);
    assert_eq!(world.core.offers_held(), 0);
}

#[test]
fn vetoes_are_counted_by_kind() {
    let dedicated = Host {
        attributes: vec![("dedicated", "www/db")],
        ..host("a")
    };
    let with = |constraint| {
        let mut job = job("hello", 1);
        job.task_config.constraints.insert(constraint);
        job
    };
    let small = Host {
        cpus: 0.5,
        mem: 10.0,
        ..host("a")
    };
    for (job, host, kind, group, count) in [
        (
            job("hello", 1),
            dedicated,
            "dedicated_constraint_mismatch",
            "static",
            1,
        ),
        (
            with(value("host", false, &["b"])),
            host("a"),
            "constraint_mismatch",
            "static",
            1,
        ),
        (
            with(limit("rack", 1)),
            host("a"),
            "constraint_mismatch",
            "static",
            1,
        ),
        (
            with(limit("host", 0)),
            host("a"),
            "limit_not_satisfied",
            "dynamic",
            1,
        ),
        (
            job("hello", 1),
            small,
            "insufficient_resources",
            "static",
            2,
        ),
    ] {
        let mut world = World::registered(config());
        world.create(job);
        world.offer(&host);
        world.pass(10);
        assert_eq!(
            counter(&world, &format!("scheduling_veto_{kind}")),
            count,
            "{kind}"
        );
        assert_eq!(
            counter(&world, &format!("scheduling_veto_{group}")),
            1,
            "{kind}"
        );
        assert_eq!(counter(&world, "veto_evaluated_offers"), 1);
    }
}

/// One job on one host: why it waits there.
fn reason_on(job: JobConfiguration, change: impl FnOnce(&mut v1::Offer)) -> Option<String> {
    let mut world = World::registered(config());
    let name = job.key.name.clone();
    world.create(job);
    let mut offer = world.make_offer(&host("a"));
    change(&mut offer);
    world.mesos(MesosEvent::Offers(vec![offer]));
    world.pass(10);
    (world.active(&name, 0).status == ScheduleStatus::Pending)
        .then(|| reason(&world, &name).unwrap_or_default())
}

fn constrained(constraints: &[Constraint]) -> JobConfiguration {
    let mut job = job("hello", 1);
    job.task_config.constraints = constraints.iter().cloned().collect();
    job
}

#[test]
fn constraints_in_their_order() {
    let on = |constraints: &[Constraint]| reason_on(constrained(constraints), |_| {});
    // Value constraints come first, whatever their names.
    assert_eq!(
        on(&[limit("host", 0), value("zone", false, &["z"])]).as_deref(),
        Some("Constraint not satisfied: zone")
    );
    // A limit comes before resources.
    let mut big = constrained(&[limit("host", 0)]);
    big.task_config.resources = [
        Resource::NumCpus(Double(100.0)),
        Resource::RamMb(1),
        Resource::DiskMb(1),
    ]
    .into();
    assert_eq!(
        reason_on(big, |_| {}).as_deref(),
        Some("Limit not satisfied: host")
    );
    // All values of a limited attribute must have room.
    let mut world = World::registered(config());
    let mut hello = job("hello", 2);
    hello.task_config.constraints.insert(limit("rack", 1));
    world.create(hello);
    for (name, racks) in [("a", &["r1"][..]), ("b", &["r1", "r2"])] {
        let mut offer = world.make_offer(&host(name));
        offer.attributes = racks
            .iter()
            .map(|rack| text_attribute("rack", rack))
            .collect();
        world.mesos(MesosEvent::Offers(vec![offer]));
        world.pass(70_000);
    }
    assert_eq!(world.core.offers_held(), 1);
}

/// Numbers are written as Java does; ranges and sets are not attributes at all.
#[test]
fn kinds_of_attributes() {
    let number = |value: f64| v1::Attribute {
        name: "size".to_owned(),
        kind: v1::ValueType::Scalar,
        scalar: Some(v1::Scalar { value }),
        ..v1::Attribute::default()
    };
    for (value_of_host, wanted, fits) in [
        (number(3.0), "3.0", true),
        (number(3.0), "3", false),
        (number(2.5), "2.5", true),
        (
            v1::Attribute {
                name: "size".to_owned(),
                kind: v1::ValueType::Set,
                ..v1::Attribute::default()
            },
            "3.0",
            false,
        ),
    ] {
        let job = constrained(&[value("size", false, &[wanted])]);
        let reason = reason_on(job, |offer| offer.attributes = vec![value_of_host.clone()]);
        assert_eq!(reason.is_none(), fits, "{value_of_host:?} {wanted}");
    }
}

#[test]
fn gpus_are_counted() {
    let needy = || {
        let mut job = job("hello", 1);
        job.task_config.resources.insert(Resource::NumGpus(2));
        job
    };
    for (gpus, expected) in [
        (0.0, Some("Insufficient: GPU")),
        (1.0, Some("Insufficient: GPU")),
        (2.0, None),
    ] {
        let mut world = World::registered(Config {
            allow_gpu_resource: true,
            ..config()
        });
        world.create(needy());
        let mut offer = world.make_offer(&host("a"));
        offer.resources.push(scalar("gpus", gpus));
        world.mesos(MesosEvent::Offers(vec![offer]));
        let calls = world.pass(10);
        match expected {
            Some(text) => assert_eq!(reason(&world, "hello").as_deref(), Some(text)),
            None => {
                let task = &launches(&calls)[0];
                assert!(task.resources.contains(&scalar("gpus", 2.0)));
            }
        }
    }
}

/// Offers without any cores or memory are not tried, and are held all the same.
#[test]
fn empty_offers_are_passed_over() {
    for (cpus, mem, tried) in [(0.0, 1024.0, 0), (1.0, 0.0, 0), (0.5, 512.0, 1)] {
        let mut world = World::registered(config());
        world.create(job("hello", 1));
        world.offer(&Host {
            cpus,
            mem,
            ..host("a")
        });
        world.pass(10);
        assert_eq!(
            counter(&world, "veto_evaluated_offers"),
            tried,
            "{cpus} {mem}"
        );
        assert_eq!(world.core.offers_held(), 1);
    }
}

fn mode_of(name: &str, mode: MaintenanceMode) -> HostAttributes {
    HostAttributes {
        host: name.to_owned(),
        attributes: [Attribute {
            name: "host".to_owned(),
            values: [name.to_owned()].into(),
        }]
        .into(),
        mode: Some(mode),
        slave_id: Some(format!("agent-{name}")),
    }
}

/// A host keeps its mode when it offers again; the offer is looked at anew when the mode changes.
#[test]
fn modes_of_hosts() {
    for (mode, expected) in [
        (MaintenanceMode::None, None),
        (MaintenanceMode::Scheduled, None),
        (
            MaintenanceMode::Draining,
            Some("Host draining for maintenance"),
        ),
        (
            MaintenanceMode::Drained,
            Some("Host drained for maintenance"),
        ),
    ] {
        let mut world = World::registered(Config {
            hold_offers_forever: true,
            ..config()
        });
        world.core.save_host(mode_of("a", mode));
        world.create(job("hello", 1));
        world.offer(&host("a"));
        let placed = launches(&world.pass(10)).len();
        assert_eq!(placed, usize::from(expected.is_none()), "{mode:?}");
        let Some(expected) = expected else {
            continue;
        };
        assert_eq!(reason(&world, "hello").as_deref(), Some(expected));
        // The same offer is good as soon as the host is, however long the group's wait has become.
        world.pass(600_000);
        world.core.save_host(mode_of("a", MaintenanceMode::None));
        assert_eq!(launches(&world.pass(5)).len(), 1, "{mode:?}");
    }
}

/// Hosts in maintenance last, then those that Mesos takes away soonest; only then the configured order.
#[test]
fn hosts_that_leave_are_tried_last() {
    let mut world = World::registered(Config {
        offer_order: vec![OfferOrder::Cpu],
        ..config()
    });
    world
        .core
        .save_host(mode_of("scheduled", MaintenanceMode::Scheduled));
    for (name, cpus, leaves_in) in [
        ("scheduled", 2.0, None),
        ("soon", 3.0, Some(3_600_000)),
        ("late", 4.0, Some(7_200_000)),
        ("stays", 8.0, None),
    ] {
        let mut offer = world.make_offer(&Host { cpus, ..host(name) });
        offer.unavailability = leaves_in.map(|span| v1::Unavailability {
            start: v1::TimeInfo {
                nanoseconds: (world.now + span) * 1_000_000,
            },
            duration: None,
        });
        world.mesos(MesosEvent::Offers(vec![offer]));
    }
    world.create(job("hello", 4));
    let calls = world.pass(10);
    let agents: Vec<String> = launches(&calls)
        .into_iter()
        .map(|task| task.agent_id.value)
        .collect();
    assert_eq!(
        agents,
        ["agent-stays", "agent-late", "agent-soon", "agent-scheduled"]
    );
}

#[test]
fn orders_of_offers() {
    use OfferOrder::*;
    let revocable = |cpus: f64| v1::Resource {
        revocable: Some(v1::RevocableInfo {}),
        ..scalar("cpus", cpus)
    };
    for (order, expected) in [
        // Offers without revocable cores come last.
        (vec![RevocableCpu], ["agent-b", "agent-c", "agent-a"]),
        // Equal memory: the second order decides.
        (vec![Memory, Cpu], ["agent-c", "agent-b", "agent-a"]),
        (vec![Memory, Disk], ["agent-b", "agent-a", "agent-c"]),
    ] {
        let mut world = World::registered(Config {
            offer_order: order.clone(),
            ..config()
        });
        for (name, cpus, disk, soft) in [
            ("a", 8.0, 2048.0, 0.0),
            ("b", 4.0, 1024.0, 2.0),
            ("c", 2.0, 4096.0, 3.0),
        ] {
            let mut offer = world.make_offer(&Host {
                cpus,
                disk,
                ..host(name)
            });
            if soft > 0.0 {
                offer.resources.push(revocable(soft));
            }
            world.mesos(MesosEvent::Offers(vec![offer]));
        }
        world.create(job("hello", 3));
        let calls = world.pass(10);
        let agents: Vec<String> = launches(&calls)
            .into_iter()
            .map(|task| task.agent_id.value)
            .collect();
        assert_eq!(agents, expected, "{order:?}");
    }
    // By lot, but the same for as long as the offers are held.
    let mut world = World::registered(config());
    for name in ["a", "b", "c", "d", "e", "f"] {
        world.offer(&host(name));
    }
    let order = |world: &World| -> Vec<u64> {
        world
            .core
            .offers
            .behind(None)
            .map(|held| held.key.sequence)
            .collect()
    };
    let before = order(&world);
    assert_ne!(before, [1, 2, 3, 4, 5, 6]);
    world.pass(60_000);
    assert_eq!(order(&world), before);
}

#[test]
fn what_revocable_tasks_run_on() {
    let soft = |resource: v1::Resource| v1::Resource {
        revocable: Some(v1::RevocableInfo {}),
        ..resource
    };
    // (revocable cores, revocable memory, what the offer has, whether it suits)
    for (cpus, ram, firm_cpus, firm_mem, soft_cpus, soft_mem, fits) in [
        (true, false, 0.0, 4096.0, 2.0, 0.0, true),
        (true, false, 2.0, 4096.0, 0.0, 0.0, false),
        (false, false, 2.0, 4096.0, 0.0, 0.0, true),
        (true, true, 0.0, 4096.0, 2.0, 0.0, false),
        (true, true, 0.0, 0.0, 2.0, 4096.0, true),
    ] {
        let mut world = World::registered(Config {
            enable_revocable_cpus: cpus,
            enable_revocable_ram: ram,
            ..config()
        });
        let mut hello = job("hello", 1);
        hello.task_config.tier = Some("revocable".to_owned());
        world.create(hello);
        let mut offer = world.make_offer(&host("a"));
        offer.resources = vec![
            scalar("cpus", firm_cpus),
            scalar("mem", firm_mem),
            scalar("disk", 65536.0),
            soft(scalar("cpus", soft_cpus)),
            soft(scalar("mem", soft_mem)),
        ];
        world.mesos(MesosEvent::Offers(vec![offer]));
        let placed = launches(&world.pass(10)).len();
        assert_eq!(
            placed,
            usize::from(fits),
            "{cpus} {ram} {firm_cpus} {soft_cpus} {soft_mem}"
        );
    }
}

/// The reason is that of the nearest fit, for ten minutes; it goes with the first task that is placed or killed.
#[test]
fn a_reason_does_not_stay_for_ever() {
    let mut world = World::registered(Config {
        hold_offers_forever: true,
        ..config()
    });
    world.create(job("hello", 2));
    world.offer(&Host {
        cpus: 1.0,
        ..host("a")
    });
    world.pass(1_000);
    assert_eq!(
        reason(&world, "hello").as_deref(),
        Some("Insufficient: CPU")
    );
    // The near one is gone; the next that comes is farther, and counts once the nearer one is too old.
    world.mesos(MesosEvent::Rescinded("O1".into()));
    world.offer(&Host {
        disk: 1.0,
        cpus: 0.1,
        ..host("b")
    });
    world.pass(590_000);
    assert_eq!(
        reason(&world, "hello").as_deref(),
        Some("Insufficient: CPU")
    );
    world.pass(120_000);
    assert_eq!(
        reason(&world, "hello").as_deref(),
        Some("Insufficient: CPU,Insufficient: disk")
    );
    let second = world.active("hello", 1).id();
    world.call(arguments::KillTasks {
        job: Some(JobKey::new("www", "prod", "hello")),
        instances: Some([0].into()),
        message: None,
    });
    assert_eq!(world.core.store().read().pending_reason(&second), None);
    world.pass(120_000);
    assert!(world.core.store().read().pending_reason(&second).is_some());
}

/// Resources that only look large enough: rounded amounts. The offer goes back and the task waits.
#[test]
fn an_offer_that_cannot_be_cut_is_given_back() {
    let mut world = World::registered(config());
    let mut hello = job("hello", 1);
    hello
        .task_config
        .resources
        .insert(Resource::NamedPort("http".to_owned()));
    world.create(hello);
    let mut offer = world.make_offer(&host("a"));
    // A volume is not cut in two.
    for resource in &mut offer.resources {
        if resource.name == "disk" {
            resource.shared = Some(v1::SharedInfo {});
        }
    }
    world.mesos(MesosEvent::Offers(vec![offer]));
    let calls = world.pass(10);
    assert_eq!(launches(&calls).len(), 0);
    assert_eq!(
        reason(&world, "hello").as_deref(),
        Some("Insufficient: disk")
    );
    assert_eq!(counter(&world, "assigner_launch_failures"), 0);
}

/// What a quota counts: not the executor's share, ports or GPUs; production as it was stored.
#[test]
fn what_quotas_count() {
    let mut world = World::registered(Config {
        allow_gpu_resource: true,
        ..config()
    });
    let quota = |cpus: f64| arguments::SetQuota {
        owner_role: Some("www".to_owned()),
        quota: Some(ResourceAggregate {
            resources: [
                Resource::NumCpus(Double(cpus)),
                Resource::RamMb(1024),
                Resource::DiskMb(1024),
            ]
            .into(),
        }),
    };
    world.answer(quota(1.0));
    let mut hello = preferred("hello", 1);
    hello
        .task_config
        .resources
        .insert(Resource::NamedPort("http".to_owned()));
    hello.task_config.resources.insert(Resource::NumGpus(1));
    world.create(hello);
    // The tier file changes; what was accepted as production still is.
    let snapshot = store::encode_snapshot(world.core.store().read());
    let mut tiers = Tiers::default();
    tiers.tiers.insert(
        "preferred".to_owned(),
        Tier {
            preemptible: true,
            revocable: false,
        },
    );
    let changed = Config { tiers, ..config() };
    world.core = Core::recover(
        changed,
        store::decode_snapshot(&snapshot).unwrap(),
        world.now,
    )
    .0;
    let (code, _) = world.answer(quota(0.5));
    assert_eq!(code, ResponseCode::InvalidRequest);
    let id = world.active("hello", 0).id();
    world.status(&id, TaskState::Lost);
}

/// What fits nowhere is not looked for again: a turn looks at no offer until another one comes, and at that one alone.
#[test]
fn a_hopeless_group_looks_only_at_what_is_new() {
    let mut world = World::registered(Config {
        hold_offers_forever: true,
        ..config()
    });
    let mut hopeless = job("hello", 20);
    let nowhere = value("host", false, &["nowhere"]);
    hopeless.task_config.constraints.insert(nowhere);
    world.create(hopeless);
    for name in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] {
        world.offer(&host(name));
    }
    let told = |world: &World| {
        let names = ["schedule_attempts_fired", "veto_evaluated_offers"];
        names.map(|name| counter(world, name))
    };
    while told(&world)[0] == 0 {
        world.pass(1_000);
    }
    let [first_attempts, looked] = told(&world);
    assert_eq!(looked, 10);
    for _ in 0..30 {
        world.pass(10_000);
    }
    let [attempts, looked] = told(&world);
    assert!(attempts >= first_attempts + 20, "{attempts} attempts");
    assert_eq!(looked, 10);
    world.offer(&host("new"));
    for _ in 0..6 {
        world.pass(10_000);
    }
    assert_eq!(told(&world)[1], 11);
}
