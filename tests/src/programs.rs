//! The programs under test.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The directory of the programs: the build directory that this test lies in.
///
/// # Panics
/// When the test does not lie in a build directory.
pub fn directory() -> PathBuf {
    let this = std::env::current_exe().expect("a program knows its own path");
    let directory = this.parent().expect("a program lies in a directory");
    // Tests lie in target/PROFILE/deps, programs in target/PROFILE.
    if directory.ends_with("deps") {
        return directory
            .parent()
            .expect("deps lies in a directory")
            .to_owned();
    }
    directory.to_owned()
}

/// A program by name.
///
/// # Panics
/// When it has not been built.
pub fn program(name: &str) -> PathBuf {
    let path = directory().join(name);
    assert!(
        path.is_file(),
        "{} is not built; run `cargo build --workspace` first",
        path.display()
    );
    path
}

/// A command for a program, with an environment that holds nothing but what programs need.
pub fn command(name: &str) -> Command {
    plain(Command::new(program(name)))
}

/// A command for a program of ours that another program starts, which has its own arguments before ours.
pub fn command_under(wrapper: &[&str], name: &str) -> Command {
    let [first, arguments @ ..] = wrapper else {
        return command(name);
    };
    let mut command = plain(Command::new(first));
    command.args(arguments).arg(program(name));
    command
}

fn plain(mut command: Command) -> Command {
    command.env_clear();
    for kept in ["PATH", "LANG", "HOME"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command
}

/// The workspace's directory, for examples and scripts.
pub fn workspace() -> PathBuf {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().map_or(manifest.clone(), PathBuf::from)
}

/// Copies programs of this machine, with the libraries that they load, below another root: what an image of a test holds.
///
/// # Panics
/// When one is not there, or the root cannot be written.
pub fn copy_into_root(programs: &[&str], root: &Path) {
    for program in programs {
        let listing = Command::new("ldd")
            .arg(program)
            .output()
            .expect("ldd comes with the C library");
        let text = String::from_utf8_lossy(&listing.stdout);
        let libraries = text.split_whitespace().filter(|word| word.starts_with('/'));
        for path in libraries.chain([*program]) {
            let target = root.join(path.trim_start_matches('/'));
            let copied = target
                .parent()
                .map_or(Ok(()), std::fs::create_dir_all)
                .and_then(|()| std::fs::copy(path, &target));
            if let Err(error) = copied {
                panic!("{path} to {}: {error}", target.display());
            }
        }
    }
}
