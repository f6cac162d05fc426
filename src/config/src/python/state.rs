//! What the native module keeps between calls, on the interpreter's thread.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use pystachio::{Error, ErrorKind, Origin, Type};
use rustpython_vm::builtins::PyBaseExceptionRef;
use rustpython_vm::protocol::PyNumberBinaryFunc;
use rustpython_vm::{PyObjectRef, VirtualMachine};

use super::division::Division;
use super::place::Place;

/// What the prelude hands over, and the numbers given to types.
#[derive(Default)]
pub(super) struct State {
    /// Makes an exception from kind, message, field path and the names that are known there.
    pub(super) raise: Option<PyObjectRef>,
    /// Makes the immutable mapping that `get()` returns.
    pub(super) mapping: Option<PyObjectRef>,
    /// Numbers of types by name and structure.
    ids: HashMap<String, usize>,
    /// The same by identity, for types seen before: structures are long texts. The types are kept so that no other takes
    /// their place in memory.
    seen: HashMap<usize, (Type, usize)>,
    /// The user's files, as they are named in code.
    pub(super) files: HashSet<Arc<str>>,
    /// The numbers of places in those files where values are made.
    pub(super) origins: HashMap<Place, Origin>,
    /// The interpreter's own division of integers.
    pub(super) divide: Option<PyNumberBinaryFunc>,
    /// Whether divisions in those files floor.
    pub(super) floors: bool,
    /// Divisions in those files that left a remainder.
    pub(super) divisions: Vec<Division>,
}

thread_local! {
    pub(super) static STATE: RefCell<State> = RefCell::default();
}

/// Forgets the Python objects kept here; to be called before the interpreter ends.
pub(super) fn forget() {
    STATE.with(|state| *state.borrow_mut() = State::default());
}

fn kind_name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Coercion => "coercion",
        ErrorKind::Value => "value",
        ErrorKind::NotMapping => "not_mapping",
        ErrorKind::Attribute => "attribute",
        ErrorKind::InvalidRef => "invalid_ref",
        ErrorKind::Uninterpolatable => "uninterpolatable",
        ErrorKind::Type => "type",
        ErrorKind::Key => "key",
        ErrorKind::Index => "index",
        ErrorKind::Recursion => "recursion",
    }
}

/// The Python exception for a fault.
pub(super) fn exception(error: &Error, vm: &VirtualMachine) -> PyBaseExceptionRef {
    let raise = STATE.with(|state| state.borrow().raise.clone());
    let Some(raise) = raise else {
        return vm.new_value_error(error.message.clone());
    };
    let arguments = (
        vm.ctx.new_str(kind_name(error.kind)),
        vm.ctx.new_str(error.message.clone()),
        vm.ctx.new_str(error.path.clone()),
        vm.ctx.new_str(error.known.join(", ")),
    );
    match raise.call(arguments, vm) {
        Ok(made) => match made.downcast::<rustpython_vm::builtins::PyBaseException>() {
            Ok(made) => made,
            Err(_) => vm.new_value_error(error.message.clone()),
        },
        Err(failed) => failed,
    }
}

/// The number of a type: equal types have equal numbers.
pub(super) fn type_id(kind: &Type) -> usize {
    STATE.with(|state| {
        let mut state = state.borrow_mut();
        if let Some((_, number)) = state.seen.get(&kind.identity()) {
            return *number;
        }
        let next = state.ids.len();
        let name = format!("{}\0{}", kind.name(), kind.signature());
        let number = *state.ids.entry(name).or_insert(next);
        state.seen.insert(kind.identity(), (kind.clone(), number));
        number
    })
}
