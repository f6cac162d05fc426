//! Commands: one table of names, arguments and help, shared by keys, the prompt, `--exec` and links.
//!
//! Grammar of a line: `VERB [TARGET] [FILTER…] [/TEXT] [sort=COLUMN] [reason="…"]`; several lines are separated by `;`.

use std::collections::BTreeSet;

mod table;

use aurora_api::job_key::JobPath;

pub use self::table::{COMMANDS, Spec, Verb, Weight, spec};
use crate::filter;

/// A parsed line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What to do.
    pub spec: &'static Spec,
    /// Words before the filter.
    pub words: Vec<String>,
    /// The filter's text, `/TEXT` turned into a quoted term.
    pub filter: String,
    /// `sort=`.
    pub sort: Option<String>,
    /// `reason=`.
    pub reason: Option<String>,
}

/// A line that is not a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct CommandError {
    /// Where, in characters from 1.
    pub column: usize,
    /// What is wrong and what to write.
    pub message: String,
}

/// Splits a text into lines at `;` outside of quotes.
pub fn split(text: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut quoted = false;
    for c in text.chars() {
        quoted ^= c == '"';
        if c == ';' && !quoted {
            out.push(String::new());
        } else if let Some(last) = out.last_mut() {
            last.push(c);
        }
    }
    out.retain(|line| !line.trim().is_empty());
    out
}

/// Reads one line.
pub fn parse(line: &str) -> Result<Command, CommandError> {
    let words = filter::words(line).map_err(|fault| CommandError {
        column: fault.column,
        message: fault.message,
    })?;
    let mut words = words.into_iter();
    let Some((column, name)) = words.next() else {
        return Err(CommandError {
            column: 1,
            message: "a command is missing; `help` lists them".to_owned(),
        });
    };
    let Some(spec) = spec(&name) else {
        let near =
            nearest(&name).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        return Err(CommandError {
            column,
            message: format!("there is no command `{name}`{near}"),
        });
    };
    let mut command = Command {
        spec,
        words: Vec::new(),
        filter: String::new(),
        sort: None,
        reason: None,
    };
    let mut terms: Vec<String> = Vec::new();
    for (column, word) in words {
        let fault = |message: String| CommandError { column, message };
        if let Some(value) = word
            .strip_prefix("reason=")
            .filter(|_| spec.weight == Weight::Changes)
        {
            command.reason = Some(value.trim_matches('"').to_owned());
        } else if let Some(value) = word.strip_prefix("sort=").filter(|_| spec.filter) {
            command.sort = Some(value.to_owned());
        } else if command.words.len() < spec.words.1
            && terms.is_empty()
            && !begins_filter(&word, spec)
        {
            command.words.push(word.trim_matches('"').to_owned());
        } else if !spec.filter {
            let takes = if spec.args.is_empty() {
                "nothing after it"
            } else {
                spec.args
            };
            return Err(fault(format!(
                "`{word}` is too much; `{}` takes {takes}",
                spec.name
            )));
        } else if let Some(text) = word.strip_prefix('/') {
            terms.push(format!("\"{}\"", text.trim_matches('"')));
        } else {
            terms.push(word);
        }
    }
    if command.words.len() < spec.words.0 {
        return Err(CommandError {
            column: line.chars().count() + 1,
            message: format!("`{}` needs {}", spec.name, spec.args),
        });
    }
    command.filter = terms.join(" ");
    Ok(command)
}

/// A first word with a slash inside is a target; anything else begins the filter, where there is one.
fn begins_filter(word: &str, spec: &Spec) -> bool {
    spec.filter
        && (!word.contains('/')
            || word.starts_with(['/', '!', '"', '@'])
            || word.starts_with("re:"))
}

/// The command whose name differs least, if one is near.
fn nearest(name: &str) -> Option<&'static str> {
    COMMANDS
        .iter()
        .map(|spec| (edits(name, spec.name), spec.name))
        .filter(|(distance, near)| *distance <= 2 && *distance < near.len())
        .min()
        .map(|(_, near)| near)
}

fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = (diagonal + usize::from(x != *y))
                .min(row[j] + 1)
                .min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], cost);
        }
    }
    row[b.len()]
}

/// What a target names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A job, and instances of it when some are named.
    Job(JobPath, Option<BTreeSet<i32>>),
    /// A task by its id.
    Task(String),
}

/// Reads `[CLUSTER/]ROLE/ENVIRONMENT/NAME[/INSTANCES]` or a task id. Instances are `0`, `1,3`, `0-4`.
pub fn target(text: &str, cluster: &str) -> Result<Target, String> {
    let mut parts: Vec<&str> = text.split('/').collect();
    if parts.len() == 1 {
        return Ok(Target::Task(text.to_owned()));
    }
    let has_instances =
        |part: &&str| part.starts_with(|c: char| c.is_ascii_digit()) && instances(part).is_ok();
    let with_cluster =
        parts.len() == 5 || (parts.len() == 4 && !parts.last().is_some_and(has_instances));
    if with_cluster {
        if parts[0] != cluster {
            return Err(format!(
                "`{}` is another cluster; this is `{cluster}`",
                parts[0]
            ));
        }
        parts.remove(0);
    }
    let shape = || format!("`{text}` is not ROLE/ENVIRONMENT/NAME[/INSTANCES] nor a task id");
    let job = parts
        .get(..3)
        .ok_or_else(shape)?
        .join("/")
        .parse()
        .map_err(|_| shape())?;
    match parts.get(3) {
        None => Ok(Target::Job(job, None)),
        Some(list) if parts.len() == 4 => Ok(Target::Job(job, Some(instances(list)?))),
        Some(_) => Err(shape()),
    }
}

/// Instances as [`instances`] reads them: `0,2-4`.
pub(crate) fn show_instances(instances: &BTreeSet<i32>) -> String {
    let mut ranges: Vec<(i32, i32)> = Vec::new();
    for instance in instances.iter().copied() {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == instance => *last = instance,
            _ => ranges.push((instance, instance)),
        }
    }
    let shown = ranges.into_iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    shown.collect::<Vec<_>>().join(",")
}

/// Reads `0`, `1,3`, `0-4`.
pub(crate) fn instances(text: &str) -> Result<BTreeSet<i32>, String> {
    // The scheduler's own limit on tasks of a job is far below.
    const MOST: i32 = 1_000_000;
    let mut out = BTreeSet::new();
    for part in text.split(',') {
        let fault = || format!("`{part}` is not an instance or a range of them, such as 3 or 0-4");
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (i32, i32) = (
            first.parse().map_err(|_| fault())?,
            last.parse().map_err(|_| fault())?,
        );
        if first < 0 || last < first || last > MOST {
            return Err(fault());
        }
        out.extend(first..=last);
    }
    Ok(out)
}

/// Completions of the last word of a line: command names first, then what `known` offers.
pub fn complete(line: &str, known: &[String]) -> Vec<String> {
    let Some((head, last)) = line.rsplit_once(' ') else {
        return COMMANDS
            .iter()
            .map(|spec| spec.name.to_owned())
            .filter(|name| name.starts_with(line) && name != line)
            .collect();
    };
    known
        .iter()
        .filter(|word| word.starts_with(last) && *word != last)
        .map(|word| format!("{head} {word}"))
        .collect()
}

#[cfg(test)]
mod tests;
