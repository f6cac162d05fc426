//! Objects of all kinds: everything there is, what belongs to one of them, and places that were kept. The identity of a row
//! is the link that it leads to.

use std::collections::BTreeSet;

use aurora_api::feed::{HostRecord, TaskRecord};
use aurora_api::job_key::JobPath;

use crate::found;
use crate::place::{Link, Place, TaskRef};
use crate::state::State;
use crate::table::{Cell, Column, Row, Table};
use crate::theme::Scope;

use super::status_scope;

/// Kinds of objects that have something related to them.
pub(crate) const KINDS: &[&str] = &["job", "role", "host", "task"];

struct Found<'a> {
    state: &'a State,
    rows: Vec<Row>,
}

impl Found<'_> {
    fn add(&mut self, kind: &str, name: &str, about: Cell, place: Place) {
        self.filtered(kind, name, about, place, String::new());
    }

    fn filtered(&mut self, kind: &str, name: &str, about: Cell, place: Place, filter: String) {
        let least = place.since_version();
        if self
            .state
            .store
            .version
            .is_some_and(|version| version < least)
        {
            return;
        }
        let link = Link {
            cluster: self.state.setup.cluster.clone(),
            place,
            filter,
            sort: String::new(),
            at_ms: None,
            layout: String::new(),
        };
        self.rows.push(Row {
            id: link.to_string(),
            problem: about.scope == Scope::StateFailed || about.scope == Scope::StateWaiting,
            cells: vec![
                Cell::text(kind).scope(Scope::Label),
                Cell::text(name),
                about,
            ],
            attributes: Vec::new(),
        });
    }

    fn task(&mut self, kind: &str, task: &TaskRecord) {
        let place = Place::Task(TaskRef {
            job: task.job.clone(),
            task: task.task_id.clone(),
        });
        let about = Cell::text(task.status.name()).scope(status_scope(task.status));
        self.add(
            kind,
            &format!("{}/{} {}", task.job, task.instance, task.task_id),
            about,
            place,
        );
    }

    fn role(&mut self, role: &str) {
        let own = format!("@role={role}");
        let jobs = self
            .state
            .store
            .jobs
            .keys()
            .filter(|job| job.0.role == role)
            .count();
        self.filtered(
            "jobs",
            role,
            Cell::text(&format!("{jobs} of this role")),
            Place::Jobs,
            own.clone(),
        );
        self.filtered(
            "crons",
            role,
            Cell::text("of this role"),
            Place::Crons,
            own.clone(),
        );
        self.filtered(
            "updates",
            role,
            Cell::text("of this role"),
            Place::Updates,
            own,
        );
        self.filtered(
            "quota",
            role,
            Cell::text("of this role"),
            Place::Quotas,
            format!("role={role}"),
        );
    }

    fn table(self, first: &'static str) -> Table {
        let columns = vec![
            Column::text(first, 0),
            Column::text("name", 0),
            Column::text("about", 1),
        ];
        Table::new(columns, self.rows)
    }
}

fn job_about(state: &State, job: &JobPath) -> Cell {
    state
        .store
        .jobs
        .get(job)
        .map_or_else(Cell::none, super::cluster::job_word)
}

/// Everything that has a name and is known here.
pub(super) fn find(state: &State) -> Table {
    let mut found = Found {
        state,
        rows: Vec::new(),
    };
    let store = &state.store;
    let jobs = match found::ids(state, "job") {
        Some(ids) => ids.iter().filter_map(|id| id.parse().ok()).collect(),
        None => store.jobs.keys().cloned().collect::<Vec<JobPath>>(),
    };
    for job in jobs {
        let about = job_about(state, &job);
        found.add("job", &job.to_string(), about, Place::Instances(job));
    }
    let known = || {
        let roles = store.jobs.keys().map(|job| &job.0.role);
        roles.chain(store.quotas.keys()).cloned().collect()
    };
    let roles: BTreeSet<String> = match found::ids(state, "role") {
        Some(ids) => ids.into_iter().collect(),
        None => known(),
    };
    for role in roles {
        let place = Place::Related("role".to_owned(), role.clone());
        found.add("role", &role, Cell::none(), place);
    }
    let hosts = match found::ids(state, "host") {
        Some(ids) => ids.iter().filter_map(|id| store.hosts.get(id)).collect(),
        None => store.hosts.values().collect::<Vec<&HostRecord>>(),
    };
    for host in hosts {
        let about = Cell::text(&format!(
            "{}, {} tasks",
            super::cluster::mode_word(host.mode).0,
            host.tasks
        ));
        found.add("host", &host.host, about, Place::Host(host.host.clone()));
    }
    for task in store.tasks.values() {
        found.task("task", task);
    }
    for update in store.updates.values() {
        let about = Cell::text(update.status.name());
        let place = Place::Update(update.job.clone(), update.id.clone());
        found.add(
            "update",
            &format!("{} {}", update.job, update.id),
            about,
            place,
        );
    }
    for view in crate::place::VIEWS {
        if let Ok(link) = format!("aurora://x/{view}").parse::<Link>() {
            found.add("view", view, Cell::none(), link.place);
        }
    }
    for (name, link) in &state.bookmarks {
        if let Ok(link) = link.parse::<Link>() {
            found.filtered("bookmark", name, Cell::none(), link.place, link.filter);
        }
    }
    found.table("kind")
}

/// What belongs to an object.
pub(super) fn related(state: &State, kind: &str, name: &str) -> Table {
    let mut found = Found {
        state,
        rows: Vec::new(),
    };
    let id = name.rsplit_once('/').filter(|_| kind == "task");
    let task = id.and_then(|(_, id)| state.store.tasks.get(id));
    if let Some(task) = task {
        of_task(&mut found, task);
    }
    let job = match (kind, task) {
        ("job", _) => name.parse().ok(),
        _ => task.map(|task| task.job.clone()),
    };
    if let Some(job) = &job {
        of_job(&mut found, job);
    }
    match kind {
        "role" => found.role(name),
        "host" => {
            found.add(
                "tasks",
                name,
                Cell::text("on this host"),
                Place::Host(name.to_owned()),
            );
            let exact = format!("host={name}");
            found.filtered(
                "host",
                name,
                Cell::text("its mode and attributes"),
                Place::Hosts,
                exact.clone(),
            );
            found.filtered("maintenance", name, Cell::none(), Place::Maintenance, exact);
        }
        _ => {}
    }
    let about = match &job {
        Some(job) => job.to_string(),
        None => name.to_owned(),
    };
    let exact = format!("\"{about}\"");
    found.filtered(
        "audit",
        &about,
        Cell::text("who changed it"),
        Place::Audit,
        exact.clone(),
    );
    found.filtered(
        "journal",
        &about,
        Cell::text("what was done from here"),
        Place::Journal,
        exact,
    );
    found.table("relation")
}

fn of_task(found: &mut Found<'_>, task: &TaskRecord) {
    let place = TaskRef {
        job: task.job.clone(),
        task: task.task_id.clone(),
    };
    found.task("task", task);
    let id = &task.task_id;
    found.add(
        "why",
        id,
        Cell::text("why it is as it is"),
        Place::Why(place.clone()),
    );
    found.add(
        "logs",
        id,
        Cell::text("its output"),
        Place::Logs(place.clone(), None),
    );
    found.add(
        "timeline",
        id,
        Cell::text("what happened to its instance"),
        Place::Timeline(task.job.clone(), Some(task.instance)),
    );
    found.add(
        "config",
        id,
        Cell::text("what it was launched with"),
        Place::Config(task.job.clone(), Some(id.clone())),
    );
    found.add(
        "sandbox",
        id,
        Cell::text("its files"),
        Place::Sandbox(place, String::new()),
    );
    let state = found.state;
    for other in state.store.tasks_of(&task.job) {
        if other.instance == task.instance && other.task_id != task.task_id {
            found.task("another run", other);
        }
    }
    if let Some(host) = &task.host {
        found.add(
            "host",
            host,
            Cell::text("where it is"),
            Place::Host(host.clone()),
        );
    }
}

fn of_job(found: &mut Found<'_>, job: &JobPath) {
    let state = found.state;
    let name = job.to_string();
    found.add(
        "job",
        &name,
        job_about(state, job),
        Place::Instances(job.clone()),
    );
    found.add(
        "timeline",
        &name,
        Cell::text("what happened to its tasks"),
        Place::Timeline(job.clone(), None),
    );
    found.add(
        "config",
        &name,
        Cell::text("of its instances"),
        Place::Config(job.clone(), None),
    );
    let exact = format!("job={name}");
    let record = state.store.jobs.get(job);
    if let Some(schedule) = record.and_then(|job| job.cron_schedule.as_deref()) {
        found.filtered(
            "cron",
            &name,
            Cell::text(schedule),
            Place::Crons,
            exact.clone(),
        );
    }
    found.filtered(
        "updates",
        &name,
        Cell::text("of this job"),
        Place::Updates,
        exact,
    );
    let hosts: BTreeSet<&String> = state
        .store
        .tasks_of(job)
        .filter_map(|task| task.host.as_ref())
        .collect();
    for host in hosts {
        found.add(
            "host",
            host,
            Cell::text("has tasks of this job"),
            Place::Host(host.clone()),
        );
    }
    let role = job.0.role.clone();
    let place = Place::Related("role".to_owned(), role.clone());
    found.add("role", &role, Cell::none(), place);
}

/// Places that were kept.
pub(super) fn bookmarks(state: &State) -> Table {
    let rows = state.bookmarks.iter().map(|(name, link)| Row {
        id: link.clone(),
        cells: vec![Cell::text(name), Cell::text(link).scope(Scope::Dim)],
        ..Row::default()
    });
    Table::new(
        vec![Column::text("name", 0), Column::text("link", 1)],
        rows.collect(),
    )
}
