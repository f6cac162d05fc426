//! Sums of a task's resources, and the defaults of unions that have one.

use std::collections::BTreeSet;

use crate::model::{Container, MesosContainer, Resource, TaskConfig};

impl Default for Container {
    /// The Mesos containerizer without an image (aurora: `TaskConfig.container`).
    fn default() -> Self {
        Container::Mesos(MesosContainer::default())
    }
}

/// The amounts in a set of [`Resource`]s.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Amounts {
    /// Cores.
    pub cpus: f64,
    /// MiB of memory.
    pub ram_mb: i64,
    /// MiB of disk.
    pub disk_mb: i64,
    /// GPUs.
    pub gpus: i64,
    /// Names of ports, sorted.
    pub ports: Vec<String>,
}

impl Amounts {
    /// Adds up a set of resources.
    pub fn of(resources: &BTreeSet<Resource>) -> Amounts {
        let mut amounts = Amounts::default();
        for resource in resources {
            match resource {
                Resource::NumCpus(cpus) => amounts.cpus += cpus.0,
                Resource::RamMb(mb) => amounts.ram_mb = amounts.ram_mb.saturating_add(*mb),
                Resource::DiskMb(mb) => amounts.disk_mb = amounts.disk_mb.saturating_add(*mb),
                Resource::NumGpus(count) => amounts.gpus = amounts.gpus.saturating_add(*count),
                Resource::NamedPort(name) => amounts.ports.push(name.clone()),
            }
        }
        amounts
    }
}

impl TaskConfig {
    /// What one instance asks for, the executor's own share not included.
    pub fn amounts(&self) -> Amounts {
        Amounts::of(&self.resources)
    }
}
