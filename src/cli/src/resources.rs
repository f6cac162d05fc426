//! Resources as upstream lists them (aurora: `config/resource.py`).

use std::collections::BTreeSet;

use aurora_api::model::Resource;

/// `CPU: 1.0 core(s)`, `RAM: 128 MB`, `Disk: 64 MB`, `Port: http`, `GPU: 1 GPU(s)`, in this order.
pub(crate) fn details(resources: &BTreeSet<Resource>) -> Vec<String> {
    named(resources, ": ")
}

/// The same with something else between name and value.
pub(crate) fn named(resources: &BTreeSet<Resource>, between: &str) -> Vec<String> {
    let mut shown: Vec<(u8, &str, String)> = resources
        .iter()
        .map(|resource| match resource {
            // `{:?}` keeps the fraction of whole numbers, as Python does.
            Resource::NumCpus(cpus) => (1, "CPU", format!("{:?} core(s)", cpus.0)),
            Resource::RamMb(mb) => (2, "RAM", format!("{mb} MB")),
            Resource::DiskMb(mb) => (3, "Disk", format!("{mb} MB")),
            Resource::NamedPort(name) => (4, "Port", name.clone()),
            Resource::NumGpus(count) => (5, "GPU", format!("{count} GPU(s)")),
        })
        .collect();
    shown.sort_by_key(|(position, ..)| *position);
    shown
        .into_iter()
        .map(|(_, name, value)| format!("{name}{between}{value}"))
        .collect()
}
