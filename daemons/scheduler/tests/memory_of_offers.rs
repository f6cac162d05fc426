//! What a held offer costs in memory with all that is known of its agent and host, counted by the allocator, so that the
//! machine's load does not matter.
//!
//! This is a program of its own with one test, because everything that its process allocates is counted.

#![allow(
    unsafe_code,
    reason = "an allocator that counts can only be written so"
)]

#[path = "support/counting.rs"]
mod counting;

use aurora_mesos::v1::{Attribute, Offer, Range, Ranges, Resource, Scalar, Text, ValueType};
use aurora_scheduler::core::{Config, Core, Input, MesosEvent};
use counting::in_use;

fn scalar(name: &str, value: f64) -> Resource {
    Resource {
        name: name.to_owned(),
        kind: ValueType::Scalar,
        scalar: Some(Scalar { value }),
        role: Some("*".to_owned()),
        ..Resource::default()
    }
}

fn attribute(name: &str, value: String) -> Attribute {
    Attribute {
        name: name.to_owned(),
        kind: ValueType::Text,
        text: Some(Text { value }),
        ..Attribute::default()
    }
}

/// The offer of a host with the attributes and resources of a plain agent.
fn offer(number: usize) -> Offer {
    Offer {
        id: format!("offer-{number}").into(),
        framework_id: "framework".into(),
        agent_id: format!("agent-{number}").into(),
        hostname: format!("host-{number}"),
        resources: vec![
            scalar("cpus", 8.0),
            scalar("mem", 16384.0),
            scalar("disk", 262_144.0),
            Resource {
                name: "ports".to_owned(),
                kind: ValueType::Ranges,
                ranges: Some(Ranges {
                    range: vec![Range {
                        begin: 31_000,
                        end: 32_000,
                    }],
                }),
                role: Some("*".to_owned()),
                ..Resource::default()
            },
        ],
        attributes: vec![
            attribute("host", format!("host-{number}")),
            attribute("rack", format!("rack-{}", number / 20)),
        ],
        ..Offer::default()
    }
}

/// Bytes an offer of a core that holds so many, each of another agent.
fn bytes_per_offer(offers: usize) -> usize {
    let before = in_use();
    let mut core = Core::new(Config::default());
    let registered = MesosEvent::Registered {
        framework_id: "framework".to_owned(),
        master: "master".to_owned(),
    };
    core.step(1, Input::Mesos(registered));
    for number in 0..offers {
        core.step(1, Input::Mesos(MesosEvent::Offers(vec![offer(number)])));
    }
    assert_eq!(core.offers_held(), offers);
    (in_use() - before) / offers
}

#[test]
fn a_held_offer_takes_no_more_than_3000_bytes() {
    let (few, many) = (bytes_per_offer(1_000), bytes_per_offer(20_000));
    assert!(many <= 3_000, "{many} bytes an offer");
    assert!(few <= 3_000, "{few} bytes an offer with few offers");
}
