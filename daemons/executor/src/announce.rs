//! Announcing a task in ZooKeeper (aurora: `src/main/python/apache/aurora/executor/common/announcer.py`).
//!
//! The session has a thread of its own, started with the first task that wants to be announced: an executor whose task does
//! not carries none of it in memory.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aurora_api::model::AssignedTask;
use aurora_thermos::instance::Instance;
use aurora_zk::acl::Access;
use aurora_zk::members::{self, Announcement, Endpoint, Member, Standing};
use aurora_zk::{Config, Keeper as _, Session};
use tokio::sync::watch;

/// The session's time-out, as upstream's client has it.
const SESSION_TIMEOUT: Duration = Duration::from_secs(10);

/// Where and how tasks may be announced: the `--announcer-*` flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnouncerFlags {
    /// ZooKeeper's servers; without them nothing is announced.
    pub ensemble: Option<String>,
    /// Above `<role>/<environment>/<job>`.
    pub root: String,
    /// Whether a job may name a path of its own.
    pub allow_custom_path: bool,
    /// Announced instead of the machine's name.
    pub hostname: Option<String>,
    /// File of credentials and access lists.
    pub access_file: Option<PathBuf>,
}

impl Default for AnnouncerFlags {
    fn default() -> Self {
        Self {
            ensemble: None,
            root: "/aurora".to_owned(),
            allow_custom_path: false,
            hostname: None,
            access_file: None,
        }
    }
}

/// The file of `--announcer-zookeeper-auth-config`, read when the executor starts: a fault in it ends the executor.
///
/// # Errors
/// A sentence that names the file.
pub(crate) fn access(flags: &AnnouncerFlags) -> Result<Access, String> {
    let Some(path) = &flags.access_file else {
        return Ok(Access::default());
    };
    let fault = |reason: &dyn std::fmt::Display| {
        format!(
            "--announcer-zookeeper-auth-config={}: {reason}",
            path.display()
        )
    };
    let text = std::fs::read_to_string(path).map_err(|error| fault(&error))?;
    Access::parse(&text).map_err(|error| fault(&error))
}

/// An announcement to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    servers: String,
    announcement: Announcement,
    /// How long the first connection may take.
    patience: Duration,
}

/// What is to be announced, if the job and the flags want it.
///
/// # Errors
/// Why the task cannot be announced, in upstream's words where it has some.
pub(crate) fn plan(
    flags: &AnnouncerFlags,
    access: &Access,
    instance: &Instance,
    assigned: &AssignedTask,
    ports: &BTreeMap<String, u16>,
) -> Result<Option<Plan>, String> {
    let (Some(announce), Some(servers)) = (&instance.announce, &flags.ensemble) else {
        return Ok(None);
    };
    let path = match &announce.zk_path {
        Some(path) if flags.allow_custom_path => path.clone(),
        Some(_) => {
            return Err(
                "Executor must be started with --announcer-allow-custom-serverset-path in order to use zk_path in \
                 the Announcer config"
                    .to_owned(),
            );
        }
        None => {
            let job = &assigned.task.job;
            let root = flags.root.trim_end_matches('/');
            format!("{root}/{}/{}/{}", job.role, job.environment, job.name)
        }
    };
    let well_formed = path.len() > 1 && path.starts_with('/') && !path.ends_with('/');
    if !well_formed || path.contains("//") {
        return Err(format!("{path:?} is not a path in ZooKeeper"));
    }
    let host = flags
        .hostname
        .clone()
        .or_else(|| assigned.slave_host.clone())
        .unwrap_or_default();
    let endpoint = |port| Endpoint {
        host: host.clone(),
        port,
    };
    let primary = ports.get(&announce.primary_port).copied().unwrap_or(0);
    let additional = ports
        .iter()
        .map(|(name, &port)| (name.clone(), endpoint(port)))
        .collect();
    let health = &instance.health;
    let patience = health.initial_interval_secs
        + f64::from(health.max_consecutive_failures) * health.interval_secs.max(0.0);
    Ok(Some(Plan {
        servers: servers.clone(),
        announcement: Announcement {
            path,
            acl: access.acl(),
            member: Member::new(endpoint(primary), additional, Some(assigned.instance_id)),
        },
        patience: Duration::try_from_secs_f64(patience).unwrap_or(Duration::MAX),
    }))
}

/// A task that is being announced.
pub(crate) struct Announcer {
    session: Session,
    plan: Plan,
}

impl Announcer {
    /// Starts to connect.
    pub(crate) fn start(plan: Plan, access: &Access) -> Result<Self, String> {
        let session = Session::start(Config {
            servers: plan.servers.clone(),
            timeout: SESSION_TIMEOUT,
            credentials: access.credentials.clone(),
        })
        .map_err(|error| error.to_string())?;
        Ok(Self { session, plan })
    }

    /// Keeps the task announced; comes back when the first connection takes too long.
    pub(crate) async fn keep(&self) {
        if tokio::time::timeout(self.plan.patience, self.session.held())
            .await
            .is_err()
        {
            return;
        }
        let standing = watch::Sender::new(Standing::Out(Instant::now()));
        members::keep(&self.session, &self.plan.announcement, &standing).await;
        // Only a closed session ends it, and that is not for here to close.
        std::future::pending().await
    }

    /// Takes the announcement back, as far as ZooKeeper can be reached.
    pub(crate) async fn withdraw(self) {
        self.session.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aurora_api::model::{JobKey, TaskConfig};

    fn planned(flags: &AnnouncerFlags, announce: &str) -> Result<Option<Plan>, String> {
        let data = format!(
            r#"{{"task":{{"processes":[]}},{announce}"health_check_config":{{"initial_interval_secs":2,"interval_secs":3,"max_consecutive_failures":4}}}}"#
        );
        let assigned = AssignedTask {
            slave_host: Some("host-1".into()),
            instance_id: 7,
            task: TaskConfig {
                job: JobKey {
                    role: "www".into(),
                    environment: "prod".into(),
                    name: "hello".into(),
                },
                ..TaskConfig::default()
            },
            ..AssignedTask::default()
        };
        let instance = Instance::parse(&data, 7, "host-1").unwrap();
        let ports = instance.ports(&BTreeMap::from([("http".to_owned(), 80)]));
        plan(flags, &Access::default(), &instance, &assigned, &ports)
    }

    #[test]
    fn what_is_announced_where() {
        let on = AnnouncerFlags {
            ensemble: Some("zk:2181".into()),
            ..AnnouncerFlags::default()
        };
        assert_eq!(planned(&on, "").unwrap(), None, "no announcement");
        let plain = r#""announce":{},"#;
        assert_eq!(planned(&AnnouncerFlags::default(), plain).unwrap(), None);
        let plan = planned(&on, plain).unwrap().unwrap();
        assert_eq!(plan.patience, Duration::from_secs(2 + 3 * 4));
        assert_eq!(plan.announcement.path, "/aurora/www/prod/hello");
        assert_eq!(
            String::from_utf8(plan.announcement.member.to_json()).unwrap(),
            r#"{"serviceEndpoint":{"host":"host-1","port":80},"additionalEndpoints":{"aurora":{"host":"host-1","port":80},"http":{"host":"host-1","port":80}},"status":"ALIVE","shard":7}"#
        );
        let other = AnnouncerFlags {
            root: "/a/b/".into(),
            hostname: Some("other".into()),
            ..on.clone()
        };
        let absent = r#""announce":{"primary_port":"nowhere"},"#;
        let plan = planned(&other, absent).unwrap().unwrap();
        assert_eq!(plan.announcement.path, "/a/b/www/prod/hello");
        let service = plan.announcement.member.service;
        assert_eq!((service.host.as_str(), service.port), ("other", 0));

        let custom = r#""announce":{"zk_path":"/my/own"},"#;
        assert!(
            planned(&on, custom)
                .unwrap_err()
                .contains("--announcer-allow-custom-serverset-path")
        );
        let allowed = AnnouncerFlags {
            allow_custom_path: true,
            ..on
        };
        let plan = planned(&allowed, custom).unwrap().unwrap();
        assert_eq!(plan.announcement.path, "/my/own");
        for bad in ["", "/", "relative", "/a//b", "/a/"] {
            let bad = format!(r#""announce":{{"zk_path":"{bad}"}},"#);
            assert!(planned(&allowed, &bad).is_err(), "{bad}");
        }
    }
}
