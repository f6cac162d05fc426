//! Images from a registry that this test plays; as root only.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use aurora_mesos::v1::{
    ContainerInfo, ContainerType, Image, ImageDocker, ImageType, TaskInfo, TaskState, Volume,
    VolumeMode,
};
use aurora_tests::skip::{is_root, skip};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;

use crate::images::{add, entries, until_empty};
use crate::world::{World, task};

/// A registry with a password. Its layers are elsewhere: it sends whoever asks there.
#[derive(Default)]
struct Registry {
    /// By path.
    things: HashMap<String, Vec<u8>>,
    calls: Mutex<Vec<String>>,
}

fn digest(data: &[u8]) -> String {
    let sum = Sha256::digest(data);
    let hex: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

impl Registry {
    fn blob(&mut self, name: &str, data: &[u8]) -> String {
        let digest = digest(data);
        self.things
            .insert(format!("/elsewhere/{name}/{digest}"), data.to_owned());
        format!(r#"{{"digest": "{digest}", "size": {}}}"#, data.len())
    }

    /// Puts an image of one layer there; what comes as that layer is `sent`.
    fn image(&mut self, name: &str, tag: &str, layer: &[u8], sent: &[u8]) {
        let config = self.blob(name, br#"{"config": {}}"#);
        let descriptor = self.blob(name, layer);
        let place = format!("/elsewhere/{name}/{}", digest(layer));
        self.things.insert(place, sent.to_owned());
        let manifest = format!(r#"{{"config": {config}, "layers": [{descriptor}]}}"#);
        let of_manifest = digest(manifest.as_bytes());
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            _ => "arm64",
        };
        let index = format!(
            r#"{{"manifests": [{{"digest": "{}", "platform": {{"os": "plan9", "architecture": "mips"}}}},
            {{"digest": "{of_manifest}", "platform": {{"os": "linux", "architecture": "{architecture}"}}}}]}}"#,
            digest(b"")
        );
        let at = |reference: &str| format!("/v2/{name}/manifests/{reference}");
        self.things.insert(at(&of_manifest), manifest.into_bytes());
        self.things.insert(at(tag), index.into_bytes());
    }

    fn answer(&self, request: &Request<Incoming>, address: SocketAddr) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        self.calls.lock().unwrap().push(path.to_owned());
        let said = request.headers().get("authorization");
        let said = said.and_then(|value| value.to_str().ok());
        let answer = Response::builder();
        let empty = Full::default();
        if path == "/token" {
            // printf user:word | base64
            let is_right = said == Some("Basic dXNlcjp3b3Jk")
                && request.uri().query() == Some("service=s&scope=repository%3Ax%3Apull");
            let token = Full::from(r#"{"token": "T"}"#);
            return if is_right {
                answer.body(token).unwrap()
            } else {
                answer.status(401).body(empty).unwrap()
            };
        }
        if path.starts_with("/v2/") && said != Some("Bearer T") {
            let challenge = format!(
                r#"Bearer realm="http://{address}/token",service="s",scope="repository:x:pull""#
            );
            let answer = answer.status(401).header("www-authenticate", challenge);
            return answer.body(empty).unwrap();
        }
        if let Some((name, blob)) = path
            .strip_prefix("/v2/")
            .and_then(|path| path.split_once("/blobs/"))
        {
            let place = format!("/elsewhere/{name}/{blob}");
            let answer = answer.status(307).header("location", place);
            return answer.body(empty).unwrap();
        }
        match self.things.get(path) {
            Some(data) => answer.body(Full::from(data.clone())).unwrap(),
            None => answer.status(404).body(empty).unwrap(),
        }
    }
}

async fn serve(registry: Registry) -> (SocketAddr, Arc<Registry>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let registry = Arc::new(registry);
    let shared = Arc::clone(&registry);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let shared = Arc::clone(&shared);
            let service = service_fn(move |request| {
                let answer = shared.answer(&request, address);
                async move { Ok::<_, Infallible>(answer) }
            });
            let server = hyper::server::conn::http1::Builder::new();
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
        }
    });
    (address, registry)
}

fn in_image(id: &str, name: &str, cached: bool) -> TaskInfo {
    let mut info = task(id, "cat taskfs/etc/motd");
    info.container = Some(ContainerInfo {
        kind: ContainerType::Mesos,
        volumes: vec![Volume {
            container_path: "taskfs".into(),
            image: Some(Image {
                kind: ImageType::Docker,
                docker: Some(ImageDocker {
                    name: name.into(),
                    ..ImageDocker::default()
                }),
                cached,
                ..Image::default()
            }),
            mode: VolumeMode::Rw,
            ..Volume::default()
        }],
        ..ContainerInfo::default()
    });
    info
}

fn layer(text: &[u8]) -> Vec<u8> {
    let mut layer = tar::Builder::new(Vec::new());
    add(&mut layer, "etc/motd", text);
    layer.into_inner().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn images_of_a_registry_are_brought_once_and_whole() {
    let test = "images_of_a_registry_are_brought_once_and_whole";
    if !is_root() {
        return skip(test, "mounts take root");
    }
    let mut registry = Registry::default();
    let whole = layer(b"of the registry\n");
    registry.image("a/web", "1.0", &whole, &whole);
    registry.image("broken", "latest", &whole, &layer(b"of somebody else\n"));
    let large = layer(&vec![b'x'; 2 << 20]);
    registry.image("large", "latest", &large, &large);
    let (address, registry) = serve(registry).await;
    let asked = |what: &str| {
        let calls = registry.calls.lock().unwrap();
        calls.iter().filter(|call| call.contains(what)).count()
    };

    let world = World::new().await;
    let url = format!("http://{address}");
    let secrets = format!(r#"{{"auths": {{"{address}": {{"auth": "dXNlcjp3b3Jk"}}}}}}"#);
    let flags = [
        "--docker_registry",
        url.as_str(),
        "--docker_config",
        &secrets,
        "--max_image_size",
        "1",
    ];
    let agent = world.agent(&flags).await;
    let read = |id: &str| {
        let path = format!("slaves/S0/frameworks/F/executors/{id}/runs/latest/stdout");
        fs::read_to_string(world.work_dir().join(path)).unwrap()
    };
    let images = world.work_dir().join("store/docker/images");
    let by_host = format!("{address}/a/web:1.0");
    for (id, name, cached, manifests, blobs) in [
        ("first", "a/web:1.0", true, 1, 2),
        ("again", "a/web:1.0", true, 1, 2),
        ("anew", "a/web:1.0", false, 2, 4),
        ("host", by_host.as_str(), true, 3, 6),
    ] {
        world.master.run(in_image(id, name, cached));
        world.master.wait_for_state(id, TaskState::Finished).await;
        assert!(read(id).contains("of the registry\n"), "{}", read(id));
        assert_eq!(asked("/v2/a/web/manifests/1.0") / 2, manifests, "{id}");
        assert_eq!(asked("/elsewhere/"), blobs, "{id}");
    }
    // By its name and by its host's: two references to one image.
    assert_eq!(entries(&images).len(), 1, "{:?}", entries(&images));

    for (id, name, words) in [
        (
            "broken",
            "broken",
            "is not what the image says: its SHA-256 is",
        ),
        ("large", "large", "larger than 1048576 bytes"),
        ("none", "none:1", "answers 404 Not Found"),
        ("odd", "a/../web", "is no name of an image in a registry"),
    ] {
        world.master.run(in_image(id, name, true));
        let failed = world.master.wait_for_state(id, TaskState::Failed).await;
        let message = failed.message.unwrap();
        assert!(message.contains(words), "{id}: {message}");
    }
    assert_eq!(entries(&images).len(), 1, "{:?}", entries(&images));
    assert!(
        !images.with_file_name("staging").exists(),
        "halves are removed"
    );
    drop(agent);

    // Without its password.
    let agent = world.agent(&flags[..2]).await;
    world.master.run(in_image("stranger", "a/web:2", true));
    let failed = world
        .master
        .wait_for_state("stranger", TaskState::Failed)
        .await;
    let message = failed.message.unwrap();
    assert!(message.contains("/token answers 401"), "{message}");
    until_empty(&world.work_dir().join("provisioner/containers")).await;
    drop(agent);
}
