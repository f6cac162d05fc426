//! From a cluster's name to an address and a secret.
//!
//! `clusters.json` comes first (`$AURORA_CONFIG_ROOT` or `/etc/aurora`, then `~/.aurora`); a name that is not there may be a
//! local cluster's, whose `endpoints.json` lies in its state directory ([`Environment::state_dir`]).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;

use crate::auth::Auth;
use crate::clusters::{self, Cluster, ClustersError};
use crate::endpoints::{Endpoints, EndpointsError, Liveness};
use crate::leader::{self, LeaderError};
use crate::netrc::{self, Netrc};
pub use crate::place::Moved;

/// What of the process's environment decides where clusters are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `$AURORA_CONFIG_ROOT`.
    pub config_root: Option<PathBuf>,
    /// `$AURORA_STATE_DIR`, or `--state-dir`: the state directory of one local cluster.
    pub state_dir: Option<PathBuf>,
    /// `$XDG_STATE_HOME`, if absolute.
    pub state_home: Option<PathBuf>,
    /// `$HOME`.
    pub home: Option<PathBuf>,
    /// `$NETRC`.
    pub netrc: Option<PathBuf>,
    /// Whether the user is root.
    pub root: bool,
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Environment {
        let path = |name: &str| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        Environment {
            config_root: path("AURORA_CONFIG_ROOT"),
            state_dir: path("AURORA_STATE_DIR"),
            state_home: path("XDG_STATE_HOME").filter(|path| path.is_absolute()),
            home: path("HOME"),
            netrc: path("NETRC"),
            root: nix::unistd::geteuid().is_root(),
        }
    }

    /// The state directory of the local cluster `cluster`: the one named; else under `$XDG_STATE_HOME/aurora`; else, for
    /// root, under `/var/lib/aurora`; else under `~/.local/state/aurora`. `None` when there is no home either.
    pub fn state_dir(&self, cluster: &str) -> Option<PathBuf> {
        match &self.state_dir {
            Some(named) => Some(named.clone()),
            None => Some(self.state_root()?.join(cluster)),
        }
    }

    /// The directory that holds the state directories of local clusters, unless one is named.
    pub fn state_root(&self) -> Option<PathBuf> {
        if let Some(state_home) = &self.state_home {
            return Some(state_home.join("aurora"));
        }
        if self.root {
            return Some(PathBuf::from("/var/lib/aurora"));
        }
        Some(self.home.as_ref()?.join(".local/state/aurora"))
    }

    fn cluster_files(&self) -> Vec<PathBuf> {
        let root = self
            .config_root
            .clone()
            .unwrap_or_else(|| PathBuf::from("/etc/aurora"));
        [
            Some(root),
            self.home.as_ref().map(|home| home.join(".aurora")),
        ]
        .into_iter()
        .flatten()
        .map(|dir| dir.join("clusters.json"))
        .collect()
    }
}

/// A cluster that can be talked to.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The cluster's name.
    pub cluster: String,
    /// The scheduler's URL.
    pub scheduler: Url,
    /// The URL shown to people.
    pub display: Url,
    /// What requests show.
    pub auth: Auth,
    /// What requests show to another host that they are redirected to.
    pub netrc: Netrc,
    /// What to tell when the scheduler refuses that.
    pub auth_help: String,
    /// For how long a call that may be repeated is repeated.
    pub patience: Duration,
    /// The local cluster, when it is one: master, agent and observer are in it.
    pub local: Option<Endpoints>,
    /// The entry of `clusters.json`, when it comes from there.
    pub entry: Option<Cluster>,
    /// Where the scheduler is now, when another one leads since.
    pub moved: Moved,
}

/// Why a name leads nowhere.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// Nobody has described such a cluster.
    #[error("Unknown cluster: {name}")]
    Unknown {
        /// The name.
        name: String,
    },
    /// A file of clusters is wrong.
    #[error(transparent)]
    Clusters(#[from] ClustersError),
    /// A local cluster's file is wrong.
    #[error(transparent)]
    Endpoints(#[from] EndpointsError),
    /// The local cluster is not there any more.
    #[error(
        "the local cluster `{name}` is not running: {why} (said by {file}); start it with `aurora-local start --cluster-name {name}`"
    )]
    Stale {
        /// The name.
        name: String,
        /// What became of it.
        why: String,
        /// The file that is out of date.
        file: PathBuf,
    },
    /// The cluster's leader is not found in ZooKeeper.
    #[error("Could not connect to the scheduler of cluster `{name}`: {cause}")]
    Leader {
        /// The name.
        name: String,
        /// Why.
        #[source]
        cause: LeaderError,
    },
    /// The entry says neither.
    #[error("cluster `{name}` does not specify zk or scheduler_uri")]
    NoAddress {
        /// The name.
        name: String,
    },
    /// The address is no URL.
    #[error("cluster `{name}`: `{url}` is not an http or https URL: {why}")]
    BadUrl {
        /// The name.
        name: String,
        /// The text.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// The secret of a local cluster cannot be read.
    #[error(
        "cannot read the secret of cluster `{name}` in {path}: {cause}; only the user who started it can"
    )]
    Secret {
        /// The name.
        name: String,
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
}

/// How long calls to a cluster from `clusters.json` are repeated (aurora: `SchedulerProxy.RPC_MAXIMUM_WAIT`).
pub const PATIENCE: Duration = Duration::from_secs(600);

/// How long calls to a local cluster are repeated: its scheduler is back within seconds, or not at all.
pub const LOCAL_PATIENCE: Duration = Duration::from_secs(30);

/// All clusters that this user knows.
#[derive(Clone, Debug)]
pub struct Directory {
    environment: Environment,
    described: BTreeMap<String, Cluster>,
}

impl Directory {
    /// Reads `clusters.json`.
    ///
    /// # Errors
    /// When a file is there but cannot be used.
    pub fn load(environment: Environment) -> Result<Directory, ClustersError> {
        let described = clusters::load(&environment.cluster_files())?;
        Ok(Directory {
            environment,
            described,
        })
    }

    /// The environment that this was made from.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The names of all clusters, described and local, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.described.keys().cloned().collect();
        let local = match &self.environment.state_dir {
            Some(dir) => vec![dir.clone()],
            None => subdirectories(self.environment.state_root().as_deref()),
        };
        for dir in local {
            if let Ok(Some(endpoints)) = Endpoints::read(&dir)
                && !names.contains(&endpoints.cluster)
            {
                names.push(endpoints.cluster);
            }
        }
        names.sort();
        names
    }

    /// The entry of `clusters.json` with this name.
    pub fn described(&self, name: &str) -> Option<&Cluster> {
        self.described.get(name)
    }

    /// Finds a cluster. Looks into ZooKeeper where the entry says so, for up to half a minute.
    ///
    /// # Errors
    /// When nobody knows it, or it is known but cannot be reached this way.
    pub fn find(&self, name: &str) -> Result<Target, LookupError> {
        if let Some(cluster) = self.described.get(name) {
            return self.described_target(cluster);
        }
        let unknown = || LookupError::Unknown {
            name: name.to_owned(),
        };
        // A name with a slash or dots would leave the directory of local clusters.
        if name.is_empty() || name.contains('/') || name.starts_with('.') {
            return Err(unknown());
        }
        let state_dir = self.environment.state_dir(name).ok_or_else(unknown)?;
        match Endpoints::read(&state_dir)? {
            Some(endpoints) if endpoints.cluster == name => local_target(endpoints),
            _ => Err(unknown()),
        }
    }

    fn described_target(&self, cluster: &Cluster) -> Result<Target, LookupError> {
        let scheduler = match (&cluster.zk, &cluster.scheduler_uri) {
            (Some(_), _) => leader::find(cluster).map_err(|cause| LookupError::Leader {
                name: cluster.name.clone(),
                cause,
            })?,
            (None, Some(uri)) => parse_url(&cluster.name, uri)?,
            (None, None) => {
                return Err(LookupError::NoAddress {
                    name: cluster.name.clone(),
                });
            }
        };
        // What is shown is another address only where the real one is found.
        let display = match (&cluster.zk, &cluster.proxy_url) {
            (Some(_), Some(proxy)) => parse_url(&cluster.name, proxy)?,
            _ => scheduler.clone(),
        };
        let netrc = Netrc::load(&netrc::candidates(
            self.environment.netrc.as_deref(),
            self.environment.home.as_deref(),
        ));
        let auth = netrc.lookup(scheduler.host_str().unwrap_or_default());
        let auth_help = match cluster.auth_mechanism.as_str() {
            "UNAUTHENTICATED" => {
                "Communication with Aurora requires authorization and none was accepted: \
                 put a `machine HOST login USER password SECRET` line into ~/.netrc."
                    .to_owned()
            }
            other => format!(
                "The authentication mechanism `{other}` of cluster `{}` is not available in this version.",
                cluster.name
            ),
        };
        Ok(Target {
            cluster: cluster.name.clone(),
            display,
            scheduler,
            auth,
            netrc,
            auth_help,
            patience: PATIENCE,
            local: None,
            entry: Some(cluster.clone()),
            moved: Moved::default(),
        })
    }
}

/// The target of a running local cluster.
///
/// # Errors
/// When it does not run any more, or its secret cannot be read.
pub fn local_target(endpoints: Endpoints) -> Result<Target, LookupError> {
    if let Liveness::Stale(why) = endpoints.liveness() {
        return Err(LookupError::Stale {
            name: endpoints.cluster.clone(),
            why,
            file: endpoints.state_dir.join(crate::endpoints::FILE_NAME),
        });
    }
    let secret =
        std::fs::read_to_string(&endpoints.token_file).map_err(|cause| LookupError::Secret {
            name: endpoints.cluster.clone(),
            path: endpoints.token_file.clone(),
            cause,
        })?;
    let scheduler = parse_url(&endpoints.cluster, &endpoints.scheduler)?;
    Ok(Target {
        cluster: endpoints.cluster.clone(),
        display: scheduler.clone(),
        scheduler,
        auth: secret_of(login(), secret.trim()),
        netrc: Netrc::default(),
        auth_help: format!(
            "The secret in {} was refused; it may be of an earlier run of the cluster.",
            endpoints.token_file.display()
        ),
        patience: LOCAL_PATIENCE,
        local: Some(endpoints),
        entry: None,
        moved: Moved::default(),
    })
}

/// The secret with a name, which the scheduler writes down beside each change.
fn secret_of(user: Option<String>, secret: &str) -> Auth {
    let secret = secret.to_owned();
    // RFC 7617: the name ends with the first colon.
    match user.filter(|user| !user.contains(':')) {
        Some(user) => Auth::Basic {
            user,
            password: secret,
        },
        None => Auth::Bearer(secret),
    }
}

fn login() -> Option<String> {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok()??;
    Some(user.name)
}

fn parse_url(name: &str, text: &str) -> Result<Url, LookupError> {
    let bad = |why: String| LookupError::BadUrl {
        name: name.to_owned(),
        url: text.to_owned(),
        why,
    };
    let url = Url::parse(text).map_err(|error| bad(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad(format!("its scheme is `{}`", url.scheme())));
    }
    Ok(url)
}

fn subdirectories(dir: Option<&Path>) -> Vec<PathBuf> {
    let Some(Ok(entries)) = dir.map(std::fs::read_dir) else {
        return Vec::new();
    };
    entries.flatten().map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoints::{VERSION, boot_id, process_start_time};

    #[test]
    fn state_directories() {
        let path = |text: &str| Some(PathBuf::from(text));
        let home = Environment {
            home: path("/home/u"),
            ..Environment::default()
        };
        let root = Environment {
            root: true,
            ..home.clone()
        };
        let xdg = Environment {
            state_home: path("/x"),
            ..root.clone()
        };
        let named = Environment {
            state_dir: path("/s"),
            ..xdg.clone()
        };
        for (environment, expected) in [
            (home, "/home/u/.local/state/aurora/dev"),
            (root, "/var/lib/aurora/dev"),
            (xdg, "/x/aurora/dev"),
            (named, "/s"),
        ] {
            assert_eq!(environment.state_dir("dev"), path(expected));
        }
        assert_eq!(Environment::default().state_dir("dev"), None);
    }

    fn world() -> (tempfile::TempDir, Environment) {
        let dir = tempfile::tempdir().unwrap();
        let environment = Environment {
            config_root: Some(dir.path().join("etc")),
            state_home: Some(dir.path().join("state")),
            home: Some(dir.path().join("home")),
            ..Environment::default()
        };
        std::fs::create_dir_all(dir.path().join("etc")).unwrap();
        std::fs::create_dir_all(dir.path().join("home")).unwrap();
        std::fs::create_dir_all(dir.path().join("state/aurora/dev")).unwrap();
        (dir, environment)
    }

    #[test]
    fn described_clusters() {
        let (dir, environment) = world();
        std::fs::write(
            dir.path().join("etc/clusters.json"),
            r#"[{"name":"direct","scheduler_uri":"http://sched.example:8081"},
                {"name":"zk","zk":"127.0.0.1","zk_port":1,"scheduler_uri":"http://x"},
                {"name":"none"},{"name":"bad","scheduler_uri":"ftp://x"}]"#,
        )
        .unwrap();
        std::fs::write(
            dir.path().join("home/.netrc"),
            "machine sched.example login u password p",
        )
        .unwrap();
        let directory = Directory::load(environment).unwrap();
        let target = directory.find("direct").unwrap();
        assert_eq!(target.scheduler.as_str(), "http://sched.example:8081/");
        assert!(matches!(&target.auth, Auth::Basic { user, .. } if user == "u"));
        for (name, expected) in [
            // ZooKeeper comes first, and the entry says no path.
            ("zk", "no `scheduler_zk_path`"),
            ("none", "does not specify zk or scheduler_uri"),
            ("bad", "its scheme is `ftp`"),
            ("nobody", "Unknown cluster: nobody"),
            ("../etc", "Unknown cluster: ../etc"),
        ] {
            let error = directory.find(name).unwrap_err().to_string();
            assert!(error.contains(expected), "{name}: {error}");
        }
    }

    #[test]
    fn local_clusters() {
        let (dir, environment) = world();
        let state_dir = dir.path().join("state/aurora/dev");
        let pid = std::process::id();
        let mut endpoints = Endpoints {
            version: VERSION,
            cluster: "dev".into(),
            state_dir: state_dir.clone(),
            pid,
            pid_start_time: process_start_time(pid).unwrap(),
            boot_id: boot_id(),
            ready_ms: 0,
            scheduler: "http://127.0.0.1:1".into(),
            master: String::new(),
            agent: String::new(),
            observer: String::new(),
            token_file: state_dir.join("token"),
        };
        endpoints.write().unwrap();
        let directory = Directory::load(environment).unwrap();
        assert_eq!(directory.names(), ["dev"]);
        let error = directory.find("dev").unwrap_err().to_string();
        assert!(error.contains("cannot read the secret"), "{error}");
        std::fs::write(state_dir.join("token"), "s3cret\n").unwrap();
        let target = directory.find("dev").unwrap();
        let named = |user: &str| Auth::Basic {
            user: user.to_owned(),
            password: "s3cret".to_owned(),
        };
        let whoami = std::process::Command::new("whoami").output().unwrap();
        let whoami = String::from_utf8(whoami.stdout).unwrap();
        assert_eq!(target.auth, named(whoami.trim()));
        let nameless = Auth::Bearer("s3cret".to_owned());
        assert_eq!(secret_of(None, "s3cret"), nameless);
        assert_eq!(secret_of(Some("a:b".to_owned()), "s3cret"), nameless);
        assert_eq!(target.patience, LOCAL_PATIENCE);
        endpoints.pid_start_time += 1;
        endpoints.write().unwrap();
        let error = directory.find("dev").unwrap_err().to_string();
        assert!(error.contains("`dev` is not running"), "{error}");
        assert!(error.contains("aurora-local start"), "{error}");
    }
}
