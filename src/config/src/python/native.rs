//! The native module `_pystachio`: values and types of the `pystachio` crate behind opaque handles.
//!
//! The classes that job files see are written in Python (`values.py`) over these functions, so that classes, accessors and
//! exceptions behave as Python's own; what costs time (scopes, interpolation, checks) happens here.

pub(crate) use _pystachio::{ValueHandle, module_def};

/// The other handles.
pub(crate) mod handles {
    pub(crate) use super::_pystachio::{EmptyHandle, EnvironmentHandle, RefHandle};
}

#[rustpython_vm::pymodule]
mod _pystachio {
    use std::sync::Arc;

    use pystachio::schema;
    use pystachio::{Environment, Field, KeyOrder, Raw, Ref, Type, TypeKind, Value};
    use rustpython_vm::builtins::{PyDictRef, PyListRef, PyStrRef, PyTupleRef};
    use rustpython_vm::{
        AsObject, PyObjectRef, PyPayload, PyRef, PyResult, VirtualMachine, pyclass,
    };

    use super::super::convert::{from_raw, text_of, to_raw};
    use super::super::nesting;
    use super::super::place;
    use super::super::state::{STATE, exception, type_id as number_of};
    use crate::near::nearest;

    /// A type.
    #[pyattr]
    #[pyclass(module = "_pystachio", name = "TypeHandle")]
    #[derive(Debug, PyPayload)]
    pub(crate) struct TypeHandle {
        pub(crate) kind: Type,
    }

    #[pyclass]
    impl TypeHandle {
        #[pygetset]
        fn name(&self) -> String {
            self.kind.name().to_owned()
        }

        #[pygetset]
        fn category(&self) -> &'static str {
            match self.kind.kind() {
                TypeKind::String | TypeKind::Integer | TypeKind::Float | TypeKind::Boolean => {
                    "simple"
                }
                TypeKind::Enum(_) => "enum",
                TypeKind::Choice { .. } => "choice",
                TypeKind::List(_) => "list",
                TypeKind::Map(..) => "map",
                TypeKind::Struct(_) => "struct",
            }
        }

        #[pygetset]
        fn number(&self) -> usize {
            number_of(&self.kind)
        }

        /// The names of a struct's fields.
        #[pygetset]
        fn fields(&self) -> String {
            self.kind.field_names().join(", ")
        }
    }

    /// A value.
    #[pyattr]
    #[pyclass(module = "_pystachio", name = "ValueHandle")]
    #[derive(Debug, PyPayload)]
    pub(crate) struct ValueHandle {
        pub(crate) value: Value,
    }

    #[pyclass]
    impl ValueHandle {
        #[pygetset]
        fn kind(&self) -> TypeHandle {
            TypeHandle {
                kind: self.value.type_of().clone(),
            }
        }
    }

    /// A mount table.
    #[pyattr]
    #[pyclass(module = "_pystachio", name = "EnvironmentHandle")]
    #[derive(Debug, PyPayload)]
    pub(crate) struct EnvironmentHandle {
        pub(crate) environment: Arc<Environment>,
    }

    #[pyclass]
    impl EnvironmentHandle {}

    /// A reference.
    #[pyattr]
    #[pyclass(module = "_pystachio", name = "RefHandle")]
    #[derive(Debug, PyPayload)]
    pub(crate) struct RefHandle {
        pub(crate) reference: Ref,
    }

    #[pyclass]
    impl RefHandle {}

    /// The sentinel of an empty field.
    #[pyattr]
    #[pyclass(module = "_pystachio", name = "EmptyHandle")]
    #[derive(Debug, PyPayload)]
    pub(crate) struct EmptyHandle {}

    #[pyclass]
    impl EmptyHandle {}

    type TypeArg = PyRef<TypeHandle>;
    type ValueArg = PyRef<ValueHandle>;

    fn handle(value: Value) -> ValueHandle {
        ValueHandle { value }
    }

    /// A value that the user's file makes where it stands now.
    fn made_here(
        value: Result<Value, pystachio::Error>,
        vm: &VirtualMachine,
    ) -> PyResult<ValueHandle> {
        let value = raised(value, vm)?;
        Ok(handle(match place::origin(vm) {
            Some(origin) => value.with_origin(origin),
            None => value,
        }))
    }

    fn raised<T>(result: Result<T, pystachio::Error>, vm: &VirtualMachine) -> PyResult<T> {
        result.map_err(|error| exception(&error, vm))
    }

    fn made(result: Result<Type, pystachio::Error>, vm: &VirtualMachine) -> PyResult<TypeHandle> {
        raised(result.map(|kind| TypeHandle { kind }), vm)
    }

    fn raws(arguments: &PyTupleRef, vm: &VirtualMachine) -> PyResult<Vec<Raw>> {
        arguments
            .iter()
            .map(|argument| to_raw(argument, vm))
            .collect()
    }

    fn named(keywords: &PyDictRef, vm: &VirtualMachine) -> PyResult<Vec<(Arc<str>, Raw)>> {
        keywords
            .items_vec()
            .into_iter()
            .map(|(key, value)| {
                let key = key.downcast::<rustpython_vm::builtins::PyStr>();
                let key = key.map_err(|_| vm.new_type_error("keywords must be strings"))?;
                Ok((Arc::from(text_of(&key, vm)?), to_raw(&value, vm)?))
            })
            .collect()
    }

    /// Positional arguments, then the keywords as one mapping if there are any.
    fn scopes(
        arguments: &PyTupleRef,
        keywords: &PyDictRef,
        vm: &VirtualMachine,
    ) -> PyResult<Vec<Raw>> {
        let mut given = raws(arguments, vm)?;
        let keywords = named(keywords, vm)?;
        if !keywords.is_empty() {
            let pairs = keywords
                .into_iter()
                .map(|(key, value)| (Raw::Text(key), value))
                .collect();
            given.push(Raw::Dict(pairs));
        }
        Ok(given)
    }

    #[pyfunction]
    fn set_hooks(raise: PyObjectRef, mapping: PyObjectRef) {
        STATE.with(|state| {
            let mut state = state.borrow_mut();
            state.raise = Some(raise);
            state.mapping = Some(mapping);
        });
    }

    /// Names a file whose code is the user's; the line at which its brackets nest too deep, if they do.
    #[pyfunction]
    fn add_file(path: PyStrRef, source: PyStrRef, vm: &VirtualMachine) -> PyResult<Option<u32>> {
        let name = Arc::from(text_of(&path, vm)?);
        STATE.with(|state| state.borrow_mut().files.insert(name));
        Ok(nesting::too_deep(text_of(&source, vm)?))
    }

    /// The one of some names, with commas between them, that a word was probably meant to be.
    #[pyfunction]
    fn near(word: PyStrRef, names: PyStrRef, vm: &VirtualMachine) -> PyResult<Option<String>> {
        let names = text_of(&names, vm)?.split(", ");
        Ok(nearest(text_of(&word, vm)?, names).map(str::to_owned))
    }

    #[pyfunction]
    fn empty() -> EmptyHandle {
        EmptyHandle {}
    }

    #[pyfunction]
    fn simple_type(name: PyStrRef, vm: &VirtualMachine) -> PyResult<TypeHandle> {
        let kind = match text_of(&name, vm)? {
            "String" => Type::string(),
            "Integer" => Type::integer(),
            "Float" => Type::float(),
            "Boolean" => Type::boolean(),
            other => return Err(vm.new_value_error(format!("no simple type {other}"))),
        };
        Ok(TypeHandle { kind })
    }

    /// Pairs of a name and a type: the schema.
    #[pyfunction]
    fn schema_types(vm: &VirtualMachine) -> PyListRef {
        let types = schema::types()
            .iter()
            .map(|(name, kind)| {
                let kind = TypeHandle { kind: kind.clone() }.into_ref(&vm.ctx);
                vm.new_tuple((vm.ctx.new_str(*name), kind)).into()
            })
            .collect();
        vm.ctx.new_list(types)
    }

    /// Pairs of a name and a value: the schema's templates.
    #[pyfunction]
    fn schema_values(vm: &VirtualMachine) -> PyResult<PyListRef> {
        let values = raised(schema::values(), vm)?
            .into_iter()
            .map(|(name, value)| {
                let value = handle(value).into_ref(&vm.ctx);
                vm.new_tuple((vm.ctx.new_str(name), value)).into()
            })
            .collect();
        Ok(vm.ctx.new_list(values))
    }

    fn optional_text(name: &PyObjectRef, vm: &VirtualMachine) -> PyResult<Option<String>> {
        if vm.is_none(name) {
            return Ok(None);
        }
        match name.downcast_ref::<rustpython_vm::builtins::PyStr>() {
            Some(text) => Ok(Some(text_of(text, vm)?.to_owned())),
            None => Err(vm.new_type_error("the name of a type must be a text")),
        }
    }

    #[pyfunction]
    fn enum_type(
        name: PyObjectRef,
        values: PyTupleRef,
        vm: &VirtualMachine,
    ) -> PyResult<TypeHandle> {
        let name = optional_text(&name, vm)?;
        let mut texts = Vec::new();
        for value in values.iter() {
            match optional_text(value, vm)? {
                Some(text) => texts.push(text),
                None => return Err(vm.new_type_error("the values of an Enum must be texts")),
            }
        }
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        Ok(TypeHandle {
            kind: Type::enumeration(name.as_deref(), &texts),
        })
    }

    #[pyfunction]
    fn choice_type(
        name: PyObjectRef,
        alternatives: PyTupleRef,
        vm: &VirtualMachine,
    ) -> PyResult<TypeHandle> {
        let name = optional_text(&name, vm)?;
        let mut kinds = Vec::new();
        for alternative in alternatives.iter() {
            match alternative.downcast_ref::<TypeHandle>() {
                Some(handle) => kinds.push(handle.kind.clone()),
                None => return Err(vm.new_type_error("the alternatives of a Choice must be types")),
            }
        }
        made(Type::choice(name.as_deref(), &kinds, false), vm)
    }

    #[pyfunction]
    fn list_type(element: TypeArg, vm: &VirtualMachine) -> PyResult<TypeHandle> {
        made(Type::list(&element.kind), vm)
    }

    #[pyfunction]
    fn map_type(key: TypeArg, value: TypeArg, vm: &VirtualMachine) -> PyResult<TypeHandle> {
        made(Type::map(&key.kind, &value.kind), vm)
    }

    /// Fields are tuples of name, type, whether required, and the default in a tuple of one (or none).
    #[pyfunction]
    fn struct_type(name: PyStrRef, fields: PyListRef, vm: &VirtualMachine) -> PyResult<TypeHandle> {
        let mut declared = Vec::new();
        for field in fields.borrow_vec().iter() {
            let (field_name, kind, required, default): (PyStrRef, TypeArg, bool, PyTupleRef) = {
                let parts: PyTupleRef = field.clone().try_into_value(vm)?;
                let [name, kind, required, default] = parts.as_slice() else {
                    return Err(vm.new_type_error("a field has four parts"));
                };
                (
                    name.clone().try_into_value(vm)?,
                    kind.clone().try_into_value(vm)?,
                    required.clone().try_into_value(vm)?,
                    default.clone().try_into_value(vm)?,
                )
            };
            let field = match default.as_slice() {
                [default] => raised(
                    Field::with_default(kind.kind.clone(), to_raw(default, vm)?),
                    vm,
                )?,
                _ if required => Field::required(kind.kind.clone()),
                _ => Field::optional(kind.kind.clone()),
            };
            declared.push((Arc::from(text_of(&field_name, vm)?), field));
        }
        made(Type::structure(text_of(&name, vm)?, declared), vm)
    }

    #[pyfunction]
    fn renamed(kind: TypeArg, name: PyStrRef, vm: &VirtualMachine) -> PyResult<TypeHandle> {
        Ok(TypeHandle {
            kind: kind.kind.renamed(text_of(&name, vm)?),
        })
    }

    #[pyfunction]
    fn same_type(a: TypeArg, b: TypeArg) -> bool {
        a.kind == b.kind
    }

    #[pyfunction]
    fn has_field(kind: TypeArg, name: PyStrRef, vm: &VirtualMachine) -> PyResult<bool> {
        let name = text_of(&name, vm)?;
        Ok(kind
            .kind
            .as_struct()
            .is_some_and(|fields| fields.position(name).is_some()))
    }

    /// `Type(*arguments, **keywords)`
    #[pyfunction]
    fn construct(
        kind: TypeArg,
        arguments: PyTupleRef,
        keywords: PyDictRef,
        vm: &VirtualMachine,
    ) -> PyResult<ValueHandle> {
        let kind = &kind.kind;
        let mut positional = raws(&arguments, vm)?;
        let made = match kind.kind() {
            TypeKind::Struct(_) => Value::structure(kind, positional, named(&keywords, vm)?),
            TypeKind::Map(..) if keywords.is_empty() => Value::map(kind, positional),
            _ if keywords.is_empty() && positional.len() == 1 => {
                Value::new(kind, positional.remove(0))
            }
            _ => {
                return Err(vm.new_type_error(format!(
                    "{}() takes one value, {} were given",
                    kind.name(),
                    positional.len() + keywords.__len__()
                )));
            }
        };
        made_here(made, vm)
    }

    #[pyfunction]
    fn json_loads(
        kind: TypeArg,
        text: PyStrRef,
        strict: bool,
        vm: &VirtualMachine,
    ) -> PyResult<ValueHandle> {
        made_here(
            Value::json_loads(&kind.kind, text_of(&text, vm)?, strict),
            vm,
        )
    }

    #[pyfunction]
    fn json_dumps(value: ValueArg, vm: &VirtualMachine) -> PyResult<String> {
        raised(value.value.json_dumps(KeyOrder::Declared), vm)
    }

    #[pyfunction]
    fn environment(
        arguments: PyTupleRef,
        keywords: PyDictRef,
        vm: &VirtualMachine,
    ) -> PyResult<EnvironmentHandle> {
        let mut environment = Environment::default();
        for given in scopes(&arguments, &keywords, vm)? {
            match given {
                Raw::Dict(pairs) => raised(environment.insert_dict(&pairs), vm)?,
                Raw::Environment(other) => environment.merge(&other),
                other => {
                    let shown = raised(other.repr(), vm)?;
                    return Err(vm.new_value_error(format!(
                        "Environment expects dict or Environment, got {shown}"
                    )));
                }
            }
        }
        Ok(EnvironmentHandle {
            environment: Arc::new(environment),
        })
    }

    #[pyfunction]
    fn parse_ref(address: PyStrRef, vm: &VirtualMachine) -> PyResult<RefHandle> {
        let reference = raised(Ref::parse(text_of(&address, vm)?), vm)?;
        Ok(RefHandle { reference })
    }

    #[pyfunction]
    fn ref_address(reference: PyRef<RefHandle>) -> String {
        reference.reference.address()
    }

    #[pyfunction]
    fn get(value: ValueArg, vm: &VirtualMachine) -> PyResult {
        let raw = raised(value.value.get(), vm)?;
        let mapping = STATE.with(|state| state.borrow().mapping.clone());
        from_raw(&raw, mapping.as_ref(), vm)
    }

    #[pyfunction]
    fn text(value: ValueArg, vm: &VirtualMachine) -> PyResult<String> {
        raised(value.value.text(), vm)
    }

    #[pyfunction]
    fn repr(value: ValueArg, vm: &VirtualMachine) -> PyResult<String> {
        raised(value.value.repr(), vm)
    }

    /// Whether it passed, the message, the field at fault.
    #[pyfunction]
    fn check(value: ValueArg, vm: &VirtualMachine) -> PyResult<(bool, String, String)> {
        let check = raised(value.value.check(), vm)?;
        Ok((
            check.is_ok(),
            check.message().to_owned(),
            check.path.clone(),
        ))
    }

    #[pyfunction]
    fn interpolate(value: ValueArg, vm: &VirtualMachine) -> PyResult<PyTupleRef> {
        let (value, unbound) = raised(value.value.interpolate(), vm)?;
        let unbound = unbound
            .into_iter()
            .map(|reference| RefHandle { reference }.into_ref(&vm.ctx).into())
            .collect();
        Ok(vm.new_tuple((handle(value).into_ref(&vm.ctx), vm.ctx.new_list(unbound))))
    }

    #[pyfunction]
    fn bind(
        value: ValueArg,
        arguments: PyTupleRef,
        keywords: PyDictRef,
        vm: &VirtualMachine,
    ) -> PyResult<ValueHandle> {
        let given = scopes(&arguments, &keywords, vm)?;
        raised(value.value.bind(given).map(handle), vm)
    }

    #[pyfunction]
    fn in_scope(
        value: ValueArg,
        arguments: PyTupleRef,
        keywords: PyDictRef,
        vm: &VirtualMachine,
    ) -> PyResult<ValueHandle> {
        let given = scopes(&arguments, &keywords, vm)?;
        raised(value.value.in_scope(given).map(handle), vm)
    }

    #[pyfunction]
    fn replace(value: ValueArg, keywords: PyDictRef, vm: &VirtualMachine) -> PyResult<ValueHandle> {
        made_here(value.value.replace(named(&keywords, vm)?), vm)
    }

    /// A field interpolated; `None` when it is empty.
    #[pyfunction]
    fn field(
        value: ValueArg,
        name: PyStrRef,
        vm: &VirtualMachine,
    ) -> PyResult<Option<ValueHandle>> {
        let field = value.value.interpolated_field(text_of(&name, vm)?);
        Ok(raised(field, vm)?.map(handle))
    }

    #[pyfunction]
    fn is_set(value: ValueArg, name: PyStrRef, vm: &VirtualMachine) -> PyResult<bool> {
        Ok(value.value.field(text_of(&name, vm)?).is_some())
    }

    /// A list's elements, interpolated.
    #[pyfunction]
    fn elements(value: ValueArg, vm: &VirtualMachine) -> PyResult<PyListRef> {
        let (value, _) = raised(value.value.interpolate(), vm)?;
        let elements = value.elements().unwrap_or(&[]).iter();
        let elements = elements.map(|element| handle(element.clone()).into_ref(&vm.ctx).into());
        Ok(vm.ctx.new_list(elements.collect()))
    }

    /// A map's keys, interpolated.
    #[pyfunction]
    fn keys(value: ValueArg, vm: &VirtualMachine) -> PyResult<PyListRef> {
        let (value, _) = raised(value.value.interpolate(), vm)?;
        let keys = value.pairs().unwrap_or(&[]).iter();
        let keys = keys.map(|(key, _)| handle(key.clone()).into_ref(&vm.ctx).into());
        Ok(vm.ctx.new_list(keys.collect()))
    }

    #[pyfunction]
    fn map_get(
        value: ValueArg,
        key: PyObjectRef,
        vm: &VirtualMachine,
    ) -> PyResult<Option<ValueHandle>> {
        let found = value.value.map_get(to_raw(&key, vm)?);
        Ok(raised(found, vm)?.map(handle))
    }

    #[pyfunction]
    fn same(a: ValueArg, b: ValueArg, vm: &VirtualMachine) -> PyResult<bool> {
        raised(a.value.same_as(&b.value), vm)
    }

    /// -1, 0 or 1; `None` for values of different types.
    #[pyfunction]
    fn order(a: ValueArg, b: ValueArg, vm: &VirtualMachine) -> PyResult<Option<i8>> {
        Ok(raised(a.value.order(&b.value), vm)?.map(|ordering| ordering as i8))
    }

    /// A text that is equal for equal raw data.
    #[pyfunction]
    fn raw_key(value: ValueArg, vm: &VirtualMachine) -> PyResult<String> {
        raised(value.value.raw_key(), vm)
    }

    /// Whether an object is a value's class instance as the prelude makes them.
    #[pyfunction]
    fn is_value(object: PyObjectRef, vm: &VirtualMachine) -> bool {
        match object.as_object().get_attr("_handle", vm) {
            Ok(found) => found.downcast_ref::<ValueHandle>().is_some(),
            Err(_) => false,
        }
    }
}
