//! The flags of ZooKeeper: where clients find this scheduler.

use std::time::Duration;

use anyhow::{Context, bail};
use aurora_zk::acl::{Acl, Credential};

use super::parse::duration;

/// Where clients find this scheduler in ZooKeeper; without `--zk-endpoints` it is found by its address alone.
#[derive(Clone, Debug, clap::Args)]
pub struct ZooKeeperFlags {
    /// Servers of a ZooKeeper ensemble, as HOST:PORT,…, in which this scheduler tells where it serves.
    #[arg(long, value_name = "HOST:PORT", requires = "serverset_path")]
    pub zk_endpoints: Option<String>,

    /// A node that comes before --serverset-path.
    #[arg(long, value_name = "PATH", default_value = "")]
    pub zk_chroot_path: String,

    /// The node below which the leading scheduler has its member.
    #[arg(long, value_name = "PATH", requires = "zk_endpoints")]
    pub serverset_path: Option<String>,

    /// The name of the member's additional endpoint, and the scheme of this scheduler's address in Mesos.
    #[arg(long, value_name = "NAME", default_value = "http")]
    pub serverset_endpoint_name: String,

    /// How long ZooKeeper keeps the member after it has heard nothing; 4 s at least.
    #[arg(long, value_name = "TIME", default_value = "15secs", value_parser = duration)]
    pub zk_session_timeout: i64,

    /// USER:PASSWORD for the scheme digest. Everybody may read the member then, and only this user change it.
    #[arg(long, value_name = "USER:PASSWORD")]
    pub zk_digest_credentials: Option<String>,
}

/// Where a member is to be kept.
#[derive(Clone, Debug)]
pub(crate) struct ServerSet {
    /// The ensemble.
    pub(crate) session: aurora_zk::Config,
    /// The node of the set.
    pub(crate) path: String,
    /// For what is made there.
    pub(crate) acl: Vec<Acl>,
}

impl ZooKeeperFlags {
    /// The server set; `None` without an ensemble.
    ///
    /// # Errors
    /// A flag does not say what it has to.
    pub(crate) fn server_set(&self) -> anyhow::Result<Option<ServerSet>> {
        let (Some(servers), Some(path)) = (&self.zk_endpoints, &self.serverset_path) else {
            return Ok(None);
        };
        let path = format!("{}{path}", self.zk_chroot_path.trim_end_matches('/'));
        if !path.starts_with('/') || path.ends_with('/') || path.contains("//") {
            bail!(
                "--zk-chroot-path and --serverset-path make `{path}`, which is not a path like /aurora/scheduler"
            );
        }
        let credentials = match &self.zk_digest_credentials {
            None => Vec::new(),
            Some(text)
                if text
                    .split_once(':')
                    .is_some_and(|(user, _)| !user.is_empty()) =>
            {
                vec![Credential {
                    scheme: "digest".to_owned(),
                    credential: text.clone(),
                }]
            }
            // Not repeated here: a part of it is a password.
            Some(_) => bail!("--zk-digest-credentials is not of the form USER:PASSWORD"),
        };
        let timeout = u64::try_from(self.zk_session_timeout)
            .map(Duration::from_millis)
            .context("--zk-session-timeout is negative")?;
        Ok(Some(ServerSet {
            acl: if credentials.is_empty() {
                Acl::open()
            } else {
                Acl::read_by_all()
            },
            session: aurora_zk::Config {
                servers: servers.clone(),
                timeout,
                credentials,
            },
            path,
        }))
    }
}
