//! The file of tiers (aurora: `TierManager.java`, `TierInfo.java`).

use std::collections::BTreeMap;

use anyhow::bail;

use crate::core::config::{Tier, Tiers};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    default: String,
    tiers: BTreeMap<String, Properties>,
}

/// What is not there is `false`, as upstream reads it.
#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Properties {
    preemptible: bool,
    revocable: bool,
}

/// Upstream's tier file: `{"default": NAME, "tiers": {NAME: {"preemptible": BOOL, "revocable": BOOL}}}`.
pub(super) fn tiers(text: &str) -> anyhow::Result<Tiers> {
    let file: File = serde_json::from_str(text)?;
    if !file.tiers.contains_key(&file.default) {
        bail!("the default tier `{}` is not among the tiers", file.default);
    }
    let tiers = file.tiers.into_iter().map(|(name, tier)| {
        let Properties {
            preemptible,
            revocable,
        } = tier;
        let tier = Tier {
            preemptible,
            revocable,
        };
        (name, tier)
    });
    Ok(Tiers {
        default: file.default,
        tiers: tiers.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::tiers;

    #[test]
    fn tier_files() {
        let good = r#"{"default": "b", "tiers": {"a": {"preemptible": false}, "b": {"preemptible": true, "revocable": true}}}"#;
        let read = tiers(good).unwrap();
        assert_eq!(read.default, "b");
        assert!(read.tiers["b"].revocable && read.tiers["a"].is_production());
        for bad in [
            "",
            r#"{"default": "a", "tiers": {}}"#,
            r#"{"tiers": {"a": {"preemptible": false, "revocable": false}}}"#,
            r#"{"default": "c", "tiers": {"a": {"preemptible": false, "revocable": false}}}"#,
            r#"{"default": "a", "tiers": {"a": {"revocable": true, "foo": false}}}"#,
            r#"{"default": "a", "tiers": {"a": {"revocable": 1}}}"#,
        ] {
            assert!(tiers(bad).is_err(), "{bad}");
        }
    }
}
