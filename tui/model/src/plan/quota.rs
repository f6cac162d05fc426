//! A role's quota.

use aurora_api::feed::QuotaRecord;

use super::{Planned, Wish};
use crate::actions::Action;
use crate::store::Store;
use crate::told::{Amounts, QuotaUse};
use crate::views::{bytes, cores};

const MIB: f64 = 1024.0 * 1024.0;

/// A new quota.
#[derive(Clone, Debug, PartialEq)]
pub struct Quota {
    /// The role.
    pub role: String,
    /// The quota now; none: the role has none.
    pub before: Option<Amounts>,
    /// The new one.
    pub after: Amounts,
    /// What is used, where that is known.
    pub used: Option<QuotaUse>,
}

/// The quota of a role as it is.
pub(crate) fn current(store: &Store, role: &str) -> Option<Amounts> {
    store.quotas.get(role).map(amounts)
}

fn amounts(record: &QuotaRecord) -> Amounts {
    Amounts {
        cpus: record.cpus,
        ram: record.ram_mb as f64 * MIB,
        disk: record.disk_mb as f64 * MIB,
    }
}

/// Reads the three amounts of a command; memory and disk are whole mebibytes.
pub(crate) fn parse(words: &[String]) -> Result<Amounts, String> {
    let [cpus, ram, disk] = words else {
        return Err("a quota is CPUS RAM DISK, such as 10 4GiB 100GiB".to_owned());
    };
    let positive = |value: &f64| value.is_finite() && *value >= 0.0;
    let size = |text: &str| {
        let fault = || format!("`{text}` is not an amount with its unit, such as 4GiB");
        let with_unit = text.ends_with(|c: char| c.is_ascii_alphabetic());
        let value = crate::filter::quantity(text).filter(|_| with_unit);
        let value = value.filter(positive).ok_or_else(fault)?;
        Ok::<f64, String>((value / MIB).floor() * MIB)
    };
    let cores = cpus.parse().ok().filter(positive);
    Ok(Amounts {
        cpus: cores.ok_or_else(|| format!("`{cpus}` is not a number of cores"))?,
        ram: size(ram)?,
        disk: size(disk)?,
    })
}

impl Quota {
    pub(super) fn resolve(store: &Store, role: &str, after: Amounts) -> Result<Quota, String> {
        let used = store.answers.quotas().map(|known| {
            // A role that is not among them has no quota, and nothing of it is counted.
            known.get(role).copied().unwrap_or_default()
        });
        let counted = used.map(|used| used.counted).unwrap_or_default();
        for (name, after, used, shown) in [
            ("cpus", after.cpus, counted.cpus, cores as fn(f64) -> String),
            ("ram", after.ram, counted.ram, bytes),
            ("disk", after.disk, counted.disk, bytes),
        ] {
            if after < used {
                return Err(format!(
                    "cannot set {role}'s quota of {name} to {}: {} are used",
                    shown(after),
                    shown(used)
                ));
            }
        }
        let before = current(store, role);
        if before == Some(after) {
            return Err(format!("this is {role}'s quota already"));
        }
        Ok(Quota {
            role: role.to_owned(),
            before,
            after,
            used,
        })
    }
}

impl Planned for Quota {
    fn wish(&self) -> Wish {
        Wish::Quota(self.role.clone(), self.after)
    }

    fn object(&self) -> String {
        self.role.clone()
    }

    fn label(&self) -> &'static str {
        "role"
    }

    fn consequence(&self, _action: Action) -> Vec<String> {
        let counted = self.used.map(|used| used.counted);
        let before = self.before.unwrap_or_default();
        let line = |name: &str, get: fn(&Amounts) -> f64, shown: fn(f64) -> String| {
            let used =
                counted.map_or_else(String::new, |used| format!(" ({} used)", shown(get(&used))));
            let (before, after) = (shown(get(&before)), shown(get(&self.after)));
            format!("{name}: {before} now, {after} then{used}")
        };
        let mut out = vec![
            line("cpus", |amounts| amounts.cpus, cores),
            line("ram", |amounts| amounts.ram, bytes),
            line("disk", |amounts| amounts.disk, bytes),
        ];
        if self.before.is_none() {
            out.insert(0, "The role gets its first quota.".to_owned());
        }
        if self.used.is_none() {
            out.push("What is used is not known; the scheduler refuses less than that.".to_owned());
        }
        out
    }

    fn cli(&self, _action: Action, cluster: &str) -> String {
        let Amounts { cpus, ram, disk } = self.after;
        format!(
            "aurora_admin set_quota {cluster} {} {cpus} {}MB {}MB",
            self.role,
            ram / MIB,
            disk / MIB
        )
    }

    fn drift(&self, store: &Store) -> Option<String> {
        let now = current(store, &self.role);
        (now != self.before).then(|| "the quota has changed".to_owned())
    }

    fn missing(&self, _action: Action, store: &Store) -> Option<String> {
        match current(store, &self.role) {
            Some(now) if now == self.after => None,
            _ => Some("the quota is another one".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_units() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let expected = Amounts {
            cpus: 2.5,
            ram: 512.0 * MIB,
            disk: 4096.0 * MIB,
        };
        assert_eq!(parse(&words("2.5 512MiB 4GiB")), Ok(expected));
        for text in [
            "2.5 512MiB",
            "x 1GiB 1GiB",
            "1 512 1GiB",
            "-1 1GiB 1GiB",
            "inf 1GiB 1GiB",
        ] {
            assert!(parse(&words(text)).is_err(), "{text}");
        }
    }
}
