//! Sets of instance ids in brief.

use std::collections::BTreeSet;

use crate::model::Range;

/// Ids as ranges of consecutive ones, in order. Ids may come in any order and more than once.
pub fn ranges(instances: impl IntoIterator<Item = i32>) -> Vec<Range> {
    let sorted: BTreeSet<i32> = instances.into_iter().collect();
    let mut ranges: Vec<Range> = Vec::new();
    for instance in sorted {
        match ranges.last_mut() {
            Some(range) if range.last.checked_add(1) == Some(instance) => range.last = instance,
            _ => ranges.push(Range {
                first: instance,
                last: instance,
            }),
        }
    }
    ranges
}

/// Ids as people write them: `0-2,5`.
pub fn text(instances: impl IntoIterator<Item = i32>) -> String {
    let texts: Vec<String> = ranges(instances)
        .into_iter()
        .map(|Range { first, last }| {
            if first == last {
                first.to_string()
            } else {
                format!("{first}-{last}")
            }
        })
        .collect();
    texts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_instances_become_ranges() {
        for (ids, expected) in [
            (&[][..], ""),
            (&[7], "7"),
            (&[5, 0, 1, 2, 1], "0-2,5"),
            (
                &[i32::MAX, i32::MAX - 1, i32::MIN],
                "-2147483648,2147483646-2147483647",
            ),
        ] {
            assert_eq!(text(ids.iter().copied()), expected);
        }
    }
}
