//! `--check` and `--info`: what is in force, and what is wrong with it.

use std::io::Write;
use std::path::Path;

use aurora_client::directory::{Directory, Environment};
use aurora_tui_model::theme::Depth;

use crate::args::{Args, Look, Tool};
use crate::config::Env;
use crate::headless::{DONE, USAGE};
use crate::tools;

/// Checks key maps, themes, layouts, bookmarks and the description of clusters; every fault is a line.
pub(crate) fn check(
    env: &Env,
    environment: Environment,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let (action, file) = (Look::Check, None);
    let mut code = tools::run(
        &Tool::Keymap {
            action,
            file: file.clone(),
        },
        env,
        out,
    )?;
    code = code.max(tools::run(&Tool::Theme { action, file }, env, out)?);
    // What is kept for one cluster alone is told when it is opened.
    for warning in env.keeper("").read().warnings {
        writeln!(out, "{warning}")?;
        code = USAGE;
    }
    if let Err(error) = Directory::load(environment) {
        writeln!(out, "{error}")?;
        code = USAGE;
    }
    if code == DONE {
        writeln!(out, "no faults")?;
    }
    Ok(code)
}

/// Tells what is in force, a line each.
pub(crate) fn info(
    args: &Args,
    env: &Env,
    environment: Environment,
    out: &mut impl Write,
) -> anyhow::Result<u8> {
    let (look, _) = env.look(args.theme.as_deref(), args.color, args.glyphs);
    let depth = match look.depth {
        Depth::True => "24 bits",
        Depth::Indexed => "256",
        Depth::Sixteen => "16",
        Depth::None => "none",
    };
    let path =
        |path: Option<&Path>| path.map_or("none".to_owned(), |path| path.display().to_string());
    let kept = env
        .keeper(args.cluster.first().map_or("", String::as_str))
        .read();
    let names = |names: Vec<&String>| match names.is_empty() {
        true => "none".to_owned(),
        false => names
            .into_iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(", "),
    };
    let clusters = match Directory::load(environment) {
        Ok(directory) => directory.names().join(", "),
        Err(error) => error.to_string(),
    };
    for (name, value) in [
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("terminal", env.term.clone()),
        ("colours", depth.to_owned()),
        ("theme", look.theme.name.clone()),
        (
            "glyphs",
            if look.unicode { "unicode" } else { "ascii" }.to_owned(),
        ),
        (
            "asks the terminal",
            if env.asks { "yes" } else { "no" }.to_owned(),
        ),
        ("configuration", path(env.config_dir.as_deref())),
        ("state", path(env.state_dir.as_deref())),
        ("journal", path(env.journal().as_deref())),
        ("layouts", names(kept.layouts.keys().collect())),
        ("bookmarks", names(kept.bookmarks.keys().collect())),
        ("clusters", clusters),
    ] {
        writeln!(out, "{name:<18} {value}")?;
    }
    Ok(DONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_all_files_are_told_and_make_the_exit_code() {
        let dir = tempfile::tempdir().unwrap();
        let env = Env {
            config_dir: Some(dir.path().to_owned()),
            ..Env::default()
        };
        let root = dir.path().join("clusters");
        std::fs::create_dir_all(&root).unwrap();
        let environment = || Environment {
            config_root: Some(root.clone()),
            home: None,
            state_dir: Some(root.clone()),
            ..Environment::default()
        };
        let checked = || {
            let mut out = Vec::new();
            let code = check(&env, environment(), &mut out).unwrap();
            (code, String::from_utf8(out).unwrap())
        };
        assert_eq!(checked(), (DONE, "no faults\n".to_owned()));
        for (file, text, said) in [
            ("keymap.toml", "[global]\n\"j\" = \"fly\"\n", "fly"),
            ("themes/mine.toml", "x = 1\n", "mine.toml"),
            ("layouts/bad.toml", "[[tab]]\nopne = \"jobs\"\n", "bad.toml"),
            ("clusters/clusters.json", "[", "clusters.json"),
        ] {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            let (code, out) = checked();
            assert_eq!(code, USAGE, "{file}: {out}");
            assert!(out.contains(said), "{file}: {out}");
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn what_is_in_force_is_told() {
        use clap::Parser;
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("layouts")).unwrap();
        std::fs::write(
            dir.path().join("layouts/mine.toml"),
            "[[tab]]\nopen = \"hosts\"\n",
        )
        .unwrap();
        let env = Env {
            term: "xterm-256color".to_owned(),
            light: Some(true),
            config_dir: Some(dir.path().to_owned()),
            ..Env::default()
        };
        let environment = Environment {
            config_root: Some(dir.path().to_owned()),
            state_dir: Some(dir.path().to_owned()),
            ..Environment::default()
        };
        let args = Args::parse_from(["aurora-tui", "--no-query", "--glyphs", "ascii"]);
        let mut out = Vec::new();
        assert_eq!(info(&args, &env, environment, &mut out).unwrap(), DONE);
        let out = String::from_utf8(out).unwrap();
        for line in [
            "colours            256",
            "theme              light",
            "glyphs             ascii",
            "asks the terminal  no",
            "layouts            browse, mine, single, watch",
            "bookmarks          none",
        ] {
            assert!(out.lines().any(|told| told == line), "{line} in\n{out}");
        }
    }
}
