//! Python objects to plain data and back.

use std::sync::Arc;

use pystachio::{Foreign, Int, Raw};
use rustpython_vm::builtins::{PyDict, PyFloat, PyInt, PyList, PyRange, PyStr, PyTuple};
use rustpython_vm::{AsObject, PyObjectRef, PyResult, VirtualMachine};

use super::native::ValueHandle;

/// How deep data may nest: far beyond any job, far below what would exhaust the stack.
const MAX_DEPTH: usize = 200;

/// How many items one piece of data may have; a job file that makes more is a mistake or a trap.
const MAX_ITEMS: usize = 1_000_000;

/// A Python text as UTF-8.
pub(crate) fn text_of<'a>(
    text: &'a rustpython_vm::Py<PyStr>,
    vm: &VirtualMachine,
) -> PyResult<&'a str> {
    text.to_str()
        .ok_or_else(|| vm.new_value_error("text with lone surrogates cannot be part of a job"))
}

/// Plain data from a Python object. Objects without a form are kept with what messages say about them.
pub(crate) fn to_raw(object: &PyObjectRef, vm: &VirtualMachine) -> PyResult<Raw> {
    convert(object, vm, 0)
}

fn convert(object: &PyObjectRef, vm: &VirtualMachine, depth: usize) -> PyResult<Raw> {
    if depth > MAX_DEPTH {
        return Err(vm.new_recursion_error(format!("data nests deeper than {MAX_DEPTH} levels")));
    }
    if vm.is_none(object) {
        return Ok(Raw::None);
    }
    if let Some(text) = object.downcast_ref::<PyStr>() {
        return Ok(Raw::from(text_of(text, vm)?));
    }
    if let Some(number) = object.downcast_ref::<PyInt>() {
        if object.class().is(vm.ctx.types.bool_type) {
            return Ok(Raw::Bool(number.to_str_radix_10() != "0"));
        }
        let digits = number.to_str_radix_10();
        return Ok(match Int::parse(&digits) {
            Some(number) => Raw::Int(number),
            None => Raw::from(digits),
        });
    }
    if let Some(number) = object.downcast_ref::<PyFloat>() {
        return Ok(Raw::Float(number.to_f64()));
    }
    let items = |items: &[PyObjectRef]| -> PyResult<Vec<Raw>> {
        if items.len() > MAX_ITEMS {
            return Err(vm.new_value_error(format!("a list with more than {MAX_ITEMS} elements")));
        }
        items
            .iter()
            .map(|item| convert(item, vm, depth + 1))
            .collect()
    };
    if let Some(list) = object.downcast_ref::<PyList>() {
        let copy = list.borrow_vec().to_vec();
        return items(&copy).map(Raw::List);
    }
    if let Some(tuple) = object.downcast_ref::<PyTuple>() {
        return items(tuple.as_slice()).map(Raw::Tuple);
    }
    if object.downcast_ref::<PyRange>().is_some() {
        let list: Vec<PyObjectRef> = object.try_to_value(vm)?;
        return items(&list).map(Raw::List);
    }
    if let Some(handle) = handle_of(object, vm) {
        return Ok(handle);
    }
    if let Some(dict) = object.downcast_ref::<PyDict>()
        && object.class().is(vm.ctx.types.dict_type)
    {
        return pairs(dict.items_vec(), vm, depth);
    }
    // Other mappings, an OrderedDict or a user's own class among them, tell their order themselves.
    let mapping = object.downcast_ref::<PyDict>().is_some()
        || (has(object, "keys", vm) && has(object, "__getitem__", vm) && has(object, "items", vm));
    let is_class = object
        .downcast_ref::<rustpython_vm::builtins::PyType>()
        .is_some();
    if mapping && !is_class {
        let listed = vm.call_method(object, "items", ())?;
        let listed: Vec<PyObjectRef> = listed.try_to_value(vm)?;
        let mut found = Vec::with_capacity(listed.len());
        for pair in listed {
            let pair: Vec<PyObjectRef> = pair.try_to_value(vm)?;
            if let [key, value] = pair.as_slice() {
                found.push((key.clone(), value.clone()));
            }
        }
        return pairs(found, vm, depth);
    }
    let sequence = object.class().name().to_string() == "deque";
    if sequence {
        let list: Vec<PyObjectRef> = object.try_to_value(vm)?;
        return items(&list).map(Raw::List);
    }
    Ok(Raw::Foreign(Arc::new(Foreign {
        type_name: object.class().name().to_string(),
        text: object.str(vm)?.to_string_lossy().into_owned(),
        repr: object.repr(vm)?.to_string_lossy().into_owned(),
        iterator: has(object, "__next__", vm),
    })))
}

fn pairs(
    found: Vec<(PyObjectRef, PyObjectRef)>,
    vm: &VirtualMachine,
    depth: usize,
) -> PyResult<Raw> {
    if found.len() > MAX_ITEMS {
        return Err(vm.new_value_error(format!("a mapping with more than {MAX_ITEMS} keys")));
    }
    found
        .iter()
        .map(|(key, value)| Ok((convert(key, vm, depth + 1)?, convert(value, vm, depth + 1)?)))
        .collect::<PyResult<Vec<_>>>()
        .map(Raw::Dict)
}

fn has(object: &PyObjectRef, name: &'static str, vm: &VirtualMachine) -> bool {
    object.as_object().get_attr(name, vm).is_ok()
}

/// What the prelude's classes carry.
fn handle_of(object: &PyObjectRef, vm: &VirtualMachine) -> Option<Raw> {
    use super::native::handles::{EmptyHandle, EnvironmentHandle, RefHandle};
    let handle = object.as_object().get_attr("_handle", vm).ok()?;
    if let Some(found) = handle.downcast_ref::<ValueHandle>() {
        return Some(Raw::from(found.value.clone()));
    }
    if let Some(found) = handle.downcast_ref::<EnvironmentHandle>() {
        return Some(Raw::Environment(Arc::clone(&found.environment)));
    }
    if let Some(found) = handle.downcast_ref::<RefHandle>() {
        return Some(Raw::Ref(found.reference.clone()));
    }
    handle.downcast_ref::<EmptyHandle>().map(|_| Raw::Empty)
}

/// A Python object from plain data; mappings go through `mapping` where given.
pub(crate) fn from_raw(raw: &Raw, mapping: Option<&PyObjectRef>, vm: &VirtualMachine) -> PyResult {
    let all = |items: &[Raw]| -> PyResult<Vec<PyObjectRef>> {
        items
            .iter()
            .map(|item| from_raw(item, mapping, vm))
            .collect()
    };
    Ok(match raw {
        Raw::None | Raw::Empty | Raw::Environment(_) => vm.ctx.none(),
        Raw::Bool(flag) => vm.ctx.new_bool(*flag).into(),
        Raw::Int(number) => match number.to_i64() {
            Some(number) => vm.ctx.new_int(number).into(),
            None => {
                let digits = vm.ctx.new_str(number.to_string());
                vm.ctx
                    .types
                    .int_type
                    .to_owned()
                    .as_object()
                    .call((digits,), vm)?
            }
        },
        Raw::Float(number) => vm.ctx.new_float(*number).into(),
        Raw::Text(text) => vm.ctx.new_str(&**text).into(),
        Raw::List(items) => vm.ctx.new_list(all(items)?).into(),
        Raw::Tuple(items) => vm.ctx.new_tuple(all(items)?).into(),
        Raw::Dict(pairs) => {
            let dict = vm.ctx.new_dict();
            for (key, value) in pairs {
                dict.set_item(
                    &*from_raw(key, mapping, vm)?,
                    from_raw(value, mapping, vm)?,
                    vm,
                )?;
            }
            match mapping {
                Some(mapping) => mapping.call((dict,), vm)?,
                None => dict.into(),
            }
        }
        Raw::Value(value) => {
            let inner = value
                .get()
                .map_err(|error| vm.new_value_error(error.message))?;
            from_raw(&inner, mapping, vm)?
        }
        Raw::Ref(reference) => vm.ctx.new_str(reference.to_string()).into(),
        Raw::Foreign(foreign) => vm.ctx.new_str(foreign.text.clone()).into(),
    })
}
