//! Why a task waits or failed, as the scheduler explains it.

use serde_json::Value as Json;

use crate::event::Process;
use crate::place::{Place, TaskRef};
use crate::state::State;
use crate::table::{Cell, Column, Row, Table};
use crate::text;
use crate::theme::Scope;
use crate::told::Answer;

/// The attribute of a row with the place that it leads to, as the path of a link.
pub(crate) const LEADS_TO: &str = "leads_to";

/// The attribute of a row that leads to a place.
pub(super) fn leads_to(place: Option<Place>) -> Vec<(String, String)> {
    let path = place.map(|place| (LEADS_TO.to_owned(), place.path()));
    path.into_iter().collect()
}

/// Rows as they are told, numbered, since they may be alike.
#[derive(Default)]
struct Told(Vec<Row>);

impl Told {
    /// A row that leads somewhere.
    fn lead(&mut self, about: &str, what: &str, scope: Scope, place: Place) {
        self.add(about, what, scope);
        if let Some(row) = self.0.last_mut() {
            row.attributes = leads_to(Some(place));
        }
    }

    fn add(&mut self, about: &str, what: &str, scope: Scope) {
        self.0.push(Row {
            id: self.0.len().to_string(),
            problem: matches!(scope, Scope::Warn | Scope::Bad),
            cells: vec![
                Cell::text(about).scope(Scope::Label),
                Cell::text(what).scope(scope),
            ],
            attributes: Vec::new(),
        });
    }
}

fn string<'a>(value: &'a Json, name: &str) -> &'a str {
    value.get(name).and_then(Json::as_str).unwrap_or_default()
}

fn items<'a>(value: &'a Json, name: &str) -> impl Iterator<Item = &'a Json> {
    value
        .get(name)
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
}

/// A member in words; none where it is zero, empty or does not hold.
fn member(name: &str, value: &Json) -> Option<String> {
    match value {
        Json::Bool(true) => Some(name.to_owned()),
        Json::Bool(false) => None,
        value if value.as_i64() == Some(0) => None,
        value => Some(words(value))
            .filter(|words| !words.is_empty())
            .map(|words| format!("{name} {words}")),
    }
}

/// A value in words: texts as they are, objects as `name value`, nothing for null.
fn words(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        Json::Array(items) => {
            let texts: Vec<String> = items.iter().map(words).collect();
            texts.join(", ")
        }
        Json::Object(members) => {
            let texts: Vec<String> = members
                .iter()
                .filter_map(|(name, value)| member(&name.replace('_', " "), value))
                .collect();
            texts.join(", ")
        }
        other => other.to_string(),
    }
}

/// What is known of the task on the screen; in the order in which one asks.
pub(super) fn why(state: &State) -> Table {
    let columns = vec![Column::text("about", 0), Column::text("what", 0)];
    let question = state.view.place.questions().into_iter().next();
    let answer = question.and_then(|question| state.store.answers.get(&question));
    let Some(Answer::Why(answer)) = answer else {
        return Table::new(columns, Vec::new());
    };
    let mut told = Told::default();
    let since = answer.get("since_ms").and_then(Json::as_i64);
    let age = since.map_or_else(String::new, |since| {
        format!(" for {}", text::age(state.elapsed_ms(since)))
    });
    let status = format!("{}{age}", string(answer, "status"));
    told.add("status", &status, Scope::Crumb);
    waiting(state, answer, &mut told);
    failing(state, answer, &mut told);
    for ended in items(answer, "evidence") {
        let at = ended.get("ended_ms").and_then(Json::as_i64);
        let ran = ended.get("ran_for_ms").and_then(Json::as_i64);
        let mut parts = vec![string(ended, "status").to_owned()];
        parts.extend(at.map(|at| format!("{} ago", text::age(state.elapsed_ms(at)))));
        parts.extend(ran.map(|ran| format!("after {} of running", text::age(ran))));
        parts.extend(
            [("on", "host"), ("because", "message")]
                .into_iter()
                .filter(|(_, name)| !string(ended, name).is_empty())
                .map(|(word, name)| format!("{word} {}", string(ended, name))),
        );
        let line = parts.join(" ");
        match (state.view.place.task(), string(ended, "task_id")) {
            (None, _) | (_, "") => told.add("earlier", &line, Scope::Warn),
            (Some(here), id) => {
                let task = TaskRef {
                    job: here.job.clone(),
                    task: id.to_owned(),
                };
                told.lead("earlier", &line, Scope::Warn, Place::Task(task));
            }
        }
    }
    for event in items(answer, "events") {
        let time = event.get("time_ms").and_then(Json::as_i64).unwrap_or(0);
        let line = format!(
            "{} {} {}",
            text::utc(time),
            string(event, "status"),
            string(event, "message")
        );
        told.add("event", line.trim_end(), Scope::Dim);
    }
    Table::new(columns, told.0)
}

/// Beginnings of a cause by words in messages of ends (aurora: the executor's and the agent's).
const CAUSES: [(&str, &str); 4] = [
    ("health check", "health"),
    ("memory limit", "memory"),
    ("out of memory", "memory"),
    ("disk limit", "disk"),
];

/// What made a task fail, most telling first: how its processes ended, health, memory, what they wrote.
fn failing(state: &State, answer: &Json, told: &mut Told) {
    let Some(here) = state.view.place.task() else {
        return;
    };
    let processes = state.view.task.iter().flat_map(|task| &task.processes);
    let (failed, others): (Vec<&Process>, Vec<&Process>) = processes.partition(|process| {
        matches!(process.state.as_str(), "FAILED" | "LOST")
            || process.return_code.is_some_and(|code| code != 0)
    });
    for process in &failed {
        let logs = Place::Logs(here.clone(), Some(process.name.clone()));
        told.lead("exit", &exit(process), Scope::Bad, logs);
    }
    for event in items(answer, "events") {
        let message = string(event, "message");
        let lower = message.to_lowercase();
        if let Some((_, about)) = CAUSES.iter().find(|(words, _)| lower.contains(words)) {
            told.lead(about, message, Scope::Bad, Place::Task(here.clone()));
        }
    }
    for process in &failed {
        let logs = Place::Logs(here.clone(), Some(process.name.clone()));
        let what = format!("what {} wrote last", process.name);
        told.lead("output", &what, Scope::None, logs);
    }
    // They come and end though the task goes on: from afar it looks healthy.
    for process in others.iter().filter(|process| process.run > 0) {
        let what = format!(
            "{} has ended {} time(s) and was started again",
            process.name, process.run
        );
        let logs = Place::Logs(here.clone(), Some(process.name.clone()));
        told.lead("restarts", &what, Scope::Warn, logs);
    }
    if !failed.is_empty() {
        let sandbox = Place::Sandbox(here.clone(), String::new());
        told.lead("files", "its sandbox", Scope::None, sandbox);
    }
}

/// How a process ended, in words.
fn exit(process: &Process) -> String {
    let how = match process.return_code {
        Some(code) if code < 0 => format!("killed by signal {}", -code),
        // A shell tells signals so.
        Some(code) if code > 128 => format!("exit code {code} (signal {})", code - 128),
        Some(code) => format!("exit code {code}"),
        None => process.state.to_lowercase(),
    };
    let ran = process
        .start_ms
        .zip(process.stop_ms)
        .map_or_else(String::new, |(start, stop)| {
            format!(" after {}", text::age(stop - start))
        });
    format!("{}: {how}{ran}, run {}", process.name, process.run)
}

/// What keeps a task that waits.
fn waiting(state: &State, answer: &Json, told: &mut Told) {
    for veto in items(answer, "vetoes") {
        told.add("veto", &words(veto), Scope::Bad);
    }
    if let Some(hosts) = answer.get("hosts") {
        let counts: Vec<String> = [
            "known",
            "without_offer",
            "looked_at",
            "suitable",
            "kept_for_others",
        ]
        .into_iter()
        .filter_map(|name| {
            let count = hosts.get(name)?.as_u64()?;
            Some(format!("{count} {}", name.replace('_', " ")))
        })
        .collect();
        told.add("hosts", &counts.join(", "), Scope::None);
        let excluded = hosts.get("excluded").and_then(Json::as_object);
        for (veto, count) in excluded.into_iter().flatten() {
            let line = format!("{} host(s): {veto}", words(count));
            told.add("excluded", &line, Scope::Warn);
        }
        for near in items(hosts, "nearest") {
            let missing = near.get("missing").map(words).unwrap_or_default();
            let vetoes = near.get("vetoes").map(words).unwrap_or_default();
            let line = format!("{}: {vetoes}; missing {missing}", string(near, "host"));
            told.add("nearest", line.trim_end_matches("; missing "), Scope::None);
        }
    }
    let is_free = answer.pointer("/quota/limits_this_task") == Some(&Json::Bool(false));
    for name in ["asks", "quota"] {
        let said = match name {
            "quota" if is_free => "does not limit this task".to_owned(),
            name => answer.get(name).map(words).unwrap_or_default(),
        };
        if !said.is_empty() {
            told.add(name, &said, Scope::None);
        }
    }
    for (name, about) in [
        ("next_attempt_ms", "next try"),
        ("throttled_until_ms", "held back"),
    ] {
        if let Some(due) = answer.get(name).and_then(Json::as_i64) {
            let left = text::age(due - state.server_now_ms());
            told.add(about, &format!("in {left}"), Scope::None);
        }
    }
}
