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

/// Ids from such a text; `None` when it is no such text, or of more ids than `most`.
pub fn parse(text: &str, most: usize) -> Option<BTreeSet<i32>> {
    let mut found = BTreeSet::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (i32, i32) = (first.parse().ok()?, last.parse().ok()?);
        let count = usize::try_from(i64::from(last) - i64::from(first) + 1).ok()?;
        if first < 0 || count == 0 || count > most {
            return None;
        }
        found.extend(first..=last);
        if found.len() > most {
            return None;
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_far_as_they_are_not_too_many() {
        for (text, expected) in [
            ("7", Some(&[7][..])),
            ("0-2,5", Some(&[0, 1, 2, 5])),
            ("5,0-2,1", Some(&[0, 1, 2, 5])),
            ("0-3", Some(&[0, 1, 2, 3])),
            ("0-4", None),
            ("0-1,3-5", None),
            ("0-2147483647", None),
            ("2-1", None),
            ("3-1", None),
            ("-1", None),
            ("", None),
            ("1,", None),
            ("a", None),
        ] {
            let expected = expected.map(|ids| ids.iter().copied().collect());
            assert_eq!(parse(text, 4), expected, "{text}");
        }
    }

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
