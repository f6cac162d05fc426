//! The line at the top: which cluster, how it is, who acts, and what goes on.

use super::{REDIRECTED_MS, STALE_MS, Segment, crumb, is_compact};
use crate::state::{LinkState, Mode, State};
use crate::text;
use crate::theme::Scope;

fn mode_name(state: &State) -> &'static str {
    match &state.mode {
        Mode::Normal if state.looking.is_some() => "REPLAY",
        Mode::Normal if state.setup.read_only => "LOCKED",
        Mode::Normal if !state.view.marks.is_empty() => "SELECT",
        Mode::Normal => "NORMAL",
        Mode::Prompt(_) => "PROMPT",
        Mode::Filter(..) => "FILTER",
        Mode::Menu(_) | Mode::Form(_) | Mode::Confirm(..) | Mode::Leave(_) => "FORM",
    }
}

/// Whether something that is asked for may not be read, or cannot be had from a host.
fn is_partial(state: &State) -> bool {
    state.view.trouble.is_some()
        || state
            .topics
            .iter()
            .any(|topic| state.store.is_denied(topic))
}

/// How the connection is, in words.
pub(super) fn link_words(state: &State) -> Segment {
    if let Some(looking) = &state.looking {
        let ago = text::age(state.now_ms - looking.at_ms);
        let then = text::utc_time(state.server_now_ms());
        return Segment::new(format!("at {then} UTC, {ago} ago"), Scope::LinkStale);
    }
    let silent = state.now_ms - state.heard_ms;
    match &state.link {
        LinkState::Connecting => Segment::new("connecting", Scope::LinkStale),
        LinkState::Live if silent > STALE_MS => {
            Segment::new(format!("stale {}", text::age(silent)), Scope::LinkStale)
        }
        // Without an event feed nothing is told as it happens.
        LinkState::Live if state.store.version == Some(0) => {
            Segment::new("polling", Scope::LinkLive)
        }
        LinkState::Live if is_partial(state) => Segment::new("partial", Scope::LinkStale),
        LinkState::Live => match state.redirected_ms {
            Some(since) if state.now_ms - since <= REDIRECTED_MS => {
                let age = text::age(state.now_ms - since);
                Segment::new(format!("redirected {age}"), Scope::LinkStale)
            }
            _ => Segment::new("live", Scope::LinkLive),
        },
        LinkState::Unauthorised(since, _) => Segment::new(
            format!("unauthorised {}", text::age(state.now_ms - since)),
            Scope::LinkDown,
        ),
        LinkState::Down(since, _) => Segment::new(
            format!("down {}", text::age(state.now_ms - since)),
            Scope::LinkDown,
        ),
    }
}

pub(super) fn status(state: &State) -> Vec<Segment> {
    let name = Segment::new(format!(" {} ", state.setup.cluster), Scope::StatusMode);
    let mut link = link_words(state);
    link.text.push(' ');
    let banner = state.setup.rules.banner.as_ref();
    let banner = banner.map(|text| Segment::new(format!(" {text} "), Scope::Banner));
    if is_compact(state) {
        let (crumb, counter) = crumb(state);
        let crumb = crumb.strip_prefix("jobs > ").unwrap_or(&crumb);
        let heads: Vec<Segment> = banner.into_iter().chain([name, link]).collect();
        let heads_width: usize = heads.iter().map(|head| text::width(&head.text)).sum();
        let taken = heads_width + text::width(&counter) + 1;
        let room = usize::from(state.size.0).saturating_sub(taken);
        let crumb = text::fit_end(crumb, room.max(12));
        let crumb = Segment::new(format!("{crumb} {counter}"), Scope::Status);
        return heads.into_iter().chain([crumb]).collect();
    }
    let mut out: Vec<Segment> = banner.into_iter().chain([name, link]).collect();
    out.extend(tabs(state));
    out.extend(others(state));
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
    if let Some(campaign) = &state.campaign {
        let scope = match campaign.stopped {
            None => Scope::StatusMode,
            Some(_) => Scope::LinkStale,
        };
        let (at, count) = (campaign.group + 1, campaign.rounds.groups.len());
        let stopped = if campaign.stopped.is_some() {
            " stopped"
        } else {
            ""
        };
        out.push(Segment::new(
            format!(" round {at}/{count}{stopped} "),
            scope,
        ));
    }
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

/// The tabs when there are several: their numbers, and what the one on the screen shows.
fn tabs(state: &State) -> Vec<Segment> {
    let layout = &state.layout;
    if layout.tabs.len() < 2 {
        return Vec::new();
    }
    let mut out = vec![Segment::new(" tabs", Scope::Status)];
    for (at, tab) in layout.tabs.iter().enumerate() {
        let parked = layout
            .frames
            .get(&tab.focus)
            .and_then(|frame| frame.parked.as_ref());
        let view = parked.map_or(&state.view, |parked| &parked.view);
        let name = format!("{}:{}", at + 1, view.place.view());
        out.push(match at == layout.at {
            true => Segment::new(format!(" [{name}]"), Scope::StatusMode),
            false => Segment::new(format!("  {name} "), Scope::Status),
        });
    }
    out
}

/// The other clusters that are open, and how they are.
fn others(state: &State) -> Vec<Segment> {
    let peers = state.peers.iter();
    let others = peers.filter(|peer| peer.name != state.setup.cluster);
    let shown = others.flat_map(|peer| {
        let (word, scope) = peer.link.word();
        let changes = match peer.changes {
            0 => String::new(),
            count => format!("{count} change(s) under way "),
        };
        [
            Segment::new(format!(" {} ", text::clean(&peer.name)), Scope::Status),
            Segment::new(format!("{word} "), scope),
            Segment::new(changes, Scope::StatusMode),
        ]
    });
    shown.collect()
}
