//! One host: what it is, the tasks on it, what it offers.

use aurora_api::feed::HostRecord;

use crate::state::State;
use crate::store::changed_ms;
use crate::table::{Age, Cell, Column, Row, Table};
use crate::theme::Scope;
use crate::told::{Answer, Offer, Question};

use super::cluster::mode_word;
use super::status_scope;

/// The tasks of a host that have not ended.
pub(super) fn tasks(state: &State, host: &str) -> Table {
    let columns = vec![
        Column::text("job", 0),
        Column::number("instance", 0),
        Column::text("status", 0),
        Column::number("for", 1),
        Column::number("failures", 2),
        Column::text("task", 3),
    ];
    let tasks = state.store.tasks.values();
    let rows = tasks
        .filter(|task| task.host.as_deref() == Some(host) && task.status.is_active())
        .map(|task| Row {
            id: task.task_id.clone(),
            problem: task.failure_count > 0,
            cells: vec![
                Cell::text(&task.job.to_string()),
                Cell::count(i64::from(task.instance)),
                Cell::text(task.status.name()).scope(status_scope(task.status)),
                Cell::age(Age::Since(changed_ms(task))),
                Cell::count(i64::from(task.failure_count)).dim_zero(),
                Cell::text(&task.task_id).scope(Scope::Dim),
            ],
            attributes: Vec::new(),
        })
        .collect();
    Table::new(columns, rows)
}

/// What is known of the host on the screen: labels and values.
pub(crate) fn fields(state: &State, host: &str) -> Vec<(&'static str, Cell)> {
    let mut out = match state.store.hosts.get(host) {
        Some(record) => of_record(record),
        None => vec![(
            "mode",
            Cell::text("the scheduler does not tell of this host").scope(Scope::Warn),
        )],
    };
    out.push(("offers", in_words(state, host)));
    out
}

fn of_record(record: &HostRecord) -> Vec<(&'static str, Cell)> {
    let (mode, scope) = mode_word(record.mode);
    let attributes = record.attributes.iter();
    let attributes: Vec<String> = attributes
        .map(|(name, values)| format!("{name}={}", values.join(",")))
        .collect();
    let attributes = match attributes.is_empty() {
        true => Cell::text("none").scope(Scope::Dim),
        false => Cell::text(&attributes.join(" ")),
    };
    vec![
        ("mode", Cell::text(mode).scope(scope)),
        ("tasks", Cell::count(i64::from(record.tasks))),
        ("attributes", attributes),
        ("agent", Cell::text(&record.agent_id).scope(Scope::Dim)),
    ]
}

/// All that a host offers, summed up.
fn in_words(state: &State, host: &str) -> Cell {
    let Some(offers) = offered(state, host) else {
        let why = state.view.trouble.as_deref();
        return Cell::text(why.unwrap_or("not told yet")).scope(Scope::Dim);
    };
    if offers.is_empty() {
        return Cell::text("nothing at this moment").scope(Scope::Dim);
    }
    let sum = |of: fn(&Offer) -> f64| offers.iter().map(of).sum::<f64>();
    let ports = offers.iter().map(|offer| offer.ports);
    Cell::text(&format!(
        "{} cpus, {} ram, {} disk, {} ports",
        super::cores(sum(|offer| offer.amounts.cpus)),
        super::bytes(sum(|offer| offer.amounts.ram)),
        super::bytes(sum(|offer| offer.amounts.disk)),
        ports.fold(0, u64::saturating_add),
    ))
}

fn offered<'a>(state: &'a State, host: &str) -> Option<&'a [Offer]> {
    match state
        .store
        .answers
        .get(&Question::OffersOf(host.to_owned()))
    {
        Some(Answer::Offers(offers)) => Some(offers),
        _ => None,
    }
}

/// What the host offers and no task uses yet.
pub(crate) fn offers(state: &State, host: &str) -> Table {
    table_of(offered(state, host).unwrap_or_default(), false)
}

/// Offers as rows, with the host or without it.
pub(super) fn table_of(offers: &[Offer], names_host: bool) -> Table {
    let mut columns = vec![
        Column::number("cpus", 0),
        Column::number("ram", 0),
        Column::number("disk", 1),
        Column::number("ports", 2),
        Column::text("kind", 3),
        Column::text("id", 4),
    ];
    if names_host {
        columns.insert(0, Column::text("host", 0));
    }
    let bytes = |bytes: f64| Cell::number(bytes, super::bytes(bytes));
    let row = |offer: &Offer| {
        let host = names_host.then(|| Cell::text(&offer.host));
        let amounts = [
            Cell::number(offer.amounts.cpus, super::cores(offer.amounts.cpus)),
            bytes(offer.amounts.ram),
            bytes(offer.amounts.disk),
            Cell::count(i64::try_from(offer.ports).unwrap_or(i64::MAX)),
            Cell::text(if offer.revocable { "revocable" } else { "" }),
            Cell::text(&offer.id).scope(Scope::Dim),
        ];
        Row {
            id: offer.id.clone(),
            problem: false,
            cells: host.into_iter().chain(amounts).collect(),
            attributes: Vec::new(),
        }
    };
    Table::new(columns, offers.iter().map(row).collect())
}
