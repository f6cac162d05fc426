//! Panes of text: lines of files and outputs.

use super::{TextView, body_rows, line_matches};
use crate::event::Stream;
use crate::filter::Filter;
use crate::logs::fields::Record;
use crate::logs::pane::{Labels, Logs, Pane, Shape};
use crate::logs::strip::Strip;
use crate::logs::{Line, MAX_CHARACTERS, MAX_LINES, Sgr, Span};
use crate::state::State;
use crate::text;

/// How a pane's lines are made for eyes.
struct Style<'a> {
    shape: &'a Shape,
    /// Sources and their labels, of merged lines.
    sources: &'a [(String, String)],
}

/// The panes of outputs.
pub(super) fn logs(state: &State, logs: &Logs, missing: &str) -> Vec<TextView> {
    let sources: Vec<(String, String)> = match logs.merged {
        Some(_) => logs.names().into_iter().zip(labels(logs)).collect(),
        None => Vec::new(),
    };
    let style = Style {
        shape: &logs.shape,
        sources: &sources,
    };
    let layout = logs.layout(body_rows(state));
    let hidden = logs.panes() - layout.len().min(logs.panes());
    let mut out = Vec::new();
    for (at, rows) in layout {
        let (pane, mut title) = match (&logs.merged, logs.tails.get(at)) {
            (Some(merged), _) => (&**merged, format!("{} outputs by time", logs.tails.len())),
            (None, Some(tail)) => {
                let run = tail
                    .run
                    .map_or_else(String::new, |run| format!(" run {run}"));
                (&tail.pane, format!("{}{run}", tail.name()))
            }
            (None, None) => continue,
        };
        if logs.left_out > 0 && (logs.merged.is_some() || at == logs.focus) {
            title.push_str(&format!(", {} more instances not read", logs.left_out));
        }
        if hidden > 0 && at == logs.focus && !logs.zoomed {
            title.push_str(&format!(", {hidden} more panes"));
        }
        let strip = logs
            .strip
            .then(|| Strip::of(&pane.buffer, usize::from(state.size.0)))
            .flatten();
        let focused = logs.merged.is_some() || logs.focus == at;
        let missing = missing.to_owned();
        let mut view = pane_view(
            pane,
            &state.view.filter.filter,
            &style,
            rows,
            logs.strip,
            missing,
        );
        if let Some(strip) = &strip {
            view.remarks.push_str(&format!(", {}", strip.legend()));
        }
        if state.layout.together {
            view.remarks.push_str(", scrolls with the others");
        }
        if let Some((_, trouble)) = trouble(logs) {
            view.remarks.push_str(&format!(", {trouble}"));
        }
        out.push(TextView {
            title,
            focused,
            strip,
            ..view
        });
    }
    if out.is_empty() {
        out.push(TextView {
            title: "no output".to_owned(),
            focused: true,
            rows: body_rows(state),
            empty: missing.to_owned(),
            ..TextView::default()
        });
    }
    out
}

/// Trouble with one of several merged outputs; the others go on.
fn trouble(logs: &Logs) -> Option<(usize, String)> {
    logs.merged.as_ref()?;
    let mut troubled = logs.tails.iter().enumerate().filter_map(|(at, tail)| {
        let trouble = tail.pane.trouble.as_ref()?;
        Some((at, format!("{}: {trouble}", tail.name())))
    });
    troubled.next()
}

/// What stands before a merged line of each source.
fn labels(logs: &Logs) -> Vec<String> {
    let of = |tail: &crate::logs::pane::Tail| match (logs.labels, tail.instance) {
        (Labels::None, _) => String::new(),
        (Labels::Full, _) => tail.name(),
        (Labels::Short, instance) => {
            let sign = if tail.stream == Stream::Stderr {
                "!"
            } else {
                " "
            };
            format!(
                "{}{sign}",
                instance.map_or_else(String::new, |instance| instance.to_string())
            )
        }
    };
    let labels: Vec<String> = logs.tails.iter().map(of).collect();
    let widest = labels.iter().map(String::len).max().unwrap_or(0);
    let labels = labels.into_iter();
    labels
        .map(|label| match widest {
            0 => label,
            _ => format!("{label:>widest$} "),
        })
        .collect()
}

/// The pane of a file.
pub(super) fn file(state: &State, pane: &Pane, missing: String) -> TextView {
    let style = Style {
        shape: &Shape::Raw,
        sources: &[],
    };
    let rows = body_rows(state);
    TextView {
        title: "file".to_owned(),
        focused: true,
        ..pane_view(
            pane,
            &state.view.filter.filter,
            &style,
            rows,
            false,
            missing,
        )
    }
}

/// The pane of a text that was asked for as a whole. What is known of it is of now.
pub(super) fn sheet(state: &State, pane: &Pane, missing: String) -> TextView {
    let title = state.view.place.view().to_owned();
    if state.looking.is_some() {
        return TextView {
            title,
            focused: true,
            rows: body_rows(state),
            empty: "Configurations are asked for and not recorded; `moment now` shows this one."
                .to_owned(),
            ..TextView::default()
        };
    }
    let view = file(state, pane, missing);
    let mut remarks = vec![match pane.buffer.len() {
        1 => "1 line".to_owned(),
        count => format!("{count} lines"),
    }];
    let filter = &state.view.filter.filter;
    if !filter.is_empty() {
        let lines = (0..pane.buffer.len()).filter(|at| line_matches(pane, *at, filter, &[]));
        let how = if pane.search { "match" } else { "shown" };
        remarks.push(format!("{} {how}", lines.count()));
    }
    if pane.left > 0 {
        remarks.push(format!("from column {}", pane.left + 1));
    }
    remarks.extend(pane.trouble.clone());
    TextView {
        title,
        remarks: remarks.join(", "),
        ..view
    }
}

fn pane_view(
    pane: &Pane,
    filter: &Filter,
    style: &Style<'_>,
    rows: usize,
    strip: bool,
    missing: String,
) -> TextView {
    let names: Vec<String> = style.sources.iter().map(|(name, _)| name.clone()).collect();
    let room = rows.saturating_sub(1 + usize::from(strip));
    // From the end backwards, so that a long buffer costs no more than a short one unless a filter hides most of it.
    let mut places: Vec<usize> = pane.shown().skip(pane.up).take(room).collect();
    places.reverse();
    let lines = places.into_iter().filter_map(|at| {
        let found = pane.search && !filter.is_empty() && line_matches(pane, at, filter, &names);
        pane.buffer
            .line(at)
            .map(|line| (dressed(line, style), found))
    });
    TextView {
        lines: lines.collect(),
        remarks: remarks(pane, filter),
        left: pane.left,
        rows,
        empty: match pane.buffer.is_empty() {
            true => pane.trouble.clone().unwrap_or(missing),
            false => "No line matches.".to_owned(),
        },
        ..TextView::default()
    }
}

/// A line with its source's label, its fields in order.
fn dressed(line: &Line, style: &Style<'_>) -> Line {
    let mut line = line.clone();
    if line.notice {
        return line;
    }
    if let Shape::Fields(chosen) = style.shape
        && let Some(record) = Record::parse(&line.text())
    {
        let time = match line.stamped {
            true => format!("{} ", text::utc_time(line.time_ms)),
            false => String::new(),
        };
        line.spans = vec![Span {
            text: format!("{time}{}", record.show(chosen)),
            sgr: Sgr::default(),
        }];
    }
    if let Some((_, label)) = style.sources.get(usize::from(line.source))
        && !label.is_empty()
    {
        // Red is for errors.
        const COLORS: [u8; 5] = [6, 2, 4, 5, 3];
        let color = COLORS[usize::from(line.source / 2) % COLORS.len()];
        line.spans.insert(
            0,
            Span {
                text: label.clone(),
                sgr: Sgr {
                    color: Some(color),
                    ..Sgr::default()
                },
            },
        );
    }
    line
}

/// What is to be known about a pane: whether it follows, what is hidden, what was not read or not kept.
fn remarks(pane: &Pane, filter: &Filter) -> String {
    let mut out: Vec<String> = Vec::new();
    if pane.paused {
        out.push(match pane.unseen {
            0 => "paused".to_owned(),
            unseen => format!("paused, {unseen} new"),
        });
    } else if pane.read && pane.rest == 0 {
        out.push("following".to_owned());
    }
    let hides = !pane.search && !filter.is_empty();
    if hides || !pane.window.is_open() {
        out.push(format!(
            "{}/{} lines shown",
            pane.buffer.shown(),
            pane.buffer.len()
        ));
    }
    if pane.search {
        out.push("searching".to_owned());
    }
    for (bound, name) in [
        (pane.window.since_ms, "since"),
        (pane.window.until_ms, "until"),
    ] {
        out.extend(bound.map(|time| format!("{name} {}", text::utc(time))));
    }
    if pane.skipped > 0 {
        out.push(format!(
            "{} before this not read",
            text::bytes(pane.skipped)
        ));
    }
    if pane.rest > 0 {
        out.push(format!("{} after this not read", text::bytes(pane.rest)));
    }
    if pane.missed > 0 {
        out.push(format!("{} passed over", text::bytes(pane.missed)));
    }
    if pane.buffer.dropped() > 0 {
        let kept = text::bytes(MAX_CHARACTERS as u64);
        out.push(format!(
            "{} lines dropped: {kept} or {MAX_LINES} lines are kept",
            pane.buffer.dropped()
        ));
    }
    if pane.left > 0 {
        out.push(format!("from column {}", pane.left + 1));
    }
    out.extend(pane.trouble.clone());
    out.join(", ")
}
