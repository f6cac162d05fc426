//! Pages for a browser, at upstream's addresses (aurora: `src/main/python/apache/thermos/observer/http/templates`).
//! Without scripts: lists and running files refresh themselves, and a viewer shows the end of its file.

use std::path::Path;

use aurora_api::thermos::{ProcessState, ProcessStatus};
use aurora_daemon::reply;
use aurora_daemon::server::{Request, Response};
use aurora_thermos::paths::Stage;
use aurora_thermos::state::is_run_over;
use http::StatusCode;
use http::header::{HeaderValue, LOCATION};
use serde_json::Value;

use crate::files::log_place;
use crate::html::{self, Markup, address, link, page, table, text, time};
use crate::registry::Task;
use crate::routes::{NO_TASK, Observer};
use crate::sandbox::{self, Place};
use crate::tasks::{Selection, seconds};

/// How often lists refresh themselves, in seconds, as upstream.
const LIST_REFRESH: u32 = 10;
/// How often a followed file does.
const FILE_REFRESH: u32 = 2;
/// Rows of a page of tasks.
const STEP: usize = 20;
/// How much of a file a page shows, in bytes, as upstream.
const SHOWN: u64 = 32_768;

impl Observer {
    /// Answers for everything that is a page.
    pub(crate) fn page(&self, segments: &[&str], request: &Request) -> Response {
        match segments {
            [] => self.front(),
            ["main", rest @ ..] => self.main(rest),
            ["task", id] => self.with_task(id, |task| self.task_page(task)),
            ["rawtask", id] => self.with_task(id, raw_page),
            ["process", id, process] => self.with_task(id, |task| self.process_page(task, process)),
            ["browse", id, path @ ..] => self.with_task(id, |task| browse_page(task, path)),
            ["file", id, path @ ..] => self.with_task(id, |task| {
                let shown = path.join("/");
                let down = [&["download", id], path].concat();
                let own = [&["file", id], path].concat();
                match task.sandbox() {
                    Some(place) => viewer(place, Path::new(&shown), &own, &down, request),
                    None => missing("The task has no sandbox."),
                }
            }),
            ["logs", id, process, run, kind] => self.with_task(id, |task| {
                let own = ["logs", id, process, run, kind];
                let below = format!(".logs/{process}/{run}/{kind}");
                let down: Vec<&str> = ["download", id]
                    .into_iter()
                    .chain(below.split('/'))
                    .collect();
                match log_place(task, process, run, kind) {
                    Some((place, path)) => viewer(place, &path, &own, &down, request),
                    None => missing("There is no such log."),
                }
            }),
            ["assets", "style.css"] => html::style(),
            ["favicon.ico"] => {
                let mut response = reply::empty(StatusCode::FOUND);
                let asset = HeaderValue::from_static("/assets/favicon.svg");
                response.headers_mut().insert(LOCATION, asset);
                response
            }
            ["assets", "favicon.svg"] => reply::bytes(
                StatusCode::OK,
                "image/svg+xml",
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 8 8\"><circle cx=\"4\" cy=\"4\" r=\"3\"/></svg>",
            ),
            _ => missing("There is nothing at this path."),
        }
    }

    fn with_task(&self, id: &str, show: impl Fn(&Task) -> Response) -> Response {
        match self.task(id) {
            Some(task) => show(&task),
            None => reply::text(StatusCode::NOT_FOUND, NO_TASK),
        }
    }

    fn front(&self) -> Response {
        let parts: Result<Vec<Markup>, _> = ["active", "finished"]
            .into_iter()
            .map(|which| {
                self.select(&[which])
                    .map(|selection| self.task_table(&selection))
            })
            .collect();
        match parts {
            Ok(parts) => page("Tasks of this machine", Some(LIST_REFRESH), &parts),
            Err(reason) => missing(reason),
        }
    }

    /// `/main[/TYPE[/OFFSET[/NUM]]]`.
    fn main(&self, rest: &[&str]) -> Response {
        match self.select(rest) {
            Ok(selection) => page(
                &format!("Tasks: {}", selection.which),
                Some(LIST_REFRESH),
                &[self.task_table(&selection)],
            ),
            Err(reason) => missing(reason),
        }
    }

    fn task_table(&self, selection: &Selection) -> Markup {
        let Selection {
            which,
            tasks,
            begin,
            rows,
            count,
        } = selection;
        let lines: Vec<Vec<Markup>> = tasks
            .iter()
            .filter_map(|task| self.task_row(task))
            .collect();
        let first = if tasks.is_empty() { 0 } else { begin + 1 };
        let mut out = format!(
            "<h2>{} tasks {first}...{} of {count}</h2>",
            text(which).0,
            begin + tasks.len()
        );
        if *begin > 0 {
            let newer = begin.saturating_sub(STEP).to_string();
            out += &link(&["main", which, &newer, &STEP.to_string()], "", "newer").0;
            out.push(' ');
        }
        if begin + rows < *count {
            let older = (begin + STEP).to_string();
            out += &link(&["main", which, &older, &STEP.to_string()], "", "older").0;
        }
        let head = [
            "name", "role", "launched", "status", "cpu", "ram", "disk", "", "ports",
        ];
        Markup(out + &table(&head, &lines).0)
    }

    fn task_row(&self, task: &Task) -> Option<Vec<Markup>> {
        let header = task.header()?;
        let name = task.definition.as_deref()?.get("name")?.as_str()?;
        let usage = self.usage(task);
        let mut links = link(&["browse", &task.id], "", "chroot");
        links.0 = format!("{} {}", link(&["task", &task.id], "", "task").0, links.0);
        Some(vec![
            text(name),
            text(header.user.as_deref().unwrap_or_default()),
            time(seconds(task.state.launched_ms())),
            status(task),
            Markup(format!("{:.3}", usage.cpu)),
            megabytes(usage.rss),
            gigabytes(self.disk(task)),
            links,
            main_ports(task),
        ])
    }

    fn task_page(&self, task: &Task) -> Response {
        let Some(header) = task.header() else {
            return missing(NO_TASK);
        };
        let usage = self.usage(task);
        let host = header.hostname.as_deref().unwrap_or_default();
        let ports = header.ports.iter().flatten();
        let ports: Vec<String> = ports
            .map(|(name, port)| foreign(host, *port, &format!("{name}: {port}")).0)
            .collect();
        let facts = [
            ("status", status(task)),
            ("user", text(header.user.as_deref().unwrap_or_default())),
            ("host", text(host)),
            ("launched", time(seconds(task.state.launched_ms()))),
            ("ports", Markup(ports.join(" "))),
            ("cpu", Markup(format!("{:.3}", usage.cpu))),
            ("ram", megabytes(usage.rss)),
            ("disk", gigabytes(self.disk(task))),
            ("sandbox", link(&["browse", &task.id], "", "browse")),
            ("configuration", link(&["rawtask", &task.id], "", "view")),
        ];
        let history: Vec<Vec<Markup>> = task
            .state
            .statuses
            .iter()
            .map(|record| {
                let state = record.state.map_or("", |state| state.name());
                vec![text(state), time(seconds(record.timestamp_ms))]
            })
            .collect();
        let parts = [
            fact_table(&facts),
            table(&["status", "time"], &history),
            self.process_table(task),
        ];
        let refresh = (task.stage == Stage::Active).then_some(LIST_REFRESH);
        page(&task.id, refresh, &parts)
    }

    /// The latest runs, sorted by their start.
    fn process_table(&self, task: &Task) -> Markup {
        let mut runs: Vec<(&String, usize, &ProcessStatus)> = task
            .state
            .processes
            .iter()
            .filter_map(|(name, runs)| Some((name, runs.len() - 1, runs.last()?)))
            .collect();
        runs.sort_by(|a, b| {
            let start = |run: &ProcessStatus| run.start_time.map_or(f64::MAX, |start| start.0);
            start(a.2).total_cmp(&start(b.2)).then(a.0.cmp(b.0))
        });
        let rows: Vec<Vec<Markup>> = runs
            .into_iter()
            .map(|(name, number, run)| {
                let usage = task.process(run).map(|pid| self.sampler.sample(pid));
                let usage = usage.unwrap_or_default();
                let mut row = vec![link(&["process", &task.id, name], "", name)];
                row.extend(run_cells(task, name, number, run));
                row.insert(6, Markup(format!("{:.3}", usage.cpu)));
                row.insert(7, megabytes(usage.rss));
                row
            })
            .collect();
        let head = [
            "process",
            "run",
            "status",
            "return code",
            "started",
            "finished",
            "cpu",
            "ram",
            "stdout",
            "stderr",
        ];
        table(&head, &rows)
    }

    fn process_page(&self, task: &Task, process: &str) -> Response {
        let defined = defined(task, process);
        let runs = task.state.processes.get(process);
        if defined.is_none() && runs.is_none() {
            return missing("There is no such process.");
        }
        let runs = runs.map(Vec::as_slice).unwrap_or_default();
        let state = runs.last().map(|run| task.run_state(run));
        let usage = runs
            .last()
            .and_then(|run| task.process(run))
            .map(|pid| self.sampler.sample(pid));
        let told = |tell: &dyn Fn(&crate::sample::Usage) -> Markup| {
            usage.as_ref().map_or(text("N/A"), tell)
        };
        let facts = [
            ("task", link(&["task", &task.id], "", &task.id)),
            ("status", text(state.map_or("", ProcessState::name))),
            ("cpu", told(&|usage| Markup(format!("{:.3}", usage.cpu)))),
            ("ram", told(&|usage| megabytes(usage.rss))),
            (
                "user time",
                told(&|usage| Markup(format!("{:.2} s", usage.user))),
            ),
            (
                "system time",
                told(&|usage| Markup(format!("{:.2} s", usage.system))),
            ),
            ("threads", told(&|usage| Markup(usage.threads.to_string()))),
        ];
        let command = defined.and_then(|process| process["cmdline"].as_str());
        let rows: Vec<Vec<Markup>> = runs
            .iter()
            .enumerate()
            .rev()
            .map(|(number, run)| run_cells(task, process, number, run))
            .collect();
        let head = [
            "run",
            "status",
            "return code",
            "started",
            "finished",
            "stdout",
            "stderr",
        ];
        let parts = [
            fact_table(&facts),
            Markup(format!(
                "<pre>{}</pre>",
                text(command.unwrap_or_default()).0
            )),
            table(&head, &rows),
        ];
        let refresh = (task.stage == Stage::Active).then_some(LIST_REFRESH);
        page(process, refresh, &parts)
    }
}

fn missing(reason: &str) -> Response {
    reply::text(StatusCode::NOT_FOUND, format!("{}\n", reason.trim_end()))
}

fn fact_table(facts: &[(&str, Markup)]) -> Markup {
    let rows: Vec<Vec<Markup>> = facts
        .iter()
        .map(|(name, value)| vec![text(name), value.clone()])
        .collect();
    table(&["", ""], &rows)
}

fn status(task: &Task) -> Markup {
    let since = time(seconds(task.state.state_since_ms()));
    Markup(format!("{} @ {}", task.task_state().name(), since.0))
}

fn megabytes(bytes: u64) -> Markup {
    Markup(format!("{:.1}MB", bytes as f64 / f64::from(1 << 20)))
}

/// Whole gigabytes; nothing for none.
fn gigabytes(bytes: u64) -> Markup {
    Markup(match bytes >> 30 {
        0 => String::new(),
        whole => format!("{whole}GB"),
    })
}

/// A link to a port of a task's host. The host comes from the task's records: only what is a name or an address is one.
fn foreign(host: &str, port: i64, label: &str) -> Markup {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
    if host.is_empty() || !host.chars().all(plain) {
        return text(label);
    }
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    Markup(format!(
        "<a rel=\"noreferrer\" href=\"http://{host}:{port}\">{}</a>",
        text(label).0
    ))
}

/// Links to the ports `http` and `admin`, greyed when absent, and dots for others.
fn main_ports(task: &Task) -> Markup {
    let Some(header) = task.header() else {
        return Markup::default();
    };
    let host = header.hostname.as_deref().unwrap_or_default();
    let ports = header.ports.clone().unwrap_or_default();
    let mut shown: Vec<String> = ["http", "admin"]
        .into_iter()
        .map(|name| match ports.get(name) {
            Some(port) => foreign(host, *port, name).0,
            None => format!("<span class=\"off\">{name}</span>"),
        })
        .collect();
    if ports.keys().any(|name| name != "http" && name != "admin") {
        shown.push("...".to_owned());
    }
    Markup(shown.join(" "))
}

/// Run, status, return code, started, finished, stdout, stderr.
fn run_cells(task: &Task, process: &str, number: usize, run: &ProcessStatus) -> Vec<Markup> {
    let state = task.run_state(run);
    let at = |time: Option<aurora_api::wire::Double>| {
        time.map_or_else(Markup::default, |time| html::time(time.0 as i64))
    };
    let code = run.return_code.filter(|_| is_run_over(state));
    let number = number.to_string();
    let log = |kind| link(&["logs", &task.id, process, &number, kind], "", kind);
    vec![
        text(&number),
        text(state.name()),
        text(&code.map(|code| code.to_string()).unwrap_or_default()),
        at(run.start_time),
        at(run.stop_time),
        log("stdout"),
        log("stderr"),
    ]
}

/// The process as its task's definition has it.
fn defined<'a>(task: &'a Task, process: &str) -> Option<&'a Value> {
    let processes = task.definition.as_deref()?.get("processes")?.as_array()?;
    processes
        .iter()
        .find(|candidate| candidate["name"].as_str() == Some(process))
}

fn raw_page(task: &Task) -> Response {
    let Some(definition) = task.definition.as_deref() else {
        return missing("The task's definition cannot be read.");
    };
    // The alternate form is indented; a JSON value always has one.
    let json = format!("{definition:#}");
    page(
        &task.id,
        None,
        &[Markup(format!("<pre>{}</pre>", text(&json).0))],
    )
}

fn browse_page(task: &Task, path: &[&str]) -> Response {
    let Some(place) = task.sandbox() else {
        return missing("The task has no sandbox.");
    };
    let (entries, more) = match sandbox::list(place, Path::new(&path.join("/"))) {
        Ok(listing) => listing,
        Err(error) => return missing(&error.to_string()),
    };
    let at = |first: &'static str, below: &[&str]| -> Vec<String> {
        let mut segments = vec![first.to_owned(), task.id.clone()];
        segments.extend(below.iter().map(|&segment| segment.to_owned()));
        segments
    };
    let to = |segments: Vec<String>, label: &str| {
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        link(&segments, "", label)
    };
    let mut rows = Vec::new();
    if let [above @ .., _] = path {
        let mut row = vec![Markup::default(); 6];
        row.push(to(at("browse", above), ".."));
        rows.push(row);
    }
    for entry in &entries {
        let name = entry["name"].as_str().unwrap_or_default();
        let below = [path, &[name]].concat();
        let shown = match entry["kind"].as_str() {
            Some("dir") => to(at("browse", &below), &format!("{name}/")),
            Some("file") => Markup(format!(
                "{} {}",
                to(at("file", &below), name).0,
                to(at("download", &below), "dl").0
            )),
            Some("link") => {
                let target = entry["target"].as_str().unwrap_or_default();
                Markup(format!("{} -&gt; {}", text(name).0, text(target).0))
            }
            _ => text(name),
        };
        let mode = entry["mode"].as_u64().unwrap_or(0);
        let value = |key: &str| text(&entry[key].to_string());
        let owner = |key: &str| text(entry[key].as_str().unwrap_or_default());
        rows.push(vec![
            Markup(mode_text(entry["kind"].as_str(), mode)),
            value("links"),
            owner("owner"),
            owner("group"),
            value("size"),
            time(entry["mtime_ms"].as_i64().unwrap_or(0) / 1000),
            shown,
        ]);
    }
    let head = [
        "mode", "links", "owner", "group", "size", "modified", "name",
    ];
    let mut parts = vec![link(&["task", &task.id], "", &task.id), table(&head, &rows)];
    if more {
        parts.push(text("There are more entries than are shown."));
    }
    page(&format!("/{}", path.join("/")), None, &parts)
}

/// `drwxr-xr-x`.
fn mode_text(kind: Option<&str>, mode: u64) -> String {
    let first = match kind {
        Some("dir") => 'd',
        Some("link") => 'l',
        Some("file") => '-',
        _ => '?',
    };
    let bits = (0..9).map(|bit| match mode >> (8 - bit) & 1 {
        0 => '-',
        _ => ['r', 'w', 'x'][bit % 3],
    });
    std::iter::once(first).chain(bits).collect()
}

/// A part of a file: the one that ends where `?end=` says, else the last one, followed when `?follow=1`.
fn viewer(
    place: Place<'_>,
    path: &Path,
    own: &[&str],
    download: &[&str],
    request: &Request,
) -> Response {
    let opened =
        sandbox::open_file(place, path).and_then(|file| Ok((file.metadata()?.len(), file)));
    let (size, file) = match opened {
        Ok(opened) => opened,
        Err(error) => return missing(&error.to_string()),
    };
    let asked = request
        .parameter("end")
        .and_then(|text| text.parse::<u64>().ok());
    let end = asked.unwrap_or(size).min(size);
    let begin = end.saturating_sub(SHOWN);
    let chunk = match sandbox::read_chunk(&file, Some(begin), Some(end - begin), SHOWN) {
        Ok(chunk) => chunk,
        Err(error) => return missing(&error.to_string()),
    };
    // Whole lines only, unless the part begins where the file does.
    let cut = match chunk.bytes.iter().position(|&byte| byte == b'\n') {
        Some(newline) if begin > 0 => newline + 1,
        _ => 0,
    };
    let follows = request.parameter("follow").is_some() && asked.is_none();
    let place = match (begin, end == size) {
        (0, true) => "WHOLE FILE",
        (0, false) => "AT BEGINNING OF FILE",
        (_, true) => "AT END OF FILE",
        (_, false) => "INSIDE OF FILE",
    };
    let mut ways = vec![text(&format!("{place}, {size} bytes ")).0];
    if begin > 0 {
        let end = begin + cut as u64;
        ways.push(link(own, &format!("?end={end}"), "older").0);
    }
    if end < size {
        ways.push(link(own, "", "end").0);
    }
    ways.push(match follows {
        true => link(own, "", "stop following").0,
        false => link(own, "?follow=1", "follow").0,
    });
    ways.push(link(download, "", "download").0);
    let shown = text(&String::from_utf8_lossy(&chunk.bytes[cut..]));
    let parts = [
        Markup(format!("<p>{}</p>", ways.join(" "))),
        Markup(format!("<pre>{}</pre>", shown.0)),
    ];
    page(&address(own), follows.then_some(FILE_REFRESH), &parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_things_of_pages() {
        assert_eq!(mode_text(Some("dir"), 0o755), "drwxr-xr-x");
        assert_eq!(mode_text(Some("file"), 0o4640), "-rw-r-----");
        assert_eq!(megabytes(1_572_864).0, "1.5MB");
        assert_eq!(
            (gigabytes(1 << 29).0, gigabytes(3 << 30).0),
            (String::new(), "3GB".into())
        );
        assert_eq!(
            foreign("h\"><script>", 80, "http").0,
            "http",
            "a hostile host is no address"
        );
        assert_eq!(
            foreign("h1.example", 80, "http").0,
            "<a rel=\"noreferrer\" href=\"http://h1.example:80\">http</a>"
        );
    }
}
