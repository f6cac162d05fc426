//! Completing what is typed: commands, then jobs and hosts that are known, then files on this machine and jobs in them.

use crate::actions::{Action, Kind};
use crate::command::{self, COMMANDS};
use crate::form::{Form, Takes};
use crate::state::{Input, Mode, State};
use crate::told::{Answer, Question};

/// What has to be known in order to complete what is being typed.
pub(super) fn question(state: &State) -> Option<Question> {
    match &state.mode {
        Mode::Prompt(input) => of_line(&input.text),
        Mode::Form(form) => of_form(form),
        _ => None,
    }
}

fn of_line(line: &str) -> Option<Question> {
    let mut words = line.split(' ');
    let kind = Action::named(words.next()?)?.kind();
    if !matches!(kind, Kind::File | Kind::CronFile) {
        return None;
    }
    match (words.next()?, words.next(), words.next()) {
        (path, None, _) => Some(paths(path)),
        (path, Some(_), None) => Some(Question::JobsOf(path.to_owned())),
        _ => None,
    }
}

fn of_form(form: &Form) -> Option<Question> {
    let field = form.fields.get(form.focus)?;
    match field.takes {
        Takes::Path => Some(paths(field.input.text.trim())),
        Takes::Job => {
            let file = form
                .fields
                .iter()
                .find(|field| field.takes == Takes::Path)?;
            let path = file.input.text.trim();
            (!path.is_empty()).then(|| Question::JobsOf(path.to_owned()))
        }
        Takes::Cores(_) | Takes::Bytes(_) | Takes::OneOf(_) => None,
    }
}

/// What is in the directory of a path; one question for all that is typed after it.
fn paths(path: &str) -> Question {
    let directory = path.rfind('/').map_or("", |at| &path[..=at]);
    Question::Paths(directory.to_owned())
}

fn answered(state: &State, question: Option<Question>) -> Vec<String> {
    match question.and_then(|question| state.store.answers.get(&question)) {
        Some(Answer::Words(words)) => words.clone(),
        _ => Vec::new(),
    }
}

/// The prompt's line with its last word completed as far as that is certain.
pub(super) fn line(state: &State, typed: &str) -> Option<Input> {
    let question = of_line(typed);
    let known: Vec<String> = match question {
        Some(_) => answered(state, question),
        None => {
            let jobs = state.store.jobs.keys().map(ToString::to_string);
            jobs.chain(state.store.hosts.keys().cloned()).collect()
        }
    };
    let shared = shared(&command::complete(typed, &known))?;
    let is_verb = COMMANDS
        .iter()
        .any(|spec| spec.name == shared && !spec.args.is_empty());
    // A command that takes words goes on.
    Some(match is_verb && !typed.contains(' ') {
        true => Input::of(&format!("{shared} ")),
        false => Input::of(&shared),
    })
}

/// The same for the field of a form that has the keys; nothing where there is nothing to complete.
pub(super) fn field(state: &State, form: &Form) -> Option<Input> {
    let typed = form.fields.get(form.focus)?.input.text.trim();
    let mut fitting = answered(state, of_form(form));
    fitting.retain(|word| word.starts_with(typed) && word != typed);
    shared(&fitting)
        .filter(|shared| shared != typed)
        .map(|shared| Input::of(&shared))
}

/// The longest beginning that all candidates share.
fn shared(candidates: &[String]) -> Option<String> {
    let first = candidates.first()?;
    let mut shared = first.as_str();
    for candidate in candidates {
        while !candidate.starts_with(shared) {
            let cut = shared.char_indices().next_back().map_or(0, |(at, _)| at);
            shared = &shared[..cut];
        }
    }
    Some(shared.to_owned())
}
