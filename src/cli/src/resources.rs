//! Resources as upstream lists them (aurora: `config/resource.py`).

use std::collections::BTreeSet;

use aurora_api::model::Resource;

/// `CPU: 1.0 core(s)`, `RAM: 128 MB`, `Disk: 64 MB`, `Port: http`, `GPU: 1 GPU(s)`, in this order.
pub(crate) fn details(resources: &BTreeSet<Resource>) -> Vec<String> {
    let mut shown: Vec<(u8, String)> = resources
        .iter()
        .map(|resource| match resource {
            // `{:?}` keeps the fraction of whole numbers, as Python does.
            Resource::NumCpus(cpus) => (1, format!("CPU: {:?} core(s)", cpus.0)),
            Resource::RamMb(mb) => (2, format!("RAM: {mb} MB")),
            Resource::DiskMb(mb) => (3, format!("Disk: {mb} MB")),
            Resource::NamedPort(name) => (4, format!("Port: {name}")),
            Resource::NumGpus(count) => (5, format!("GPU: {count} GPU(s)")),
        })
        .collect();
    shown.sort_by_key(|(position, _)| *position);
    shown.into_iter().map(|(_, text)| text).collect()
}
