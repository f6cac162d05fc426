//! Hosts and their maintenance.

use std::collections::BTreeSet;

use super::*;

r#struct! {
    /// A named attribute of a host; several attributes may share a name.
    Attribute {
        1 => name: String as "name",
        2 => values: BTreeSet<String> as "values",
    }
}

r#struct! {
    /// What the scheduler remembers of an agent's host.
    HostAttributes {
        1 => host: String as "host",
        2 => attributes: BTreeSet<Attribute> as "attributes",
        3 => mode: Option<MaintenanceMode> as "mode",
        4 => slave_id: Option<String> as "slaveId",
    }
}

r#struct! {
    /// A host and its maintenance mode.
    HostStatus {
        1 => host: String as "host",
        2 => mode: Option<MaintenanceMode> as "mode",
    }
}

r#struct! {
    /// A set of host names.
    Hosts {
        1 => host_names: BTreeSet<String> as "hostNames",
    }
}

r#struct! {
    /// A drain that was asked for a host, with the SLA to fall back to.
    HostMaintenanceRequest {
        1 => host: String as "host",
        2 => default_sla_policy: Option<SlaPolicy> as "defaultSlaPolicy",
        3 => timeout_secs: i64 as "timeoutSecs",
        4 => created_timestamp_ms: i64 as "createdTimestampMs",
    }
}
