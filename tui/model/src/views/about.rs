//! What the workbench saw, how it is set up, and the clusters that it knows.

use crate::desk::{Link, Peer};
use crate::place::Place;
use crate::state::State;
use crate::table::{Age, Cell, Column, Row, Table};
use crate::text;
use crate::theme::Scope;

use super::why::leads_to;

/// What changed on the cluster since the workbench looks at it, newest first.
pub(super) fn events(state: &State) -> Table {
    let columns = vec![
        Column::whole("time", 0),
        Column::number("ago", 1),
        Column::text("kind", 0),
        Column::text("object", 0),
        Column::text("what", 0),
    ];
    let news = state.store.news.iter().rev();
    let rows = news.map(|news| Row {
        id: news.number.to_string(),
        problem: news.problem,
        cells: vec![
            Cell::text(&text::utc_time(news.time_ms)).scope(Scope::Dim),
            Cell::age(Age::Since(news.time_ms)),
            Cell::text(news.kind),
            Cell::text(&news.object),
            Cell::text(&news.what).scope(match news.problem {
                true => Scope::Warn,
                false => Scope::None,
            }),
        ],
        attributes: leads_to(match news.kind {
            "job" => news.object.parse().ok().map(Place::Instances),
            "host" => Some(Place::Host(news.object.clone())),
            _ => None,
        }),
    });
    Table::new(columns, rows.collect())
}

fn pairs<'a>(names: [&'static str; 2], pairs: impl Iterator<Item = (&'a str, String)>) -> Table {
    let columns = names.map(|name| Column::text(name, 0)).to_vec();
    let rows = pairs.map(|(name, value)| Row {
        id: name.to_owned(),
        problem: false,
        cells: vec![Cell::text(name).scope(Scope::Label), Cell::text(&value)],
        attributes: Vec::new(),
    });
    Table::new(columns, rows.collect())
}

/// How the workbench is set up, and where that is said.
pub(super) fn settings(state: &State) -> Table {
    let setup = &state.setup;
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    let feed = match state.store.version {
        None => "not heard yet".to_owned(),
        Some(0) => "none; the scheduler is polled".to_owned(),
        Some(version) => format!("version {version}"),
    };
    let own = [
        ("cluster", setup.cluster.clone()),
        ("user", setup.user.clone()),
        ("read-only", yes(setup.read_only)),
        ("local cluster", yes(setup.local)),
        ("event feed", feed),
    ];
    let faults = setup.warnings.iter();
    let faults = faults.map(|warning| ("fault", warning.to_string()));
    let facts = setup.facts.iter();
    let facts = facts.map(|(name, value)| (name.as_str(), value.clone()));
    let rules = setup.rules.describe();
    let rules = rules.into_iter().map(|rule| ("rule", rule));
    let all = own.into_iter().chain(facts).chain(rules).chain(faults);
    let mut table = pairs(["setting", "value"], all);
    // Several may have one name.
    for (at, row) in table.rows.iter_mut().enumerate() {
        std::sync::Arc::make_mut(row).id = at.to_string();
    }
    table
}

/// The clusters that are configured or open, and how those are that are open.
pub(super) fn clusters(state: &State) -> Table {
    let columns = vec![
        Column::text("cluster", 0),
        Column::text("link", 0),
        Column::number("since", 2),
        Column::number("jobs", 1),
        Column::number("problems", 0),
        Column::number("active", 1),
        Column::number("updates", 2),
        Column::number("hosts", 2),
        Column::number("maintenance", 3),
        Column::text("scheduler", 4),
    ];
    let configured = state.setup.clusters.iter();
    let mut known: Vec<(&str, &str)> = configured
        .map(|(name, place)| (name.as_str(), place.as_str()))
        .collect();
    for peer in &state.peers {
        if !known.iter().any(|(name, _)| *name == peer.name) {
            known.push((&peer.name, ""));
        }
    }
    let rows = known.into_iter().map(|(name, place)| {
        let peer = state.peers.iter().find(|peer| peer.name == name);
        let here = match name == state.setup.cluster {
            true => "  (this one)",
            false => "",
        };
        let mut cells = vec![Cell::text(name).scope(Scope::Label)];
        cells.extend(of_peer(state, peer));
        cells.push(Cell::text(&format!("{place}{here}")));
        Row {
            id: name.to_owned(),
            problem: peer.is_some_and(|peer| peer.link != Link::Live),
            cells,
            attributes: Vec::new(),
        }
    });
    Table::new(columns, rows.collect())
}

fn of_peer(state: &State, peer: Option<&Peer>) -> Vec<Cell> {
    let (word, scope) = peer.map_or(("not open", Scope::Dim), |peer| peer.link.word());
    let since = peer.and_then(|peer| peer.since_ms);
    // Ages are told by the server's clock.
    let since = since.map(|since| Age::Since(since + state.store.clock_offset_ms));
    let mut out = vec![
        Cell::text(word).scope(scope),
        since.map_or_else(|| Cell::text(""), Cell::age),
    ];
    let counts = peer.and_then(|peer| peer.counts);
    let numbers = counts.map(|counts| {
        [
            Some(counts.jobs as u64),
            counts.problems.map(|count| count as u64),
            counts.active,
            Some(counts.updates as u64),
            Some(counts.hosts as u64),
            counts.maintenance.map(|count| count as u64),
        ]
    });
    out.extend(
        (0..6).map(|at| match numbers.and_then(|numbers| numbers[at]) {
            Some(number) => Cell::number(number as f64, number.to_string()),
            None => Cell::text(""),
        }),
    );
    out
}
