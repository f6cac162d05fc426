//! Offers: held, given back, taken back, ordered.

use super::*;

#[test]
fn offers_are_held_for_a_while_and_given_back() {
    let mut world = World::registered(config());
    world.offer(&host("a"));
    assert_eq!(world.core.offers_held(), 1);
    assert_eq!(world.pass(299_999), []);
    // Five minutes and up to one more.
    let calls = world.pass(60_001);
    assert_eq!(
        calls,
        [MesosCall::Decline {
            offer_ids: vec!["O1".into()],
            refuse_seconds: 5.0,
        }]
    );
    assert_eq!(world.core.offers_held(), 0);

    let mut world = World::registered(Config {
        hold_offers_forever: true,
        ..config()
    });
    world.offer(&host("a"));
    assert_eq!(declined(&world.pass(86_400_000)), Vec::<&str>::new());
}

#[test]
fn two_offers_of_an_agent_are_both_given_back() {
    let mut world = World::registered(config());
    world.offer(&host("a"));
    let calls = world.offer(&host("a"));
    assert_eq!(declined(&calls), ["O1", "O2"]);
    assert_eq!(world.core.offers_held(), 0);
}

#[test]
fn an_offer_that_was_taken_back_is_not_used() {
    let mut world = World::registered(config());
    world.create(job("hello", 1));
    world.offer(&host("a"));
    world.mesos(MesosEvent::Rescinded("O1".into()));
    assert_eq!(world.pass(5_000), []);
    // The rescind comes first, the offer later: never used. The next of the same agent is.
    world.mesos(MesosEvent::Rescinded("O2".into()));
    world.offer(&host("a"));
    assert_eq!(world.pass(5_000), []);
    world.offer(&host("a"));
    assert_eq!(launches(&world.pass(60_000)).len(), 1);
    assert_eq!(world.core.counters()["offer_cancel_failures"], 1);
}

#[test]
fn offers_die_with_the_subscription() {
    let mut world = World::registered(config());
    world.offer(&host("a"));
    world.mesos(MesosEvent::Registered {
        framework_id: "F1".to_owned(),
        master: "m".to_owned(),
    });
    assert_eq!(world.core.offers_held(), 0);
    world.offer(&host("b"));
    world.mesos(MesosEvent::Disconnected);
    assert_eq!(world.core.offers_held(), 0);
    // An id that is known is not saved twice, and never replaced by an empty one.
    world.mesos(MesosEvent::Registered {
        framework_id: String::new(),
        master: "m".to_owned(),
    });
    assert_eq!(world.core.store().read().framework_id(), Some("F1"));
    let saved = world
        .ops
        .iter()
        .filter(|op| matches!(op, Op::SaveFrameworkId { .. }))
        .count();
    assert_eq!(saved, 1);
}

#[test]
fn machines_about_to_leave_are_not_used() {
    let mut world = World::registered(config());
    world.create(job("hello", 1));
    let mut offer = world.make_offer(&host("a"));
    // Six minutes are the lead; the offer is fine for one second more.
    offer.unavailability = Some(v1::Unavailability {
        start: v1::TimeInfo {
            nanoseconds: (world.now + 359_000) * 1_000_000,
        },
        duration: None,
    });
    world.mesos(MesosEvent::Offers(vec![offer]));
    assert_eq!(launches(&world.pass(2_000)).len(), 0);
    assert_eq!(
        reason(&world, "hello").as_deref(),
        Some("Host draining for maintenance")
    );
}

#[test]
fn offers_are_tried_in_the_configured_order() {
    for (order, expected) in [
        (OfferOrder::Cpu, "small"),
        (OfferOrder::Memory, "big"),
        (OfferOrder::Disk, "small"),
    ] {
        let mut world = World::registered(Config {
            offer_order: vec![order],
            ..config()
        });
        world.create(job("hello", 1));
        let big = Host {
            cpus: 16.0,
            mem: 2048.0,
            ..host("big")
        };
        let small = Host {
            disk: 2048.0,
            ..host("small")
        };
        let offers = vec![world.make_offer(&big), world.make_offer(&small)];
        world.mesos(MesosEvent::Offers(offers));
        world.pass(2_000);
        assert_eq!(world.active("hello", 0).host(), Some(expected), "{order:?}");
    }
}

/// However many offers came since the last search, the first in order that suits is taken.
#[test]
fn among_many_new_offers_the_first_in_order_is_taken() {
    for first_that_suits in [0, 50, 99] {
        let mut world = World::registered(Config {
            offer_order: vec![OfferOrder::Cpu],
            ..config()
        });
        let offers = |world: &mut World, cpus: f64, count: usize, suit_from: usize| {
            let names = (0..count).map(|n| format!("host-{cpus}-{n}").leak() as &str);
            let hosts = names.enumerate().map(|(n, name)| Host {
                cpus: cpus + n as f64 / 1000.0,
                attributes: vec![("zone", if n < suit_from { "b" } else { "a" })],
                ..host(name)
            });
            let hosts: Vec<Host> = hosts.collect();
            let offers = hosts.iter().map(|host| world.make_offer(host)).collect();
            world.mesos(MesosEvent::Offers(offers));
        };
        // Ten that are tried before all others and ten that are tried after them; none suits.
        offers(&mut world, 2.0, 10, 10);
        offers(&mut world, 6.0, 10, 10);
        let mut hello = job("hello", 1);
        hello
            .task_config
            .constraints
            .insert(value("zone", false, &["a"]));
        world.create(hello);
        world.pass(600_000);
        assert_eq!(world.active("hello", 0).host(), None);
        offers(&mut world, 4.0, 100, first_that_suits);
        world.pass(60_000);
        let expected = format!("host-4-{first_that_suits}");
        assert_eq!(world.active("hello", 0).host(), Some(&*expected));
    }
}

/// A group in its longest back-off does not sit out the minute when an offer comes that it can use.
#[test]
fn an_offer_wakes_those_it_suits() {
    let mut world = World::registered(config());
    world.create(job("hello", 1));
    world.pass(600_000);
    let tries = |world: &World| world.core.counters()["schedule_attempts_fired"];
    let before = tries(&world);
    world.offer(&Host {
        cpus: 0.5,
        ..host("small")
    });
    world.pass(5);
    assert_eq!(tries(&world), before);
    world.offer(&host("a"));
    assert_eq!(launches(&world.pass(5)).len(), 1);
    assert_eq!(tries(&world), before + 1);
}

/// Waking does not add turns: the turn that was due before is moved.
#[test]
fn waking_moves_a_turn_and_adds_none() {
    let mut world = World::registered(config());
    let mut hello = job("hello", 1);
    hello.task_config.constraints.insert(limit("host", 0));
    world.create(hello);
    world.pass(600_000);
    for _ in 0..20 {
        // Suits but for the limit, which is asked when the turn comes.
        world.offer(&host("a"));
        world.mesos(MesosEvent::Rescinded(
            format!("O{}", world.offers).as_str().into(),
        ));
        world.pass(100);
    }
    let tries = |world: &World| world.core.counters()["schedule_attempts_fired"];
    let before = tries(&world);
    world.pass(600_000);
    assert_eq!(tries(&world) - before, 10);
}

/// What an agent says of its host is compared with what is known: only what is news is written, and all of it.
#[test]
fn a_host_is_known_by_its_last_offer() {
    let mut world = World::registered(config());
    for (attributes, is_news) in [
        (vec![("rack", "r1"), ("zone", "z")], true),
        (vec![("rack", "r1"), ("zone", "z")], false),
        (vec![("zone", "z"), ("rack", "r1")], false),
        (vec![("rack", "r2"), ("zone", "z")], true),
        // One attribute twice, not two.
        (vec![("rack", "r2"), ("rack", "r2")], true),
        (vec![("rack", "r2"), ("rack", "r3")], true),
        (vec![("rack", "r3"), ("rack", "r2")], false),
        (vec![("rack", "r2")], true),
        (vec![("rack", "r2"), ("zone", "z")], true),
    ] {
        let before = world.core.store().read().host("a").cloned();
        world.mesos(MesosEvent::Registered {
            framework_id: "F1".to_owned(),
            master: "m".to_owned(),
        });
        world.offer(&Host {
            attributes: attributes.clone(),
            ..host("a")
        });
        let view = world.core.store().read();
        let known = view.host("a").unwrap();
        let mut pairs: Vec<(&str, &str)> = known
            .attributes
            .attributes
            .iter()
            .flat_map(|known| known.values.iter().map(|value| (&*known.name, &**value)))
            .filter(|(name, _)| *name != "host")
            .collect();
        let mut expected = attributes;
        for list in [&mut pairs, &mut expected] {
            list.sort_unstable();
            list.dedup();
        }
        assert_eq!(pairs, expected);
        assert_eq!(before.as_ref() != Some(known), is_news, "{expected:?}");
    }
}

/// Room for tasks of upstream's four sizes, by hand: a kind that lacks is the limit, and what is revocable counts by itself.
#[test]
fn free_slots_are_counted_by_size() {
    let mut world = World::registered(config());
    let sized = |name, cpus, mem, disk| Host {
        cpus,
        mem,
        disk,
        ..host(name)
    };
    for host in [
        sized("a", 1.0, 1024.0, 4096.0),
        sized("b", 1.0, 1024.0, 4096.0),
        sized("c", 16.0, 32768.0, 65536.0),
        sized("starved", 1000.0, 16384.0, 1.0),
        Host {
            attributes: vec![("dedicated", "www/web")],
            ..sized("e", 4.0, 8192.0, 16384.0)
        },
    ] {
        world.offer(&host);
    }
    let mut offer = world.make_offer(&sized("f", 0.5, 2048.0, 8192.0));
    offer.resources.push(v1::Resource {
        revocable: Some(v1::RevocableInfo::default()),
        ..scalar("cpus", 2.0)
    });
    world.mesos(MesosEvent::Offers(vec![offer]));
    let slots = |(name, count): (String, u64)| {
        let name = name.strip_prefix("empty_slots_")?.to_owned();
        Some((name, count))
    };
    let slots: Vec<(String, u64)> = world.core.gauges().into_iter().filter_map(slots).collect();
    assert_eq!(slots.len(), 16, "{slots:?}");
    let some: BTreeMap<&str, u64> = slots
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| (name.as_str(), *count))
        .collect();
    let expected = [
        ("small", 1 + 1 + 16),
        ("medium", 4),
        ("large", 2),
        ("xlarge", 1),
        ("dedicated_small", 4),
        ("dedicated_medium", 1),
        ("revocable_small", 2),
    ];
    assert_eq!(some, expected.into());
}

/// An agent offers again and again, each time with one thing more or less about it: what is held is what came last.
#[test]
fn a_held_offer_is_told_as_it_came() {
    let mut world = World::registered(config());
    let rack = |kind, text: Option<&str>| v1::Attribute {
        name: "rack".to_owned(),
        kind,
        text: text.map(|value| v1::Text {
            value: value.to_owned(),
        }),
        ..v1::Attribute::default()
    };
    let of_text = |value| rack(v1::ValueType::Text, Some(value));
    let of_number = |value| v1::Attribute {
        scalar: Some(v1::Scalar { value }),
        ..rack(v1::ValueType::Scalar, None)
    };
    type Change<'a> = dyn Fn(&mut v1::Offer) + 'a;
    let changes: [(&str, &Change<'_>); 12] = [
        ("a text", &|offer| offer.attributes = vec![of_text("1")]),
        ("another text", &|offer| {
            offer.attributes = vec![of_text("2")]
        }),
        ("a number", &|offer| offer.attributes = vec![of_number(2.0)]),
        ("another number", &|offer| {
            offer.attributes = vec![of_number(3.0)]
        }),
        ("a text and a number", &|offer| {
            offer.attributes = vec![of_number(3.0), of_text("1"), of_text("")];
        }),
        ("in another order", &|offer| {
            offer.attributes = vec![of_text(""), of_number(3.0), of_text("1")];
        }),
        ("another name of the host", &|offer| {
            offer.hostname = "b".to_owned();
        }),
        ("where its agent listens", &|offer| {
            offer.url = Some(v1::Url {
                path: Some("/slave(1)".to_owned()),
                ..v1::Url::default()
            });
        }),
        ("what runs there", &|offer| {
            offer.executor_ids = vec!["thermos-1".into()];
        }),
        ("maintenance", &|offer| {
            offer.unavailability = Some(v1::Unavailability {
                start: v1::TimeInfo {
                    nanoseconds: i64::MAX,
                },
                ..v1::Unavailability::default()
            });
        }),
        ("a role", &|offer| {
            offer.allocation_info = Some(v1::AllocationInfo {
                role: Some("www-data".to_owned()),
            });
        }),
        ("another framework", &|offer| {
            offer.framework_id = "F2".into();
        }),
    ];
    let plain: &Change<'_> = &|_| ();
    for (what, change) in changes {
        // After the one before, which may differ in two things, and after a plain one, which differs in this alone.
        for (what, change) in [(what, change), ("plain", plain), (what, change)] {
            world.mesos(MesosEvent::Registered {
                framework_id: "F1".to_owned(),
                master: "m".to_owned(),
            });
            let mut offer = world.make_offer(&host("a"));
            change(&mut offer);
            world.mesos(MesosEvent::Offers(vec![offer.clone()]));
            let held: Vec<_> = world.core.held_offers().collect();
            assert_eq!(held, [offer], "{what}");
        }
    }
}
