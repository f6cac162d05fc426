//! What the environment and configuration files say.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aurora_tui_model::keymap::Keymap;
use aurora_tui_model::rules::Rules;
use aurora_tui_model::theme::{Depth, Theme, Warning, known_themes};

use crate::args::{Color, Glyphs};
use crate::keeper::Keeper;
use crate::paint::Look;

/// What was asked for on the command line.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) cluster: String,
    pub(crate) theme: Option<String>,
    pub(crate) color: Color,
    pub(crate) glyphs: Glyphs,
}

/// Keys and colours, and what is wrong with their files.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) look: Look,
    pub(crate) keymap: Keymap,
    pub(crate) rules: Rules,
    pub(crate) warnings: Vec<Warning>,
    /// The files that it was made of, and when each was last changed; none: it is not there.
    stamps: Vec<(PathBuf, Option<SystemTime>)>,
}

impl Loaded {
    /// Whether a file is not as it was read.
    pub(crate) fn is_old(&self) -> bool {
        self.stamps
            .iter()
            .any(|(path, stamp)| changed(path) != *stamp)
    }
}

fn changed(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path)
        .and_then(|data| data.modified())
        .ok()
}

/// The variables that matter here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Env {
    pub(crate) term: String,
    pub(crate) colorterm: String,
    pub(crate) no_color: bool,
    pub(crate) colorfgbg: String,
    /// Whether the terminal is asked about itself.
    pub(crate) asks: bool,
    /// Whether it said that its background is light.
    pub(crate) light: Option<bool>,
    pub(crate) locale: String,
    pub(crate) config_dir: Option<PathBuf>,
    pub(crate) state_dir: Option<PathBuf>,
}

impl Env {
    pub(crate) fn of_process() -> Env {
        let text = |name: &str| std::env::var(name).unwrap_or_default();
        let path = |name: &str| {
            Some(PathBuf::from(std::env::var_os(name)?)).filter(|path| path.is_absolute())
        };
        let home = path("HOME");
        let under_home = |tail: &str| home.as_ref().map(|home| home.join(tail));
        Env {
            term: text("TERM"),
            colorterm: text("COLORTERM"),
            no_color: !text("NO_COLOR").is_empty(),
            colorfgbg: text("COLORFGBG"),
            asks: true,
            light: None,
            locale: ["LC_ALL", "LC_CTYPE", "LANG"]
                .into_iter()
                .map(text)
                .find(|value| !value.is_empty())
                .unwrap_or_default(),
            config_dir: path("XDG_CONFIG_HOME")
                .or_else(|| under_home(".config"))
                .map(|dir| dir.join("aurora")),
            state_dir: path("XDG_STATE_HOME")
                .or_else(|| under_home(".local/state"))
                .map(|dir| dir.join("aurora/tui")),
        }
    }

    /// How many colours the terminal has, as far as the environment tells. `NO_COLOR` comes before everything but a flag.
    pub(crate) fn depth(&self, asked: Color) -> Depth {
        match asked {
            Color::True => return Depth::True,
            Color::Indexed => return Depth::Indexed,
            Color::Sixteen => return Depth::Sixteen,
            Color::None => return Depth::None,
            Color::Auto => {}
        }
        if self.no_color || self.term == "dumb" || self.term.starts_with("vt") {
            Depth::None
        } else if matches!(self.colorterm.as_str(), "truecolor" | "24bit")
            || self.term.ends_with("-direct")
        {
            Depth::True
        } else if self.term.contains("256color") {
            Depth::Indexed
        } else {
            Depth::Sixteen
        }
    }

    /// The terminal's word comes before that of its environment.
    fn is_light(&self) -> bool {
        if let Some(light) = self.light {
            return light;
        }
        let background = self
            .colorfgbg
            .rsplit(';')
            .next()
            .and_then(|last| last.parse::<u8>().ok());
        matches!(background, Some(7 | 9..=15))
    }

    pub(crate) fn unicode(&self, asked: Glyphs) -> bool {
        match asked {
            Glyphs::Unicode => true,
            Glyphs::Ascii => false,
            Glyphs::Auto => {
                let locale = self.locale.to_lowercase();
                locale.contains("utf-8") || locale.contains("utf8")
            }
        }
    }

    fn default_theme(&self, depth: Depth) -> &'static str {
        match (depth, self.is_light()) {
            (Depth::None, _) => "mono",
            (Depth::Sixteen, false) => "16-dark",
            (Depth::Sixteen, true) => "16-light",
            (_, false) => "dark",
            (_, true) => "light",
        }
    }

    /// The theme, and what is wrong with it. A missing or broken one never prevents a start.
    pub(crate) fn look(
        &self,
        theme: Option<&str>,
        color: Color,
        glyphs: Glyphs,
    ) -> (Look, Vec<Warning>) {
        let depth = self.depth(color);
        let name = theme.unwrap_or_else(|| self.default_theme(depth));
        let own = self.theme_file(name).filter(|path| path.is_file());
        let (theme, warnings) = match own {
            Some(path) => match std::fs::read_to_string(&path) {
                Ok(text) => Theme::parse(&path.display().to_string(), name, &text),
                Err(error) => (Theme::default(), vec![fault(&path, error.to_string())]),
            },
            None => Theme::built_in(name).unwrap_or_else(|| {
                let fallback = Theme::built_in(self.default_theme(depth))
                    .map(|(theme, _)| theme)
                    .unwrap_or_default();
                let message = format!("there is no theme `{name}`; shipped are {}", known_themes());
                (fallback, vec![fault(Path::new("--theme"), message)])
            }),
        };
        let look = Look {
            theme,
            depth,
            unicode: self.unicode(glyphs),
        };
        (look, warnings)
    }

    /// Everything from its files.
    pub(crate) fn load(&self, wanted: &Wanted) -> Loaded {
        let (rules, faults) = self.rules(&wanted.cluster);
        let asked = wanted.theme.as_deref().or(rules.theme.as_deref());
        let theme = asked.unwrap_or_else(|| self.default_theme(self.depth(wanted.color)));
        let files = self
            .keymap_files(Some(&wanted.cluster))
            .into_iter()
            .chain(self.rules_files())
            .chain(self.theme_file(theme));
        // The stamps come first: a file that changes while it is read is read again.
        let stamps = files
            .map(|path| {
                let stamp = changed(&path);
                (path, stamp)
            })
            .collect();
        let (look, mut warnings) = self.look(asked, wanted.color, wanted.glyphs);
        let (keymap, more) = self.keymap(Some(&wanted.cluster));
        warnings.extend(more);
        warnings.extend(faults);
        Loaded {
            look,
            keymap,
            rules,
            warnings,
            stamps,
        }
    }

    /// Where an own theme of this name would be.
    fn theme_file(&self, name: &str) -> Option<PathBuf> {
        let dir = self.config_dir.as_ref().filter(|_| !name.contains('/'))?;
        Some(dir.join("themes").join(format!("{name}.toml")))
    }

    /// Files with rules, in order.
    fn rules_files(&self) -> Vec<PathBuf> {
        let own = self.config_dir.as_ref().map(|dir| dir.join("tui.toml"));
        let all = [Some(PathBuf::from("/etc/aurora/tui.toml")), own];
        all.into_iter().flatten().collect()
    }

    /// The rules for a cluster, and what is wrong with their files.
    fn rules(&self, cluster: &str) -> (Rules, Vec<Warning>) {
        let mut rules = Rules::default();
        let mut warnings = Vec::new();
        for path in self.rules_files() {
            match std::fs::read_to_string(&path) {
                Ok(text) => {
                    let (next, faults) = rules.over(&path.display().to_string(), &text, cluster);
                    rules = next;
                    warnings.extend(faults);
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => warnings.push(fault(&path, error.to_string())),
            }
        }
        (rules, warnings)
    }

    /// Files that are laid over the default key map, in order.
    fn keymap_files(&self, cluster: Option<&str>) -> Vec<PathBuf> {
        let own = self.config_dir.as_ref().map(|dir| dir.join("keymap.toml"));
        let of_cluster = self
            .config_dir
            .as_ref()
            .zip(cluster.filter(|name| !name.contains('/') && !name.starts_with('.')))
            .map(|(dir, name)| dir.join("clusters").join(name).join("keymap.toml"));
        [
            Some(PathBuf::from("/etc/aurora/keymap.toml")),
            own,
            of_cluster,
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The key map, and what is wrong with its files.
    pub(crate) fn keymap(&self, cluster: Option<&str>) -> (Keymap, Vec<Warning>) {
        let mut keymap = Keymap::built_in();
        let mut warnings = Vec::new();
        for path in self.keymap_files(cluster) {
            match std::fs::read_to_string(&path) {
                Ok(text) => {
                    let (next, faults) = keymap.over(&path.display().to_string(), &text);
                    keymap = next;
                    warnings.extend(faults);
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => warnings.push(fault(&path, error.to_string())),
            }
        }
        (keymap, warnings)
    }

    /// The files of what the user keeps.
    pub(crate) fn keeper(&self, cluster: &str) -> Keeper {
        let cluster = cluster.replace(['/', '.'], "_");
        let in_dir = |dir: &Option<PathBuf>, name: &str| dir.as_ref().map(|dir| dir.join(name));
        Keeper {
            layouts: in_dir(&self.config_dir, "layouts"),
            bookmarks: in_dir(&self.state_dir, "bookmarks.toml"),
            rounds: in_dir(&self.state_dir, &format!("rounds-{cluster}.json")),
        }
    }

    /// The journal's file.
    pub(crate) fn journal(&self) -> Option<PathBuf> {
        self.state_dir.as_ref().map(|dir| dir.join("journal.jsonl"))
    }
}

fn fault(path: &Path, message: String) -> Warning {
    Warning {
        file: path.display().to_string(),
        line: 0,
        message,
    }
}

/// Who runs this: the login name, else the number.
pub(crate) fn user() -> String {
    let uid = nix::unistd::geteuid();
    match nix::unistd::User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => uid.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(term: &str, colorterm: &str, no_color: bool) -> Env {
        Env {
            term: term.to_owned(),
            colorterm: colorterm.to_owned(),
            no_color,
            ..Env::default()
        }
    }

    #[test]
    fn colours_by_environment() {
        for (term, colorterm, no_color, asked, depth) in [
            (
                "xterm-256color",
                "truecolor",
                false,
                Color::Auto,
                Depth::True,
            ),
            ("xterm-256color", "", false, Color::Auto, Depth::Indexed),
            ("screen", "", false, Color::Auto, Depth::Sixteen),
            ("linux", "", false, Color::Auto, Depth::Sixteen),
            ("vt100", "", false, Color::Auto, Depth::None),
            (
                "xterm-256color",
                "truecolor",
                true,
                Color::Auto,
                Depth::None,
            ),
            (
                "xterm-256color",
                "truecolor",
                true,
                Color::Sixteen,
                Depth::Sixteen,
            ),
        ] {
            assert_eq!(
                env(term, colorterm, no_color).depth(asked),
                depth,
                "{term} {colorterm} {no_color}"
            );
        }
    }

    #[test]
    fn themes_by_terminal() {
        let theme = |env: &Env| env.look(None, Color::Auto, Glyphs::Ascii).0.theme.name;
        let mut dark = env("xterm-256color", "", false);
        assert_eq!(theme(&dark), "dark");
        dark.colorfgbg = "0;15".to_owned();
        assert_eq!(theme(&dark), "light");
        dark.light = Some(false);
        assert_eq!(theme(&dark), "dark");
        dark.light = None;
        assert_eq!(theme(&env("linux", "", false)), "16-dark");
        assert_eq!(theme(&env("xterm", "", true)), "mono");
        let (look, warnings) = dark.look(Some("nope"), Color::Auto, Glyphs::Ascii);
        assert_eq!((look.theme.name.as_str(), warnings.len()), ("light", 1));
    }

    #[test]
    fn a_changed_file_is_noticed_and_clusters_have_their_own_keys() {
        let dir = tempfile::tempdir().unwrap();
        let env = Env {
            config_dir: Some(dir.path().to_owned()),
            ..env("xterm-256color", "", false)
        };
        let wanted = |cluster: &str| Wanted {
            cluster: cluster.to_owned(),
            theme: Some("mine".to_owned()),
            color: Color::Auto,
            glyphs: Glyphs::Auto,
        };
        let before = env.load(&wanted("west"));
        assert!(!before.is_old());
        let own = dir.path().join("clusters/west");
        std::fs::create_dir_all(&own).unwrap();
        std::fs::write(own.join("keymap.toml"), "[global]\nZ = \"quit\"\n").unwrap();
        assert!(before.is_old());
        let has_key = |cluster: &str| {
            let bindings = env.load(&wanted(cluster)).keymap;
            let all = bindings.bindings("jobs");
            all.iter()
                .any(|(keys, _, _)| aurora_tui_model::key::show_sequence(keys) == "Z")
        };
        assert!(has_key("west") && !has_key("east") && !has_key("../clusters/west"));
        let before = env.load(&wanted("west"));
        std::fs::create_dir(dir.path().join("themes")).unwrap();
        std::fs::write(dir.path().join("themes/mine.toml"), "inherits = \"mono\"\n").unwrap();
        assert!(before.is_old());
        assert_eq!(env.load(&wanted("west")).look.theme.name, "mine");
    }

    #[test]
    fn rules_and_the_look_of_a_cluster_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let env = Env {
            config_dir: Some(dir.path().to_owned()),
            ..env("xterm-256color", "", false)
        };
        let wanted = |cluster: &str| Wanted {
            cluster: cluster.to_owned(),
            theme: None,
            color: Color::Auto,
            glyphs: Glyphs::Auto,
        };
        let before = env.load(&wanted("west"));
        let text =
            "[guard]\nforbid = [\"prune\"]\n[cluster.west]\nbanner = \"LIVE\"\ntheme = \"light\"\n";
        std::fs::write(dir.path().join("tui.toml"), text).unwrap();
        assert!(before.is_old());
        for (cluster, theme, banner) in [("west", "light", Some("LIVE")), ("east", "dark", None)] {
            let loaded = env.load(&wanted(cluster));
            assert_eq!(loaded.look.theme.name, theme);
            assert_eq!(loaded.rules.banner.as_deref(), banner);
            assert!(loaded.rules.forbid.contains("prune"));
            assert_eq!(loaded.warnings, []);
        }
    }

    #[test]
    fn own_files_are_read_and_faults_told() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("themes")).unwrap();
        std::fs::write(
            dir.path().join("themes/mine.toml"),
            "inherits = \"dark\"\nx = 1\n",
        )
        .unwrap();
        std::fs::write(
            dir.path().join("keymap.toml"),
            "[global]\nZ = \"quit\"\nY = \"nonsense\"\n",
        )
        .unwrap();
        let env = Env {
            config_dir: Some(dir.path().to_owned()),
            ..env("xterm-256color", "", false)
        };
        let (look, warnings) = env.look(Some("mine"), Color::Auto, Glyphs::Ascii);
        assert_eq!((look.theme.name.as_str(), warnings.len()), ("mine", 1));
        let (keymap, warnings) = env.keymap(None);
        assert_eq!(warnings.len(), 1);
        assert!(
            keymap
                .bindings("jobs")
                .iter()
                .any(|(keys, _, _)| aurora_tui_model::key::show_sequence(keys) == "Z")
        );
    }
}
