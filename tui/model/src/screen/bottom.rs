//! The line at the bottom: what is typed, news, or hints.

use super::{Bottom, Segment, is_compact};
use crate::place::Place;
use crate::state::{Level, Mode, State};
use crate::text;
use crate::theme::Scope;

/// What the bottom line says.
pub(super) fn bottom(state: &State) -> Bottom {
    match &state.mode {
        Mode::Prompt(input) => {
            return Bottom::Input(':', input.text.clone(), input.cursor, input.error.clone());
        }
        Mode::Filter(input, _) => {
            return Bottom::Input('/', input.text.clone(), input.cursor, input.error.clone());
        }
        Mode::Normal | Mode::Menu(_) | Mode::Form(_) | Mode::Confirm(..) | Mode::Leave(_) => {}
    }
    if let Some(notice) = &state.notice {
        let scope = match notice.level {
            Level::Info => Scope::Info,
            Level::Good => Scope::Good,
            Level::Warn => Scope::Warn,
            Level::Bad => Scope::Bad,
        };
        return Bottom::Words(vec![Segment::new(notice.text.clone(), scope)]);
    }
    let pairs = |pairs: Vec<(String, String)>| {
        let mut out = Vec::new();
        for (keys, text) in pairs {
            out.push(Segment::new(keys, Scope::HintKey));
            out.push(Segment::new(format!(" {text}  "), Scope::Hint));
        }
        Bottom::Words(out)
    };
    let view = state.view.place.view();
    if !state.pressed.is_empty() {
        return pairs(state.setup.keymap.continuations(view, &state.pressed));
    }
    if let Some(warning) = state.setup.warnings.first() {
        let more = state.setup.warnings.len() - 1;
        let more = if more > 0 {
            format!(" (and {more} more)")
        } else {
            String::new()
        };
        return Bottom::Words(vec![Segment::new(
            text::clean(&format!("{warning}{more}")),
            Scope::Warn,
        )]);
    }
    if is_compact(state) && state.size.0 < 60 {
        return Bottom::Nothing;
    }
    let hints: &[(&str, &str)] = match state.view.place {
        Place::Offers => &[("enter", "host"), ("filter", "filter")],
        Place::Jobs => &[
            ("enter", "instances"),
            ("filter", "filter"),
            ("actions", "actions"),
            ("problems", "problems"),
        ],
        Place::Instances(_) => &[
            ("enter", "task"),
            ("logs", "logs"),
            ("actions", "actions"),
            ("sandbox", "files"),
            ("filter", "filter"),
            ("mark", "mark"),
        ],
        Place::Update(..) => &[
            ("enter", "task"),
            ("logs", "logs"),
            ("actions", "actions"),
            ("filter", "filter"),
        ],
        Place::Config(..) => &[
            ("filter", "search"),
            ("search-next", "next"),
            ("diff", "diff"),
            ("pager", "pager"),
        ],
        Place::Diff(..) => &[
            ("filter", "search"),
            ("search-next", "next"),
            ("timeline", "timeline"),
            ("pager", "pager"),
        ],
        Place::Timeline(..) => &[
            ("enter", "task"),
            ("logs", "logs"),
            ("why", "why"),
            ("filter", "filter"),
        ],
        Place::Why(_) => &[
            ("enter", "into"),
            ("logs", "logs"),
            ("sandbox", "files"),
            ("filter", "filter"),
        ],
        Place::Task(_) => &[
            ("why", "why"),
            ("enter", "logs"),
            ("sandbox", "files"),
            ("actions", "actions"),
        ],
        Place::Sandbox(..) => &[("enter", "open"), ("filter", "filter")],
        Place::Logs(..) | Place::Tails(..) => &[
            ("filter", "filter"),
            ("convert", "search"),
            ("last", "follow"),
            ("next-pane", "pane"),
            ("zoom", "zoom"),
            ("merge", "merge"),
        ],
        Place::File(..) => &[
            ("last", "end"),
            ("first", "beginning"),
            ("filter", "filter"),
            ("convert", "search"),
        ],
        Place::Hosts | Place::Crons | Place::Updates | Place::Maintenance => &[
            ("enter", "into"),
            ("actions", "actions"),
            ("filter", "filter"),
            ("mark", "mark"),
        ],
        Place::Host(_) => &[
            ("enter", "task"),
            ("actions", "actions"),
            ("filter", "filter"),
        ],
        Place::Roles => &[
            ("enter", "jobs"),
            ("filter", "filter"),
            ("next-sort", "sort"),
        ],
        Place::Find | Place::Related(..) | Place::Bookmarks | Place::Clusters => {
            &[("enter", "into"), ("filter", "filter")]
        }
        Place::Quotas => &[
            ("enter", "edit"),
            ("filter", "filter"),
            ("next-sort", "sort"),
        ],
        Place::Metrics => &[
            ("actions", "actions"),
            ("filter", "filter"),
            ("next-sort", "sort"),
        ],
        Place::Backups => &[("actions", "actions"), ("filter", "filter")],
        Place::Audit | Place::Events | Place::Journal => &[
            ("enter", "into"),
            ("filter", "filter"),
            ("next-sort", "sort"),
        ],
        Place::Storage | Place::Sla | Place::Settings | Place::Help(_) => {
            &[("filter", "filter"), ("next-sort", "sort")]
        }
    };
    let always = [
        ("back", "back"),
        ("prompt", "command"),
        ("help", "help"),
        ("quit", "quit"),
    ];
    let keyed = |lines: &[(&str, &str)]| -> Vec<(String, String)> {
        let lines = lines
            .iter()
            .filter(|(line, _)| *line != "back" || state.view.place != Place::Jobs)
            .filter(|(line, _)| *line != "actions" || !state.setup.read_only);
        let keys = |line: &str| state.setup.keymap.keys_for(view, line);
        lines
            .filter_map(|(line, text)| Some((keys(line)?, (*text).to_owned())))
            .collect()
    };
    pairs(fitting(
        keyed(hints),
        keyed(&always),
        usize::from(state.size.0),
    ))
}

/// As many of the view's own hints as fit beside those that stand everywhere. Half a hint tells nothing.
fn fitting(
    mut own: Vec<(String, String)>,
    always: Vec<(String, String)>,
    room: usize,
) -> Vec<(String, String)> {
    let width = |hints: &[(String, String)]| -> usize {
        let widths = hints.iter();
        widths
            .map(|(keys, hint)| text::width(keys) + text::width(hint) + 3)
            .sum()
    };
    // No blanks are needed behind the last one.
    let room = (room + 2).saturating_sub(width(&always));
    while width(&own) > room && own.pop().is_some() {}
    own.extend(always);
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_whole_and_the_way_to_help_is_always_there() {
        let hint = |keys: &str, text: &str| (keys.to_owned(), text.to_owned());
        let own = || vec![hint("enter", "task"), hint("l", "logs")];
        let always = || vec![hint("?", "help")];
        // `enter task  l logs  ? help` has 26 columns.
        for (room, expected) in [
            (80, "enter l ?"),
            (26, "enter l ?"),
            (25, "enter ?"),
            (18, "enter ?"),
            (17, "?"),
            (3, "?"),
        ] {
            let found = fitting(own(), always(), room);
            let keys: Vec<String> = found.into_iter().map(|(keys, _)| keys).collect();
            assert_eq!(keys.join(" "), expected, "{room}");
        }
    }
}
