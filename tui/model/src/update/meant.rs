//! What a change is meant for: words after a command, else what is marked, selected or on the screen.

use aurora_api::instances;
use aurora_api::job_key::JobPath;
use aurora_api::model::ScheduleStatus;

use crate::actions::{Action, Kind, Wish};
use crate::command::{Target, target};
use crate::form::{Field, Form, Takes};
use crate::jobfile::{FileJob, Purpose};
use crate::place::{Place, TaskRef};
use crate::plan::quota;
use crate::rounds::Rounds;
use crate::state::State;
use crate::views;

use super::find::{find_task, selected_job};

/// A wish, or a form for what is missing in it.
pub(super) enum Aim {
    Wish(Wish),
    Form(Box<Form>),
}

impl Aim {
    /// What it is about, in few words.
    pub(super) fn describe(&self) -> String {
        match self {
            Aim::Wish(wish) => described(wish),
            // The command stands before it.
            Aim::Form(form) => {
                let title = form.title.strip_prefix(&form.line);
                title.unwrap_or(&form.title).trim().to_owned()
            }
        }
    }
}

fn described(wish: &Wish) -> String {
    match wish {
        Wish::Instances(job, Some(some)) => {
            format!("{job}/{}", instances::text(some.iter().copied()))
        }
        Wish::Instances(job, None)
        | Wish::Cron(job)
        | Wish::Update(job)
        | Wish::Prune(job)
        | Wish::File(FileJob { job, .. })
        | Wish::Force(job, ..) => job.to_string(),
        Wish::Hosts(hosts) => hosts.join(", "),
        Wish::Rounds(rounds) => rounds.hosts().join(", "),
        Wish::Quota(role, _) => role.clone(),
        Wish::Backup(name) => name.clone().unwrap_or_default(),
        Wish::Reconcile => String::new(),
    }
}

/// What kinds of objects the view on the screen is about.
pub(super) fn kinds_here(state: &State) -> Vec<Kind> {
    match &state.view.place {
        Place::Hosts | Place::Host(_) | Place::Maintenance => vec![Kind::Hosts, Kind::Rounds],
        Place::Quotas | Place::Roles => vec![Kind::Role],
        Place::Metrics => vec![Kind::Cluster],
        Place::Backups => vec![Kind::Backup],
        Place::Updates => vec![Kind::Update, Kind::File],
        Place::Update(..) => vec![Kind::Update, Kind::Instances, Kind::File],
        Place::Crons => vec![Kind::Cron, Kind::CronFile, Kind::Instances],
        Place::Jobs
        | Place::Instances(_)
        | Place::Task(_)
        | Place::Why(_)
        | Place::Sandbox(..)
        | Place::File(..)
        | Place::Tails(..)
        | Place::Logs(..) => {
            let mut kinds = vec![Kind::Instances];
            if !matches!(state.view.place, Place::Jobs) {
                kinds.extend([Kind::Task, Kind::Ended]);
            }
            let record = selected_job(state)
                .ok()
                .and_then(|job| state.store.jobs.get(&job));
            match record.is_some_and(|record| record.cron_schedule.is_some()) {
                true => kinds.extend([Kind::Cron, Kind::CronFile]),
                false => kinds.push(Kind::File),
            }
            if record.is_some_and(|record| record.update.is_some()) {
                kinds.push(Kind::Update);
            }
            kinds
        }
        _ => Vec::new(),
    }
}

/// What is marked, else selected.
fn chosen(state: &State) -> Vec<String> {
    if !state.view.marks.is_empty() {
        return state.view.marks.iter().cloned().collect();
    }
    let table = views::table(state);
    let selected = table.and_then(|table| {
        let at = views::selected(state, &table)?;
        Some(table.rows[at].id.clone())
    });
    selected.into_iter().collect()
}

/// What is marked, else selected, else on the screen.
pub(super) fn aim_here(state: &State, action: Action) -> Result<Aim, String> {
    let wish = match action.kind() {
        Kind::Instances => instances_here(state)?,
        Kind::Cron => Wish::Cron(selected_job(state)?),
        Kind::Update => Wish::Update(selected_job(state)?),
        Kind::Ended => Wish::Prune(selected_job(state)?),
        Kind::Cluster => Wish::Reconcile,
        Kind::Backup => Wish::Backup(match (action, &state.view.place) {
            (Action::BackupStage, Place::Backups) => chosen(state).into_iter().next(),
            _ => None,
        }),
        Kind::Hosts => Wish::Hosts(hosts_here(state)?),
        Kind::Rounds => Wish::Rounds(rounds(state, &[])?),
        Kind::Role => {
            let role = match (&state.view.place, chosen(state).as_slice()) {
                (Place::Quotas | Place::Roles, [role]) => role.clone(),
                _ => return Err("which role? write its name".to_owned()),
            };
            return Ok(Aim::Form(Box::new(quota_form(state, &role))));
        }
        Kind::Task => {
            let task = find_task(state, None)?;
            return Ok(Aim::Form(Box::new(state_form(&task))));
        }
        Kind::File | Kind::CronFile => {
            let job = selected_job(state).ok();
            return Ok(Aim::Form(Box::new(file_form(action, job))));
        }
    };
    Ok(Aim::Wish(wish))
}

fn hosts_here(state: &State) -> Result<Vec<String>, String> {
    match &state.view.place {
        Place::Host(host) => Ok(vec![host.clone()]),
        Place::Hosts | Place::Maintenance => Ok(chosen(state)),
        _ => Err("which hosts? name them, or mark them in the hosts' view".to_owned()),
    }
}

/// Rounds from words: hosts, `@ATTRIBUTE=VALUE` for those that have it, and how to go about it.
fn rounds(state: &State, words: &[String]) -> Result<Rounds, String> {
    let mut hosts = Vec::new();
    let (mut by, mut size) = (None, None);
    let mut out = Rounds {
        activate: true,
        ..Rounds::default()
    };
    for word in words {
        if let Some(pair) = word.strip_prefix('@') {
            let (name, value) = pair
                .split_once('=')
                .ok_or_else(|| format!("`{word}` is not @ATTRIBUTE=VALUE"))?;
            if state.store.is_paged("hosts") {
                return Err(format!(
                    "there are more hosts than are held here; filter them by `{word}` and mark them"
                ));
            }
            let known = state.store.hosts.values();
            let matching = known.filter(|host| {
                let values = host.attributes.get(name);
                values.is_some_and(|values| values.iter().any(|known| known == value))
            });
            hosts.extend(matching.map(|host| host.host.clone()));
        } else if let Some(name) = word.strip_prefix("by=") {
            by = Some(name);
        } else if let Some(count) = word.strip_prefix("size=") {
            let fault = || format!("`{count}` is not a number of hosts");
            let count: usize = count.parse().map_err(|_| fault())?;
            size = Some(Some(count).filter(|count| *count > 0).ok_or_else(fault)?);
        } else if let Some(command) = word.strip_prefix("then=") {
            out.then = Some(command.trim_matches('"').to_owned());
        } else if word == "stay" {
            out.activate = false;
        } else {
            hosts.push(word.clone());
        }
    }
    if hosts.is_empty() {
        hosts = hosts_here(state)?;
    }
    // With an attribute alone each of its values makes one group.
    let whole = if by.is_some() { usize::MAX } else { 1 };
    out.groups = Rounds::group(&state.store, &hosts, by, size.unwrap_or(whole));
    Ok(out)
}

/// The form of a role's quota: as it is now, with what is used.
fn quota_form(state: &State, role: &str) -> Form {
    let now = quota::current(&state.store, role).unwrap_or_default();
    let used = state.store.answers.quotas();
    let used = used.map(|known| known.get(role).copied().unwrap_or_default().counted);
    let size = |bytes: f64| format!("{}MiB", (bytes / 1024.0 / 1024.0) as i64);
    let field = Field::new;
    Form {
        title: format!("quota of {role}"),
        line: format!("{} {role}", Action::QuotaSet.name()),
        fields: vec![
            field(
                "cpus",
                Takes::Cores(used.map(|used| used.cpus)),
                &now.cpus.to_string(),
            ),
            field(
                "ram",
                Takes::Bytes(used.map(|used| used.ram)),
                &size(now.ram),
            ),
            field(
                "disk",
                Takes::Bytes(used.map(|used| used.disk)),
                &size(now.disk),
            ),
        ],
        focus: 0,
        error: None,
    }
}

/// The form of a task's state.
fn state_form(task: &TaskRef) -> Form {
    let names = ScheduleStatus::ALL.iter().map(|status| status.name());
    let takes = Takes::OneOf(names.collect());
    Form {
        title: format!("state of {}", task.task),
        line: format!("{} {}", Action::TaskForce.name(), task.task),
        fields: vec![Field::new("state", takes, ScheduleStatus::Lost.name())],
        focus: 0,
        error: None,
    }
}

/// The form of a change that a job file says.
fn file_form(action: Action, job: Option<JobPath>) -> Form {
    let job = job.map_or_else(String::new, |job| job.to_string());
    Form {
        title: format!("{} from a job file", action.name()),
        line: action.name().to_owned(),
        fields: vec![
            Field::new("file", Takes::Path, ""),
            Field::new("job", Takes::Job, &job),
        ],
        focus: 0,
        error: None,
    }
}

fn instances_here(state: &State) -> Result<Wish, String> {
    if let Some(place) = state.view.place.task() {
        let task = state
            .store
            .tasks
            .get(&place.task)
            .ok_or_else(|| "this task is gone".to_owned())?;
        let current = state.store.current(&place.job, task.instance);
        if current.is_none_or(|current| current.task_id != place.task) {
            return Err(format!(
                "this task has ended; instance {} is another task now",
                task.instance
            ));
        }
        return Ok(Wish::Instances(
            place.job.clone(),
            Some(vec![task.instance]),
        ));
    }
    let chosen = chosen(state);
    match (&state.view.place, chosen.as_slice()) {
        (_, []) => Err("nothing is selected".to_owned()),
        (Place::Jobs | Place::Crons, [job]) => Ok(Wish::Instances(
            job.parse().map_err(|fault| format!("{fault}"))?,
            None,
        )),
        (Place::Jobs | Place::Crons, _) => {
            Err("several jobs are marked; jobs are changed one at a time".to_owned())
        }
        (Place::Instances(job) | Place::Update(job, _), instances) => {
            let instances: Vec<i32> = instances.iter().filter_map(|id| id.parse().ok()).collect();
            Ok(Wish::Instances(job.clone(), Some(instances)))
        }
        _ => {
            Err("there is nothing here to change; go to a job, its instances or a task".to_owned())
        }
    }
}

/// What the words after a command name.
pub(super) fn aim_named(state: &State, action: Action, words: &[String]) -> Result<Aim, String> {
    let kind = action.kind();
    let wish = match (kind, words) {
        (_, []) => return aim_here(state, action),
        (Kind::File | Kind::CronFile, [path, rest @ ..]) => {
            Wish::File(file_job(state, action, path, rest.first())?)
        }
        (Kind::Hosts, hosts) => Wish::Hosts(hosts.to_vec()),
        (Kind::Backup, [name, ..]) => Wish::Backup(Some(name.clone())),
        (Kind::Rounds, words) => Wish::Rounds(rounds(state, words)?),
        (Kind::Role, [role]) => return Ok(Aim::Form(Box::new(quota_form(state, role)))),
        (Kind::Role, [role, amounts @ ..]) => Wish::Quota(role.clone(), quota::parse(amounts)?),
        (Kind::Task, [task, rest @ ..]) => {
            let task = find_task(state, Some(task))?;
            match rest.first() {
                None => return Ok(Aim::Form(Box::new(state_form(&task)))),
                Some(name) => Wish::Force(task.job, task.task, status(name)?),
            }
        }
        (_, [word, ..]) => of_job(state, kind, word)?,
    };
    Ok(Aim::Wish(wish))
}

/// A job of a file: the one that is named, else the selected one.
fn file_job(
    state: &State,
    action: Action,
    path: &str,
    word: Option<&String>,
) -> Result<FileJob, String> {
    let purpose = match action {
        Action::JobCreate => Purpose::Create,
        Action::CronSchedule => Purpose::Schedule,
        _ => Purpose::Update,
    };
    let (job, only) = match word {
        None => (selected_job(state)?, None),
        Some(word) => match target(word, &state.setup.cluster)? {
            Target::Job(job, only) => (job, only),
            Target::Task(_) => return Err(not_a_job(word)),
        },
    };
    if only.is_some() && purpose != Purpose::Update {
        return Err(format!("`{}` is for the whole job", action.name()));
    }
    Ok(FileJob {
        path: path.to_owned(),
        job,
        only,
        purpose,
    })
}

fn not_a_job(word: &str) -> String {
    format!("`{word}` is not a job; write ROLE/ENVIRONMENT/NAME")
}

fn status(name: &str) -> Result<ScheduleStatus, String> {
    let mut known = ScheduleStatus::ALL.iter().copied();
    known
        .find(|status| status.name().eq_ignore_ascii_case(name))
        .ok_or_else(|| format!("`{name}` is not a task's state, such as LOST or KILLED"))
}

fn of_job(state: &State, kind: Kind, word: &str) -> Result<Wish, String> {
    match (target(word, &state.setup.cluster)?, kind) {
        (Target::Job(job, instances), Kind::Instances) => Ok(Wish::Instances(
            job,
            instances.map(|set| set.into_iter().collect()),
        )),
        (Target::Job(job, None), Kind::Cron) => Ok(Wish::Cron(job)),
        (Target::Job(job, None), Kind::Ended) => Ok(Wish::Prune(job)),
        (Target::Job(job, None), _) => Ok(Wish::Update(job)),
        (Target::Task(id), Kind::Instances) => {
            let task = state.store.tasks.get(&id).ok_or_else(|| {
                format!("the task `{id}` is not known here; write ROLE/ENVIRONMENT/NAME/INSTANCE")
            })?;
            Ok(Wish::Instances(task.job.clone(), Some(vec![task.instance])))
        }
        _ => Err(not_a_job(word)),
    }
}
