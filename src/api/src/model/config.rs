//! Task configurations and what they are made of.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::wire::Double;

r#struct! {
    /// Unused upstream; kept for old data.
    Package {
        1 => role: String as "role",
        2 => name: String as "name",
        3 => version: i32 as "version",
    }
}

r#struct! {
    /// A key and a value attached to a task or an update.
    Metadata {
        1 => key: String as "key",
        2 => value: String as "value",
    }
}

r#struct! {
    /// A file that the Mesos fetcher puts into the sandbox.
    MesosFetcherURI {
        1 => value: String as "value",
        2 => extract: Option<bool> as "extract",
        3 => cache: Option<bool> as "cache",
        4 => output_file: Option<String> as "outputFile",
    }
}

r#struct! {
    /// Which executor runs the task, and what it is told.
    ExecutorConfig {
        1 => name: Option<String> as "name",
        2 => data: Option<String> as "data",
    }
}

r#struct! {
    /// A host path seen inside the container.
    Volume {
        1 => container_path: String as "containerPath",
        2 => host_path: String as "hostPath",
        3 => mode: Option<Mode> as "mode",
    }
}

r#struct! {
    /// A Docker image by name and tag.
    DockerImage {
        1 => name: String as "name",
        2 => tag: String as "tag",
    }
}

r#struct! {
    /// An AppC image by name and id.
    AppcImage {
        1 => name: String as "name",
        2 => image_id: String as "imageId",
    }
}

union! {
    /// A file system image.
    Image {
        1 => Docker(DockerImage) as "docker",
        2 => Appc(AppcImage) as "appc",
    }
}

r#struct! {
    /// The Mesos containerizer, with an image or without.
    MesosContainer {
        1 => image: Option<Image> as "image",
        2 => volumes: Option<Vec<Volume>> as "volumes",
    }
}

r#struct! {
    /// A raw option for the Docker command line.
    DockerParameter {
        1 => name: String as "name",
        2 => value: String as "value",
    }
}

r#struct! {
    /// A task in a container of the Docker engine.
    DockerContainer {
        1 => image: Option<String> as "image",
        2 => parameters: Vec<DockerParameter> as "parameters",
    }
}

union! {
    /// How a task is contained.
    Container {
        1 => Mesos(MesosContainer) as "mesos",
        2 => Docker(DockerContainer) as "docker",
    }
}

union! {
    /// One resource demand or amount: cores, MiB of memory or disk, a named port, GPUs.
    Resource {
        1 => NumCpus(Double) as "numCpus",
        2 => RamMb(i64) as "ramMb",
        3 => DiskMb(i64) as "diskMb",
        4 => NamedPort(String) as "namedPort",
        5 => NumGpus(i64) as "numGpus",
    }
}

r#struct! {
    /// What happens to a task on an unreachable agent.
    PartitionPolicy {
        1 => reschedule: bool as "reschedule",
        2 => delay_secs: Option<i64> as "delaySecs",
    }
}

r#struct! {
    /// At least `percentage` of the instances must have run for `duration_secs`.
    PercentageSlaPolicy {
        1 => percentage: Double as "percentage",
        2 => duration_secs: i64 as "durationSecs",
    }
}

r#struct! {
    /// At least `count` instances must have run for `duration_secs`.
    CountSlaPolicy {
        1 => count: i64 as "count",
        2 => duration_secs: i64 as "durationSecs",
    }
}

r#struct! {
    /// A coordinator is asked over HTTP before an instance goes.
    CoordinatorSlaPolicy {
        1 => coordinator_url: String as "coordinatorUrl",
        2 => status_key: String as "statusKey",
    }
}

union! {
    /// A job's promise that maintenance has to keep.
    SlaPolicy {
        1 => PercentageSlaPolicy(PercentageSlaPolicy) as "percentageSlaPolicy",
        2 => CountSlaPolicy(CountSlaPolicy) as "countSlaPolicy",
        3 => CoordinatorSlaPolicy(CoordinatorSlaPolicy) as "coordinatorSlaPolicy",
    }
}

r#struct! {
    /// Everything that the instances of a job share. Two configurations are equal when all fields are.
    TaskConfig {
        7 => is_service: bool as "isService",
        11 => priority: i32 as "priority",
        13 => max_task_failures: i32 as "maxTaskFailures",
        17 => owner: Option<Identity> as "owner",
        18 => production: Option<bool> as "production",
        20 => constraints: BTreeSet<Constraint> as "constraints",
        22 => task_links: BTreeMap<String, String> as "taskLinks",
        23 => contact_email: Option<String> as "contactEmail",
        25 => executor_config: Option<ExecutorConfig> as "executorConfig",
        27 => metadata: BTreeSet<Metadata> as "metadata",
        28 => job: JobKey as "job",
        29 => container: Container as "container",
        30 => tier: Option<String> as "tier",
        32 => resources: BTreeSet<Resource> as "resources",
        33 => mesos_fetcher_uris: BTreeSet<MesosFetcherURI> as "mesosFetcherUris",
        34 => partition_policy: Option<PartitionPolicy> as "partitionPolicy",
        35 => sla_policy: Option<SlaPolicy> as "slaPolicy",
    }
}

r#struct! {
    /// A sum of resources, as quotas and their consumption use it.
    ResourceAggregate {
        4 => resources: BTreeSet<Resource> as "resources",
    }
}
