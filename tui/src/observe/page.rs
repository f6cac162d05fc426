//! A window of a large table, kept as the scheduler has it.

use std::time::Duration;

use aurora_api::feed::{PageOf, Seq};
use aurora_client::http::{HttpError, describe};
use aurora_client::scheduler::Scheduler;
use aurora_tui_model::event::{Event, Seen};
use aurora_tui_model::pages::{Anchor, LEAD, Page, Query, ROWS, Records, STRIDE};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::TROUBLE_PERIOD;
use crate::data::{Events, report};

/// At most this often is a window read anew.
const PERIOD: Duration = Duration::from_secs(1);
/// Of our time, at most one part in so many is spent with the scheduler's making of it.
const SHARE: u32 = 4;
/// For so many seconds a request waits for a change.
const WAIT: &str = "10";

/// Reads a window, and again when the table has changed, until nobody listens.
pub(super) async fn keep(scheduler: Scheduler, generation: u64, query: Query, events: Events) {
    let mut known: Option<Seq> = None;
    let mut made_in = Duration::ZERO;
    loop {
        let began = Instant::now();
        let read = match query.table.as_str() {
            "hosts" => page(&scheduler, &query, known, Records::Hosts).await,
            "roles" => page(&scheduler, &query, known, Records::Roles).await,
            table if table.starts_with("instances/") => {
                page(&scheduler, &query, known, Records::Tasks).await
            }
            _ => page(&scheduler, &query, known, Records::Jobs).await,
        };
        let (seen, pause) = match read {
            // How long it was waited for a change says nothing of how dear a page is.
            Ok(Some((seq, None))) => {
                known = Some(seq);
                (None, PERIOD.max(made_in * SHARE))
            }
            Ok(Some((seq, Some(page)))) => {
                if known.is_none() {
                    made_in = began.elapsed();
                }
                known = Some(seq);
                (Some(Seen::Page(page)), PERIOD.max(made_in * SHARE))
            }
            Ok(None) => {
                let why = "The scheduler gives no pages of this.".to_owned();
                (Some(Seen::Absent(why)), TROUBLE_PERIOD)
            }
            Err(error) => {
                known = None;
                (Some(Seen::Trouble(describe(&error))), TROUBLE_PERIOD)
            }
        };
        if let Some(seen) = seen
            && !report(&events, Event::Seen(generation, seen)).await
        {
            return;
        }
        tokio::time::sleep_until(began + pause).await;
    }
}

type Told = Option<(Seq, Option<Page>)>;

/// A page; nothing of it when it is the same as at the position that is known. `None` where there are no pages.
async fn page<T: DeserializeOwned>(
    scheduler: &Scheduler,
    query: &Query,
    known: Option<Seq>,
    records: fn(Vec<T>) -> Records,
) -> Result<Told, HttpError> {
    let limit = match &query.anchor {
        Anchor::After(_) => STRIDE,
        _ => ROWS,
    };
    let (limit, lead) = (limit.to_string(), LEAD.to_string());
    let mut parameters = vec![("columns", "record"), ("limit", &limit)];
    for (name, value) in [("filter", &query.filter), ("sort", &query.sort)] {
        if !value.is_empty() {
            parameters.push((name, value));
        }
    }
    match &query.anchor {
        Anchor::Start => {}
        Anchor::End => parameters.push(("from", "end")),
        Anchor::Cursor(cursor) => parameters.extend([("cursor", cursor.as_str()), ("lead", &lead)]),
        Anchor::After(cursor) => parameters.push(("cursor", cursor)),
        Anchor::Row(id) => parameters.extend([("around", id.as_str()), ("lead", &lead)]),
    }
    let unless = known.map(|seq| seq.to_string());
    if let Some(unless) = &unless {
        parameters.extend([("unless", unless.as_str()), ("wait", WAIT)]);
    }
    let path: Vec<&str> = ["ext", "v1"]
        .into_iter()
        .chain(query.table.split('/'))
        .collect();
    let Some(told) = scheduler.get::<PageOf<T>>(&path, &parameters).await? else {
        return Ok(None);
    };
    if told.unchanged {
        return Ok(Some((told.seq, None)));
    }
    let rows = told.rows.into_iter().map(|row| row.record);
    let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let page = Page {
        records: records(rows.collect()),
        total: number(told.total),
        shown: number(told.shown),
        offset: number(told.offset),
        prev: told.prev,
        next: told.next,
    };
    Ok(Some((told.seq, Some(page))))
}
