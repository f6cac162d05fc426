//! Where in the user's files something happens.

use std::sync::Arc;

use pystachio::Origin;
use rustpython_vm::VirtualMachine;
use rustpython_vm::frame::FrameRef;

use super::state::STATE;

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

/// Where the innermost code of the user's files is that leads here.
pub(super) fn of_caller(vm: &VirtualMachine) -> Option<Place> {
    let mut frame = vm.current_frame()?;
    loop {
        if let Some(place) = in_file(&frame) {
            return Some(place);
        }
        frame = frame.f_back(vm)?;
    }
}

/// Where the code that is being run stands, when it is a file of the user's and no module or helper.
pub(super) fn of_code(vm: &VirtualMachine) -> Option<Place> {
    in_file(&vm.current_frame()?)
}

fn in_file(frame: &FrameRef) -> Option<Place> {
    let path = frame.code.source_path().as_str();
    let file = STATE.with(|state| state.borrow().files.get(path).cloned())?;
    let instruction = usize::try_from(frame.lasti()).ok()?.checked_sub(1)?;
    let (start, _) = frame.code.locations.get(instruction)?;
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Some(Place {
        file,
        line: number(start.line.get()),
        column: number(start.character_offset.get()),
    })
}

/// The number of the place that leads here: equal places have equal numbers, so that there are as many as there are calls in
/// the files.
pub(super) fn origin(vm: &VirtualMachine) -> Option<Origin> {
    let place = of_caller(vm)?;
    STATE.with(|state| {
        let mut state = state.borrow_mut();
        if let Some(known) = state.origins.get(&place) {
            return Some(*known);
        }
        let next = u32::try_from(state.origins.len() + 1).ok()?;
        let next = Origin::new(next)?;
        state.origins.insert(place, next);
        Some(next)
    })
}

/// Every place that has a number, in the order of the numbers, which begin with 1.
pub(super) fn all() -> Vec<Place> {
    let mut numbered: Vec<(Origin, Place)> = STATE.with(|state| {
        let state = state.borrow();
        let places = state.origins.iter();
        places
            .map(|(place, number)| (*number, place.clone()))
            .collect()
    });
    numbered.sort_by_key(|(number, _)| *number);
    numbered.into_iter().map(|(_, place)| place).collect()
}
