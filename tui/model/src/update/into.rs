//! Into an object: what `enter` leads to, links, a shell.

use crate::actions::Action;
use crate::event::{Effect, FileKind, ShellTarget};
use crate::place::{Link, Place, TaskRef};
use crate::state::{Detail, State};
use crate::views;

use super::find::{find_task, find_update, link_of_entry, selected_id, selected_job};
use super::run::{cluster, sort};
use super::{change, go, panes, past, set_filter};

pub(super) fn open(state: &mut State, text: &str) -> Result<Vec<Effect>, String> {
    let link: Link = text.parse().map_err(|fault| format!("{fault}"))?;
    if link.cluster != state.setup.cluster {
        return Ok(vec![Effect::Cluster {
            name: link.cluster.clone(),
            then: Some(format!("open {link}")),
        }]);
    }
    match link.layout.is_empty() {
        true => {
            go(state, link.place.clone());
            dress(state, &link)?;
        }
        false => panes::restore(state, &link)?,
    }
    past::open(state, link.at_ms)?;
    Ok(Vec::new())
}

/// Gives the view on the screen the filter and order of a link.
pub(super) fn dress(state: &mut State, link: &Link) -> Result<(), String> {
    set_filter(state, &link.filter)?;
    if !link.sort.is_empty() {
        sort(state, &link.sort)?;
    }
    Ok(())
}

pub(super) fn shell(state: &State, word: Option<&str>) -> Result<Vec<Effect>, String> {
    if state.setup.read_only {
        return Err("no shell: this workbench is read-only (--read-only)".to_owned());
    }
    let task = find_task(state, word)?;
    let record = state
        .store
        .tasks
        .get(&task.task)
        .ok_or("this task is gone")?;
    if record.host.is_none() {
        return Err("the task has no host yet".to_owned());
    }
    Ok(vec![Effect::Shell(ShellTarget {
        job: task.job,
        instance: record.instance,
        task: task.task,
    })])
}

pub(super) fn enter(state: &mut State) -> Result<Vec<Effect>, String> {
    match state.view.place {
        Place::Roles => {
            let filter = format!("@role={}", selected_id(state)?);
            go(state, Place::Jobs);
            set_filter(state, &filter)?;
        }
        Place::Quotas => change::ask(state, Action::QuotaSet, &[], "")?,
        Place::Clusters => return Ok(vec![cluster(&selected_id(state)?)]),
        Place::Why(_) | Place::Events | Place::Audit => return open(state, &leads_to(state)?),
        Place::Journal => return open(state, &link_of_entry(state)?.to_string()),
        // The rows of these are links.
        Place::Find | Place::Related(..) | Place::Bookmarks => {
            let link = selected_id(state)?;
            return open(state, &link);
        }
        _ => {
            let place = inside(state)?;
            go(state, place);
        }
    }
    Ok(Vec::new())
}

/// The link of the selected row, where it has one.
fn leads_to(state: &State) -> Result<String, String> {
    let table = views::table(state).ok_or("there are no rows here")?;
    let at = views::selected(state, &table).ok_or("there is nothing here to select")?;
    let mut attributes = table.rows[at].attributes.iter();
    let path = attributes.find(|(name, _)| name == views::LEADS_TO);
    let (_, path) = path.ok_or("this leads nowhere further")?;
    Ok(Link::at(&state.setup.cluster, path))
}

/// Where the selected row leads.
pub(super) fn inside(state: &State) -> Result<Place, String> {
    Ok(match state.view.place.clone() {
        Place::Updates => find_update(state, None, None)?,
        Place::Jobs | Place::Journal | Place::Crons => Place::Instances(selected_job(state)?),
        Place::Hosts | Place::Maintenance => Place::Host(selected_id(state)?),
        Place::Offers => {
            let table = views::table(state).ok_or("there are no rows here")?;
            let at = views::selected(state, &table).ok_or("there is nothing here to select")?;
            Place::Host(table.rows[at].cells[0].text.clone())
        }
        Place::Host(_) => {
            let id = selected_id(state)?;
            let task = state.store.tasks.get(&id).ok_or("this task is gone")?;
            Place::Task(TaskRef {
                job: task.job.clone(),
                task: id,
            })
        }
        Place::Instances(_) | Place::Update(..) | Place::Timeline(..) => {
            Place::Task(find_task(state, None)?)
        }
        Place::Task(task) => match selected_id(state) {
            Ok(process) => Place::Logs(task, Some(process)),
            Err(_) => return Err("no process is known yet".to_owned()),
        },
        Place::Sandbox(task, path) => {
            let name = selected_id(state)?;
            let inner = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}/{name}")
            };
            let Detail::Directory(Some(entries)) = &state.view.detail else {
                return Err("the directory is not read yet".to_owned());
            };
            match entries
                .iter()
                .find(|entry| entry.name == name)
                .map(|entry| entry.kind)
            {
                Some(FileKind::Directory) => Place::Sandbox(task, inner),
                Some(FileKind::File | FileKind::Link) => Place::File(task, inner),
                Some(FileKind::Other) | None => {
                    return Err(format!("`{name}` is not a file or directory"));
                }
            }
        }
        Place::Roles
        | Place::Clusters
        | Place::Metrics
        | Place::Sla
        | Place::Events
        | Place::Backups
        | Place::Storage
        | Place::Settings
        | Place::Quotas
        | Place::Find
        | Place::Related(..)
        | Place::Bookmarks
        | Place::Audit
        | Place::Why(_)
        | Place::Help(_)
        | Place::Config(..)
        | Place::Diff(..)
        | Place::File(..)
        | Place::Logs(..)
        | Place::Tails(..) => {
            return Err("there is nothing further inside".to_owned());
        }
    })
}
