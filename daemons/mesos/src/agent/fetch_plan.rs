//! What fetching one URI means, decided without touching anything (mesos: src/launcher/fetcher.cpp).

use std::path::{Component, Path, PathBuf};

/// One URI of a command, as the fetcher needs it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Uri {
    pub(crate) value: String,
    pub(crate) executable: bool,
    pub(crate) extract: bool,
    pub(crate) output_file: Option<String>,
}

/// Where the bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Local(PathBuf),
    Http(String),
}

/// What happens to the file once it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    Nothing,
    MakeExecutable,
    Extract(Archive),
}

/// The kinds of archive that are unpacked, told by the file's name alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Archive {
    Tar,
    TarGzip,
    /// One compressed file, unpacked beside itself.
    Gzip,
    /// Unpacked by the machine's `tar` with the program for this compression, as Mesos does it.
    TarBy(Compression),
    /// Unpacked by the machine's `unzip`, as Mesos does it.
    Zip,
}

/// Compressions that the machine's `tar` unpacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Bzip2,
    Xz,
}

/// One fetch, ready to be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fetch {
    pub(crate) source: Source,
    /// Relative to the sandbox; no component leaves it.
    pub(crate) target: PathBuf,
    pub(crate) after: After,
}

/// Why a URI cannot be fetched. The text completes "cannot fetch '<uri>': ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlanError {
    #[error("it has a character that a file name may not have (\\, ' or NUL)")]
    Character,
    #[error("it is a relative path: write an absolute path, file://, http:// or https://")]
    Relative,
    #[error(
        "the scheme '{0}' is not supported: use an absolute path, file://, http:// or https://"
    )]
    Scheme(String),
    #[error("file:// names the host '{0}': only file:///path and file://localhost/path are local")]
    Host(String),
    #[error("it has no path from which to take a file name")]
    NoName,
    #[error("output_file '{0}' is not a relative path inside the sandbox")]
    OutputFile(String),
}

/// What is unpacked, by the end of the file's name (mesos: src/launcher/fetcher.cpp). The first that fits counts.
const ARCHIVES: [(&str, Archive); 9] = [
    (".tar", Archive::Tar),
    (".tgz", Archive::TarGzip),
    (".tar.gz", Archive::TarGzip),
    (".tbz2", Archive::TarBy(Compression::Bzip2)),
    (".tar.bz2", Archive::TarBy(Compression::Bzip2)),
    (".txz", Archive::TarBy(Compression::Xz)),
    (".tar.xz", Archive::TarBy(Compression::Xz)),
    (".gz", Archive::Gzip),
    (".zip", Archive::Zip),
];

/// Decides what to do for one URI.
pub(crate) fn plan(uri: &Uri) -> Result<Fetch, PlanError> {
    let value = uri.value.trim_start();
    if value.contains(['\\', '\'', '\0']) {
        return Err(PlanError::Character);
    }
    let source = source(value)?;
    let target = match uri.output_file.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => output_path(name)?,
        None => PathBuf::from(base_name(value)?),
    };
    let after = if uri.executable {
        After::MakeExecutable
    } else if uri.extract {
        archive(&target)
    } else {
        After::Nothing
    };
    Ok(Fetch {
        source,
        target,
        after,
    })
}

fn source(value: &str) -> Result<Source, PlanError> {
    if value.starts_with('/') {
        return Ok(Source::Local(PathBuf::from(value)));
    }
    let Some((scheme, rest)) = value.split_once("://") else {
        return Err(PlanError::Relative);
    };
    match scheme {
        "http" | "https" => Ok(Source::Http(value.to_owned())),
        "file" => {
            let path = rest.strip_prefix("localhost").unwrap_or(rest);
            if path.starts_with('/') {
                Ok(Source::Local(PathBuf::from(path)))
            } else {
                Err(PlanError::Host(
                    rest.split('/').next().unwrap_or_default().to_owned(),
                ))
            }
        }
        other => Err(PlanError::Scheme(other.to_owned())),
    }
}

/// The text after the last `/`, any query string included: that is what Mesos names the file.
fn base_name(value: &str) -> Result<&str, PlanError> {
    let path = match value.split_once("://") {
        Some((_, rest)) => &rest[rest.find('/').ok_or(PlanError::NoName)?..],
        None => value,
    };
    let name = path.rsplit('/').next().unwrap_or_default();
    if name.is_empty() || name == "." || name == ".." {
        Err(PlanError::NoName)
    } else {
        Ok(name)
    }
}

fn output_path(name: &str) -> Result<PathBuf, PlanError> {
    let refused = || PlanError::OutputFile(name.to_owned());
    if name.contains(['\\', '\'', '\0']) || name.ends_with('/') {
        return Err(refused());
    }
    let mut path = PathBuf::new();
    for component in Path::new(name).components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(refused());
            }
        }
    }
    if path.as_os_str().is_empty() {
        Err(refused())
    } else {
        Ok(path)
    }
}

fn archive(target: &Path) -> After {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let found = ARCHIVES.iter().find(|(suffix, _)| name.ends_with(suffix));
    match found {
        // What is left of the name is the name of the unpacked file, so there has to be something left.
        Some((suffix, Archive::Gzip)) if name == *suffix => After::Nothing,
        Some((_, kind)) => After::Extract(*kind),
        None => After::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(value: &str) -> Uri {
        Uri {
            value: value.into(),
            executable: false,
            extract: true,
            output_file: None,
        }
    }

    #[test]
    fn names_sources_and_archives() {
        let local = |path: &str| Source::Local(path.into());
        let http = |text: &str| Source::Http(text.into());
        let cases = [
            (
                "/opt/executor",
                local("/opt/executor"),
                "executor",
                After::Nothing,
            ),
            (
                "  /opt/executor",
                local("/opt/executor"),
                "executor",
                After::Nothing,
            ),
            (
                "file:///a/b.tar.gz",
                local("/a/b.tar.gz"),
                "b.tar.gz",
                After::Extract(Archive::TarGzip),
            ),
            (
                "file://localhost/a/b.tgz",
                local("/a/b.tgz"),
                "b.tgz",
                After::Extract(Archive::TarGzip),
            ),
            (
                "/a/b.tar",
                local("/a/b.tar"),
                "b.tar",
                After::Extract(Archive::Tar),
            ),
            (
                "/a/b.gz",
                local("/a/b.gz"),
                "b.gz",
                After::Extract(Archive::Gzip),
            ),
            ("/a/.gz", local("/a/.gz"), ".gz", After::Nothing),
            (
                "/a/b.zip",
                local("/a/b.zip"),
                "b.zip",
                After::Extract(Archive::Zip),
            ),
            (
                "/a/b.tbz2",
                local("/a/b.tbz2"),
                "b.tbz2",
                After::Extract(Archive::TarBy(Compression::Bzip2)),
            ),
            (
                "/a/b.tar.xz",
                local("/a/b.tar.xz"),
                "b.tar.xz",
                After::Extract(Archive::TarBy(Compression::Xz)),
            ),
            (
                "http://h/a.tar?x=1",
                http("http://h/a.tar?x=1"),
                "a.tar?x=1",
                After::Nothing,
            ),
            (
                "https://h:8443/d/f.txt",
                http("https://h:8443/d/f.txt"),
                "f.txt",
                After::Nothing,
            ),
        ];
        for (text, source, target, after) in cases {
            let want = Fetch {
                source,
                target: target.into(),
                after,
            };
            assert_eq!(plan(&uri(text)), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_is_refused() {
        let cases = [
            ("relative/file", PlanError::Relative),
            ("hdfs://nn/f", PlanError::Scheme("hdfs".into())),
            ("ftp://h/f", PlanError::Scheme("ftp".into())),
            ("file://other/f", PlanError::Host("other".into())),
            ("http://host", PlanError::NoName),
            ("http://host/", PlanError::NoName),
            ("/a/..", PlanError::NoName),
            ("/a/it's", PlanError::Character),
            ("/a\\b", PlanError::Character),
        ];
        for (text, error) in cases {
            assert_eq!(plan(&uri(text)), Err(error), "{text}");
        }
        // Only what is to be unpacked is, and a program is not.
        assert_eq!(
            plan(&Uri {
                extract: false,
                ..uri("/a/b.zip")
            })
            .unwrap()
            .after,
            After::Nothing
        );
        assert_eq!(
            plan(&Uri {
                executable: true,
                ..uri("/a/b.tgz")
            })
            .unwrap()
            .after,
            After::MakeExecutable
        );
    }

    #[test]
    fn output_files_stay_inside() {
        let with = |name: &str| {
            plan(&Uri {
                output_file: Some(name.into()),
                ..uri("/a/b")
            })
            .map(|fetch| fetch.target)
        };
        assert_eq!(with("sub/copied"), Ok("sub/copied".into()));
        assert_eq!(with("./x"), Ok("x".into()));
        for bad in ["/etc/passwd", "../x", "a/../../x", "a/", ".", "a\\b"] {
            assert_eq!(with(bad), Err(PlanError::OutputFile(bad.into())), "{bad}");
        }
    }
}
