//! Keys in a form.

use crate::event::Effect;
use crate::form::Form;
use crate::key::{Code, Key};
use crate::state::{Level, Mode, State};

use super::keys::edit;
use super::{complete, notice, run};

pub(super) fn key(state: &mut State, mut form: Box<Form>, key: Key) -> Vec<Effect> {
    match key.code {
        Code::Esc => return leave(state),
        Code::Char('c') if key.ctrl => return leave(state),
        Code::Enter => return submit(state, form),
        Code::Down => form.step(true),
        Code::Up => form.step(false),
        Code::Tab => {
            let forwards = !key.shift;
            let focus = form.focus;
            let completed = complete::field(state, &form).filter(|_| forwards);
            let taken = form
                .fields
                .get_mut(focus)
                .is_some_and(|field| match completed {
                    Some(completed) => {
                        field.input = completed;
                        true
                    }
                    None => field.turn(forwards),
                });
            if !taken {
                form.step(forwards);
            }
        }
        _ => {
            form.error = None;
            let focus = form.focus;
            if let Some(field) = form.fields.get_mut(focus) {
                edit(&mut field.input, key);
            }
        }
    }
    state.mode = Mode::Form(form);
    Vec::new()
}

fn leave(state: &mut State) -> Vec<Effect> {
    notice(state, Level::Info, "nothing was changed");
    Vec::new()
}

/// Runs the command that the form makes. What cannot be done is said in the form, which stays.
fn submit(state: &mut State, mut form: Box<Form>) -> Vec<Effect> {
    match form.command() {
        Err(fault) => form.error = Some(fault),
        Ok(line) => {
            state.notice = None;
            let effects = run::lines(state, &line);
            let refused = state
                .notice
                .take_if(|notice| notice.level == Level::Bad)
                .map(|notice| notice.text);
            if refused.is_none() || !effects.is_empty() {
                return effects;
            }
            form.error = refused;
        }
    }
    state.mode = Mode::Form(form);
    Vec::new()
}
