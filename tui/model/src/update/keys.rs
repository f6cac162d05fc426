//! What a key does in each mode.

use crate::actions::{Guard, Plan};
use crate::command;
use crate::event::Effect;
use crate::key::{Code, Key, show_sequence};
use crate::keymap::Lookup;
use crate::screen;
use crate::state::{Input, Level, Mode, State};

use super::{change, complete, forms, notice, run, set_filter};

const HISTORY: usize = 200;
const MAX_INPUT: usize = 4096;
/// Details of a question that are scrolled at once.
const PAGE: isize = 10;

pub(super) fn key(state: &mut State, key: Key) -> Vec<Effect> {
    let cancel = Key {
        ctrl: true,
        ..Key::plain(Code::Char('c'))
    };
    if key != cancel {
        state.cancelled = false;
    }
    match std::mem::take(&mut state.mode) {
        Mode::Normal => normal(state, key),
        Mode::Prompt(input) => prompt(state, input, key),
        Mode::Filter(input, before) => filter(state, input, before, key),
        Mode::Menu(at) => menu(state, at, key),
        Mode::Form(form) => forms::key(state, form, key),
        Mode::Confirm(mut plan, mut input, drift) => {
            if let Some(by) = scrolled(key.code) {
                let rows = screen::detail_rows(state, &plan);
                plan.scroll(by, rows);
                state.mode = Mode::Confirm(plan, input, drift);
                return Vec::new();
            }
            if key.code == Code::Esc || key == cancel {
                return refuse(state);
            }
            if plan.lacks_reason() {
                reason(&mut plan, &mut input, key);
                state.mode = Mode::Confirm(plan, input, drift);
                return Vec::new();
            }
            match (key.code, plan.guard()) {
                (Code::Char('n'), Guard::Yes) => return refuse(state),
                (Code::Char('y'), Guard::Yes) if key.typed().is_some() => {
                    return change::accept(state, *plan);
                }
                // The default answer is no.
                (Code::Enter, Guard::Yes) => return refuse(state),
                (Code::Enter, Guard::Type(_)) if change::is_confirmed(&plan, input.text.trim()) => {
                    return change::accept(state, *plan);
                }
                (Code::Enter, Guard::Type(_)) if input.text.trim().is_empty() => {
                    return refuse(state);
                }
                (Code::Enter, Guard::Type(text)) => {
                    input.error = Some(format!("type {text} for yes, or esc for no"));
                }
                (_, Guard::Type(_)) => edit(&mut input, key),
                (_, Guard::Yes) => {}
            }
            state.mode = Mode::Confirm(plan, input, drift);
            Vec::new()
        }
        Mode::Leave(stop) => leave(state, stop, key, cancel),
    }
}

/// A key in the reason of a change. It is asked for first; the yes comes after it.
fn reason(plan: &mut Plan, input: &mut Input, key: Key) {
    match (key.code, input.text.trim()) {
        (Code::Enter, "") => input.error = Some("no change without a reason here".to_owned()),
        (Code::Enter, text) => {
            plan.reason = text.to_owned();
            *input = Input::default();
        }
        _ => edit(input, key),
    }
}

/// How far a key scrolls the details of a question.
fn scrolled(code: Code) -> Option<isize> {
    Some(match code {
        Code::Down => 1,
        Code::Up => -1,
        Code::PageDown => PAGE,
        Code::PageUp => -PAGE,
        _ => return None,
    })
}

fn refuse(state: &mut State) -> Vec<Effect> {
    notice(state, Level::Info, "nothing was changed");
    Vec::new()
}

fn leave(state: &mut State, stop: bool, key: Key, cancel: Key) -> Vec<Effect> {
    match key.code {
        Code::Esc => return Vec::new(),
        _ if key == cancel => {
            return vec![Effect::Quit {
                stop_cluster: false,
            }];
        }
        Code::Char('l') => {
            return vec![Effect::Quit {
                stop_cluster: false,
            }];
        }
        Code::Char('s') => return vec![Effect::Quit { stop_cluster: true }],
        Code::Enter => return vec![Effect::Quit { stop_cluster: stop }],
        Code::Up
        | Code::Down
        | Code::Left
        | Code::Right
        | Code::Tab
        | Code::Char('j' | 'k' | 'h') => {
            state.mode = Mode::Leave(!stop);
        }
        _ => state.mode = Mode::Leave(stop),
    }
    Vec::new()
}

fn normal(state: &mut State, key: Key) -> Vec<Effect> {
    state.notice = None;
    if key.code == Code::Esc && !state.pressed.is_empty() {
        state.pressed.clear();
        return Vec::new();
    }
    state.pressed.push(key);
    let view = state.view.place.view();
    let lines = match state.setup.keymap.lookup(view, &state.pressed) {
        Lookup::Prefix => return Vec::new(),
        Lookup::Found(binding) => binding.run.clone(),
        Lookup::Nothing => {
            let pressed = show_sequence(&state.pressed);
            state.pressed.clear();
            let help = state
                .setup
                .keymap
                .keys_for(view, "help")
                .unwrap_or_else(|| ":help".to_owned());
            notice(
                state,
                Level::Info,
                &format!("`{pressed}` does nothing here; {help} shows the keys"),
            );
            return Vec::new();
        }
    };
    state.pressed.clear();
    run::lines(state, &lines.join(";"))
}

fn prompt(state: &mut State, mut input: Input, key: Key) -> Vec<Effect> {
    match key.code {
        Code::Esc => return Vec::new(),
        Code::Char('c') if key.ctrl => return Vec::new(),
        Code::Backspace if input.text.is_empty() => return Vec::new(),
        Code::Enter => {
            let line = input.text.trim().to_owned();
            if line.is_empty() {
                return Vec::new();
            }
            let parts = command::split(&line);
            if let Some(fault) = parts.iter().find_map(|part| command::parse(part).err()) {
                input.error = Some(fault.to_string());
                state.mode = Mode::Prompt(input);
                return Vec::new();
            }
            if state.history.last() != Some(&line) {
                state.history.push(line.clone());
                if state.history.len() > HISTORY {
                    state.history.remove(0);
                }
            }
            return run::lines(state, &line);
        }
        Code::Tab => {
            if let Some(completed) = complete::line(state, &input.text) {
                input = completed;
            }
        }
        Code::Up | Code::Down => {
            let most = state.history.len();
            let at = match (key.code, input.recalled) {
                (Code::Up, None) => Some(0),
                (Code::Up, Some(at)) => Some(at + 1),
                (_, Some(at)) => at.checked_sub(1),
                (_, None) => None,
            };
            match at {
                Some(at) if at < most => {
                    input = Input {
                        recalled: Some(at),
                        ..Input::of(&state.history[most - 1 - at])
                    };
                }
                Some(_) => {}
                None => input = Input::default(),
            }
        }
        _ => edit(&mut input, key),
    }
    state.mode = Mode::Prompt(input);
    Vec::new()
}

fn filter(state: &mut State, mut input: Input, before: String, key: Key) -> Vec<Effect> {
    match key.code {
        Code::Enter => {
            if let Err(fault) = set_filter(state, &input.text) {
                input.error = Some(fault);
                state.mode = Mode::Filter(input, before);
            }
            return Vec::new();
        }
        Code::Esc => {
            restore(state, &before);
            return Vec::new();
        }
        Code::Char('c') if key.ctrl => {
            restore(state, &before);
            return Vec::new();
        }
        Code::Backspace if input.text.is_empty() => {
            restore(state, &before);
            return Vec::new();
        }
        _ => edit(&mut input, key),
    }
    input.error = set_filter(state, &input.text).err();
    state.mode = Mode::Filter(input, before);
    Vec::new()
}

fn restore(state: &mut State, before: &str) {
    // It was in force before, so it is a good one.
    if let Err(fault) = set_filter(state, before) {
        notice(state, Level::Warn, &fault);
    }
}

fn menu(state: &mut State, at: usize, key: Key) -> Vec<Effect> {
    let items = change::menu(state);
    let last = items.len().saturating_sub(1);
    let chosen = match key.code {
        Code::Esc | Code::Char('q' | 'a') => return Vec::new(),
        Code::Char('c') if key.ctrl => return Vec::new(),
        Code::Down | Code::Char('j') => {
            state.mode = Mode::Menu((at + 1).min(last));
            return Vec::new();
        }
        Code::Up | Code::Char('k') => {
            state.mode = Mode::Menu(at.saturating_sub(1));
            return Vec::new();
        }
        Code::Enter => at,
        Code::Char(letter) => match items.iter().position(|item| item.0 == letter) {
            Some(at) => at,
            None => {
                state.mode = Mode::Menu(at);
                return Vec::new();
            }
        },
        _ => {
            state.mode = Mode::Menu(at);
            return Vec::new();
        }
    };
    match items.into_iter().nth(chosen) {
        Some((_, _, _, Some(fault))) => {
            notice(state, Level::Warn, &fault);
            state.mode = Mode::Menu(chosen);
            Vec::new()
        }
        Some((_, name, _, None)) => run::lines(state, name),
        None => Vec::new(),
    }
}

/// A key in a text field.
pub(super) fn edit(input: &mut Input, key: Key) {
    input.error = None;
    let byte = |text: &str, at: usize| {
        text.char_indices()
            .nth(at)
            .map_or(text.len(), |(byte, _)| byte)
    };
    let length = input.text.chars().count();
    match (key.code, key.ctrl) {
        (Code::Left, _) => input.cursor = input.cursor.saturating_sub(1),
        (Code::Right, _) => input.cursor = (input.cursor + 1).min(length),
        (Code::Home, _) | (Code::Char('a'), true) => input.cursor = 0,
        (Code::End, _) | (Code::Char('e'), true) => input.cursor = length,
        (Code::Backspace, _) if input.cursor > 0 => {
            let at = byte(&input.text, input.cursor - 1);
            input.text.remove(at);
            input.cursor -= 1;
        }
        (Code::Delete, _) if input.cursor < length => {
            let at = byte(&input.text, input.cursor);
            input.text.remove(at);
        }
        (Code::Char('u'), true) => {
            let at = byte(&input.text, input.cursor);
            input.text.drain(..at);
            input.cursor = 0;
        }
        (Code::Char('w'), true) => {
            let head: Vec<char> = input.text.chars().take(input.cursor).collect();
            let end = head
                .iter()
                .rposition(|c| !c.is_whitespace())
                .map_or(0, |at| at + 1);
            let start = head[..end]
                .iter()
                .rposition(|c| c.is_whitespace())
                .map_or(0, |at| at + 1);
            let (from, to) = (byte(&input.text, start), byte(&input.text, input.cursor));
            input.text.drain(from..to);
            input.cursor = start;
        }
        _ => {
            if let Some(c) = key.typed().filter(|c| crate::text::is_printable(*c))
                && length < MAX_INPUT
            {
                let at = byte(&input.text, input.cursor);
                input.text.insert(at, c);
                input.cursor += 1;
            }
        }
    }
}

/// Pasted text goes into a text field, its lines joined, and nowhere else: it is never taken for keys.
pub(super) fn paste(state: &mut State, text: &str) {
    let text = crate::text::clean(&text.replace(['\n', '\r', '\t'], " "));
    let type_in = |input: &mut Input| {
        for c in text.chars() {
            edit(input, Key::plain(Code::Char(c)));
        }
    };
    match &mut state.mode {
        Mode::Prompt(input) => type_in(input),
        Mode::Form(form) => {
            let focus = form.focus;
            if let Some(field) = form.fields.get_mut(focus) {
                type_in(&mut field.input);
            }
        }
        Mode::Confirm(plan, input, _)
            if plan.lacks_reason() || matches!(plan.guard(), Guard::Type(_)) =>
        {
            type_in(input)
        }
        Mode::Filter(input, _) => {
            type_in(input);
            let typed = input.text.clone();
            let error = set_filter(state, &typed).err();
            if let Mode::Filter(input, _) = &mut state.mode {
                input.error = error;
            }
        }
        Mode::Normal | Mode::Menu(_) | Mode::Confirm(..) | Mode::Leave(_) => {}
    }
}
