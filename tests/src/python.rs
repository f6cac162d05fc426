//! Third-party clients in Python, in an environment of their own below the build directory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::programs;

/// Apache Thrift's own library, and what pymesos needs; pymesos is installed without its dependencies because one of them
/// (http-parser) builds a C extension that does not compile on Python 3.11; its pure Python half is put beside it.
const PACKAGES: &[&str] = &[
    "thrift==0.20.0",
    "addict==2.4.0",
    "six==1.17.0",
    "kazoo==2.10.0",
];
const PYMESOS: &str = "pymesos==0.3.15";
const HTTP_PARSER: &str = "http-parser==0.9.0";

/// The Python of the environment, which is made on first use; the text says why there is none.
pub fn interpreter() -> Result<PathBuf, String> {
    static INTERPRETER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    INTERPRETER.get_or_init(prepare).clone()
}

fn prepare() -> Result<PathBuf, String> {
    let directory = programs::directory().join("test-python");
    fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    // Test programs run one after another, yet somebody may run one by hand at the same time.
    let lock = File::create(directory.join("lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    let python = directory.join("venv/bin/python");
    let complete = directory.join("complete-1");
    if complete.exists() {
        return Ok(python);
    }
    let venv = directory.join("venv");
    run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&venv))?;
    let pip = |arguments: &[&str]| {
        let mut command = Command::new(&python);
        command.args(["-m", "pip", "--quiet", "--disable-pip-version-check"]);
        run(command.args(arguments))
    };
    pip(&[
        &["install", "setuptools==75.8.0", "wheel==0.45.1"],
        PACKAGES,
    ]
    .concat())?;
    pip(&["install", "--no-deps", PYMESOS])?;
    let sources = directory.join("sources");
    let place = sources.display().to_string();
    pip(&[
        "download",
        "--no-deps",
        "--no-binary",
        ":all:",
        "--dest",
        &place,
        HTTP_PARSER,
    ])?;
    unpack_http_parser(&sources, &venv)?;
    File::create(&complete).map_err(|error| error.to_string())?;
    Ok(python)
}

fn unpack_http_parser(sources: &Path, venv: &Path) -> Result<(), String> {
    let script = "import glob, os, sys, sysconfig, tarfile\n\
        archive = tarfile.open(glob.glob(sys.argv[1] + '/http*parser*.tar.gz')[0])\n\
        into = sysconfig.get_paths()['purelib'] + '/http_parser'\n\
        os.makedirs(into, exist_ok=True)\n\
        for member in archive.getmembers():\n\
        \x20   parts = member.name.split('/')\n\
        \x20   if len(parts) == 3 and parts[1] == 'http_parser' and parts[2].endswith('.py'):\n\
        \x20       open(into + '/' + parts[2], 'wb').write(archive.extractfile(member).read())\n";
    run(Command::new(venv.join("bin/python"))
        .args(["-c", script])
        .arg(sources))
}

fn run(command: &mut Command) -> Result<(), String> {
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!(
            "{command:?} failed: {}",
            String::from_utf8_lossy(&output.stderr)
        )),
        Err(error) => Err(format!("cannot run {command:?}: {error}")),
    }
}

/// The directory of Python code that Apache Thrift's compiler makes of our IDL.
pub fn generated_client(into: &Path) -> Result<(), String> {
    generated(&programs::workspace().join("src/api/aurora.thrift"), into)
}

/// Python code that Apache Thrift's compiler makes of an IDL.
pub fn generated(idl: &Path, into: &Path) -> Result<(), String> {
    run(Command::new("thrift")
        .args(["--gen", "py", "-out"])
        .arg(into)
        .arg(idl))
}

/// A script of `tests/python`.
pub fn script(name: &str) -> PathBuf {
    programs::workspace().join("tests/python").join(name)
}
