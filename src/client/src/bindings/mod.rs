//! Binding helpers: what gives references of a job a value that neither its file nor the command line gives them
//! (aurora: `src/main/python/apache/aurora/client/binding_helper.py`).
//!
//! One is built in: `{{docker.image[name][tag]}}` becomes the image by its digest, asked of a [`registry`]. Others are programs
//! that a cluster's entry in `clusters.json` names: `"binding_helpers": {"package": "/usr/lib/aurora/bind-package"}` has
//! `{{package[role][name][live]}}` bound to what that program prints when it is given the address `package[role][name][live]`.

pub mod registry;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use crate::clusters::Cluster;
use registry::{Registry, RegistryError};

/// How long one reference may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest value that a program may print.
const MAX_VALUE: u64 = 64 * 1024;

/// Why a reference cannot be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindingError {
    /// A registry did not name an image.
    #[error("{{{{{address}}}}}: {cause}")]
    Registry {
        /// The reference.
        address: String,
        /// Why.
        #[source]
        cause: RegistryError,
    },
    /// A program did not name a value.
    #[error("{{{{{address}}}}}: {} {what}", program.display())]
    Program {
        /// The reference.
        address: String,
        /// The program.
        program: PathBuf,
        /// What it did instead.
        what: String,
    },
    /// It took too long.
    #[error("{{{{{address}}}}}: no value within {} s", PATIENCE.as_secs())]
    Slow {
        /// The reference.
        address: String,
    },
    /// A cluster's entry is wrong.
    #[error("`{key}` of cluster `{cluster}` must be {what}")]
    Layout {
        /// The cluster.
        cluster: String,
        /// The key.
        key: &'static str,
        /// What is expected.
        what: &'static str,
    },
}

/// The helpers of a cluster.
#[derive(Clone, Debug)]
pub struct Helpers {
    registry: Registry,
    programs: BTreeMap<String, PathBuf>,
}

impl Helpers {
    /// The helpers that a cluster's entry names (`docker_registry`, `binding_helpers`); without an entry the built-in one.
    ///
    /// # Errors
    /// When the entry has these keys in another shape.
    pub fn of_cluster(
        cluster: Option<&Cluster>,
        user_agent: &str,
    ) -> Result<Helpers, BindingError> {
        let layout = |key, what| BindingError::Layout {
            cluster: cluster
                .map(|cluster| cluster.name.clone())
                .unwrap_or_default(),
            key,
            what,
        };
        let given = |key| cluster.and_then(|cluster| cluster.all.get(key));
        let registry = match given("docker_registry") {
            None => registry::DEFAULT,
            Some(text) => text
                .as_str()
                .ok_or_else(|| layout("docker_registry", "a text"))?,
        };
        let mut programs = BTreeMap::new();
        if let Some(named) = given("binding_helpers") {
            let wrong = || layout("binding_helpers", "an object of names and programs");
            for (name, program) in named.as_object().ok_or_else(wrong)? {
                let program = program.as_str().ok_or_else(wrong)?;
                programs.insert(name.clone(), PathBuf::from(program));
            }
        }
        Ok(Helpers {
            registry: Registry::new(registry, user_agent),
            programs,
        })
    }

    /// Values for those of some addresses that a helper knows, each asked for once. `job` is the key of the job, which programs
    /// find in `AURORA_JOB`.
    ///
    /// # Errors
    /// When a helper knows an address and has no value for it.
    pub async fn bind(
        &self,
        job: &str,
        addresses: &[String],
    ) -> Result<Vec<(String, String)>, BindingError> {
        let mut bound = Vec::new();
        for address in addresses.iter().collect::<BTreeSet<_>>() {
            let found = tokio::time::timeout(PATIENCE, self.one(job, address)).await;
            let slow = |_| BindingError::Slow {
                address: address.clone(),
            };
            if let Some(value) = found.map_err(slow)?? {
                bound.push((address.clone(), value));
            }
        }
        Ok(bound)
    }

    async fn one(&self, job: &str, address: &str) -> Result<Option<String>, BindingError> {
        if let Some((name, tag)) = image(address) {
            let named = self.registry.resolve(name, tag).await;
            return named.map(Some).map_err(|cause| BindingError::Registry {
                address: address.to_owned(),
                cause,
            });
        }
        let first = address.split(['.', '[']).next().unwrap_or_default();
        let Some(program) = self.programs.get(first) else {
            return Ok(None);
        };
        let printed = run(program, job, address).await;
        printed.map(Some).map_err(|what| BindingError::Program {
            address: address.to_owned(),
            program: program.clone(),
            what,
        })
    }
}

/// Name and tag of `docker.image[name][tag]`.
fn image(address: &str) -> Option<(&str, &str)> {
    let indexes = address.strip_prefix("docker.image[")?.strip_suffix(']')?;
    indexes
        .split_once("][")
        .filter(|(_, tag)| !tag.contains('['))
}

/// What a program prints for an address, without the line's end.
async fn run(program: &std::path::Path, job: &str, address: &str) -> Result<String, String> {
    let mut child = Command::new(program)
        .arg(address)
        .env("AURORA_JOB", job)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("cannot be run: {error}"))?;
    let mut value = String::new();
    if let Some(stdout) = child.stdout.take() {
        let read = stdout.take(MAX_VALUE + 1).read_to_string(&mut value).await;
        read.map_err(|error| format!("printed no text: {error}"))?;
    }
    if value.len() as u64 > MAX_VALUE {
        return Err(format!("printed more than {MAX_VALUE} bytes"));
    }
    let status = child.wait().await.map_err(|error| error.to_string())?;
    let value = value.trim_end_matches(['\r', '\n']);
    match (status.success(), value.is_empty()) {
        (false, _) => Err(format!("ended with {status}")),
        (true, true) => Err("printed nothing".to_owned()),
        (true, false) => Ok(value.to_owned()),
    }
}

#[cfg(test)]
mod tests;
