//! The interpreter: one a process, on a thread of its own with a large stack.

mod convert;
mod division;
mod native;
mod nesting;
mod place;
mod state;

use std::collections::BTreeMap;
use std::sync::mpsc;

use pystachio::Value;
use rustpython_vm::builtins::{PyBaseExceptionRef, PyDictRef, PyStr, PyTupleRef};
use rustpython_vm::compiler::Mode;
use rustpython_vm::scope::Scope;
use rustpython_vm::{AsObject, Interpreter, PyObjectRef, PyResult, Settings, VirtualMachine};

pub(crate) use convert::to_raw;
pub use division::Division;
pub use place::Place;

/// What job files find, run in this order in one set of names.
const PRELUDE: [(&str, &str); 3] = [
    ("<values>", include_str!("values.py")),
    ("<helpers>", include_str!("helpers.py")),
    ("<loader>", include_str!("loader.py")),
];

/// The stack of the thread that evaluates. Only what is touched is taken; deep nesting in a file would overflow less.
pub const STACK_BYTES: usize = 256 << 20;

/// A fault while evaluating, placed in the file as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// The exception's class, such as `SyntaxError`.
    pub class: String,
    /// Its message.
    pub message: String,
    /// The file.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<u32>,
    /// The column, from 1.
    pub column: Option<u32>,
    /// The field at fault, from the value on that was being made.
    pub field: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// What may stand there.
    pub allowed: Option<String>,
}

/// A result that fails with a fault of the file.
pub type Outcome<T> = Result<T, Box<Fault>>;

impl Fault {
    fn new(class: &str, message: String) -> Box<Fault> {
        Box::new(Fault {
            class: class.to_owned(),
            message,
            ..Fault::default()
        })
    }
}

/// What a job file left behind.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The elements of `jobs`; nothing when there is no such name.
    pub jobs: Option<Vec<Global>>,
    /// Whether `hooks` holds anything.
    pub has_hooks: bool,
    /// What `export` was given.
    pub exported: Vec<Global>,
    /// Where the values were made: the first place is origin 1.
    pub places: Vec<Place>,
}

/// How a job file is run.
#[derive(Debug)]
pub struct Program<'a> {
    /// Its name.
    pub path: &'a str,
    /// Its text.
    pub source: &'a str,
    /// What it may include.
    pub sources: Sources<'a>,
    /// Whether there is `export`.
    pub exports: bool,
}

/// What `include` finds.
#[derive(Debug)]
pub enum Sources<'a> {
    /// Files.
    Files,
    /// Nothing: the program did not come from a file.
    Nothing,
    /// The texts of a bundle, by upstream's keys.
    Bundle(&'a BTreeMap<String, String>),
}

/// An element of a global list.
#[derive(Debug)]
pub enum Global {
    /// A typed value.
    Value(Box<Value>),
    /// Something else: the name of its class.
    Other(String),
}

/// Runs `work` on a thread with an interpreter. One a process: the interpreter keeps state in the thread and in statics.
///
/// # Errors
/// A fault when the thread cannot be started or the interpreter panics.
pub fn with_interpreter<T, F>(work: F) -> Outcome<T>
where
    T: Send + 'static,
    F: FnOnce(&Python<'_>) -> T + Send + 'static,
{
    on_large_stack(|| enter(work))?
}

/// Runs `work` on a thread whose stack has [`STACK_BYTES`].
///
/// # Errors
/// A fault when the thread cannot be started or `work` panics.
pub(crate) fn on_large_stack<T, F>(work: F) -> Outcome<T>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let (sender, receiver) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new()
        .name("evaluate".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            // The receiver waits below until this thread is done.
            sender.send(work()).ok();
        })
        .map_err(|error| {
            let size = STACK_BYTES >> 20;
            Fault::new(
                "OSError",
                format!("cannot start a thread with a stack of {size} MiB: {error}"),
            )
        })?;
    let outcome = receiver.recv();
    let joined = thread.join();
    match (outcome, joined) {
        (Ok(outcome), _) => Ok(outcome),
        (Err(_), _) => {
            let mut fault = Fault::new(
                "InternalError",
                "the interpreter failed on this file".to_owned(),
            );
            fault.hint = Some("please report the file".to_owned());
            Err(fault)
        }
    }
}

/// Runs `work` with an interpreter on this thread.
///
/// # Errors
/// When the interpreter does not come up.
pub(crate) fn enter<T>(work: impl FnOnce(&Python<'_>) -> T) -> Outcome<T> {
    let mut settings = Settings::default();
    settings.isolated = true;
    settings.import_site = false;
    settings.user_site_directory = false;
    settings.write_bytecode = false;
    settings.install_signal_handlers = false;
    settings.hash_seed = Some(0);
    settings.utf8_mode = 1;
    settings.stdio_encoding = Some("utf-8".to_owned());
    settings.argv = vec!["aurora-eval".to_owned()];
    let builder = Interpreter::builder(settings);
    let native_module = native::module_def(&builder.ctx);
    let standard = rustpython_stdlib::stdlib_module_defs(&builder.ctx);
    let interpreter = builder
        .add_native_modules(&standard)
        .add_native_module(native_module)
        .add_frozen_modules(rustpython_pylib::FROZEN_STDLIB)
        .build();
    let outcome = interpreter.enter(|vm| {
        let globals = vm.ctx.new_dict();
        let outcome = prelude(vm, &globals)
            .map(|()| {
                work(&Python {
                    vm,
                    globals: &globals,
                })
            })
            .map_err(|error| Fault::new(&error.class().name(), shown(vm, error.as_object())));
        // What files print while they leave, or fail to, is theirs alone.
        if let Ok(leave) = globals.get_item("leave", vm) {
            leave.call((), vm).ok();
        }
        state::forget();
        outcome
    });
    // Taking an interpreter apart takes as long as most files take to run, and the process ends soon: its memory is left.
    std::mem::forget(interpreter);
    outcome
}

fn prelude(vm: &VirtualMachine, globals: &PyDictRef) -> PyResult<()> {
    globals.set_item("__name__", vm.ctx.new_str("aurora_config").into(), vm)?;
    for (name, source) in PRELUDE {
        let code = vm
            .compile(source, Mode::Exec, name.to_owned())
            .map_err(|error| vm.new_syntax_error(&error, Some(source)))?;
        let scope = Scope::with_builtins(None, globals.clone(), vm);
        vm.run_code_obj(code, scope)?;
    }
    Ok(())
}

fn shown(vm: &VirtualMachine, object: &rustpython_vm::PyObject) -> String {
    match object.str(vm) {
        Ok(text) => text.to_string_lossy().into_owned(),
        Err(_) => "an exception that cannot be shown".to_owned(),
    }
}

/// The interpreter inside [`with_interpreter`].
pub struct Python<'a> {
    vm: &'a VirtualMachine,
    globals: &'a PyDictRef,
}

impl Python<'_> {
    /// Runs a job file.
    ///
    /// # Errors
    /// What the file raised.
    pub fn load(&self, program: &Program<'_>) -> Outcome<Loaded> {
        let (environment, exported) = self.run(program)?;
        let mut loaded = self
            .collect(&environment, &exported)
            .map_err(|error| self.fault(error))?;
        loaded.places = place::all();
        Ok(loaded)
    }

    /// Looks at divisions of integers from now on: see [`Python::divisions`].
    pub fn watch_divisions(&self, floor: bool) {
        division::watch(floor, self.vm);
    }

    /// The divisions with a remainder that files made, unless they floor.
    pub fn divisions(&self) -> Vec<Division> {
        division::found()
    }

    /// Runs a program and gives its global `result` as plain JSON data: for tests against other implementations. `before`
    /// runs first, in the same names.
    ///
    /// # Errors
    /// What the program raised.
    pub fn result_of(&self, before: &str, program: &str) -> Outcome<serde_json::Value> {
        let source = format!("{before}\n{program}");
        let (environment, _) = self.run(&Program {
            path: "<program>",
            source: &source,
            sources: Sources::Nothing,
            exports: false,
        })?;
        let vm = self.vm;
        let found = environment
            .get_item("result", vm)
            .and_then(|result| to_raw(&result, vm));
        let found = found.map_err(|error| self.fault(error))?;
        pystachio::to_json(&found).map_err(|error| Fault::new("TypeError", error.message))
    }

    /// The names that a program leaves, and what it exports.
    fn run(&self, program: &Program<'_>) -> Outcome<(PyDictRef, PyObjectRef)> {
        let loaded = self.call_load(program).map_err(|error| self.fault(error))?;
        match loaded.as_slice() {
            [_, environment, exported] => match environment.clone().downcast() {
                Ok(environment) => Ok((environment, exported.clone())),
                Err(_) => Err(Box::default()),
            },
            [_, described] => Err(self.described(described)),
            _ => Err(Box::default()),
        }
    }

    fn call_load(&self, program: &Program<'_>) -> PyResult<PyTupleRef> {
        let vm = self.vm;
        let sources: PyObjectRef = match program.sources {
            Sources::Files => vm.ctx.none(),
            Sources::Nothing => vm.ctx.new_bool(false).into(),
            Sources::Bundle(texts) => {
                let dict = vm.ctx.new_dict();
                for (key, text) in texts {
                    dict.set_item(key.as_str(), vm.ctx.new_str(text.as_str()).into(), vm)?;
                }
                dict.into()
            }
        };
        let arguments = (
            vm.ctx.new_str(program.path),
            vm.ctx.new_str(program.source),
            sources,
            vm.ctx.new_bool(program.exports),
        );
        let load = self.globals.get_item("load", vm)?;
        load.call(arguments, vm)?.try_into_value(vm)
    }

    /// The tuple that the prelude's `describe` makes.
    fn described(&self, object: &PyObjectRef) -> Box<Fault> {
        let vm = self.vm;
        let parts: Vec<PyObjectRef> = object.try_to_value(vm).unwrap_or_default();
        let text = |index: usize| -> Option<String> {
            let text = parts.get(index)?.downcast_ref::<PyStr>()?;
            Some(text.to_string_lossy().into_owned())
        };
        let number =
            |index: usize| -> Option<u32> { parts.get(index)?.try_to_value::<u32>(vm).ok() };
        Box::new(Fault {
            class: text(0).unwrap_or_default(),
            message: text(1).unwrap_or_default(),
            file: text(2),
            line: number(3).filter(|line| *line > 0),
            column: number(4).filter(|column| *column > 0),
            field: text(5),
            hint: text(6),
            allowed: text(7),
        })
    }

    fn fault(&self, error: PyBaseExceptionRef) -> Box<Fault> {
        let vm = self.vm;
        let described = self
            .globals
            .get_item("describe", vm)
            .and_then(|describe| describe.call((error.clone(),), vm));
        match described {
            Ok(described) => self.described(&described),
            Err(_) => Fault::new(&error.class().name(), shown(vm, error.as_object())),
        }
    }

    fn collect(&self, environment: &PyDictRef, exported: &PyObjectRef) -> PyResult<Loaded> {
        let vm = self.vm;
        let globals = |list: PyObjectRef| -> PyResult<Vec<Global>> {
            let listed: Vec<PyObjectRef> = list.try_to_value(vm)?;
            let items = listed.iter().map(|item| match to_raw(item, vm)? {
                pystachio::Raw::Value(value) => Ok(Global::Value(value)),
                _ => Ok(Global::Other(item.class().name().to_string())),
            });
            items.collect()
        };
        let mut loaded = Loaded {
            exported: globals(exported.clone())?,
            ..Loaded::default()
        };
        if let Some(jobs) = environment.get_item_opt("jobs", vm)? {
            loaded.jobs = Some(globals(jobs)?);
        }
        if let Some(hooks) = environment.get_item_opt("hooks", vm)? {
            loaded.has_hooks = hooks.try_to_bool(vm)?;
        }
        Ok(loaded)
    }
}
