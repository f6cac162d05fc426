//! Key maps: sequences of keys to command lines, per view and for all of them, from TOML files.
//!
//! Layers are laid over each other, the last one wins; `"unbind"` takes a binding away. Faults in a file are
//! [`Warning`]s with a line, and the rest is used.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use crate::command::{self, Weight};
use crate::key::{self, Key};
use crate::theme::{Warning, line_of};

/// The key maps that are compiled in, by name.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("default", include_str!("../../../keymaps/default.toml")),
    ("vim", include_str!("../../../keymaps/vim.toml")),
    ("emacs", include_str!("../../../keymaps/emacs.toml")),
];

/// What a sequence of keys does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Command lines, run in order.
    pub run: Vec<String>,
    /// What it does, for help and hints; empty: the command's own summary.
    pub desc: String,
}

/// What the keys pressed so far amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// Nothing begins like this.
    Nothing,
    /// More keys are needed.
    Prefix,
    /// A whole binding.
    Found(&'a Binding),
}

/// Bindings by place: `global` and `view.NAME`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Keymap {
    places: BTreeMap<String, BTreeMap<Vec<Key>, Option<Binding>>>,
}

impl Keymap {
    /// The default key map.
    pub fn built_in() -> Keymap {
        Keymap::shipped("default").unwrap_or_default()
    }

    /// A key map that is compiled in.
    pub fn shipped(name: &str) -> Option<Keymap> {
        let (name, text) = BUILT_IN.iter().find(|(known, _)| *known == name)?;
        Some(Keymap::default().over(&format!("{name}.toml"), text).0)
    }

    /// This key map with a file's bindings over it, and the file's faults.
    pub fn over(mut self, file: &str, text: &str) -> (Keymap, Vec<Warning>) {
        let mut warnings = Vec::new();
        let warn = |at: usize, message: String| Warning {
            file: file.to_owned(),
            line: line_of(text, at),
            message,
        };
        let document = match DeTable::parse(text) {
            Ok(document) => document,
            Err(fault) => {
                let at = fault.span().map_or(0, |span| span.start);
                return (
                    self,
                    vec![warn(at, format!("not TOML: {}", fault.message()))],
                );
            }
        };
        let document = document.get_ref();
        if let Some(preset) = document.get("preset") {
            let base = preset
                .get_ref()
                .as_table()
                .and_then(|table| table.get("base"))
                .and_then(|base| base.get_ref().as_str());
            match base.map(|name| (name, Keymap::shipped(name))) {
                Some(("none", _)) => self = Keymap::default(),
                Some((_, Some(base))) => self = base,
                _ => warnings.push(warn(
                    preset.span().start,
                    format!("[preset] takes base = one of {}, none", known().join(", ")),
                )),
            }
        }
        let mut tables: Vec<(String, &DeTable<'_>)> = Vec::new();
        for (key, value) in document.iter() {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("preset", _) => {}
                ("global", DeValue::Table(table)) => tables.push(("global".to_owned(), table)),
                ("view", DeValue::Table(views)) => {
                    for (name, value) in views.iter() {
                        match value.get_ref().as_table() {
                            Some(table) if crate::place::VIEWS.contains(&name.get_ref().as_ref()) => {
                                tables.push((format!("view.{}", name.get_ref()), table));
                            }
                            _ => warnings.push(warn(
                                name.span().start,
                                format!(
                                    "there is no view `{}`; views are {}",
                                    name.get_ref(),
                                    crate::place::VIEWS.join(", ")
                                ),
                            )),
                        }
                    }
                }
                (other, _) => warnings.push(warn(
                    key.span().start,
                    format!("`{other}` is not known here; a key map has [preset], [global] and [view.NAME]"),
                )),
            }
        }
        let mut spans: BTreeMap<(String, Vec<Key>), usize> = BTreeMap::new();
        for (place, table) in tables {
            for (keys, value) in table.iter() {
                let at = keys.span().start;
                let sequence = match key::parse_sequence(keys.get_ref()) {
                    Ok(sequence) => sequence,
                    Err(fault) => {
                        warnings.push(warn(at, fault.to_string()));
                        continue;
                    }
                };
                for key in &sequence {
                    if let Some(trouble) = key.trouble() {
                        warnings.push(warn(at, format!("`{key}`: {trouble}")));
                    }
                }
                match read_binding(value.get_ref(), sequence.len()) {
                    Ok(binding) => {
                        spans.insert((place.clone(), sequence.clone()), at);
                        self.places
                            .entry(place.clone())
                            .or_default()
                            .insert(sequence, binding);
                    }
                    Err(message) => warnings.push(warn(at, message)),
                }
            }
        }
        warnings.extend(
            self.shadowed(&spans)
                .into_iter()
                .map(|(at, message)| warn(at, message)),
        );
        (self, warnings)
    }

    /// Bindings that can never be reached, where this file has a part in it: a shorter sequence acts before a longer one
    /// of its own place, and what a view binds comes before what is bound everywhere.
    fn shadowed(&self, spans: &BTreeMap<(String, Vec<Key>), usize>) -> Vec<(usize, String)> {
        let live = |place: &str| {
            self.places
                .get(place)
                .into_iter()
                .flatten()
                .filter(|(_, binding)| binding.is_some())
                .map(|(keys, _)| keys)
        };
        let mut out = Vec::new();
        for place in self.places.keys() {
            let below = (place != "global").then_some("global");
            for own in live(place) {
                let at_own = spans.get(&(place.clone(), own.clone()));
                for (other_place, other) in live(place).map(|keys| (place.as_str(), keys)).chain(
                    below
                        .into_iter()
                        .flat_map(|below| live(below).map(move |keys| (below, keys))),
                ) {
                    let longer = other.len() > own.len() && other.starts_with(own);
                    let shorter =
                        other_place != place && other.len() < own.len() && own.starts_with(other);
                    let at = at_own.or_else(|| spans.get(&(other_place.to_owned(), other.clone())));
                    if let Some(at) = at.filter(|_| longer || shorter) {
                        let keys = (key::show_sequence(other), key::show_sequence(own));
                        out.push((
                            *at,
                            format!(
                                "in {place}, `{}` can never be reached: `{}` acts first",
                                keys.0, keys.1
                            ),
                        ));
                    }
                }
            }
        }
        out
    }

    /// What the keys pressed so far mean in a view: its own bindings come before the global ones.
    pub fn lookup(&self, view: &str, pressed: &[Key]) -> Lookup<'_> {
        let own = self.places.get(&format!("view.{view}"));
        let global = self.places.get("global");
        for bindings in [own, global].into_iter().flatten() {
            match bindings.get(pressed) {
                Some(Some(binding)) => return Lookup::Found(binding),
                Some(None) => return Lookup::Nothing,
                None => {}
            }
            let longer = bindings.iter().any(|(keys, binding)| {
                binding.is_some() && keys.len() > pressed.len() && keys.starts_with(pressed)
            });
            if longer {
                return Lookup::Prefix;
            }
        }
        Lookup::Nothing
    }

    /// What may follow the keys pressed so far, with descriptions.
    pub fn continuations(&self, view: &str, pressed: &[Key]) -> Vec<(String, String)> {
        self.bindings(view)
            .into_iter()
            .filter(|(keys, _, _)| keys.len() > pressed.len() && keys.starts_with(pressed))
            .map(|(keys, binding, _)| {
                (
                    key::show_sequence(&keys[pressed.len()..]),
                    binding.describe(),
                )
            })
            .collect()
    }

    /// Every binding that acts in a view, with the place that it comes from.
    pub fn bindings(&self, view: &str) -> Vec<(Vec<Key>, &Binding, String)> {
        let mut seen: BTreeMap<&Vec<Key>, Option<(&Binding, String)>> = BTreeMap::new();
        for place in [format!("view.{view}"), "global".to_owned()] {
            for (keys, binding) in self.places.get(&place).into_iter().flatten() {
                seen.entry(keys)
                    .or_insert_with(|| binding.as_ref().map(|binding| (binding, place.clone())));
            }
        }
        seen.into_iter()
            .filter_map(|(keys, found)| {
                found.map(|(binding, place)| (keys.clone(), binding, place))
            })
            .collect()
    }

    /// The keys to show for exactly this command line in a view.
    pub fn keys_for(&self, view: &str, line: &str) -> Option<String> {
        self.bindings(view)
            .into_iter()
            .filter(|(_, binding, _)| binding.run == [line])
            .map(|(keys, _, _)| keys)
            .min_by_key(|keys| {
                // A key that is called like the command, then one that everybody has, then the shortest.
                let named = key::show_sequence(keys) == line;
                let plain = matches!(
                    keys.as_slice(),
                    [Key {
                        code: key::Code::Esc,
                        ..
                    }]
                );
                let character = matches!(
                    keys.as_slice(),
                    [Key {
                        code: key::Code::Char(_),
                        ..
                    }]
                );
                (!named, !plain, keys.len(), !character)
            })
            .map(|keys| key::show_sequence(&keys))
    }
}

/// Names of the key maps that are compiled in.
pub fn known() -> Vec<&'static str> {
    BUILT_IN.iter().map(|(name, _)| *name).collect()
}

impl Binding {
    /// What it does, in words.
    pub fn describe(&self) -> String {
        if !self.desc.is_empty() {
            return self.desc.clone();
        }
        let verb = self
            .run
            .first()
            .and_then(|line| line.split_whitespace().next());
        verb.and_then(command::spec)
            .map_or_else(|| self.run.join("; "), |spec| spec.summary.to_owned())
    }
}

fn read_binding(value: &DeValue<'_>, keys: usize) -> Result<Option<Binding>, String> {
    const SHAPE: &str = "a binding is a command line, \"unbind\", or { run = …, desc = \"…\" }";
    if value.as_str() == Some("unbind") {
        return Ok(None);
    }
    let mut binding = Binding {
        run: Vec::new(),
        desc: String::new(),
    };
    if let Some(line) = value.as_str() {
        binding.run.push(line.to_owned());
    } else {
        let table = value.as_table().ok_or(SHAPE)?;
        for (key, value) in table.iter() {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("run", DeValue::Array(lines)) => {
                    for line in lines.iter() {
                        binding
                            .run
                            .push(line.get_ref().as_str().ok_or(SHAPE)?.to_owned());
                    }
                }
                ("run", line) => binding.run.push(line.as_str().ok_or(SHAPE)?.to_owned()),
                ("desc", text) => binding.desc = text.as_str().ok_or(SHAPE)?.to_owned(),
                (other, _) => return Err(format!("`{other}` is not known here; {SHAPE}")),
            }
        }
    }
    if binding.run.is_empty() {
        return Err(SHAPE.to_owned());
    }
    for line in &binding.run {
        let parsed = command::parse(line).map_err(|fault| format!("`{line}`: {fault}"))?;
        if parsed.spec.weight == Weight::Changes && keys < 2 {
            return Err(format!(
                "`{line}` changes the cluster and cannot be on a single key; bind a sequence, such as `a k`"
            ));
        }
    }
    Ok(Some(binding))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<Key> {
        key::parse_sequence(text).unwrap()
    }

    #[test]
    fn shipped_key_maps_have_no_faults_and_every_key_acts() {
        for (name, text) in BUILT_IN {
            let (map, warnings) = Keymap::default().over(&format!("{name}.toml"), text);
            assert_eq!(warnings, [], "{name}");
            for view in crate::place::VIEWS {
                for (sequence, binding, _) in map.bindings(view) {
                    assert_eq!(
                        map.lookup(view, &sequence),
                        Lookup::Found(binding),
                        "{name} {view}"
                    );
                    for short in 1..sequence.len() {
                        assert_eq!(
                            map.lookup(view, &sequence[..short]),
                            Lookup::Prefix,
                            "{name}"
                        );
                    }
                }
            }
            for line in [
                "up", "down", "enter", "back", "prompt", "filter", "help", "quit", "actions",
            ] {
                assert!(
                    map.keys_for("jobs", line).is_some(),
                    "{name}: {line} has no key"
                );
            }
        }
    }

    /// The keys that other tools of this kind have taught, and what they do in a table.
    #[test]
    fn core_keys_of_the_default_key_map() {
        let map = Keymap::built_in();
        for (keys, line) in [
            ("j", "down"),
            ("k", "up"),
            ("h", "back"),
            ("l", "logs"),
            ("g g", "first"),
            ("G", "last"),
            ("ctrl-d", "half-page-down"),
            ("ctrl-u", "half-page-up"),
            (":", "prompt"),
            ("/", "filter"),
            ("n", "search-next"),
            ("N", "search-previous"),
            ("?", "help"),
            ("enter", "enter"),
            ("esc", "back"),
            ("-", "previous"),
            ("[", "back"),
            ("]", "forward"),
            ("space", "mark"),
            ("V", "mark-range"),
            ("a", "actions"),
            ("tab", "next-pane"),
            ("ctrl-w v", "split-right"),
            ("ctrl-w c", "close"),
            ("ctrl-w z", "zoom"),
            ("y n", "copy name"),
            ("y l", "copy link"),
            ("d", "enter"),
            ("c", "config"),
            ("D", "diff"),
            ("t", "timeline"),
            ("s", "next-sort"),
            ("S", "reverse"),
            ("L", "tails"),
            ("w", "why"),
            ("<", "earlier"),
            (">", "later"),
            ("q", "quit"),
            ("ctrl-z", "suspend"),
            ("ctrl-l", "redraw"),
            ("ctrl-c", "cancel"),
        ] {
            let sequence = key::parse_sequence(keys).unwrap();
            let found = map.lookup("instances", &sequence);
            let Lookup::Found(binding) = found else {
                panic!("{keys}: {found:?}");
            };
            assert_eq!(binding.run, [line], "{keys}");
        }
    }

    #[test]
    fn presets() {
        for (base, line, keys) in [
            ("vim", "page-down", "ctrl-f"),
            ("emacs", "prompt", "alt-x"),
            ("default", "quit", "q"),
        ] {
            let text = format!("[preset]\nbase = \"{base}\"\n");
            let (map, warnings) = Keymap::built_in().over("p.toml", &text);
            assert_eq!(warnings, []);
            assert!(map.bindings("jobs").iter().any(|(sequence, binding, _)| {
                binding.run == [line] && key::show_sequence(sequence) == keys
            }));
        }
        let (_, warnings) = Keymap::built_in().over("p.toml", "[preset]\nbase = \"nano\"\n");
        assert!(
            warnings[0]
                .to_string()
                .contains("default, vim, emacs, none")
        );
    }

    #[test]
    fn what_cannot_be_reached_is_told_with_its_line() {
        for (text, line) in [
            ("[global]\nv = \"up\"\n\"v v\" = \"up\"\n", 2),
            ("[view.jobs]\ng = \"up\"\n", 2),
            ("[view.jobs]\n\"q q\" = \"up\"\n", 2),
        ] {
            let (_, warnings) = Keymap::built_in().over("u.toml", text);
            assert!(!warnings.is_empty(), "{text}");
            for warning in warnings {
                assert_eq!(warning.line, line, "{warning}");
                assert!(
                    warning.message.contains("can never be reached"),
                    "{warning}"
                );
            }
        }
    }

    #[test]
    fn every_command_without_arguments_has_a_key_or_is_rare() {
        let map = Keymap::built_in();
        for line in [
            "down", "up", "enter", "back", "prompt", "filter", "help", "quit", "suspend", "redraw",
            "actions",
        ] {
            assert!(map.keys_for("jobs", line).is_some(), "{line} has no key");
        }
    }

    #[test]
    fn views_come_before_global_and_unbind_hides() {
        let (map, warnings) = Keymap::default().over(
            "t.toml",
            "[global]\nx = \"up\"\n\"g j\" = \"jobs\"\ny = \"down\"\n[view.hosts]\nx = { run = [\"down\", \"down\"], desc = \"twice\" }\ny = \"unbind\"\n",
        );
        assert_eq!(warnings, []);
        let found = |view: &str, text: &str| match map.lookup(view, &keys(text)) {
            Lookup::Found(binding) => binding.run.join(";"),
            Lookup::Prefix => "prefix".to_owned(),
            Lookup::Nothing => "nothing".to_owned(),
        };
        assert_eq!(found("jobs", "x"), "up");
        assert_eq!(found("hosts", "x"), "down;down");
        assert_eq!(found("hosts", "y"), "nothing");
        assert_eq!(found("jobs", "y"), "down");
        assert_eq!(found("jobs", "g"), "prefix");
        assert_eq!(found("jobs", "g j"), "jobs");
        assert_eq!(found("jobs", "g x"), "nothing");
    }

    #[test]
    fn faults_have_lines() {
        let (map, warnings) = Keymap::built_in().over(
            "u.toml",
            "[global]\nctrl-h = \"up\"\nshift-a = \"up\"\nz = \"fly away\"\nK = \"kill\"\n\"v v\" = \"up\"\nv = \"up\"\n[view.moon]\na = \"up\"\n",
        );
        let text: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        for expected in [
            "u.toml:2:",
            "u.toml:3:",
            "u.toml:4:",
            "u.toml:5:",
            "u.toml:8:",
            "can never be reached",
        ] {
            assert!(
                text.iter().any(|line| line.contains(expected)),
                "no {expected} in {text:#?}"
            );
        }
        assert_eq!(
            map.lookup("jobs", &keys("K")),
            Lookup::Nothing,
            "a change on a single key must not be bound"
        );
    }

    #[test]
    fn an_empty_base() {
        let (map, _) = Keymap::built_in().over(
            "e.toml",
            "[preset]\nbase = \"none\"\n[global]\nq = \"quit\"\n",
        );
        assert_eq!(map.bindings("jobs").len(), 1);
    }
}
