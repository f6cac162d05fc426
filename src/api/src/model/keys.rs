//! Keys and ranges.

use super::*;

r#struct! {
    /// Names a job inside one cluster: who owns it, where it runs, what it is called.
    JobKey {
        1 => role: String as "role",
        2 => environment: String as "environment",
        3 => name: String as "name",
    }
}

r#struct! {
    /// Who submitted a job (deprecated upstream, still echoed).
    Identity {
        2 => user: Option<String> as "user",
    }
}

r#struct! {
    /// One instance of a job.
    InstanceKey {
        1 => job_key: JobKey as "jobKey",
        2 => instance_id: i32 as "instanceId",
    }
}

r#struct! {
    /// Instance ids from `first` to `last`, both inclusive.
    Range {
        1 => first: i32 as "first",
        2 => last: i32 as "last",
    }
}
