//! A frame as data: what the terminal, `--snapshot text` and `--snapshot json` draw.

use serde_json::{Value as Json, json};

use crate::actions::{Guard, Plan};
use crate::filter::Filter;
use crate::logs::Line;
use crate::place::Place;
use crate::state::{Detail, Level, LinkState, Mode, Pane, State};
use crate::store::SUMMARY;
use crate::table::{Cell, Sort, Table};
use crate::theme::Scope;
use crate::{text, update, views};

/// Heights at and below this have one line of chrome.
const COMPACT: u16 = 12;
/// A feed that was silent for longer than this is stale; the server sends a sign of life every five seconds.
pub const STALE_MS: i64 = 10_000;

/// A piece of text with a meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The text; safe for a screen.
    pub text: String,
    /// Its meaning.
    pub scope: Scope,
}

impl Segment {
    pub(crate) fn new(text: impl Into<String>, scope: Scope) -> Segment {
        Segment {
            text: text.into(),
            scope,
        }
    }
}

/// A table as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct TableView {
    /// Columns and rows, filtered and in order.
    pub table: Table,
    /// The selected row.
    pub selected: Option<usize>,
    /// The first row on the screen.
    pub top: usize,
    /// Which rows are marked.
    pub marked: Vec<bool>,
    /// The order.
    pub sort: Option<Sort>,
    /// What stands there when there are no rows.
    pub empty: String,
}

/// A pane of text as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct TextView {
    /// Its name.
    pub title: String,
    /// What is to be known about it: paused, hidden, dropped.
    pub remarks: String,
    /// Whether it has the keys.
    pub focused: bool,
    /// Lines that fit, and whether they match a search.
    pub lines: Vec<(Line, bool)>,
    /// Columns scrolled out at the left.
    pub left: usize,
    /// What stands there when there are no lines.
    pub empty: String,
}

/// What is in the middle.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A table.
    Table(TableView),
    /// A task: fields, processes, events.
    Task(Vec<(&'static str, Cell)>, TableView, Table),
    /// Panes of text, one above the other.
    Text(Vec<TextView>),
    /// Lines of words.
    Words(Vec<Vec<Segment>>),
}

/// A box over the middle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialog {
    /// Its title.
    pub title: Segment,
    /// Its lines.
    pub lines: Vec<Vec<Segment>>,
    /// A text field after the last line, with its cursor in characters.
    pub input: Option<(String, usize)>,
}

/// The line at the bottom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bottom {
    /// Nothing.
    Nothing,
    /// A text field: its sign, its text, its cursor in characters, what is wrong.
    Input(char, String, usize, Option<String>),
    /// Words.
    Words(Vec<Segment>),
}

/// A frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Screen {
    /// The line at the top.
    pub status: Vec<Segment>,
    /// Where one is, and how much of it is shown; none in compact mode.
    pub crumb: Option<(String, String)>,
    /// The middle.
    pub body: Body,
    /// Over it.
    pub dialog: Option<Dialog>,
    /// The line at the bottom.
    pub bottom: Bottom,
}

fn is_compact(state: &State) -> bool {
    state.size.1 <= COMPACT
}

/// Rows between the lines at the top and at the bottom.
pub fn body_rows(state: &State) -> usize {
    let chrome = if is_compact(state) { 2 } else { 3 };
    usize::from(state.size.1.saturating_sub(chrome))
}

/// Rows of a task's fields and of its processes (title and header included); the rest is for events.
pub fn task_split(state: &State) -> (usize, usize) {
    let rows = body_rows(state);
    let fields = views::fields(state).len().min(rows / 2);
    let wanted = state
        .view
        .task
        .as_ref()
        .map_or(1, |task| task.processes.len().max(1))
        + 1;
    let processes = wanted
        .min((rows - fields).saturating_sub(3).max(2))
        .min(rows - fields);
    (fields, processes)
}

/// Rows of the table that is moved in, without its header.
pub(crate) fn table_rows(state: &State) -> usize {
    let rows = match state.view.place {
        Place::Task(_) => task_split(state).1,
        _ => body_rows(state),
    };
    rows.saturating_sub(1)
}

/// Rows of the text pane that has the keys, without its title.
pub(crate) fn pane_rows(state: &State) -> usize {
    match &state.view.detail {
        Detail::Logs(logs) if !logs.zoomed => {
            let upper = body_rows(state) / 2;
            let rows = if logs.focus == 0 {
                upper
            } else {
                body_rows(state) - upper
            };
            rows.saturating_sub(1)
        }
        _ => body_rows(state).saturating_sub(1),
    }
}

/// Whether a line of a pane matches; remarks always do.
pub(crate) fn line_matches(pane: &Pane, at: usize, filter: &Filter) -> bool {
    filter.is_empty()
        || pane
            .buffer
            .line(at)
            .is_some_and(|line| line.notice || filter.matches(&line.text().as_str()))
}

/// How many lines of the pane that has the keys could be shown.
pub(crate) fn shown_lines(state: &State) -> usize {
    let filter = &state.view.filter.filter;
    state.view.pane().map_or(0, |pane| {
        if pane.search || filter.is_empty() {
            pane.buffer.len()
        } else {
            (0..pane.buffer.len())
                .filter(|at| line_matches(pane, *at, filter))
                .count()
        }
    })
}

/// Whether this is a cluster on which nothing was ever created, as far as its summary tells.
pub(crate) fn is_empty_cluster(state: &State) -> bool {
    state.view.place == Place::Jobs && state.store.is_whole(SUMMARY) && state.store.jobs.is_empty()
}

/// The frame of a state. Call [`update::settle`] before.
pub fn screen(state: &State) -> Screen {
    Screen {
        status: status(state),
        crumb: (!is_compact(state)).then(|| crumb(state)),
        body: body(state),
        dialog: dialog(state),
        bottom: bottom(state),
    }
}

fn mode_name(state: &State) -> &'static str {
    match &state.mode {
        Mode::Normal if state.setup.read_only => "LOCKED",
        Mode::Normal if !state.view.marks.is_empty() => "SELECT",
        Mode::Normal => "NORMAL",
        Mode::Prompt(_) => "PROMPT",
        Mode::Filter(..) => "FILTER",
        Mode::Menu(_) | Mode::Confirm(..) | Mode::Leave(_) => "FORM",
    }
}

/// How the connection is, in words.
fn link_words(state: &State) -> Segment {
    let silent = state.now_ms - state.heard_ms;
    match &state.link {
        LinkState::Connecting => Segment::new("connecting", Scope::LinkStale),
        LinkState::Live if silent > STALE_MS => {
            Segment::new(format!("stale {}", text::age(silent)), Scope::LinkStale)
        }
        LinkState::Live => Segment::new("live", Scope::LinkLive),
        LinkState::Down(since, _) => Segment::new(
            format!("down {}", text::age(state.now_ms - since)),
            Scope::LinkDown,
        ),
        LinkState::Unsupported => Segment::new("no event feed", Scope::LinkDown),
    }
}

fn status(state: &State) -> Vec<Segment> {
    let name = Segment::new(format!(" {} ", state.setup.cluster), Scope::StatusMode);
    let mut link = link_words(state);
    link.text.push(' ');
    if is_compact(state) {
        let (crumb, counter) = crumb(state);
        return vec![
            name,
            link,
            Segment::new(format!("{crumb} {counter}"), Scope::Status),
        ];
    }
    let mut out = vec![name, link];
    if let Some(leader) = &state.store.leader {
        out.push(Segment::new(
            format!(" leader {} ", text::clean(leader)),
            Scope::Status,
        ));
    }
    out.push(Segment::new(
        format!(" {} ", state.setup.user),
        Scope::Status,
    ));
    let open = state
        .changes
        .iter()
        .filter(|change| !change.progress.is_over())
        .count();
    if open > 0 {
        out.push(Segment::new(
            format!(" {open} change(s) under way "),
            Scope::StatusMode,
        ));
    }
    out.push(Segment::new(
        format!(" {} ", mode_name(state)),
        Scope::StatusMode,
    ));
    out
}

fn crumb(state: &State) -> (String, String) {
    let place = &state.view.place;
    let instance = |task: &crate::place::TaskRef| {
        state.store.tasks.get(&task.task).map_or_else(
            || format!("{} > {}", task.job, task.task),
            |record| format!("{}/{}", task.job, record.instance),
        )
    };
    let path = match place {
        Place::Instances(job) => format!("jobs > {job}"),
        Place::Task(task) => format!("jobs > {} > task", instance(task)),
        Place::Sandbox(task, path) => format!("jobs > {} > sandbox /{path}", instance(task)),
        Place::File(task, path) => format!("jobs > {} > file /{path}", instance(task)),
        Place::Logs(task, _) => {
            let process = match &state.view.detail {
                Detail::Logs(logs) => logs.process.clone().unwrap_or_default(),
                _ => String::new(),
            };
            format!("jobs > {} > logs {process}", instance(task))
        }
        Place::Help(view) => format!("help > {view}"),
        other => other.view().to_owned(),
    };
    let mut counter = String::new();
    if let Some(table) = views::table(state) {
        counter = if table.rows.len() == table.total {
            format!("{}", table.total)
        } else {
            format!("{}/{} shown", table.rows.len(), table.total)
        };
    }
    if state.view.problems {
        counter.push_str(" problems only");
    }
    if !state.view.filter.text.is_empty() {
        counter.push_str(&format!(
            " filter: {}",
            text::clean(&state.view.filter.text)
        ));
    }
    if !state.view.marks.is_empty() {
        counter.push_str(&format!(" {} marked", state.view.marks.len()));
    }
    (text::clean(&path), counter)
}

fn table_view(state: &State, table: Table, empty: String) -> TableView {
    TableView {
        selected: views::selected(state, &table),
        top: state.view.top,
        marked: table
            .rows
            .iter()
            .map(|row| state.view.marks.contains(&row.id))
            .collect(),
        sort: views::sort(state, &table),
        empty,
        table,
    }
}

fn body(state: &State) -> Body {
    let waiting = || match (&state.link, state.waiting_for()) {
        (LinkState::Unsupported, _) => Some(
            "This scheduler has no event feed (/ext/v1/events); the workbench needs one."
                .to_owned(),
        ),
        (LinkState::Down(_, why), Some(_)) => Some(format!(
            "Not connected: {why}. It is tried again by itself."
        )),
        (_, Some(what)) => Some(format!("Waiting for {what} ...")),
        (_, None) => state.view.trouble.clone(),
    };
    match &state.view.detail {
        Detail::Logs(logs) => {
            let name = |at: usize| if at == 0 { "stdout" } else { "stderr" };
            let upper = body_rows(state) / 2;
            let heights = [upper, body_rows(state) - upper];
            let run = logs
                .run
                .map_or_else(String::new, |run| format!(" run {run}"));
            let panes = (0..2)
                .filter(|at| !logs.zoomed || logs.focus == *at)
                .map(|at| {
                    let rows = if logs.zoomed {
                        body_rows(state)
                    } else {
                        heights[at]
                    };
                    let missing = waiting().unwrap_or_else(|| nothing_here(state).to_owned());
                    text_view(
                        state,
                        &logs.panes[at],
                        format!("{}{run}", name(at)),
                        rows,
                        logs.focus == at,
                        missing,
                    )
                });
            Body::Text(panes.collect())
        }
        Detail::File(pane) => {
            let missing = waiting().unwrap_or_else(|| nothing_here(state).to_owned());
            Body::Text(vec![text_view(
                state,
                pane,
                "file".to_owned(),
                body_rows(state),
                true,
                missing,
            )])
        }
        Detail::None | Detail::Directory(_) => {
            let Some(table) = views::table(state) else {
                return Body::Words(Vec::new());
            };
            if let Some(words) = gone(state) {
                return Body::Words(words);
            }
            let hidden = table.total > 0;
            let empty = waiting().unwrap_or_else(|| {
                if hidden {
                    "Nothing matches; esc drops the filter.".to_owned()
                } else {
                    nothing_here(state).to_owned()
                }
            });
            if is_empty_cluster(state) {
                return Body::Words(welcome(state));
            }
            let view = table_view(state, table, empty);
            match state.view.place {
                Place::Task(_) => Body::Task(views::fields(state), view, views::events(state)),
                _ => Body::Table(view),
            }
        }
    }
}

fn nothing_here(state: &State) -> &'static str {
    let task = state
        .view
        .place
        .task()
        .and_then(|place| state.store.tasks.get(&place.task));
    if task.is_some_and(|task| task.host.is_none()) {
        return "The task has no host yet.";
    }
    match state.view.place {
        Place::Hosts => "No host has offered anything yet.",
        Place::Quotas => "No role has a quota.",
        Place::Journal => "Nothing was changed from here yet.",
        Place::Instances(_) => "This job has no tasks.",
        Place::Task(_) => "No process has begun; the events below tell how far the task is.",
        Place::Sandbox(..) => "The directory is empty.",
        Place::File(..) => "The file is empty.",
        Place::Logs(..) => "Nothing was written yet.",
        _ => "Nothing here.",
    }
}

/// What is said when the object of a view does not exist (any more).
fn gone(state: &State) -> Option<Vec<Vec<Segment>>> {
    let job = state.view.place.job()?;
    if !state.store.is_whole(&crate::store::job_topic(job)) {
        return None;
    }
    let line = |text: String, scope| vec![Segment::new(text::clean(&text), scope)];
    if let Some(task) = state.view.place.task() {
        if state.store.tasks.contains_key(&task.task) {
            return None;
        }
        return Some(vec![
            line(
                format!("The scheduler no longer knows the task {}.", task.task),
                Scope::Warn,
            ),
            line("esc leads back to its job.".to_owned(), Scope::Dim),
        ]);
    }
    if state.store.jobs.contains_key(job) || state.store.tasks_of(job).next().is_some() {
        return None;
    }
    Some(vec![
        line(
            format!("There is no job {job} on {}.", state.setup.cluster),
            Scope::Warn,
        ),
        line("esc leads back to the jobs.".to_owned(), Scope::Dim),
    ])
}

fn welcome(state: &State) -> Vec<Vec<Segment>> {
    let key = |line: &str| {
        state
            .setup
            .keymap
            .keys_for("jobs", line)
            .unwrap_or_else(|| format!(":{line}"))
    };
    let choice = |line: &str, what: &str| {
        vec![
            Segment::new(format!("  {:<4}", key(line)), Scope::HintKey),
            Segment::new(what.to_owned(), Scope::None),
        ]
    };
    let mut out = vec![
        vec![Segment::new(
            format!("The cluster {} has no jobs yet.", state.setup.cluster),
            Scope::Crumb,
        )],
        Vec::new(),
    ];
    if state.setup.read_only {
        out.push(vec![Segment::new(
            "  (read-only: the examples cannot be launched from here)",
            Scope::Dim,
        )]);
    } else if state.launching {
        out.push(vec![Segment::new(
            "  launching the examples ...",
            Scope::Info,
        )]);
    } else {
        out.push(choice("examples", "launch the examples"));
    }
    out.push(choice("copy cli", "copy this line for another terminal:"));
    let line = state
        .create_line
        .as_deref()
        .unwrap_or("(looking for an example)");
    out.push(vec![Segment::new(
        format!("      {}", text::clean(line)),
        Scope::Label,
    )]);
    out.push(choice("help", "help"));
    out
}

fn text_view(
    state: &State,
    pane: &Pane,
    title: String,
    rows: usize,
    focused: bool,
    missing: String,
) -> TextView {
    let rows = rows.saturating_sub(1);
    let filter = &state.view.filter.filter;
    let hides = !pane.search && !filter.is_empty();
    let length = pane.buffer.len();
    // From the end backwards, so that a long buffer costs no more than a short one unless a filter hides most of it.
    let mut indexes: Vec<usize> = (0..length)
        .rev()
        .filter(|at| !hides || line_matches(pane, *at, filter))
        .skip(pane.up)
        .take(rows)
        .collect();
    indexes.reverse();
    let mut remarks: Vec<String> = Vec::new();
    if pane.paused {
        remarks.push(match pane.unseen {
            0 => "paused".to_owned(),
            unseen => format!("paused, {unseen} new"),
        });
    } else if pane.read {
        remarks.push("following".to_owned());
    }
    if hides {
        let shown = (0..length)
            .filter(|at| line_matches(pane, *at, filter))
            .count();
        remarks.push(format!("{shown}/{length} lines shown"));
    } else if pane.search {
        remarks.push("searching".to_owned());
    }
    if pane.skipped > 0 {
        remarks.push(format!(
            "{} before this not read",
            text::bytes(pane.skipped)
        ));
    }
    if pane.buffer.dropped() > 0 {
        remarks.push(format!("{} lines dropped", pane.buffer.dropped()));
    }
    if pane.left > 0 {
        remarks.push(format!("from column {}", pane.left + 1));
    }
    if let Some(trouble) = &pane.trouble {
        remarks.push(trouble.clone());
    }
    TextView {
        title,
        remarks: remarks.join(", "),
        focused,
        lines: indexes
            .into_iter()
            .filter_map(|at| {
                let found = pane.search && !filter.is_empty() && line_matches(pane, at, filter);
                pane.buffer.line(at).map(|line| (line.clone(), found))
            })
            .collect(),
        left: pane.left,
        empty: if length > 0 {
            "No line matches.".to_owned()
        } else {
            pane.trouble.clone().unwrap_or(missing)
        },
    }
}

fn confirm_lines(state: &State, plan: &Plan, drift: Option<&String>) -> Vec<Vec<Segment>> {
    let field = |label: &str, value: String, scope| {
        vec![
            Segment::new(format!("{label:<10}"), Scope::Label),
            Segment::new(text::clean(&value), scope),
        ]
    };
    let mut out = Vec::new();
    if let Some(drift) = drift {
        out.push(vec![Segment::new(
            format!("Asked again: {drift}."),
            Scope::Warn,
        )]);
    }
    let cluster = match plan.is_production() {
        true => format!("{}  (production)", plan.cluster),
        false => plan.cluster.clone(),
    };
    out.push(field("cluster", cluster, Scope::Crumb));
    out.push(field("job", plan.job.to_string(), Scope::Crumb));
    let hosts: Vec<String> = plan
        .targets
        .iter()
        .take(4)
        .map(|target| {
            let host = state
                .store
                .tasks
                .get(&target.task)
                .and_then(|task| task.host.as_deref());
            format!("{} on {}", target.instance, host.unwrap_or("no host"))
        })
        .collect();
    let more = plan.targets.len().saturating_sub(hosts.len());
    let more = if more > 0 {
        format!(", {more} more")
    } else {
        String::new()
    };
    out.push(field(
        "instances",
        format!("{} ({}{more})", plan.instances(), hosts.join(", ")),
        Scope::Crumb,
    ));
    if !plan.reason.is_empty() {
        out.push(field("reason", plan.reason.clone(), Scope::None));
    }
    for (at, sentence) in plan.consequence().into_iter().enumerate() {
        out.push(field(
            if at == 0 { "effect" } else { "" },
            sentence,
            Scope::None,
        ));
    }
    if !matches!(state.link, LinkState::Live) {
        out.push(field(
            "note",
            "the picture is old: the feed is not connected".to_owned(),
            Scope::Warn,
        ));
    }
    out.push(field("same as", plan.cli(), Scope::Dim));
    out.push(match plan.guard() {
        Guard::Yes => vec![Segment::new(
            "y does it; enter, n and esc do not",
            Scope::HintKey,
        )],
        Guard::Type(text) => vec![Segment::new(
            format!("type {text} and enter for yes; esc for no: "),
            Scope::HintKey,
        )],
    });
    out
}

fn dialog(state: &State) -> Option<Dialog> {
    match &state.mode {
        Mode::Normal | Mode::Prompt(_) | Mode::Filter(..) => None,
        Mode::Menu(at) => {
            let lines = update::menu(state)
                .into_iter()
                .enumerate()
                .map(|(row, (letter, name, object, fault))| {
                    let scope = if row == *at {
                        Scope::Selection
                    } else {
                        Scope::None
                    };
                    vec![
                        Segment::new(format!("{letter} "), Scope::HintKey),
                        Segment::new(format!("{name} {object}"), scope),
                        Segment::new(
                            fault.map_or_else(String::new, |fault| format!("  ({fault})")),
                            Scope::Dim,
                        ),
                    ]
                })
                .collect();
            Some(Dialog {
                title: Segment::new("actions", Scope::Crumb),
                lines,
                input: None,
            })
        }
        Mode::Confirm(plan, input, drift) => {
            let mut lines = confirm_lines(state, plan, drift.as_ref());
            if let Some(error) = &input.error
                && let Some(last) = lines.len().checked_sub(1)
            {
                lines.insert(last, vec![Segment::new(error.clone(), Scope::PromptError)]);
            }
            Some(Dialog {
                title: Segment::new(
                    format!("{} {}?", plan.action.name(), plan.job),
                    Scope::DialogDanger,
                ),
                lines,
                input: matches!(plan.guard(), Guard::Type(_))
                    .then(|| (input.text.clone(), input.cursor)),
            })
        }
        Mode::Leave(stop) => {
            let choice = |letter: &str, text: &str, chosen: bool| {
                let scope = if chosen {
                    Scope::Selection
                } else {
                    Scope::None
                };
                vec![
                    Segment::new(format!("{letter} "), Scope::HintKey),
                    Segment::new(text, scope),
                ]
            };
            Some(Dialog {
                title: Segment::new(
                    format!("quit: the local cluster {}", state.setup.cluster),
                    Scope::Crumb,
                ),
                lines: vec![
                    choice(
                        "l",
                        "leave it running; `aurora-tui --local` comes back to it",
                        !stop,
                    ),
                    choice("s", "stop it: its tasks end", *stop),
                    vec![Segment::new(
                        "enter takes the marked one; esc stays",
                        Scope::Dim,
                    )],
                ],
                input: None,
            })
        }
    }
}

fn bottom(state: &State) -> Bottom {
    match &state.mode {
        Mode::Prompt(input) => {
            return Bottom::Input(':', input.text.clone(), input.cursor, input.error.clone());
        }
        Mode::Filter(input, _) => {
            return Bottom::Input('/', input.text.clone(), input.cursor, input.error.clone());
        }
        Mode::Normal | Mode::Menu(_) | Mode::Confirm(..) | Mode::Leave(_) => {}
    }
    if let Some(notice) = &state.notice {
        let scope = match notice.level {
            Level::Info => Scope::Info,
            Level::Good => Scope::Good,
            Level::Warn => Scope::Warn,
            Level::Bad => Scope::Bad,
        };
        return Bottom::Words(vec![Segment::new(notice.text.clone(), scope)]);
    }
    let pairs = |pairs: Vec<(String, String)>| {
        let mut out = Vec::new();
        for (keys, text) in pairs {
            out.push(Segment::new(keys, Scope::HintKey));
            out.push(Segment::new(format!(" {text}  "), Scope::Hint));
        }
        Bottom::Words(out)
    };
    let view = state.view.place.view();
    if !state.pressed.is_empty() {
        return pairs(state.setup.keymap.continuations(view, &state.pressed));
    }
    if let Some(warning) = state.setup.warnings.first() {
        let more = state.setup.warnings.len() - 1;
        let more = if more > 0 {
            format!(" (and {more} more)")
        } else {
            String::new()
        };
        return Bottom::Words(vec![Segment::new(
            text::clean(&format!("{warning}{more}")),
            Scope::Warn,
        )]);
    }
    if is_compact(state) && state.size.0 < 60 {
        return Bottom::Nothing;
    }
    let hints: &[(&str, &str)] = match state.view.place {
        Place::Jobs => &[
            ("enter", "instances"),
            ("filter", "filter"),
            ("actions", "actions"),
            ("problems", "problems"),
        ],
        Place::Instances(_) => &[
            ("enter", "task"),
            ("logs", "logs"),
            ("sandbox", "files"),
            ("mark", "mark"),
            ("actions", "actions"),
            ("filter", "filter"),
        ],
        Place::Task(_) => &[
            ("enter", "logs"),
            ("sandbox", "files"),
            ("actions", "actions"),
        ],
        Place::Sandbox(..) => &[("enter", "open"), ("filter", "filter")],
        Place::Logs(..) => &[
            ("next-pane", "pane"),
            ("zoom", "zoom"),
            ("last", "follow"),
            ("filter", "filter"),
            ("convert", "search"),
            ("next-process", "process"),
        ],
        Place::File(..) => &[
            ("last", "end"),
            ("first", "beginning"),
            ("filter", "filter"),
            ("convert", "search"),
        ],
        Place::Hosts | Place::Quotas | Place::Journal | Place::Help(_) => {
            &[("filter", "filter"), ("next-sort", "sort")]
        }
    };
    let always = [
        ("back", "back"),
        ("prompt", "command"),
        ("help", "help"),
        ("quit", "quit"),
    ];
    let lines = hints
        .iter()
        .chain(&always)
        .filter(|(line, _)| *line != "back" || state.view.place != Place::Jobs)
        .filter(|(line, _)| *line != "actions" || !state.setup.read_only);
    pairs(
        lines
            .filter_map(|(line, text)| {
                Some((state.setup.keymap.keys_for(view, line)?, (*text).to_owned()))
            })
            .collect(),
    )
}

/// The view's data for `--snapshot json`; `version` changes when a member changes its meaning.
pub fn snapshot(state: &State) -> Json {
    let body = match body(state) {
        Body::Table(view) => view.table.to_json(),
        Body::Task(fields, processes, events) => {
            let fields: serde_json::Map<String, Json> = fields
                .into_iter()
                .map(|(name, cell)| (name.to_owned(), json!(cell.text)))
                .collect();
            json!({"fields": fields, "processes": processes.table.to_json(), "events": events.to_json()})
        }
        Body::Text(panes) => {
            let panes: Vec<Json> = panes
                .into_iter()
                .map(|pane| {
                    let lines: Vec<String> =
                        pane.lines.iter().map(|(line, _)| line.text()).collect();
                    json!({"title": pane.title, "remarks": pane.remarks, "lines": lines})
                })
                .collect();
            json!({"panes": panes})
        }
        Body::Words(lines) => {
            let lines: Vec<String> = lines
                .into_iter()
                .map(|line| line.into_iter().map(|segment| segment.text).collect())
                .collect();
            json!({"words": lines})
        }
    };
    json!({
        "version": 1,
        "cluster": state.setup.cluster,
        "link": link_words(state).text,
        "seq": state.store.seq,
        "view": state.view.place.view(),
        "address": state.link_here().to_string(),
        "waiting_for": state.waiting_for(),
        "notice": state.notice.as_ref().map(|notice| &notice.text),
        "data": body,
    })
}
