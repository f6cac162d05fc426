//! Questions and lists over the middle of a frame.

use super::{Dialog, Segment, is_compact};
use crate::actions::{Guard, Instances, Plan, Subject, Target};
use crate::form::Form;
use crate::state::{LinkState, Mode, State};
use crate::theme::Scope;
use crate::{text, update};

fn confirm_lines(state: &State, plan: &Plan, drift: Option<&String>) -> Vec<Vec<Segment>> {
    let field = |label: &str, value: String, scope| {
        vec![
            Segment::new(format!("{label:<10}"), Scope::Label),
            Segment::new(text::clean(&value), scope),
        ]
    };
    let mut out = Vec::new();
    let answer = match plan.guard() {
        _ if plan.lacks_reason() => "why? a reason and enter go on; esc for no: ".to_owned(),
        Guard::Yes => "y does it; enter, n and esc do not".to_owned(),
        Guard::Type(text) => format!("type {text} and enter for yes; esc for no: "),
    };
    if is_compact(state) {
        // What may not be missing in little room: where, on what, what comes of it, and how to answer.
        let object = format!("{}/{}", plan.cluster, plan.whole_object());
        out.push(vec![Segment::new(text::clean(&object), Scope::Crumb)]);
        let first = plan.consequence().into_iter().next().unwrap_or_default();
        out.push(vec![Segment::new(
            first,
            if drift.is_some() {
                Scope::Warn
            } else {
                Scope::None
            },
        )]);
        out.push(vec![Segment::new(answer, Scope::HintKey)]);
        return out;
    }
    if let Some(drift) = drift {
        out.push(vec![Segment::new(
            format!("Asked again: {drift}."),
            Scope::Warn,
        )]);
    }
    let cluster = match plan.is_production() {
        true => format!("{}  (production)", plan.cluster),
        false => plan.cluster.clone(),
    };
    out.push(field("cluster", cluster, Scope::Crumb));
    out.push(field(plan.label(), plan.object(), Scope::Crumb));
    if let Subject::Instances(Instances { targets, .. }) = &plan.subject {
        out.push(field(
            "instances",
            on_hosts(state, plan, targets),
            Scope::Crumb,
        ));
    }
    if !plan.reason.is_empty() {
        out.push(field("reason", plan.reason.clone(), Scope::None));
    }
    for (at, sentence) in plan.consequence().into_iter().enumerate() {
        out.push(field(
            if at == 0 { "effect" } else { "" },
            sentence,
            Scope::None,
        ));
    }
    out.extend(details(state, plan));
    if !matches!(state.link, LinkState::Live) {
        out.push(field(
            "note",
            "the picture is old: the feed is not connected".to_owned(),
            Scope::Warn,
        ));
    }
    out.push(field("same as", plan.cli(), Scope::Dim));
    out.push(vec![Segment::new(answer, Scope::HintKey)]);
    out
}

/// For how many of a question's details there is room.
pub(crate) fn detail_rows(state: &State, plan: &Plan) -> usize {
    /// The frame, what is above and below, and some lines that are wrapped.
    const OTHERS: usize = 14;
    let others = OTHERS + plan.consequence().len();
    let rows = usize::from(state.size.1).saturating_sub(others).max(3);
    rows.min(plan.details().len())
}

/// As many of the details as there is room for; none is wrapped.
fn details(state: &State, plan: &Plan) -> Vec<Vec<Segment>> {
    let all = plan.details();
    let rows = detail_rows(state, plan);
    let top = plan.top.min(all.len().saturating_sub(rows));
    let room = usize::from(state.size.0).saturating_sub(6);
    let shown = all.iter().skip(top).take(rows).map(|line| {
        let scope = match line.as_bytes().first() {
            Some(b'+') => Scope::Good,
            Some(b'-') => Scope::Bad,
            _ => Scope::Dim,
        };
        vec![Segment::new(text::fit(&text::clean(line), room), scope)]
    });
    let mut out: Vec<Vec<Segment>> = shown.collect();
    if rows < all.len() {
        let last = (top + rows).min(all.len());
        let note = format!("lines {}-{last} of {}; up, down", top + 1, all.len());
        out.push(vec![Segment::new(note, Scope::Dim)]);
    }
    out
}

/// Instances and where the first of them run.
fn on_hosts(state: &State, plan: &Plan, targets: &[Target]) -> String {
    let hosts: Vec<String> = targets
        .iter()
        .take(4)
        .map(|target| {
            let task = state.store.tasks.get(&target.task);
            let host = task.and_then(|task| task.host.as_deref());
            format!("{} on {}", target.instance, host.unwrap_or("no host"))
        })
        .collect();
    let more = match targets.len() - hosts.len() {
        0 => String::new(),
        more => format!(", {more} more"),
    };
    format!("{} ({}{more})", plan.instances(), hosts.join(", "))
}

/// A form: each field with what it allows; the text field of the last line is the one that has the keys.
fn form_dialog(form: &Form) -> Dialog {
    let mut lines = Vec::new();
    for (at, field) in form.fields.iter().enumerate() {
        let focused = at == form.focus;
        let (remark, scope) = match field.remark() {
            Ok(remark) => (remark, Scope::Dim),
            Err(fault) => (fault, Scope::Warn),
        };
        let sign = if focused { ">" } else { " " };
        let value = match focused {
            true => Scope::Selection,
            false => Scope::None,
        };
        lines.push(vec![
            Segment::new(format!("{sign} {:<8}", field.label), Scope::Label),
            Segment::new(format!("{:<14}", text::clean(&field.input.text)), value),
            Segment::new(format!("  {}", text::clean(&remark)), scope),
        ]);
    }
    if let Some(error) = &form.error {
        lines.push(vec![Segment::new(text::clean(error), Scope::PromptError)]);
    }
    lines.push(vec![Segment::new(
        "tab: next; enter: what comes of it; esc: nothing",
        Scope::Dim,
    )]);
    let field = form.fields.get(form.focus);
    let label = field.map_or("", |field| field.label);
    lines.push(vec![Segment::new(format!("{label}: "), Scope::HintKey)]);
    Dialog {
        title: Segment::new(text::clean(&form.title), Scope::Crumb),
        lines,
        input: field.map(|field| (field.input.text.clone(), field.input.cursor)),
    }
}

/// The question or list over the middle, if there is one.
pub(super) fn dialog(state: &State) -> Option<Dialog> {
    match &state.mode {
        Mode::Normal | Mode::Prompt(_) | Mode::Filter(..) => None,
        Mode::Menu(at) => {
            let lines = update::menu(state)
                .into_iter()
                .enumerate()
                .map(|(row, (letter, name, object, fault))| {
                    let scope = if row == *at {
                        Scope::Selection
                    } else {
                        Scope::None
                    };
                    vec![
                        Segment::new(format!("{letter} "), Scope::HintKey),
                        Segment::new(format!("{name} {object}"), scope),
                        Segment::new(
                            fault.map_or_else(String::new, |fault| format!("  ({fault})")),
                            Scope::Dim,
                        ),
                    ]
                })
                .collect();
            Some(Dialog {
                title: Segment::new("actions", Scope::Crumb),
                lines,
                input: None,
            })
        }
        Mode::Form(form) => Some(form_dialog(form)),
        Mode::Confirm(plan, input, drift) => {
            let mut lines = confirm_lines(state, plan, drift.as_ref());
            if let Some(error) = &input.error
                && let Some(last) = lines.len().checked_sub(1)
            {
                lines.insert(last, vec![Segment::new(error.clone(), Scope::PromptError)]);
            }
            Some(Dialog {
                title: Segment::new(
                    format!("{} {}?", plan.action.name(), plan.object()),
                    Scope::DialogDanger,
                ),
                lines,
                input: (plan.lacks_reason() || matches!(plan.guard(), Guard::Type(_)))
                    .then(|| (input.text.clone(), input.cursor)),
            })
        }
        Mode::Leave(stop) => {
            let choice = |letter: &str, text: &str, chosen: bool| {
                let scope = if chosen {
                    Scope::Selection
                } else {
                    Scope::None
                };
                vec![
                    Segment::new(format!("{letter} "), Scope::HintKey),
                    Segment::new(text, scope),
                ]
            };
            Some(Dialog {
                title: Segment::new(
                    format!("quit: the local cluster {}", state.setup.cluster),
                    Scope::Crumb,
                ),
                lines: vec![
                    choice(
                        "l",
                        "leave it running; `aurora-tui --local` comes back to it",
                        !stop,
                    ),
                    choice("s", "stop it: its tasks end", *stop),
                    vec![Segment::new(
                        "enter takes the marked one; esc stays",
                        Scope::Dim,
                    )],
                ],
                input: None,
            })
        }
    }
}
