//! `aurora_admin set_quota` and `increase_quota`.

use std::collections::BTreeSet;

use aurora_api::model::{GetQuotaResult, Resource, ResourceAggregate};
use aurora_api::service::arguments::{GetQuota, SetQuota};
use aurora_client::scheduler::Retry;

use super::{ask, call, fatal};
use crate::context::{Context, Outcome};
use crate::resources::named;

/// What a role may use of the three resources that quotas count.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Amounts {
    cpus: f64,
    ram_mb: i64,
    disk_mb: i64,
}

impl Amounts {
    /// The three arguments after cluster and role.
    fn from_arguments(context: &Context<'_>) -> Outcome<Amounts> {
        let argument = |at| context.options.positional(at);
        let cpus = argument(2);
        Ok(Amounts {
            cpus: cpus
                .parse()
                .ok()
                .filter(|value: &f64| value.is_finite())
                .ok_or_else(|| {
                    fatal(format!("Invalid cpu `{cpus}': expected a number of cores"))
                })?,
            ram_mb: parse_megabytes(argument(3)).map_err(fatal)?,
            disk_mb: parse_megabytes(argument(4)).map_err(fatal)?,
        })
    }

    fn of(quota: &ResourceAggregate) -> Amounts {
        let mut amounts = Amounts::default();
        for resource in &quota.resources {
            match resource {
                Resource::NumCpus(cpus) => amounts.cpus += cpus.0,
                Resource::RamMb(mb) => amounts.ram_mb = amounts.ram_mb.saturating_add(*mb),
                Resource::DiskMb(mb) => amounts.disk_mb = amounts.disk_mb.saturating_add(*mb),
                Resource::NamedPort(_) | Resource::NumGpus(_) => {}
            }
        }
        amounts
    }

    fn plus(self, more: Amounts) -> Amounts {
        Amounts {
            cpus: self.cpus + more.cpus,
            ram_mb: self.ram_mb.saturating_add(more.ram_mb),
            disk_mb: self.disk_mb.saturating_add(more.disk_mb),
        }
    }
}

pub(super) async fn set(context: &Context<'_>) -> Outcome {
    set_to(context, Amounts::from_arguments(context)?).await
}

pub(super) async fn increase(context: &Context<'_>) -> Outcome {
    let more = Amounts::from_arguments(context)?;
    let role = context.options.positional(1);
    tracing::info!("Getting quota for: {role}");
    let question = GetQuota {
        owner_role: Some(role.to_owned()),
    };
    let found: GetQuotaResult = ask(context, question, Retry::Safe).await?;
    tracing::info!(
        "Current quota for {role}:\n\t{}",
        named(&found.quota.resources, "\t").join("\n\t")
    );
    let amounts = Amounts::of(&found.quota).plus(more);
    tracing::info!(
        "Attempting to update quota for {role} to\n\tCPU\t{:?}\n\tRAM\t{} MB\n\tDisk\t{} MB",
        amounts.cpus,
        amounts.ram_mb,
        amounts.disk_mb
    );
    set_to(context, amounts).await
}

async fn set_to(context: &Context<'_>, amounts: Amounts) -> Outcome {
    let role = context.options.positional(1);
    tracing::info!(
        "Setting quota for user:{role} cpu:{:.6} ram:{} disk: {}",
        amounts.cpus,
        amounts.ram_mb,
        amounts.disk_mb
    );
    let change = SetQuota {
        owner_role: Some(role.to_owned()),
        quota: Some(ResourceAggregate {
            resources: BTreeSet::from([
                Resource::NumCpus(amounts.cpus.into()),
                Resource::RamMb(amounts.ram_mb),
                Resource::DiskMb(amounts.disk_mb),
            ]),
        }),
    };
    call(context, change, Retry::Never).await.map(|_| ())
}

/// `10g` in MiB; a bare number is bytes.
fn parse_megabytes(text: &str) -> Result<i64, String> {
    let bad = || format!("Invalid data amount `{text}': expected a number with k, m, g or t");
    let lower = text.trim().to_lowercase();
    let split = lower
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(lower.len());
    let (number, unit) = lower.split_at(split);
    let shift = match unit {
        "" => 0,
        "k" | "kb" => 10,
        "m" | "mb" => 20,
        "g" | "gb" => 30,
        "t" | "tb" => 40,
        _ => return Err(bad()),
    };
    let number: i64 = number.trim_end().parse().map_err(|_| bad())?;
    i64::try_from((i128::from(number) << shift) >> 20).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::parse_megabytes;

    #[test]
    fn amounts_of_data() {
        for (text, expected) in [
            ("0", 0),
            ("1048576", 1),
            ("1048575", 0),
            ("2048k", 2),
            ("10M", 10),
            ("10mb", 10),
            ("3Gb", 3072),
            ("1t", 1_048_576),
        ] {
            assert_eq!(parse_megabytes(text), Ok(expected), "{text}");
        }
        for bad in ["", "m", "10x", "1.5g", "10 m b", "9223372036854775807t"] {
            assert!(parse_megabytes(bad).is_err(), "{bad}");
        }
    }
}
