//! `clusters.json`: the clusters that an operator has described (aurora: `src/main/python/apache/aurora/common/clusters.py`).

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// A file of clusters has a few entries; more than this is something else.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// One cluster as described; keys that are not known here are kept in `all`.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// ZooKeeper hosts, comma-separated; comes before `scheduler_uri`.
    pub zk: Option<String>,
    /// The port of all of them, 2181 unless given.
    pub zk_port: u16,
    /// The node below which the leading scheduler has its member.
    pub scheduler_zk_path: Option<String>,
    /// The scheduler's URL.
    pub scheduler_uri: Option<String>,
    /// What is shown instead of the scheduler's URL (ZooKeeper clusters).
    pub proxy_url: Option<String>,
    /// `UNAUTHENTICATED` unless given.
    pub auth_mechanism: String,
    /// The agents' work directory.
    pub slave_root: Option<String>,
    /// The name of an executor's run directory, such as `latest`.
    pub slave_run_directory: Option<String>,
    /// Every key as it stands in the file.
    pub all: Map<String, Value>,
}

/// Why a file of clusters cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClustersError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not JSON.
    #[error("Unable to parse {path}: {cause}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// What and where.
        cause: serde_json::Error,
    },
    /// It is JSON of another shape.
    #[error("{path}: {what}")]
    Layout {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// Reads the files that exist; an entry of a later file replaces one of the same name.
///
/// # Errors
/// When a file is there but cannot be read or understood.
pub fn load(files: &[PathBuf]) -> Result<BTreeMap<String, Cluster>, ClustersError> {
    let mut clusters = BTreeMap::new();
    for path in files {
        match std::fs::metadata(path) {
            Ok(found) if found.len() > MAX_BYTES => {
                return Err(ClustersError::Layout {
                    path: path.clone(),
                    what: format!("too large for a list of clusters ({} bytes)", found.len()),
                });
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => {
                return Err(ClustersError::Read {
                    path: path.clone(),
                    source,
                });
            }
        }
        let text = std::fs::read_to_string(path).map_err(|source| ClustersError::Read {
            path: path.clone(),
            source,
        })?;
        for cluster in parse(path, &text)? {
            clusters.insert(cluster.name.clone(), cluster);
        }
    }
    Ok(clusters)
}

fn parse(path: &Path, text: &str) -> Result<Vec<Cluster>, ClustersError> {
    let layout = |what: String| ClustersError::Layout {
        path: path.to_owned(),
        what,
    };
    let document: Value = serde_json::from_str(text).map_err(|cause| ClustersError::Parse {
        path: path.to_owned(),
        cause,
    })?;
    let entries: Vec<Value> = match document {
        Value::Array(entries) => entries,
        Value::Object(entries) => entries.into_iter().map(|(_, entry)| entry).collect(),
        _ => {
            return Err(layout(
                "a list or an object of clusters is expected".to_owned(),
            ));
        }
    };
    let mut clusters = Vec::new();
    for entry in entries {
        let Value::Object(all) = entry else {
            return Err(layout(format!(
                "clusters must be objects of keys and values, got {entry}"
            )));
        };
        // Upstream passes over entries without a name.
        let Some(name) = all.get("name") else {
            continue;
        };
        let Some(name) = name.as_str().map(str::to_owned) else {
            return Err(layout(format!(
                "a cluster's name must be a text, got {name}"
            )));
        };
        let text = |key: &str| match all.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(layout(format!(
                "`{key}` of cluster `{name}` must be a text, got {other}"
            ))),
        };
        let zk_port = match all.get("zk_port") {
            None | Some(Value::Null) => 2181,
            // Upstream's integers may be written as texts.
            Some(value) => value
                .as_u64()
                .or_else(|| value.as_str()?.trim().parse().ok())
                .and_then(|port| u16::try_from(port).ok())
                .ok_or_else(|| {
                    layout(format!(
                        "`zk_port` of cluster `{name}` must be a port, got {value}"
                    ))
                })?,
        };
        clusters.push(Cluster {
            zk: text("zk")?,
            zk_port,
            scheduler_zk_path: text("scheduler_zk_path")?,
            scheduler_uri: text("scheduler_uri")?,
            proxy_url: text("proxy_url")?,
            auth_mechanism: text("auth_mechanism")?.unwrap_or_else(|| "UNAUTHENTICATED".to_owned()),
            slave_root: text("slave_root")?,
            slave_run_directory: text("slave_run_directory")?,
            name,
            all,
        });
    }
    Ok(clusters)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Result<Vec<String>, String> {
        parse(Path::new("f"), text)
            .map(|clusters| clusters.into_iter().map(|cluster| cluster.name).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn lists_and_objects_of_clusters() {
        assert_eq!(
            names(r#"[{"name":"a"},{"zk":"nameless"},{"name":"b","x":{"y":1}}]"#).unwrap(),
            ["a", "b"]
        );
        assert_eq!(names(r#"{"k":{"name":"a"}}"#).unwrap(), ["a"]);
        for port in ["2182", "\"2182\""] {
            let text = format!(r#"[{{"name":"a","zk_port":{port}}}]"#);
            let found = parse(Path::new("f"), &text).unwrap();
            assert_eq!(found[0].zk_port, 2182);
        }
        for (bad, expected) in [
            ("[", "Unable to parse f"),
            ("3", "a list or an object"),
            ("[3]", "must be objects"),
            (r#"[{"name":3}]"#, "name must be a text"),
            (r#"[{"name":"a","zk":3}]"#, "`zk` of cluster `a`"),
            (
                r#"[{"name":"a","zk_port":"x"}]"#,
                "`zk_port` of cluster `a`",
            ),
            (
                r#"[{"name":"a","zk_port":65536}]"#,
                "`zk_port` of cluster `a`",
            ),
        ] {
            let error = names(bad).unwrap_err();
            assert!(error.contains(expected), "{bad}: {error}");
        }
    }

    #[test]
    fn later_files_replace_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let first = file(
            "1",
            r#"[{"name":"a","scheduler_uri":"http://one"},{"name":"b"}]"#,
        );
        let second = file("2", r#"[{"name":"a","scheduler_uri":"http://two"}]"#);
        let clusters = load(&[first, dir.path().join("absent"), second]).unwrap();
        assert_eq!(clusters["a"].scheduler_uri.as_deref(), Some("http://two"));
        assert_eq!(clusters.len(), 2);
        assert_eq!(clusters["b"].auth_mechanism, "UNAUTHENTICATED");
    }
}
