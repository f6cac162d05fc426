//! Rules for a cluster: what may not be done, what takes a typed answer, and how the cluster is told from others.
//!
//! They are in `tui.toml`: what stands under `[guard]` holds everywhere, what stands under `[cluster.NAME]` there alone and
//! comes before it.

use std::collections::BTreeSet;

use toml::de::{DeTable, DeValue};

use crate::actions::Action;
use crate::notify::Notify;
use crate::theme::{Warning, line_of};

/// What holds for one cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Commands that are refused.
    pub forbid: BTreeSet<String>,
    /// More objects than this take a typed name; none: more than one take their number.
    pub typed_above: Option<usize>,
    /// Whether every change takes a reason.
    pub reason: bool,
    /// Whether everything here is taken for production.
    pub production: bool,
    /// What stands in the line at the top.
    pub banner: Option<String>,
    /// The theme.
    pub theme: Option<String>,
    /// What is told to somebody who looks elsewhere; everywhere the same.
    pub notify: Notify,
}

const KEYS: &str = "forbid, typed_above, reason, production, banner and theme";

impl Rules {
    /// These rules with those of a file over them, and the file's faults.
    pub fn over(mut self, file: &str, text: &str, cluster: &str) -> (Rules, Vec<Warning>) {
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
                let message = format!("not TOML: {}", fault.message());
                return (self, vec![warn(at, message)]);
            }
        };
        let mut own = None;
        for (key, value) in document.get_ref().iter() {
            let at = key.span().start;
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("guard", DeValue::Table(table)) => {
                    let faults = self.take(table);
                    warnings.extend(faults.into_iter().map(|(at, message)| warn(at, message)));
                }
                ("notify", DeValue::Table(table)) => {
                    for (key, value) in table.iter() {
                        if let Err(fault) = self.notify.set(key.get_ref(), value.get_ref()) {
                            warnings.push(warn(key.span().start, fault));
                        }
                    }
                }
                ("cluster", DeValue::Table(clusters)) => own = clusters.get(cluster),
                (other, _) => warnings.push(warn(
                    at,
                    format!("`{other}` is not known here; a file has [guard], [notify] and [cluster.NAME]"),
                )),
            }
        }
        // The cluster's own come last, wherever they stand.
        if let Some(value) = own {
            let faults = match value.get_ref() {
                DeValue::Table(table) => self.take(table),
                _ => vec![(value.span().start, format!("a cluster takes {KEYS}"))],
            };
            warnings.extend(faults.into_iter().map(|(at, message)| warn(at, message)));
        }
        (self, warnings)
    }

    fn take(&mut self, table: &DeTable<'_>) -> Vec<(usize, String)> {
        let mut faults = Vec::new();
        for (key, value) in table.iter() {
            if let Err(fault) = self.set(key.get_ref(), value.get_ref()) {
                faults.push((key.span().start, fault));
            }
        }
        faults
    }

    fn set(&mut self, key: &str, value: &DeValue<'_>) -> Result<(), String> {
        match (key, value) {
            ("forbid", DeValue::Array(names)) => {
                for name in names.iter() {
                    let name = name.get_ref().as_str().unwrap_or_default();
                    if Action::named(name).is_none() {
                        return Err(format!("`{name}` is not a command that changes something"));
                    }
                    self.forbid.insert(name.to_owned());
                }
            }
            ("typed_above", DeValue::Integer(count)) => {
                let count = usize::from_str_radix(count.as_str(), count.radix());
                self.typed_above = Some(count.map_err(|_| "it is a number from 0 on".to_owned())?);
            }
            ("reason", DeValue::String(text)) if text == "required" => self.reason = true,
            ("reason", DeValue::String(text)) if text == "optional" => self.reason = false,
            ("production", DeValue::Boolean(is)) => self.production = *is,
            ("banner", DeValue::String(text)) => {
                self.banner = Some(crate::text::clean(text)).filter(|text| !text.is_empty());
            }
            ("theme", DeValue::String(name)) => self.theme = Some(name.to_string()),
            ("forbid", _) => return Err("it takes commands, such as [\"kill\"]".to_owned()),
            ("typed_above", _) => return Err("it is a number from 0 on".to_owned()),
            ("reason", _) => return Err("it is \"required\" or \"optional\"".to_owned()),
            ("production", _) => return Err("it is true or false".to_owned()),
            ("banner" | "theme", _) => return Err("it is a text".to_owned()),
            (other, _) => return Err(format!("`{other}` is not known here; known are {KEYS}")),
        }
        Ok(())
    }

    /// Each rule in words.
    pub fn describe(&self) -> Vec<String> {
        let mut out = Vec::new();
        if !self.forbid.is_empty() {
            let names: Vec<&str> = self.forbid.iter().map(String::as_str).collect();
            out.push(format!("{} may not be done here", names.join(", ")));
        }
        if let Some(count) = self.typed_above {
            out.push(format!("more than {count} object(s) take a typed name"));
        }
        if self.reason {
            out.push("every change takes a reason".to_owned());
        }
        if self.production {
            out.push("everything here is production".to_owned());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_a_cluster_come_over_those_of_all() {
        let text = "[cluster.west]\nbanner = \"LIVE\"\nproduction = true\ntyped_above = 0\ntheme = \"light\"\n\
                    [guard]\nforbid = [\"prune\"]\ntyped_above = 5\n";
        for (cluster, typed_above, production) in [("west", 0, true), ("east", 5, false)] {
            let (rules, warnings) = Rules::default().over("tui.toml", text, cluster);
            assert_eq!(warnings, []);
            assert_eq!(rules.typed_above, Some(typed_above), "{cluster}");
            assert_eq!(rules.production, production, "{cluster}");
            assert!(rules.forbid.contains("prune"));
        }
    }

    #[test]
    fn faults_are_told_with_their_lines_and_the_rest_is_used() {
        for (text, line, part) in [
            ("[guard\n", 1, "not TOML"),
            (
                "[guard]\nforbid = [\"fly\"]\nproduction = true\n",
                2,
                "`fly`",
            ),
            (
                "[guard]\nproduction = true\ntyped_above = -1\n",
                3,
                "from 0 on",
            ),
            ("[guard]\nproduction = true\nmoon = 1\n", 3, "`moon`"),
            (
                "[guard]\nproduction = true\nreason = 1\n",
                3,
                "\"required\"",
            ),
            ("[guard]\nproduction = true\n[moon]\n", 3, "[cluster.NAME]"),
            (
                "[guard]\nproduction = true\n[notify]\nwhen = [\"noon\"]\n",
                4,
                "\"failure\"",
            ),
            (
                "[notify]\nhow = \"flags\"\n[guard]\nproduction = true\n",
                2,
                "osc777",
            ),
            (
                "cluster.c = 1\n[guard]\nproduction = true\n",
                1,
                "a cluster takes",
            ),
        ] {
            let (rules, warnings) = Rules::default().over("tui.toml", text, "c");
            assert_eq!(warnings.len(), 1, "{text}: {warnings:?}");
            assert_eq!(warnings[0].line, line, "{text}");
            assert!(warnings[0].message.contains(part), "{}", warnings[0]);
            assert_eq!(rules.production, text.contains("production"), "{text}");
        }
    }
}
