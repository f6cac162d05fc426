//! Laws that hold for any text and any data.

use proptest::prelude::*;
use pystachio::text::{Bindings, interpolate, refs};
use pystachio::{Int, KeyOrder, Ref, from_json, json_text, to_json};
use regex::Regex;

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<u64>().prop_map(serde_json::Value::from),
        // serde_json reads numbers of many digits to within one unit in the last place; these it reads exactly.
        any::<i32>().prop_map(|number| serde_json::Value::from(f64::from(number) / 64.0)),
        any::<String>().prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

/// The grammar of addresses in ASCII, by another way than the crate's own.
fn is_address(text: &str) -> bool {
    let step = r"\.[A-Za-z_](?-u:\w)*|\[[A-Za-z0-9_./-]+\]";
    let whole = format!(r"^(?:[A-Za-z_](?-u:\w)*|{step})(?:{step})*$");
    Regex::new(&whole).expect("an expression").is_match(text)
}

/// A good address, a place in it, what to put there instead, and how many letters give way.
fn damaged() -> impl Strategy<Value = String> {
    let step = prop_oneof!["\\.[A-Za-z_][a-z0-9_]{0,3}", "\\[[a-z0-9_./-]{1,4}\\]"];
    let good = ("[A-Za-z_][a-z0-9_]{0,3}", prop::collection::vec(step, 0..4))
        .prop_map(|(first, rest)| first + &rest.concat());
    (
        good,
        any::<prop::sample::Index>(),
        "[ -~\n]{0,2}",
        0_usize..3,
    )
        .prop_map(|(good, at, put, gone)| {
            let at = at.index(good.len() + 1);
            let end = (at + gone).min(good.len());
            format!("{}{put}{}", &good[..at], &good[end..])
        })
}

proptest! {
    #[test]
    fn damaged_references_are_taken_or_refused_by_the_grammar(address in damaged()) {
        let found = Ref::parse(&address);
        prop_assert_eq!(found.is_ok(), is_address(&address), "{:?}", address);
        if let Ok(reference) = found {
            // What is shown is read as the same reference; a dot in front is not needed.
            prop_assert_eq!(reference.address(), address.strip_prefix('.').unwrap_or(&address));
            prop_assert_eq!(Ref::parse(&reference.address()), Ok(reference));
        }
    }

    /// Braces make a reference of just what is an address; anything else between them refuses the text.
    #[test]
    fn damaged_references_in_a_text_refuse_it(address in damaged(), before in "[^{}]{0,4}") {
        prop_assume!(!address.is_empty() && !address.starts_with('&') && !address.contains(['{', '}']));
        let text = format!("{before}{{{{{address}}}}}");
        match interpolate(&text, &Bindings::default()) {
            Ok((_, left)) => {
                prop_assert!(is_address(&address), "{:?}", text);
                prop_assert_eq!(left.len(), 1);
            }
            Err(_) => prop_assert!(!is_address(&address), "{:?}", text),
        }
    }

    #[test]
    fn any_text_is_split_without_panic(text in "[{}&a.\\[\\]0é ]{0,40}") {
        // A refusal is as good an answer as a list; what is found stands in the text.
        for reference in refs(&text).unwrap_or_default() {
            prop_assert!(text.contains(reference.address().trim_start_matches('.')));
        }
    }

    #[test]
    fn text_without_double_braces_stays(text in "[^{]*") {
        prop_assert_eq!(interpolate(&text, &Bindings::default()), Ok((text, vec![])));
    }

    #[test]
    fn unbound_references_stay_as_they_are(before in "[^{}]*", name in "[a-z_][a-z0-9_]{0,8}", after in "[^{}]*") {
        let text = format!("{before}{{{{{name}}}}}{after}");
        let (found, left) = interpolate(&text, &Bindings::default()).expect("a reference");
        prop_assert_eq!(&found, &text);
        prop_assert_eq!(left, refs(&text).expect("a reference"));
        let mut bindings = Bindings::default();
        bindings.insert(&name, "value").expect("an address");
        let (found, left) = interpolate(&text, &bindings).expect("a reference");
        prop_assert_eq!(found, format!("{before}value{after}"));
        prop_assert!(left.is_empty());
    }

    #[test]
    fn integers_are_written_as_they_are_read(number in any::<i128>()) {
        let text = number.to_string();
        prop_assert_eq!(Int::parse(&text).map(|n| n.to_string()), Some(text));
    }

    #[test]
    fn integers_of_many_digits_keep_their_order(a in "-?[1-9][0-9]{0,60}", b in "-?[1-9][0-9]{0,60}") {
        let signed = |text: &str| (!text.starts_with('-'), text.trim_start_matches('-').len(), text.trim_start_matches('-').to_owned());
        let (x, y) = (signed(&a), signed(&b));
        let by_digits = match (x.0, y.0) {
            (true, true) => (x.1, x.2).cmp(&(y.1, y.2)),
            (false, false) => (y.1, y.2).cmp(&(x.1, x.2)),
            (true, false) => std::cmp::Ordering::Greater,
            (false, true) => std::cmp::Ordering::Less,
        };
        prop_assert_eq!(Int::parse(&a).cmp(&Int::parse(&b)), by_digits);
    }

    #[test]
    fn json_comes_back_as_it_went(document in json()) {
        let raw = from_json(&document);
        prop_assert_eq!(&to_json(&raw).expect("JSON"), &document);
        for order in [KeyOrder::Declared, KeyOrder::Sorted] {
            let text = json_text(&raw, order).expect("JSON");
            prop_assert!(text.is_ascii());
            let read: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            prop_assert_eq!(&read, &document);
        }
    }
}
