use proptest::prelude::*;

use super::*;
use crate::v1::Resource;

fn of(text: &str) -> Resources {
    parse(text).expect("a valid text")
}

#[test]
fn text_forms() {
    let cases = [
        (
            "cpus:4;mem:2048;ports:[31000-32000]",
            "cpus:4; mem:2048; ports:[31000-32000]",
        ),
        ("ports:[5-6, 1-2,3-3]", "ports:[1-3, 5-6]"),
        ("cpus:0.1;cpus:0.2", "cpus:0.3"),
        // In binary these are a little less than they look.
        ("cpus:1.001", "cpus:1.001"),
        ("cpus:0.0006", "cpus:0.001"),
        (
            "cpus(ads):2;cpus:1",
            "cpus(reservations: [(STATIC,ads)]):2; cpus:1",
        ),
        ("disks:{b, a}", "disks:{a, b}"),
        ("cpus:0", ""),
    ];
    for (text, expected) in cases {
        assert_eq!(of(text).to_string(), expected, "{text}");
    }
    for bad in [
        "cpus",
        "cpus:",
        ":1",
        "cpus:x",
        "ports:[1]",
        "ports:[3-1]",
        "cpus:-1",
        "cpus:inf",
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn attributes() {
    let attributes = parse_attributes("rack:r1; zone:a:b ;weight:2.5").expect("valid");
    assert_eq!(
        attributes[0].text.as_ref().map(|t| t.value.as_str()),
        Some("r1")
    );
    assert_eq!(
        attributes[1].text.as_ref().map(|t| t.value.as_str()),
        Some("a:b")
    );
    assert_eq!(attributes[2].scalar.as_ref().map(|s| s.value), Some(2.5));
}

#[test]
fn arithmetic() {
    let cases = [
        (
            "cpus:4;ports:[31000-32000]",
            "cpus:0.1;ports:[31005-31006]",
            "cpus:3.9; ports:[31000-31004, 31007-32000]",
        ),
        ("ports:[1-10]", "ports:[1-10]", ""),
        ("ports:[1-10]", "ports:[1-1, 10-10]", "ports:[2-9]"),
        ("ports:[1-3, 7-9]", "ports:[2-8]", "ports:[1-1, 9-9]"),
        (
            "ports:[0-18446744073709551615]",
            "ports:[18446744073709551615-18446744073709551615]",
            "ports:[0-18446744073709551614]",
        ),
        ("cpus:1", "cpus:2", ""),
        ("d:{a, b}", "d:{b, c}", "d:{a}"),
    ];
    for (from, take, expected) in cases {
        assert_eq!(
            of(from).minus(&of(take)).to_string(),
            expected,
            "{from} - {take}"
        );
    }
}

#[test]
fn ten_tenths_are_one() {
    let mut sum = Resources::default();
    for _ in 0..10 {
        sum.add(&of("cpus:0.1"));
    }
    assert_eq!(sum, of("cpus:1"));
    for _ in 0..10 {
        sum.subtract(&of("cpus:0.1"));
    }
    assert!(sum.is_empty());
}

#[test]
fn reservations_and_allocations_are_part_of_the_identity() {
    let reserved = of("cpus(ads):2;mem(ads/web):5;disk:1");
    assert!(!reserved.contains(&of("cpus:1")));
    assert_eq!(
        reserved.allocatable_to("ads").to_string(),
        "cpus(reservations: [(STATIC,ads)]):2; disk:1"
    );
    assert_eq!(
        reserved.allocatable_to("ads/web").names(),
        ["cpus", "mem", "disk"]
    );
    assert_eq!(reserved.allocatable_to("adsense").names(), ["disk"]);
    let allocated = of("cpus:1").allocated_to("*");
    assert_eq!(allocated.to_string(), "cpus(allocated: *):1");
    assert!(!allocated.contains(&of("cpus:1")));
    assert!(allocated.unallocated().contains(&of("cpus:1")));
}

#[test]
fn all_wire_forms_are_one() {
    let wire =
        |text: &str| Resources::of(&[serde_json::from_str::<Resource>(text).expect("a resource")]);
    let base = r#""name":"cpus","type":"SCALAR","scalar":{"value":1}"#;
    let old = wire(&format!(
        r#"{{{base},"role":"ads","reservation":{{"principal":"p"}}}}"#
    ));
    let new = wire(&format!(
        r#"{{{base},"reservations":[{{"type":"DYNAMIC","role":"ads","principal":"p"}}]}}"#
    ));
    assert_eq!(old, new);
    assert_eq!(old.to_string(), "cpus(reservations: [(DYNAMIC,ads,p)]):1");
    assert_eq!(
        wire(&format!(r#"{{{base},"role":"*"}}"#)),
        wire(&format!("{{{base}}}"))
    );
    assert_eq!(
        serde_json::to_string(&old.to_unrefined()[0]).expect("json"),
        r#"{"name":"cpus","type":"SCALAR","scalar":{"value":1.0},"role":"ads","reservation":{"principal":"p"}}"#
    );
    assert_eq!(
        serde_json::to_string(&of("cpus:1").to_hybrid()[0]).expect("json"),
        r#"{"name":"cpus","type":"SCALAR","scalar":{"value":1.0},"role":"*"}"#
    );
}

prop_compose! {
    fn sums()(
        cpus in 0i64..5000,
        ranges in prop::collection::vec((0u64..60, 0u64..8), 0..6),
        items in prop::collection::vec("[a-e]", 0..4),
    ) -> Resources {
        let ports: Vec<String> = ranges.iter().map(|(begin, len)| format!("{begin}-{}", begin + len)).collect();
        let mut text = format!("cpus:{}", cpus as f64 / 1000.0);
        if !ports.is_empty() {
            text.push_str(&format!(";ports:[{}]", ports.join(",")));
        }
        if !items.is_empty() {
            text.push_str(&format!(";d:{{{}}}", items.join(",")));
        }
        of(&text)
    }
}

proptest! {
    #[test]
    fn a_sum_contains_its_parts(a in sums(), b in sums()) {
        let sum = a.plus(&b);
        prop_assert!(sum.contains(&a) && sum.contains(&b));
        prop_assert_eq!(sum.scalar("cpus"), a.scalar("cpus") + b.scalar("cpus"));
    }

    #[test]
    fn what_is_taken_can_be_put_back(a in sums(), b in sums()) {
        let rest = a.minus(&b);
        prop_assert!(a.contains(&rest));
        if a.contains(&b) {
            let mut again = rest;
            again.add(&b);
            prop_assert!(again.contains(&a) && a.contains(&again));
        }
    }

    #[test]
    fn the_wire_keeps_sums(a in sums()) {
        prop_assert_eq!(&Resources::of(&a.to_refined()), &a);
        prop_assert_eq!(&Resources::of(&a.to_unrefined()), &a);
    }
}
