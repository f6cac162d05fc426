//! `/scheduler[/ROLE[/ENVIRONMENT[/NAME[/INSTANCE]]]]` and `/updates` for browsers: the addresses that clients print and
//! chats and dashboards link to. They show what is there as small tables; the workbench shows more, and live.
//! (aurora: `ui/src/main/js/index.js`)

use aurora_api::brief::{Brief, kind};
use aurora_api::model::{JobKey, ScheduleStatus};
use aurora_daemon::html::{self, Markup, link, table, text};
use aurora_daemon::reply;
use aurora_daemon::server::Response;
use http::StatusCode;

use super::Routes;
use crate::core::store::{Job, Task, Update};
use crate::core::{Millis, View};

/// A page has no more rows than this.
const MOST_ROWS: usize = 1000;

type Rows = Vec<Vec<Markup>>;

impl Routes {
    /// A page below `/scheduler`.
    pub(super) fn browse(&self, path: &[&str]) -> Response {
        let durable = self.api.handle.durable();
        let view = &durable.view;
        let (head, rows): (&[&str], Rows) = match path {
            [] => (&["Role", "Jobs"], roles(view)),
            [role] => (JOBS, jobs(view, role, |_| true)),
            [role, environment] => (
                JOBS,
                jobs(view, role, |key| key.environment == *environment),
            ),
            [role, environment, name] => {
                let key = JobKey::new(role, environment, name);
                let tasks = view.job(&key).map(|job| tasks(view, job));
                (TASKS, tasks.unwrap_or_default())
            }
            [role, environment, name, instance] => {
                let job = view.job(&JobKey::new(role, environment, name));
                let task = instance.parse().ok().and_then(|instance: i32| {
                    let newest = |task: &&Task| task.instance == instance;
                    view.tasks_of_job(job?)
                        .filter(newest)
                        .max_by_key(|task| task.last_event_time())
                });
                (EVENTS, task.map(events).unwrap_or_default())
            }
            _ => return nothing(),
        };
        let shown = match path {
            [role, environment, name, ..] => {
                let key = JobKey::new(role, environment, name);
                vec![update_of(view, &key), listed(head, rows)]
            }
            _ => vec![listed(head, rows)],
        };
        self.titled("scheduler", path, shown)
    }

    /// `/updates`: those that go on first, then the newest.
    pub(super) fn browse_updates(&self) -> Response {
        let durable = self.api.handle.durable();
        let mut updates: Vec<&Update> = durable.view.updates().collect();
        updates.sort_by_key(|update| (!update.is_active(), -update.modified()));
        let rows = updates.into_iter().map(|update| {
            vec![
                job_link(update.job()),
                text(&update.key().id),
                status_of(update),
                text(update.update.summary.user.as_deref().unwrap_or_default()),
                time(update.modified()),
            ]
        });
        let head = ["Job", "Update", "Status", "User", "Changed"];
        self.titled("updates", &[], vec![listed(&head, rows.collect())])
    }

    /// The page's title, the way back, what is shown, and how to see more.
    fn titled(&self, first: &'static str, path: &[&str], shown: Vec<Markup>) -> Response {
        let cluster = &self.api.config.cluster_name;
        let mut title = vec![cluster.as_str()];
        title.extend(path);
        let mut way: Vec<String> = vec![link(&["scheduler"], "", cluster).0];
        for (at, part) in path.iter().enumerate() {
            let mut address = vec![first];
            address.extend(&path[..=at]);
            way.push(link(&address, "", part).0);
        }
        way.push(link(&["updates"], "", "updates").0);
        let place = match path {
            [] => format!(
                "aurora://{cluster}/{}",
                if first == "updates" {
                    "updates"
                } else {
                    "jobs"
                }
            ),
            [role, environment, name, ..] => {
                format!("aurora://{cluster}/instances/{role}/{environment}/{name}")
            }
            [role, ..] => format!("aurora://{cluster}/jobs?role={role}"),
        };
        let mut parts = vec![Markup(format!("<p>{}</p>\n", way.join(" / ")))];
        parts.extend(shown);
        parts.push(Markup(format!(
            "<p class=\"off\">Live, with logs and changes: <code>aurora-tui --open {}</code></p>\n",
            text(&place).0
        )));
        html::page(&title.join("/"), None, &parts)
    }
}

fn nothing() -> Response {
    reply::text(StatusCode::NOT_FOUND, "There is nothing here.\n")
}

/// A table, cut at [`MOST_ROWS`] with a word about it.
fn listed(head: &[&str], mut rows: Rows) -> Markup {
    let all = rows.len();
    rows.truncate(MOST_ROWS);
    let told = match all {
        0 => "<p>There is nothing here.</p>\n".to_owned(),
        _ if all > rows.len() => format!("<p>The first {} of {all}.</p>\n", rows.len()),
        _ => String::new(),
    };
    Markup(table(head, &rows).0 + &told)
}

fn roles(view: &View) -> Rows {
    let mut roles: Vec<(&str, usize)> = view.roles().collect();
    roles.sort_unstable();
    let rows = roles.into_iter();
    rows.map(|(role, jobs)| vec![link(&["scheduler", role], "", role), count(jobs)])
        .collect()
}

const JOBS: &[&str] = &[
    "Job", "Kind", "State", "Active", "Running", "Pending", "Failed",
];

fn jobs(view: &View, role: &str, is_wanted: impl Fn(&JobKey) -> bool) -> Rows {
    let with_tasks = view.jobs_of_role(role).map(|job| &*job.key);
    let scheduled = view.crons_of_role(role).map(|cron| &cron.job.key);
    let mut keys: Vec<&JobKey> = with_tasks.chain(scheduled).collect();
    keys.retain(|key| is_wanted(key));
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter().map(|key| job_row(view, key)).collect()
}

fn job_row(view: &View, key: &JobKey) -> Vec<Markup> {
    let (job, cron) = (view.job(key), view.cron(key));
    let number = |status| job.map_or(0, |job| job.count(status)) as usize;
    let states = ScheduleStatus::ALL.iter();
    let brief = Brief::of(states.map(|status| (*status, job.map_or(0, |job| job.count(*status)))));
    let newest = job.and_then(|job| view.tasks_of_job(job).last());
    let is_service = newest.is_some_and(|task| task.config.task.is_service);
    vec![
        job_link(key),
        text(kind(cron.is_some(), is_service)),
        text(brief.word(cron.is_some()).0),
        count(job.map_or(0, Job::active_count)),
        count(number(ScheduleStatus::Running)),
        count(number(ScheduleStatus::Pending) + number(ScheduleStatus::Throttled)),
        count(number(ScheduleStatus::Failed) + number(ScheduleStatus::Lost)),
    ]
}

const TASKS: &[&str] = &["Instance", "Status", "Host", "Since", "Said", "Task"];

/// Active tasks by instance, then those that ended, newest first.
fn tasks(view: &View, job: &Job) -> Rows {
    let mut ended: Vec<&Task> = view.ended_tasks(job).collect();
    ended.reverse();
    let all = view.active_tasks(job).chain(ended);
    all.map(|task| {
        let instance = task.instance.to_string();
        let key = task.job();
        let address = [
            "scheduler",
            &key.role,
            &key.environment,
            &key.name,
            &instance,
        ];
        let id = task.id();
        let waits_for = view.pending_reason(&id);
        let said = task
            .events
            .last()
            .and_then(|event| event.message.as_deref());
        vec![
            link(&address, "", &instance),
            text(task.status.name()),
            text(task.host().unwrap_or_default()),
            time(task.last_event_time()),
            text(waits_for.as_deref().or(said).unwrap_or_default()),
            text(&id),
        ]
    })
    .collect()
}

const EVENTS: &[&str] = &["Time", "Status", "Said", "By"];

fn events(task: &Task) -> Rows {
    let events = task.events.iter().map(|event| {
        vec![
            time(event.time),
            text(event.status.name()),
            text(event.message.as_deref().unwrap_or_default()),
            text(&event.scheduler),
        ]
    });
    events.collect()
}

fn update_of(view: &View, key: &JobKey) -> Markup {
    let update = view
        .active_update(key)
        .or_else(|| view.updates_of_job(key).next_back());
    let Some(update) = update else {
        return Markup::default();
    };
    let id = text(&update.key().id).0;
    Markup(format!("<p>Update {id}: {}</p>\n", status_of(update).0))
}

fn status_of(update: &Update) -> Markup {
    text(update.status().map_or("", |status| status.name()))
}

fn job_link(key: &JobKey) -> Markup {
    let address = ["scheduler", &key.role, &key.environment, &key.name];
    link(&address, "", &key.to_string())
}

fn count(number: usize) -> Markup {
    text(&number.to_string())
}

/// To the second, in UTC.
fn time(at: Millis) -> Markup {
    let at = jiff::Timestamp::from_second(at / 1000).unwrap_or_default();
    text(&at.to_string())
}
