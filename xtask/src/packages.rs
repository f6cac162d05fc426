//! Debian packages that tests need.

use std::process::{Command, Stdio};

use crate::Outcome;

/// A package, and a program or file that shows it is there.
const NEEDED: &[(&str, &str)] = &[
    ("python3-venv", "/usr/share/doc/python3-venv"),
    ("thrift-compiler", "/usr/bin/thrift"),
    ("bzip2", "/usr/bin/bzip2"),
    ("docker.io", "/usr/sbin/dockerd"),
    ("faketime", "/usr/bin/faketime"),
    ("unzip", "/usr/bin/unzip"),
    ("xz-utils", "/usr/bin/xz"),
    ("zookeeper", "/usr/share/java/zookeeper.jar"),
];

/// Installs what is missing when root; otherwise says which line to run.
pub(crate) fn provide() -> Outcome {
    let missing: Vec<&str> = NEEDED
        .iter()
        .filter(|(_, sign)| !std::path::Path::new(sign).exists())
        .map(|(package, _)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let line = format!("apt-get install -y {}", missing.join(" "));
    let root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout == b"0\n");
    if !root {
        println!(
            "Some tests need Debian packages and are skipped without them; to have them run:\n  sudo {line}"
        );
        return Ok(());
    }
    println!(
        "Installing Debian packages that tests need: {}",
        missing.join(" ")
    );
    let quiet = |command: &mut Command| {
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(Stdio::null());
    };
    let mut update = Command::new("apt-get");
    update.args(["update", "-qq"]);
    quiet(&mut update);
    crate::run(&mut update, "apt-get update")?;
    let mut install = Command::new("apt-get");
    install
        .args(["install", "-y", "-qq", "--no-install-recommends"])
        .args(&missing);
    quiet(&mut install);
    crate::run(&mut install, &line)
}
