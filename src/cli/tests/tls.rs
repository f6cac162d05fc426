//! A scheduler behind https: whose certificates are trusted.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which may panic")]

#[allow(
    dead_code,
    unused_imports,
    reason = "each test program uses a part of it"
)]
mod support;

use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use support::fake::{Server, thrift};
use support::*;

const CERTIFICATE: &str = include_str!("tls/certificate.pem");
const KEY: &str = include_str!("tls/key.pem");

/// A scheduler that knows one job, with a certificate that it signed itself, for 127.0.0.1.
fn secure() -> Server {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    let wrap = move |stream: TcpStream| {
        StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream)
    };
    Server::start_over(wrap, |request| {
        thrift(request, &|_| jobs(&[("www", "prod", "a")]))
    })
}

/// `job list` with these variables; `CERT` stands for the file with the server's certificate.
#[track_caller]
fn check(host: &str, variables: &[(&str, &str)], outcome: Result<(), &str>) {
    let server = secure();
    let world = World::new(&format!("https://{host}:{}", server.address.port()));
    let trusted = world.path("certificate.pem");
    std::fs::write(&trusted, CERTIFICATE).unwrap();
    std::fs::write(world.path("empty.pem"), "nothing\n").unwrap();
    let mut command = world.command(env!("CARGO_BIN_EXE_aurora"), &["job", "list", "west/www"]);
    for (name, value) in variables {
        command.env(name, value.replace("CERT", trusted.to_str().unwrap()));
    }
    let output = command.output().unwrap();
    let (code, stdout) = match outcome {
        Ok(()) => (0, "west/www/prod/a\n"),
        Err(_) => (7, ""),
    };
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{variables:?} {stderr}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), stdout);
    let expected = outcome.err().unwrap_or_default();
    assert!(stderr.contains(expected), "{variables:?} {stderr}");
}

#[test]
fn certificates_are_trusted_by_name_and_authority() {
    for variable in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"] {
        check("127.0.0.1", &[(variable, "CERT")], Ok(()));
        // It is good for the address alone.
        let unnamed = "not valid for name \"localhost\"";
        check("localhost", &[(variable, "CERT")], Err(unnamed));
    }
    // The first one decides.
    let both = [
        ("REQUESTS_CA_BUNDLE", "CERT"),
        ("CURL_CA_BUNDLE", "none.pem"),
        ("SSL_CERT_FILE", "none.pem"),
    ];
    check("127.0.0.1", &both, Ok(()));
    let empty = [("REQUESTS_CA_BUNDLE", ""), ("CURL_CA_BUNDLE", "CERT")];
    check("127.0.0.1", &empty, Ok(()));
}

#[test]
fn what_is_not_trusted_says_why() {
    let hint = "(SSL_CERT_FILE or REQUESTS_CA_BUNDLE names a file with the authorities to trust)";
    check("127.0.0.1", &[], Err(hint));
    check("127.0.0.1", &[("SSL_CERT_FILE", "empty.pem")], Err(hint));
    for (file, why) in [
        ("none.pem", "No such file or directory"),
        ("empty.pem", "the file holds no certificate in PEM form"),
        (".", "Is a directory"),
    ] {
        let expected = format!("the authorities of {file} ($REQUESTS_CA_BUNDLE): {why}");
        check("127.0.0.1", &[("REQUESTS_CA_BUNDLE", file)], Err(&expected));
    }
}
