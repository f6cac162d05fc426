//! `aurora-mesos-agent pull-image`: brings an image from a registry into a folder, as an OCI layout of that image alone.
//!
//! A process of its own: what a registry sends is read where nothing but a download is at stake. Everything is held against the
//! digests, the manifest's own one being the first.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, WWW_AUTHENTICATE};
use serde::{Deserialize, Serialize};

use super::archive::{ArchiveError, Descriptor, MAX_DEPTH, OciManifest, blob, is_ours};
use super::layer::{Digest, Sum};
use super::registry::{Challenge, Place};
use crate::agent::containerizer::chain;

/// The hidden subcommand of the agent's program.
pub(crate) const SUBCOMMAND: &str = "pull-image";
/// Longest order that is read.
const MAX_ORDER: u64 = 1 << 20;
/// Longest manifest, or answer with a token, that is read.
const MAX_TEXT: usize = 4 << 20;
/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);
/// The kinds of manifests that are understood.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// What to bring, and where to.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) place: Place,
    /// An empty folder.
    pub(super) layout: PathBuf,
    /// Most bytes of all that is brought.
    pub(super) max_bytes: u64,
    /// A registry that sends nothing for so long has failed.
    pub(super) stall_timeout: Duration,
    /// User and password, in base64.
    pub(super) basic: Option<String>,
}

/// Why an image cannot be brought.
#[derive(Debug, thiserror::Error)]
enum PullError {
    #[error("the order is not understood")]
    Order(#[from] serde_json::Error),
    #[error("{0}")]
    Io(String, #[source] io::Error),
    #[error("asking {url}")]
    Http {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{url} answers {status}")]
    Status { url: String, status: StatusCode },
    #[error("{url} asks for {what}, which cannot be given")]
    Authentication { url: String, what: String },
    #[error("the manifest is not understood")]
    Manifest(#[source] serde_json::Error),
    #[error("the registry's image cannot be used")]
    Image(#[from] ArchiveError),
    #[error("there is no image for this machine")]
    Platform,
    #[error("it is larger than {0} bytes, the most that an image may have")]
    TooLarge(u64),
}

/// Runs it: the order comes as JSON on standard input, the digest of the image goes to standard output, and what went wrong to
/// standard error.
pub(crate) fn main() -> ExitCode {
    let pulled = run().and_then(|digest| {
        writeln!(io::stdout(), "{digest}")
            .map_err(|error| PullError::Io("telling the digest".to_owned(), error))
    });
    match pulled {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The exit code says the rest.
            let _ = writeln!(io::stderr(), "{}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<String, PullError> {
    let failed = |doing: &str| {
        let doing = doing.to_owned();
        move |error: io::Error| PullError::Io(doing, error)
    };
    let mut text = Vec::new();
    io::stdin()
        .lock()
        .take(MAX_ORDER)
        .read_to_end(&mut text)
        .map_err(failed("reading the order"))?;
    let order: Order = serde_json::from_slice(&text)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed("starting"))?;
    // A second installation is refused, which is as good: there is one provider in this program.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(order.stall_timeout)
        .build()
        .map_err(|source| PullError::Http {
            url: order.place.base.clone(),
            source,
        })?;
    let left = order.max_bytes;
    let mut pull = Pull {
        order,
        client,
        authorization: None,
        left,
    };
    runtime.block_on(pull.run())
}

struct Pull {
    order: Order,
    client: reqwest::Client,
    /// What the registry wants to be told, once it has said so.
    authorization: Option<String>,
    left: u64,
}

impl Pull {
    /// Brings everything; the digest of the image's manifest.
    async fn run(&mut self) -> Result<String, PullError> {
        let folder = self.order.layout.join("blobs/sha256");
        fs::create_dir_all(&folder)
            .map_err(|error| PullError::Io(format!("creating {}", folder.display()), error))?;
        let reference = self.order.place.reference.clone();
        let mut expected = Digest::parse(&reference).ok();
        let mut wanted = reference;
        for _ in 0..MAX_DEPTH {
            let text = self.manifest(&wanted).await?;
            let digest = expected.unwrap_or_else(|| Digest::of(&text));
            digest.check(&wanted, &text)?;
            let manifest: OciManifest =
                serde_json::from_slice(&text).map_err(PullError::Manifest)?;
            if manifest.manifests.is_empty() {
                self.write(&blob(&digest), &text)?;
                self.blobs(&manifest).await?;
                let hex = digest.hex();
                let index = serde_json::json!({"manifests": [{"digest": format!("sha256:{hex}")}]});
                self.write("index.json", index.to_string().as_bytes())?;
                return Ok(hex.to_owned());
            }
            let chosen = manifest.manifests.iter().find(|entry| is_ours(entry));
            let next = &chosen.ok_or(PullError::Platform)?.digest;
            expected = Some(Digest::parse(next)?);
            wanted.clone_from(next);
        }
        Err(PullError::Platform)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), PullError> {
        fs::write(self.order.layout.join(name), bytes)
            .map_err(|error| PullError::Io(format!("writing {name}"), error))
    }

    async fn manifest(&mut self, reference: &str) -> Result<Vec<u8>, PullError> {
        let url = self.order.place.url("manifests", reference);
        let answer = self.ask(&url, MANIFESTS).await?;
        read(&url, answer).await
    }

    async fn blobs(&mut self, manifest: &OciManifest) -> Result<(), PullError> {
        for descriptor in manifest.config.iter().chain(&manifest.layers) {
            self.blob(descriptor).await?;
        }
        Ok(())
    }

    async fn blob(&mut self, descriptor: &Descriptor) -> Result<(), PullError> {
        let digest = Digest::parse(&descriptor.digest)?;
        let name = blob(&digest);
        let path = self.order.layout.join(&name);
        // Layers may be the same.
        if path.exists() {
            return Ok(());
        }
        let url = self.order.place.url("blobs", &descriptor.digest);
        let answer = self.ask(&url, "*/*").await?;
        let failed = |error: io::Error| PullError::Io(format!("writing {name}"), error);
        let mut file = fs::File::create_new(&path).map_err(failed)?;
        let mut sum = Sum::default();
        let mut body = answer.bytes_stream();
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|source| PullError::Http {
                url: url.clone(),
                source,
            })?;
            self.left = self
                .left
                .checked_sub(piece.len() as u64)
                .ok_or(PullError::TooLarge(self.order.max_bytes))?;
            sum.add(&piece);
            file.write_all(&piece).map_err(failed)?;
        }
        Ok(sum.check(&name, &digest)?)
    }

    /// Asks, and once more with what the registry wants for it.
    async fn ask(&mut self, url: &str, accept: &str) -> Result<reqwest::Response, PullError> {
        let mut answer = self
            .send(url, accept, self.authorization.as_deref())
            .await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            let authorization = self.authorize(url, answer.headers()).await?;
            self.authorization = Some(authorization);
            answer = self
                .send(url, accept, self.authorization.as_deref())
                .await?;
        }
        good(url, answer)
    }

    async fn send(
        &self,
        url: &str,
        accept: &str,
        authorization: Option<&str>,
    ) -> Result<reqwest::Response, PullError> {
        let mut request = self.client.get(url).header(ACCEPT, accept);
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request.send().await.map_err(|source| PullError::Http {
            url: url.to_owned(),
            source,
        })
    }

    /// What to tell a registry that has answered with 401.
    async fn authorize(&self, url: &str, headers: &HeaderMap) -> Result<String, PullError> {
        let refused = |what: &str| PullError::Authentication {
            url: url.to_owned(),
            what: what.to_owned(),
        };
        let header = headers
            .get(WWW_AUTHENTICATE)
            .and_then(|value| value.to_str().ok())
            .ok_or_else(|| refused("nothing"))?;
        let basic = self
            .order
            .basic
            .as_ref()
            .map(|secret| format!("Basic {secret}"));
        match Challenge::parse(header).ok_or_else(|| refused(header))? {
            Challenge::Basic => basic.ok_or_else(|| refused("a password (--docker_config)")),
            Challenge::Bearer { realm, query } => {
                let mut address = reqwest::Url::parse(&realm)
                    .map_err(|_| refused(&format!("a token of {realm}")))?;
                address.query_pairs_mut().extend_pairs(query);
                // A password goes nowhere that others can listen, unless its registry is such a place itself.
                let is_safe =
                    address.scheme() == "https" || self.order.place.base.starts_with("http://");
                let basic = basic.filter(|_| is_safe);
                let answer = self.send(address.as_str(), "application/json", basic.as_deref());
                let text = read(&realm, good(&realm, answer.await?)?).await?;
                let token: Token = serde_json::from_slice(&text).map_err(PullError::Manifest)?;
                let token = token.token.or(token.access_token);
                let token = token.ok_or_else(|| refused("a token that is not given"))?;
                Ok(format!("Bearer {token}"))
            }
        }
    }
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

fn good(url: &str, answer: reqwest::Response) -> Result<reqwest::Response, PullError> {
    match answer.status() {
        StatusCode::OK => Ok(answer),
        status => Err(PullError::Status {
            url: url.to_owned(),
            status,
        }),
    }
}

async fn read(url: &str, answer: reqwest::Response) -> Result<Vec<u8>, PullError> {
    let mut text = Vec::new();
    let mut body = answer.bytes_stream();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|source| PullError::Http {
            url: url.to_owned(),
            source,
        })?;
        if text.len() + piece.len() > MAX_TEXT {
            return Err(PullError::TooLarge(MAX_TEXT as u64));
        }
        text.extend_from_slice(&piece);
    }
    Ok(text)
}

/// Where the layout of an image lies while it is brought and unpacked.
pub(super) fn layout(staging: &Path) -> PathBuf {
    staging.join("layout")
}
