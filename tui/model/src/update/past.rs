//! Looking back: the whole screen at a moment of the past hour.

use crate::event::Effect;
use crate::moment::{duration, moment};
use crate::past::Looking;
use crate::state::{Level, State};
use crate::text;

use super::notice;

/// One step back or forth.
const STEP_MS: i64 = 10_000;

/// Does something with what is known now, whatever moment is looked at.
pub(super) fn with_live(
    state: &mut State,
    act: impl FnOnce(&mut State) -> Vec<Effect>,
) -> Vec<Effect> {
    let Some(mut looking) = state.looking.take() else {
        return act(state);
    };
    std::mem::swap(&mut state.store, &mut looking.live);
    let effects = act(state);
    std::mem::swap(&mut state.store, &mut looking.live);
    state.looking = Some(looking);
    // A table of now must not be taken for one of then.
    state.touch();
    effects
}

/// Goes back or forth by a duration.
pub(super) fn step(state: &mut State, word: Option<&str>, back: bool) -> Result<(), String> {
    let by = match word {
        None => STEP_MS,
        Some(word) => duration(word)
            .ok_or_else(|| format!("`{word}` is not a duration; write 10s, 5m or 1h"))?,
    };
    let here = moment_ms(state);
    if state.looking.is_none() && !back {
        return Err("this is now".to_owned());
    }
    look(state, if back { here - by } else { here + by })
}

/// Goes to a moment.
pub(super) fn to(state: &mut State, word: &str) -> Result<(), String> {
    let offset = state.store.clock_offset_ms;
    let at = moment(word, state.now_ms + offset, moment_ms(state) + offset)?;
    look(state, at - offset)
}

/// Opens a link's time, by the server's clock.
pub(super) fn open(state: &mut State, at_ms: Option<i64>) -> Result<(), String> {
    match at_ms {
        Some(at_ms) => look(state, at_ms - state.store.clock_offset_ms),
        None => {
            leave(state);
            Ok(())
        }
    }
}

/// The moment on the screen, our clock.
fn moment_ms(state: &State) -> i64 {
    state
        .looking
        .as_ref()
        .map_or(state.now_ms, |looking| looking.at_ms)
}

fn look(state: &mut State, at_ms: i64) -> Result<(), String> {
    let begin = state.past.begin_ms().ok_or("nothing was recorded yet")?;
    let offset = state.store.clock_offset_ms;
    let told = |at_ms: i64| text::utc(at_ms + offset);
    // Links name whole seconds of the server's clock: all that happened in one is seen.
    let at_ms = (at_ms + offset).div_euclid(1000) * 1000 + 999 - offset;
    if at_ms >= state.now_ms {
        leave(state);
        notice(state, Level::Info, "this is now");
        return Ok(());
    }
    if at_ms < begin
        && state
            .looking
            .as_ref()
            .is_some_and(|looking| looking.at_ms <= begin + 999)
    {
        return Err(format!("the record begins at {}", told(begin)));
    }
    let at_ms = at_ms.max(begin);
    let then = state.past.at(at_ms);
    match &mut state.looking {
        Some(looking) => {
            looking.at_ms = at_ms;
            state.store = then;
        }
        None => {
            let live = Box::new(std::mem::replace(&mut state.store, then));
            state.looking = Some(Looking { at_ms, live });
        }
    }
    state.touch();
    notice(
        state,
        Level::Info,
        &format!("as it was at {} UTC", told(at_ms)),
    );
    Ok(())
}

/// Back to now.
pub(super) fn leave(state: &mut State) {
    if let Some(looking) = state.looking.take() {
        state.store = *looking.live;
        state.touch();
    }
}
