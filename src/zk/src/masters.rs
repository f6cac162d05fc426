//! Finding the leading Mesos master (mesos: `src/master/detector/zookeeper.cpp`).

use std::net::Ipv4Addr;

use serde_json::Value;
use tokio::sync::watch;

use crate::error::Error;
use crate::keeper::{Change, Keeper};

/// What the nodes of masters begin with; others in the same place are no masters.
pub const PREFIX: &str = "json.info_";

/// What is known about the leading master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leader {
    /// Nothing yet, or ZooKeeper is away: what was known before may still be true.
    Unknown,
    /// No master leads.
    None,
    /// This one, as `host:port`.
    At(String),
}

/// Follows the lead of the masters at `path` until the session is closed. While ZooKeeper is away the last answer stands.
pub async fn follow<K: Keeper>(keeper: &K, path: &str, leader: &watch::Sender<Leader>) {
    while keeper.held().await.is_some() {
        match look(keeper, path).await {
            Ok((found, change)) => {
                leader.send_if_modified(|known| {
                    let is_news = *known != found;
                    *known = found;
                    is_news
                });
                change.wait().await;
            }
            Err(error) => {
                tracing::warn!(path, %error, "cannot look for the leading master");
                let mut state = keeper.state();
                tokio::select! {
                    _ = state.changed() => {}
                    () = tokio::time::sleep(std::time::Duration::from_secs(1)) => {}
                }
            }
        }
    }
}

async fn look<K: Keeper>(keeper: &K, path: &str) -> Result<(Leader, Change), Error> {
    loop {
        let (children, change) = keeper.children(path).await?;
        let children = children.unwrap_or_default();
        let Some(first) = first(&children) else {
            return Ok((Leader::None, change));
        };
        // It may vanish before it is read; whoever is next then leads.
        if let (Some(node), _) = keeper.get(&format!("{path}/{first}")).await? {
            let leader = address(&node.data).map_or_else(
                || {
                    tracing::warn!(node = first, "a master's node names no address");
                    Leader::None
                },
                Leader::At,
            );
            return Ok((leader, change));
        }
    }
}

/// The node of the leader: the smallest number after the last underscore.
fn first(children: &[String]) -> Option<&String> {
    children
        .iter()
        .filter(|name| name.starts_with(PREFIX))
        .filter_map(|name| Some((name.rsplit_once('_')?.1.parse::<u64>().ok()?, name)))
        .min()
        .map(|(_, name)| name)
}

/// `host:port` from a MasterInfo: its address, else its host name, else its number.
fn address(data: &[u8]) -> Option<String> {
    let info: Value = serde_json::from_slice(data).ok()?;
    let port = |value: &Value| {
        value["port"]
            .as_u64()
            .and_then(|port| u16::try_from(port).ok())
    };
    let text = |value: &Value| {
        value
            .as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    if let (Some(ip), Some(port)) = (text(&info["address"]["ip"]), port(&info["address"])) {
        return Some(join(&ip, port));
    }
    let port = port(&info)?;
    if let Some(host) = text(&info["hostname"]) {
        return Some(join(&host, port));
    }
    // In network order, read by a little-endian machine.
    let ip = u32::try_from(info["ip"].as_u64()?).ok()?;
    Some(join(&Ipv4Addr::from(ip.to_le_bytes()).to_string(), port))
}

fn join(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_number_leads() {
        for (names, expected) in [
            (
                &["json.info_0000000010", "json.info_0000000009"][..],
                Some("json.info_0000000009"),
            ),
            (
                &["log_replicas", "info_0000000001", "json.info_0000000002"],
                Some("json.info_0000000002"),
            ),
            (&["json.info_x", "log_replicas"], None),
            (&[], None),
        ] {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            assert_eq!(first(&names).map(String::as_str), expected);
        }
    }

    #[test]
    fn addresses_of_masters() {
        // The first as Mesos 1.11 writes it.
        for (text, expected) in [
            (
                r#"{"id":"x","ip":16777226,"port":5050,"pid":"master@10.0.0.1:5050","hostname":"m1.example","address":{"hostname":"m1.example","ip":"10.0.0.1","port":5050}}"#,
                Some("10.0.0.1:5050"),
            ),
            (
                r#"{"ip":16777226,"port":5050,"hostname":"m1.example"}"#,
                Some("m1.example:5050"),
            ),
            (r#"{"ip":16777226,"port":5050}"#, Some("10.0.0.1:5050")),
            (r#"{"address":{"ip":"::1","port":1}}"#, Some("[::1]:1")),
            (r#"{"ip":16777226}"#, None),
            ("master@10.0.0.1:5050", None),
        ] {
            assert_eq!(address(text.as_bytes()).as_deref(), expected, "{text}");
        }
    }
}
