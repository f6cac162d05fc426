//! What each view shows, as tables.

mod about;
mod backups;
mod cache;
mod cluster;
mod figures;
mod find;
mod fleet;
mod help;
pub(crate) mod host;
mod job;
mod quotas;
mod task;
mod timeline;
pub(crate) mod update;
mod upkeep;
mod why;

use crate::place::Place;
use crate::state::State;
use crate::table::{Cell, Sort, Table};

pub(crate) use cache::{Cache, is_timed, selected, table};
pub(crate) use cluster::{is_problem, status_scope};
pub(crate) use find::KINDS;
pub(crate) use quotas::{bytes, cores};
pub(crate) use task::{events, fields};
pub(crate) use why::LEADS_TO;

/// The rows of the view on the screen before its filter; `None` for views of text.
fn all(state: &State) -> Option<Table> {
    Some(match &state.view.place {
        Place::Jobs => cluster::jobs(state),
        Place::Instances(job) => cluster::instances(state, job),
        Place::Hosts => cluster::hosts(state),
        Place::Offers => fleet::offers(state),
        Place::Host(host) => host::tasks(state, host),
        Place::Quotas => quotas::quotas(state),
        Place::Roles => fleet::roles(state),
        Place::Crons => fleet::crons(state),
        Place::Updates => fleet::updates(state),
        Place::Update(job, _) => update::instances(state, job),
        Place::Maintenance => upkeep::maintenance(state),
        Place::Audit => fleet::audit(state),
        Place::Task(_) => task::processes(state),
        Place::Why(_) => why::why(state),
        Place::Timeline(job, instance) => timeline::timeline(state, job, *instance),
        Place::Sandbox(..) => task::directory(state),
        Place::Journal => cluster::journal(state),
        Place::Metrics => figures::metrics(state),
        Place::Sla => figures::sla(state),
        Place::Events => about::events(state),
        Place::Backups => backups::backups(state),
        Place::Storage => backups::storage(state),
        Place::Settings => about::settings(state),
        Place::Clusters => about::clusters(state),
        Place::Find => find::find(state),
        Place::Related(kind, name) => find::related(state, kind, name),
        Place::Bookmarks => find::bookmarks(state),
        Place::Help(view) => help::help(state, view),
        Place::Config(..)
        | Place::Diff(..)
        | Place::File(..)
        | Place::Logs(..)
        | Place::Tails(..) => return None,
    })
}

/// Labels and values above the table of the view on the screen.
pub(crate) fn above(state: &State) -> Vec<(&'static str, Cell)> {
    match &state.view.place {
        Place::Instances(job) => job::fields(state, job),
        Place::Backups => backups::staged(state),
        _ => Vec::new(),
    }
}

/// The order of a view when nobody chose one.
pub(crate) fn default_sort(place: &Place) -> Option<&'static str> {
    match place {
        Place::Jobs => Some("job"),
        Place::Instances(_) => Some("instance"),
        Place::Hosts | Place::Offers => Some("host"),
        Place::Quotas | Place::Roles => Some("role"),
        Place::Crons | Place::Host(_) => Some("job"),
        Place::Maintenance => Some("host"),
        Place::Updates => Some("changed"),
        Place::Journal | Place::Audit | Place::Timeline(..) => Some("-time"),
        Place::Bookmarks | Place::Metrics | Place::Storage => Some("name"),
        // Their names are times.
        Place::Backups => Some("-backup"),
        Place::Sla => Some("object"),
        Place::Clusters => Some("cluster"),
        Place::Update(..)
        | Place::Events
        | Place::Settings
        | Place::Task(_)
        | Place::Why(_)
        | Place::Config(..)
        | Place::Diff(..)
        | Place::Sandbox(..)
        | Place::Find
        | Place::Related(..)
        | Place::Help(_)
        | Place::File(..)
        | Place::Logs(..)
        | Place::Tails(..) => None,
    }
}

/// The order in force.
pub(crate) fn sort(state: &State, table: &Table) -> Option<Sort> {
    state.view.sort.clone().or_else(|| {
        default_sort(&state.view.place).and_then(|text| Sort::parse(text, &table.columns).ok())
    })
}
