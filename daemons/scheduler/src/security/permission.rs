//! Permissions with wildcards, as Apache Shiro has them (`WildcardPermission`).

use std::collections::BTreeSet;

/// Parts between colons, each a set of words between commas. `*` in a part stands for every word, and parts that are missing
/// at the end stand for everything. Case does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Permission(Vec<BTreeSet<String>>);

impl Permission {
    /// Reads one; `None` for a text with nothing but dividers in it.
    pub(super) fn parse(text: &str) -> Option<Permission> {
        let parts = text.trim().trim_end_matches(':').split(':').map(|part| {
            let words = part.split(',').map(|word| word.trim().to_lowercase());
            let words: BTreeSet<String> = words.filter(|word| !word.is_empty()).collect();
            (!words.is_empty()).then_some(words)
        });
        parts.collect::<Option<Vec<_>>>().map(Permission)
    }

    /// Whether it permits what these words say, a word for each part.
    pub(super) fn implies(&self, wanted: &[&str]) -> bool {
        self.0.iter().enumerate().all(|(place, part)| {
            let word = wanted.get(place).map(|word| word.to_lowercase());
            part.contains("*") || word.is_some_and(|word| part.contains(&word))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Permission;

    /// From Shiro's description of its wildcards, and the examples of aurora's `docs/operations/security.md`.
    #[test]
    fn wildcards() {
        let kill = [
            "thrift.AuroraSchedulerManager",
            "killTasks",
            "webapp",
            "prod",
            "hello",
        ];
        let quota = ["thrift.AuroraAdmin", "setQuota"];
        for (text, kills, sets_quotas) in [
            ("*", true, true),
            ("*:*", true, true),
            ("thrift.AuroraSchedulerManager", true, false),
            ("thrift.AuroraSchedulerManager:", true, false),
            ("thrift.AuroraSchedulerManager:*", true, false),
            ("THRIFT.auroraschedulermanager:KILLTASKS", true, false),
            ("thrift.AuroraSchedulerManager:*:webapp", true, false),
            ("thrift.AuroraSchedulerManager:*:other", false, false),
            ("thrift.AuroraSchedulerManager:*:other,webapp", true, false),
            ("thrift.AuroraSchedulerManager:createJob", false, false),
            (
                "thrift.AuroraSchedulerManager:createJob, killTasks:*:prod",
                true,
                false,
            ),
            ("thrift.AuroraSchedulerManager:*:*:devel", false, false),
            (
                "thrift.AuroraSchedulerManager:*:webapp:prod:hello",
                true,
                false,
            ),
            (
                "thrift.AuroraSchedulerManager:*:webapp:prod:hello:*",
                true,
                false,
            ),
            (
                "thrift.AuroraSchedulerManager:*:webapp:prod:hello:more",
                false,
                false,
            ),
            ("thrift.AuroraAdmin:setQuota", false, true),
            ("thrift.AuroraAdmin:setQuota:*", false, true),
            ("thrift.AuroraAdmin:setQuota:webapp", false, false),
        ] {
            let permission = Permission::parse(text).expect(text);
            let shown = (permission.implies(&kill), permission.implies(&quota));
            assert_eq!(shown, (kills, sets_quotas), "{text}");
        }
        for text in ["", " ", ":", "a::b", "a:,", ",:a"] {
            assert_eq!(Permission::parse(text), None, "{text}");
        }
    }
}
