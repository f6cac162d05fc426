//! What a scheduler's tiers add to a job (aurora: `client/config.py`).

use std::sync::Arc;

use aurora_api::eval::{DiagnosticKind, Tier, Tiers};
use aurora_api::model::TaskConfig;
use pystachio::Raw;

use crate::fault::{Checked, fault};

/// A tier for a job without one, else what the tier says about production.
pub(crate) fn backfill(task: &TaskConfig, tiers: &Tiers) -> Checked<Vec<(Arc<str>, Raw)>> {
    let setting = |tier: &Tier, name: &str| -> Checked<bool> {
        let text = tier.settings.get(name).map_or("", String::as_str);
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(fault(
                DiagnosticKind::Invalid,
                format!(
                    "the scheduler's tier {} has {name} {text:?}, neither true nor false",
                    tier.name
                ),
            )),
        }
    };
    let production = task.production.unwrap_or_default();
    match &task.tier {
        None => {
            let mut chosen = &tiers.default;
            for tier in &tiers.tiers {
                if setting(tier, "preemptible")? != production && !setting(tier, "revocable")? {
                    chosen = &tier.name;
                    break;
                }
            }
            Ok(vec![("tier".into(), chosen.as_str().into())])
        }
        Some(name) => {
            let production = match tiers.tiers.iter().find(|tier| tier.name == *name) {
                Some(tier) => !setting(tier, "preemptible")?,
                None => production,
            };
            Ok(vec![("production".into(), production.into())])
        }
    }
}
