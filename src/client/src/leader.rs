//! The leading scheduler of a cluster that is found through ZooKeeper
//! (aurora: `src/main/python/apache/aurora/client/api/scheduler_client.py`, `ZookeeperSchedulerClient`).

use std::collections::BTreeMap;
use std::time::Duration;

use aurora_zk::members::{self, Member};
use aurora_zk::{Config, Keeper, Session};
use reqwest::Url;

use crate::clusters::Cluster;

/// How long a session or the list of schedulers is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a scheduler is looked for, a second apart: between two leaders there is none.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_secs(1);
const SESSION_TIMEOUT: Duration = Duration::from_secs(15);

/// Why there is no leader.
#[derive(Debug, thiserror::Error)]
pub enum LeaderError {
    /// The entry does not say where in ZooKeeper.
    #[error("its entry has `zk` and no `scheduler_zk_path`")]
    NoPath,
    /// The hosts are not given as they should be.
    #[error(transparent)]
    Servers(#[from] aurora_zk::ServersError),
    /// No server of the ensemble answers.
    #[error("ZooKeeper ({0}) does not answer within 10 s")]
    Silent(String),
    /// ZooKeeper does not tell.
    #[error("ZooKeeper does not list the schedulers at {path}")]
    List {
        /// The node.
        path: String,
        /// Why.
        #[source]
        source: aurora_zk::Error,
    },
    /// Nobody leads.
    #[error("No schedulers detected in {cluster}! ZooKeeper ({servers}) has none at {path}")]
    Nobody {
        /// The cluster.
        cluster: String,
        /// Who was asked.
        servers: String,
        /// The node without a member.
        path: String,
    },
    /// The leader's address makes no URL.
    #[error("the leader names an endpoint that makes no URL: {0}")]
    BadEndpoint(String),
    /// This process has no thread for it.
    #[error("cannot look it up")]
    Thread(#[source] std::io::Error),
}

/// The leader's URL. Blocks for up to half a minute, on a thread of its own, so that it can be called from anywhere.
pub(crate) fn find(cluster: &Cluster) -> Result<Url, LeaderError> {
    std::thread::scope(|scope| {
        let looking = std::thread::Builder::new().spawn_scoped(scope, || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(LeaderError::Thread)?;
            runtime.block_on(look(cluster, TRIES))
        });
        let found = looking.map_err(LeaderError::Thread)?.join();
        found.unwrap_or_else(|_| Err(LeaderError::Thread(std::io::Error::other("a panic"))))
    })
}

/// The leader's URL, if there is one within `tries` seconds of the answer of ZooKeeper.
pub(crate) async fn look(cluster: &Cluster, tries: u32) -> Result<Url, LeaderError> {
    let path = cluster
        .scheduler_zk_path
        .as_ref()
        .ok_or(LeaderError::NoPath)?;
    let servers = servers(cluster.zk.as_deref().unwrap_or_default(), cluster.zk_port);
    let session = Session::start(Config {
        servers: servers.clone(),
        timeout: SESSION_TIMEOUT,
        credentials: Vec::new(),
    })?;
    let found = first_leader(cluster, path, &session, servers, tries).await;
    // Else ZooKeeper would keep the session of each run of a client until its time is over.
    session.close().await;
    found
}

async fn first_leader(
    cluster: &Cluster,
    path: &str,
    session: &Session,
    servers: String,
    tries: u32,
) -> Result<Url, LeaderError> {
    let connected = tokio::time::timeout(PATIENCE, session.held()).await;
    if !matches!(connected, Ok(Some(_))) {
        return Err(LeaderError::Silent(servers));
    }
    for number in 1..=tries {
        let members = members::list(session, path).await;
        let members = members.map_err(|source| LeaderError::List {
            path: path.to_owned(),
            source,
        })?;
        if let Some(url) = first(&members)? {
            return Ok(url);
        }
        if number < tries {
            tokio::time::sleep(PAUSE).await;
        }
    }
    Err(LeaderError::Nobody {
        cluster: cluster.name.clone(),
        servers,
        path: path.to_owned(),
    })
}

/// `h1,h2` and a port for all.
fn servers(hosts: &str, port: u16) -> String {
    let servers: Vec<String> = hosts
        .split(',')
        .map(|host| format!("{}:{port}", host.trim()))
        .collect();
    servers.join(",")
}

/// The first member's URL: that of its endpoint `https`, else `http`. The service's own endpoint is not meant for clients.
fn first(members: &BTreeMap<String, Member>) -> Result<Option<Url>, LeaderError> {
    let Some(member) = members.values().next() else {
        return Ok(None);
    };
    let named = |scheme: &'static str| Some((scheme, member.additional.get(scheme)?));
    let Some((scheme, endpoint)) = named("https").or_else(|| named("http")) else {
        return Ok(None);
    };
    let text = format!("{scheme}://{}:{}", endpoint.host, endpoint.port);
    match Url::parse(&text) {
        Ok(url) => Ok(Some(url)),
        Err(_) => Err(LeaderError::BadEndpoint(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_zookeeper::{self, Member as Content};

    #[tokio::test]
    async fn a_set_without_a_leader_is_named() {
        // A node that holds nothing is no member.
        let port = fake_zookeeper::start(&Content::default()).port();
        let entry = format!(
            r#"[{{"name":"west","zk":"127.0.0.1","zk_port":{port},"scheduler_zk_path":"/s"}}]"#
        );
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), entry).unwrap();
        let clusters = crate::clusters::load(&[file.path().to_owned()]).unwrap();
        let error = look(&clusters["west"], 1).await.unwrap_err().to_string();
        let expected =
            format!("No schedulers detected in west! ZooKeeper (127.0.0.1:{port}) has none at /s");
        assert_eq!(error, expected);
    }

    #[test]
    fn hosts_share_a_port() {
        assert_eq!(servers("z1, z2", 2181), "z1:2181,z2:2181");
    }

    /// Members as they stand in ZooKeeper, and the URL.
    #[test]
    fn the_first_members_http_endpoint_is_the_scheduler() {
        let http = r#"{"serviceEndpoint":{"host":"a","port":1},"additionalEndpoints":{"http":{"host":"a","port":8081}},"status":"ALIVE"}"#;
        let https = r#"{"serviceEndpoint":{"host":"b","port":1},"additionalEndpoints":{"http":{"host":"b","port":80},"https":{"host":"b","port":8443}},"status":"ALIVE"}"#;
        let none = r#"{"serviceEndpoint":{"host":"c","port":1},"status":"ALIVE"}"#;
        for (nodes, expected) in [
            (&[][..], None),
            (&[("member_0000000001", http)], Some("http://a:8081/")),
            (&[("member_0000000001", https)], Some("https://b:8443/")),
            (
                &[("member_0000000002", http), ("member_0000000001", https)],
                Some("https://b:8443/"),
            ),
            (&[("member_0000000001", none)], None),
        ] {
            let members = nodes
                .iter()
                .map(|(name, json)| ((*name).to_owned(), serde_json::from_str(json).unwrap()))
                .collect();
            let url = first(&members).unwrap();
            assert_eq!(url.as_ref().map(Url::as_str), expected);
        }
    }
}
