//! Divisions of integers, which floored in Python 2.

use rustpython_vm::builtins::PyInt;
use rustpython_vm::{Py, PyObject, PyResult, VirtualMachine};

use super::place::{self, Place};
use super::state::STATE;

/// A division with a remainder in a file of the user's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Division {
    /// Where it stands.
    pub place: Place,
    /// What was divided when it was first met, such as `7 / 2`.
    pub shown: String,
}

/// How many divisions are told at most.
const MAX_TOLD: usize = 20;

/// Looks at every division of integers from now on. With `floor`, those in the user's files floor as Python 2 did; otherwise
/// those with a remainder are kept for [`found`].
pub(super) fn watch(floor: bool, vm: &VirtualMachine) {
    STATE.with(|state| state.borrow_mut().floors = floor);
    let number = &vm.ctx.types.int_type.slots.as_number;
    let original = number.true_divide.load();
    STATE.with(|state| state.borrow_mut().divide = original);
    number.true_divide.store(Some(divide));
    number.right_true_divide.store(Some(divide));
}

/// The divisions with a remainder so far, each place once.
pub(super) fn found() -> Vec<Division> {
    STATE.with(|state| state.borrow().divisions.clone())
}

fn divide(a: &PyObject, b: &PyObject, vm: &VirtualMachine) -> PyResult {
    let (original, floors) = STATE.with(|state| {
        let state = state.borrow();
        (state.divide, state.floors)
    });
    let Some(original) = original else {
        return Ok(vm.ctx.not_implemented());
    };
    let quotient = original(a, b, vm)?;
    // The library's own divisions are written for Python 3.
    let both = a.downcast_ref::<PyInt>().zip(b.downcast_ref::<PyInt>());
    if let Some((dividend, divisor)) = both
        && let Some(place) = place::of_code(vm)
    {
        if floors {
            return vm._floordiv(a, b);
        }
        if vm._mod(a, b)?.try_to_bool(vm)? {
            note(place, dividend, divisor);
        }
    }
    Ok(quotient)
}

fn note(place: Place, dividend: &Py<PyInt>, divisor: &Py<PyInt>) {
    STATE.with(|state| {
        let divisions = &mut state.borrow_mut().divisions;
        let known = divisions.iter().any(|known| known.place == place);
        if !known && divisions.len() < MAX_TOLD {
            let (dividend, divisor) = (dividend.to_str_radix_10(), divisor.to_str_radix_10());
            divisions.push(Division {
                place,
                shown: format!("{dividend} / {divisor}"),
            });
        }
    });
}
