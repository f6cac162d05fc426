//! Quota (`mesos.v1.quota`).

use super::{Resource, Scalar};
use crate::message::message;

message! {
    /// `mesos.v1.quota.QuotaInfo`.
    QuotaInfo = "mesos.v1.quota.QuotaInfo" {
        1 role: optional String,
        2 principal: optional String,
        3 guarantee: repeated Resource,
    }
}

message! {
    /// `mesos.v1.quota.QuotaConfig`.
    QuotaConfig = "mesos.v1.quota.QuotaConfig" {
        1 role: required String,
        2 guarantees: map Scalar,
        3 limits: map Scalar,
    }
}

message! {
    /// `mesos.v1.quota.QuotaStatus`.
    QuotaStatus = "mesos.v1.quota.QuotaStatus" {
        1 infos: repeated QuotaInfo,
        2 configs: repeated QuotaConfig,
    }
}
