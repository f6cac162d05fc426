//! Texts with references, and bindings for them: a text, then a line for each binding.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pystachio::Ref;
use pystachio::text::{Bindings, interpolate, refs};

fuzz_target!(|input: &str| {
    let mut lines = input.split('\n');
    let text = lines.next().unwrap_or_default();
    let mut bindings = Bindings::default();
    for line in lines {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        // A name off the grammar is refused, which is as good.
        bindings.insert(name, value).ok();
    }
    if let Ok(found) = refs(text) {
        for reference in &found {
            assert_eq!(Ref::parse(&reference.address()).as_ref(), Ok(reference));
        }
    }
    if let Ok((_, left)) = interpolate(text, &bindings) {
        assert!(
            left.iter()
                .all(|reference| bindings.get(reference).is_none())
        );
    }
});
