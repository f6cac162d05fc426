use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use super::*;
use crate::fake::{Reply, Request, Server};

fn cluster(entry: serde_json::Value) -> Cluster {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("clusters.json");
    std::fs::write(&file, serde_json::json!([entry]).to_string()).unwrap();
    let clusters = crate::clusters::load(&[file]).unwrap();
    clusters.into_values().next().unwrap()
}

fn helpers(entry: serde_json::Value) -> Helpers {
    Helpers::of_cluster(Some(&cluster(entry)), "test").unwrap()
}

fn full(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Reply::Full(status, headers.collect(), body.as_bytes().to_vec())
}

/// A registry whose `open` images need no token, whose `locked` ones need the one it hands out, and whose `secret` ones need more.
fn registry() -> Server {
    let address = Arc::new(OnceLock::<String>::new());
    let own = Arc::clone(&address);
    let server = Server::start(move |request| answer(request, own.get().unwrap()));
    address.set(server.url()).unwrap();
    server
}

fn answer(request: &Request, own: &str) -> Reply {
    let challenge = format!(
        "Bearer realm=\"{own}/token\",service=\"reg\",scope=\"repository:locked:pull\",error=\"invalid\""
    );
    let refused = [("Www-Authenticate", challenge.as_str())];
    let has_token = request.header("authorization") == Some("Bearer t0k3n");
    let digest = [("Docker-Content-Digest", "sha256:abc")];
    match request.target.as_str() {
        "/v2/" | "/v2/open/manifests/1.0" => full(200, &digest, ""),
        "/v2/group/locked/manifests/2" if has_token => full(200, &digest, ""),
        "/v2/group/locked/manifests/2" | "/v2/secret/manifests/3" => full(401, &refused, ""),
        "/v2/basic/manifests/4" => full(401, &[("Www-Authenticate", "Basic realm=\"x\"")], ""),
        "/v2/bare/manifests/5" => full(200, &[], ""),
        "/token?service=reg&scope=repository%3Alocked%3Apull" => {
            full(200, &[], r#"{"token": "t0k3n"}"#)
        }
        _ => full(404, &[], ""),
    }
}

#[tokio::test]
async fn tags_become_digests() {
    let server = registry();
    let helpers = helpers(serde_json::json!({"name": "c", "docker_registry": server.url()}));
    let addresses = [
        "docker.image[open][1.0]",
        "docker.image[group/locked][2]",
        "docker.image[open][1.0]",
        "other.thing",
        "docker.image[x]",
    ]
    .map(str::to_owned);
    let bound = helpers.bind("c/r/e/n", &addresses).await.unwrap();
    let host = server.address;
    assert_eq!(
        bound,
        [
            (
                addresses[1].clone(),
                format!("{host}/group/locked@sha256:abc")
            ),
            (addresses[0].clone(), format!("{host}/open@sha256:abc")),
        ]
    );
    let asked: Vec<String> = server
        .seen()
        .iter()
        .map(|request| format!("{} {}", request.method, request.target))
        .collect();
    let once = "HEAD /v2/open/manifests/1.0";
    assert_eq!(
        asked.iter().filter(|line| *line == once).count(),
        1,
        "{asked:?}"
    );
    let accept = "application/vnd.docker.distribution.manifest.v2+json";
    let heads = server
        .seen()
        .into_iter()
        .filter(|request| request.method == "HEAD");
    assert!(
        heads
            .into_iter()
            .all(|request| request.header("accept") == Some(accept))
    );
}

#[tokio::test]
async fn images_without_a_digest_say_why() {
    let server = registry();
    let helpers = helpers(serde_json::json!({"name": "c", "docker_registry": server.url()}));
    for (address, part) in [
        (
            "docker.image[secret][3]",
            "private images are not supported",
        ),
        ("docker.image[basic][4]", "asks for Basic authentication"),
        (
            "docker.image[bare][5]",
            "answered without Docker-Content-Digest",
        ),
        ("docker.image[none][6]", "/v2/none/manifests/6 answered 404"),
    ] {
        let error = helpers
            .bind("c/r/e/n", &[address.to_owned()])
            .await
            .unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(&format!("{{{{{address}}}}}: ")), "{text}");
        assert!(text.contains(part), "{text}");
    }
}

fn script(dir: &Path, body: &str) -> String {
    let path = dir.join("helper");
    std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn programs_bind_what_begins_with_their_name() {
    let dir = tempfile::tempdir().unwrap();
    for (body, expected) in [
        (
            "echo \"$1 for $AURORA_JOB\"",
            Ok("package[r][n][live] for c/r/e/n"),
        ),
        ("true", Err("printed nothing")),
        ("exit 3", Err("ended with exit status: 3")),
    ] {
        let program = script(dir.path(), body);
        let entry = serde_json::json!({"name": "c", "binding_helpers": {"package": program}});
        let addresses = ["package[r][n][live]".to_owned(), "packages[x]".to_owned()];
        let bound = helpers(entry).bind("c/r/e/n", &addresses).await;
        match (bound, expected) {
            (Ok(bound), Ok(value)) => {
                assert_eq!(bound, [(addresses[0].clone(), value.to_owned())]);
            }
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (other, _) => panic!("{body}: {other:?}"),
        }
    }
    for entry in [
        serde_json::json!({"name": "c", "docker_registry": 5}),
        serde_json::json!({"name": "c", "binding_helpers": ["x"]}),
        serde_json::json!({"name": "c", "binding_helpers": {"x": 1}}),
    ] {
        let error = Helpers::of_cluster(Some(&cluster(entry)), "test").unwrap_err();
        assert!(
            error.to_string().contains("of cluster `c` must be"),
            "{error}"
        );
    }
}
