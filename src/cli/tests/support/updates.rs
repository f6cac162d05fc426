//! What a scheduler answers about an update of the job.

use std::collections::BTreeSet;

use aurora_api::model::*;

use super::fake::ok;

fn group(config: TaskConfig, ranges: &[(i32, i32)]) -> ConfigGroup {
    ConfigGroup {
        config,
        instances: ranges
            .iter()
            .map(|(first, last)| Range {
                first: *first,
                last: *last,
            })
            .collect(),
    }
}

pub(crate) fn changed() -> TaskConfig {
    TaskConfig {
        priority: 7,
        ..TaskConfig::default()
    }
}

/// Adds 10 and 12 to 14, changes 11, leaves 0 to 9 alone.
pub(crate) fn diff_result() -> Response {
    ok(aurora_api::model::Result::GetJobUpdateDiffResult(
        GetJobUpdateDiffResult {
            add: BTreeSet::from([group(TaskConfig::default(), &[(10, 10), (12, 14)])]),
            remove: BTreeSet::new(),
            update: BTreeSet::from([group(changed(), &[(11, 11)])]),
            unchanged: BTreeSet::from([group(TaskConfig::default(), &[(0, 9)])]),
        },
    ))
}

pub(crate) const SUMMARY: &str = "\
This job update will:
add instances: [10], [12-14]
update instances: [11]
not change instances: [0-9]
";
