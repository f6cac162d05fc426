//! Upstream's flags that are accepted and do nothing here, each with the reason.
//!
//! Whoever comes with upstream's command line can start; the log says once which of its flags have no effect.

use std::ffi::OsString;

use super::parse::{duration, megabytes};

/// What a value has to look like.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Whole,
    Time,
    Size,
    Bool,
    Text,
    /// One of these; another would ask for something that is not there.
    OneOf(&'static [&'static str]),
}

/// A flag without effect.
pub(crate) struct Ignored {
    /// As this program writes it.
    pub(crate) name: &'static str,
    kind: Kind,
    /// Goes on after "has no effect because".
    pub(crate) because: &'static str,
}

macro_rules! ignored {
    ($($because:literal: { $($name:literal $kind:expr,)* })*) => {
        &[$($(Ignored { name: $name, kind: $kind, because: $because },)*)*]
    };
}

/// All of them.
pub(crate) const IGNORED: &[Ignored] = ignored! {
    "a leader that works is not replaced by the clock": {
        "max-leading-duration" Kind::Time,
    }
    "one input is decided after another, and what arrives together goes into one entry of the log": {
        "max-status-update-batch-size" Kind::Whole,
        "max-task-event-batch-size" Kind::Whole,
        "async-worker-threads" Kind::Whole,
        "scheduling-max-batch-size" Kind::Whole,
        "cron-scheduler-num-threads" Kind::Whole,
        "cron-scheduling-max-batch-size" Kind::Whole,
    }
    "there are no plug-ins": {
        "thrift-method-interceptor-modules" Kind::Text,
        "offer-set-module" Kind::Text,
        "task-assigner-modules" Kind::Text,
        "preemption-slot-finder-modules" Kind::Text,
    }
    "the Mesos v1 HTTP API is the only way to Mesos": {
        "mesos-driver" Kind::OneOf(&["SCHEDULER_DRIVER", "V0_DRIVER", "V1_DRIVER"]),
    }
    "what is remembered of offers has its own bounds": {
        "offer-static-ban-cache-max-size" Kind::Whole,
    }
    "the log is a directory of this program's own, not Mesos' replicated log": {
        "native-log-quorum-size" Kind::Whole,
        "native-log-zk-group-path" Kind::Text,
        "native-log-election-timeout" Kind::Time,
        "native-log-election-retries" Kind::Whole,
        "native-log-read-timeout" Kind::Time,
        "native-log-write-timeout" Kind::Time,
        "dlog-max-entry-size" Kind::Size,
    }
    "connecting takes as long as the session's time-out allows": {
        "zk-connection-timeout" Kind::Time,
    }
    "there is no ZooKeeper inside this program": {
        "zk-in-proc" Kind::OneOf(&["false"]),
    }
    "users come from --shiro-ini-path, or hold the secret in --token-file": {
        "shiro-credentials-matcher" Kind::Text,
        "shiro-after-auth-filter" Kind::Text,
        "kerberos-server-keytab" Kind::Text,
        "kerberos-server-principal" Kind::Text,
        "kerberos-debug" Kind::Bool,
    }
    "values are read when they are asked for, and no series are kept": {
        "stat-sampling-interval" Kind::Time,
        "stat-retention-period" Kind::Time,
        "async-task-stat-update-interval" Kind::Time,
        "async-slot-stat-update-interval" Kind::Time,
    }
};

impl Ignored {
    /// The flag of a name as this program writes it.
    pub(super) fn named(name: &str) -> Option<&'static Ignored> {
        IGNORED.iter().find(|flag| flag.name == name)
    }

    pub(super) fn is_bool(&self) -> bool {
        matches!(self.kind, Kind::Bool)
    }

    fn check(&self, value: &str) -> Result<(), String> {
        let wrong = match self.kind {
            Kind::Whole => value
                .parse::<i64>()
                .err()
                .map(|_| "a whole number".to_owned()),
            Kind::Time => duration(value).err(),
            Kind::Size => megabytes(value).err(),
            Kind::Bool => value
                .parse::<bool>()
                .err()
                .map(|_| "true or false".to_owned()),
            Kind::Text => None,
            Kind::OneOf(values) => {
                let known = values.contains(&value);
                (!known).then(|| format!("{} ({})", values.join(" or "), self.because))
            }
        };
        match wrong {
            None => Ok(()),
            Some(expected) => Err(format!(
                "invalid value '{value}' for '--{}': {expected} is expected",
                self.name
            )),
        }
    }
}

/// Takes the flags without effect out of arguments in this program's form.
///
/// # Errors
/// A value that upstream would refuse too, or one that asks for what is not there.
pub(super) fn take(
    arguments: Vec<OsString>,
) -> Result<(Vec<OsString>, Vec<&'static Ignored>), String> {
    let (mut rest, mut taken) = (Vec::with_capacity(arguments.len()), Vec::new());
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let text = argument.to_str().and_then(|text| text.strip_prefix("--"));
        let (name, value) = match text.map(|text| text.split_once('=')) {
            None => ("", None),
            Some(Some((name, value))) => (name, Some(value.to_owned())),
            Some(None) => (text.unwrap_or_default(), None),
        };
        let Some(flag) = Ignored::named(name) else {
            rest.push(argument);
            continue;
        };
        let value = match value {
            Some(value) => value,
            None if flag.is_bool() => "true".to_owned(),
            None => arguments
                .next()
                .and_then(|value| value.into_string().ok())
                .ok_or_else(|| format!("'--{}' needs a value", flag.name))?,
        };
        flag.check(&value)?;
        taken.push(flag);
    }
    Ok((rest, taken))
}
