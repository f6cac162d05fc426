//! What a file holds, and where in it.

use std::collections::BTreeMap;

use aurora_api::eval::{Diagnostic, DiagnosticKind, EvalRequest};
use pystachio::{TypeKind, Value, schema};

use crate::fault::{Checked, at, fault, of_python, of_value};
use crate::json_place;
use crate::python::{self, Division, Global, Loaded, Place, Program, Python, Sources};

/// The largest job file that is read.
const MAX_FILE: u64 = 16 << 20;

/// How much of what stands in a field is shown.
const MAX_SHOWN: usize = 200;

/// A file's jobs.
pub(crate) struct File {
    pub(crate) jobs: Vec<Value>,
    /// Whether it defines hooks.
    pub(crate) has_hooks: bool,
    tasks: Vec<Value>,
    places: Places,
}

/// How the place of a value is found.
enum Places {
    /// By its origin.
    Made(Vec<Place>),
    /// By its path in a text of JSON.
    Json { path: String, text: String },
}

impl File {
    /// Reads what a request names.
    pub(crate) fn read(request: &EvalRequest, warnings: &mut Vec<Diagnostic>) -> Checked<File> {
        let path = &request.path;
        let source = match &request.source {
            Some(source) => source.clone(),
            None => read(path)?,
        };
        if !request.read_json {
            let sources = match &request.source {
                Some(_) => Sources::Nothing,
                None => Sources::Files,
            };
            return run(request, path, &source, sources, warnings);
        }
        let document = parse(path, &source)?;
        match bundle(&document) {
            Some(texts) => {
                let Some((root, text)) = root(&texts) else {
                    let message = "the bundle has no root: no key begins with \\0";
                    return Err(in_file(path, fault(DiagnosticKind::Evaluation, message)));
                };
                run(request, root, text, Sources::Bundle(&texts), warnings)
            }
            None => from_json(path, source, document),
        }
    }

    /// The tasks that a file of the `thermos` command exports, as JSON.
    pub(crate) fn exported(&self) -> Checked<Vec<serde_json::Value>> {
        let json = |(index, task): (usize, &Value)| {
            let plain = task.interpolate().and_then(|(task, _)| task.get());
            plain
                .and_then(|plain| pystachio::to_json(&plain))
                .map_err(|error| at(&format!("tasks[{index}]"), of_value("", &error)))
        };
        self.tasks.iter().enumerate().map(json).collect()
    }

    /// Adds to a diagnostic of a job what is not known there: the place in the file, what stands there, what may.
    pub(crate) fn complete(&self, diagnostic: &mut Diagnostic) {
        let field = diagnostic.field.clone().unwrap_or_default();
        let Some((job, path)) = self.job_at(&field) else {
            return;
        };
        let way = job.way(path);
        match &self.places {
            _ if diagnostic.line.is_some() => {}
            Places::Made(places) => {
                let index = way.origin().map(|origin| origin.get() as usize - 1);
                if let Some(place) = index.and_then(|index| places.get(index)) {
                    diagnostic.file = Some(place.file.to_string());
                    diagnostic.line = Some(place.line);
                    diagnostic.column = Some(place.column);
                }
            }
            Places::Json { path, text } => {
                place_in_json(path, text, &field, diagnostic);
            }
        }
        if diagnostic.kind == DiagnosticKind::Warning {
            return;
        }
        let last = way.values.last().filter(|_| way.whole);
        if let Some(kind) = way.empty {
            diagnostic.found.get_or_insert_with(|| "nothing".to_owned());
            diagnostic.allowed.get_or_insert_with(|| kind.described());
        } else if let Some(value) = last
            && let Some(raw) = value.raw()
        {
            diagnostic.found = raw.repr().ok().map(|text| cut(&text));
            if !matches!(value.type_of().kind(), TypeKind::Choice { .. }) {
                let described = || value.type_of().described();
                diagnostic.allowed.get_or_insert_with(described);
            }
        }
    }

    /// The job that a field such as `jobs[2].task` belongs to, and the rest of its path.
    fn job_at<'a>(&self, field: &'a str) -> Option<(&Value, &'a str)> {
        let (index, rest) = field.strip_prefix("jobs[")?.split_once(']')?;
        let job = self.jobs.get(index.parse::<usize>().ok()?)?;
        Some((job, rest.strip_prefix('.').unwrap_or(rest)))
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// A file of JSON holds one job, or several below `jobs`.
fn place_in_json(file: &str, text: &str, field: &str, diagnostic: &mut Diagnostic) {
    let (mut line, mut column) = json_place::place(text, field);
    if (line, column) == json_place::place(text, "") {
        let inner = field.split_once(']').map_or("", |(_, rest)| rest);
        (line, column) = json_place::place(text, inner);
    }
    diagnostic.file = Some(file.to_owned());
    diagnostic.line = Some(line);
    diagnostic.column = Some(column);
}

fn read(path: &str) -> Checked<String> {
    let failed = |why: String| {
        let message = format!("Could not load resource {path}: {why}");
        in_file(path, fault(DiagnosticKind::NotFound, message))
    };
    let about = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?;
    if !about.is_file() {
        return Err(failed("it is not a file".to_owned()));
    }
    if about.len() > MAX_FILE {
        return Err(failed(format!("it is larger than {} MiB", MAX_FILE >> 20)));
    }
    let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| {
        failed(format!(
            "it is not UTF-8 at byte {}",
            error.utf8_error().valid_up_to()
        ))
    })
}

fn in_file(path: &str, mut diagnostic: Box<Diagnostic>) -> Box<Diagnostic> {
    diagnostic.file = Some(path.to_owned());
    diagnostic
}

fn parse(path: &str, source: &str) -> Checked<serde_json::Value> {
    serde_json::from_str(source).map_err(|error| {
        let known = |number: usize| u32::try_from(number).ok().filter(|number| *number > 0);
        Box::new(Diagnostic {
            kind: DiagnosticKind::Evaluation,
            message: error.to_string(),
            file: Some(path.to_owned()),
            line: known(error.line()),
            column: known(error.column()),
            hint: Some("--read-json reads JSON; leave it out for a file in Python".to_owned()),
            ..Diagnostic::default()
        })
    })
}

/// The texts of a bundle: a mapping from `FROM\0INCLUDED`, as upstream's loader records what it reads
/// (pystachio: `config.py`).
fn bundle(document: &serde_json::Value) -> Option<BTreeMap<String, String>> {
    let texts = document.as_object()?;
    if texts.is_empty() {
        return None;
    }
    let text = |(key, text): (&String, &serde_json::Value)| {
        key.contains('\0').then_some(())?;
        Some((key.clone(), text.as_str()?.to_owned()))
    };
    texts.iter().map(text).collect()
}

/// The file that a bundle begins with: the one that no other includes.
fn root(texts: &BTreeMap<String, String>) -> Option<(&str, &str)> {
    texts
        .iter()
        .find_map(|(key, text)| Some((key.strip_prefix('\0')?, text.as_str())))
}

fn from_json(path: &str, source: String, document: serde_json::Value) -> Checked<File> {
    let listed = match document.get("jobs") {
        Some(serde_json::Value::Array(jobs)) => jobs.clone(),
        Some(_) => {
            let message = "\"jobs\" is not a list";
            return Err(in_file(path, fault(DiagnosticKind::Evaluation, message)));
        }
        None => vec![document],
    };
    let job = |(index, job): (usize, &serde_json::Value)| {
        Value::from_json(schema::get("Job"), job, true).map_err(|error| {
            let mut found = at(&format!("jobs[{index}]"), of_value("", &error));
            found.kind = DiagnosticKind::Evaluation;
            // The place of the unknown name itself, where that is what is wrong.
            let field = found.field.clone().unwrap_or_default();
            let word = error.message.rsplit(' ').next().unwrap_or_default();
            let exact = match error.known.is_empty() {
                true => field,
                false => format!("{field}.{word}"),
            };
            place_in_json(path, &source, &exact, &mut found);
            found
        })
    };
    let jobs = listed.iter().enumerate().map(job).collect::<Checked<_>>()?;
    Ok(File {
        jobs,
        has_hooks: false,
        tasks: Vec::new(),
        places: Places::Json {
            path: path.to_owned(),
            text: source,
        },
    })
}

fn run(
    request: &EvalRequest,
    path: &str,
    source: &str,
    sources: Sources<'_>,
    warnings: &mut Vec<Diagnostic>,
) -> Checked<File> {
    let program = Program {
        path,
        source,
        sources,
        exports: request.thermos,
    };
    let work = |python: &Python<'_>| {
        python.watch_divisions(request.python2_division);
        let loaded = python.load(&program);
        (loaded, python.divisions())
    };
    let (loaded, divisions) = python::enter(work).map_err(|fault| of_python(*fault))?;
    warnings.extend(divisions.into_iter().map(division_warning));
    collect(path, loaded.map_err(|fault| of_python(*fault))?)
}

fn division_warning(division: Division) -> Diagnostic {
    Diagnostic {
        kind: DiagnosticKind::Warning,
        message: format!(
            "{} has a remainder: Python 2 dropped it, here it is kept",
            division.shown
        ),
        file: Some(division.place.file.to_string()),
        line: Some(division.place.line),
        column: Some(division.place.column),
        hint: Some(
            "write // to drop it, or divide by a float to keep it; --python2-division drops it everywhere"
                .to_owned(),
        ),
        ..Diagnostic::default()
    }
}

fn collect(path: &str, loaded: Loaded) -> Checked<File> {
    let jobs = loaded.jobs.unwrap_or_default();
    Ok(File {
        jobs: of_type(path, "Job", "jobs", jobs)?,
        has_hooks: loaded.has_hooks,
        tasks: of_type(path, "Task", "tasks", loaded.exported)?,
        places: Places::Made(loaded.places),
    })
}

/// The values of a list that must all be of a type. A subclass has the structure of its parent under a name of its own.
fn of_type(path: &str, name: &str, list: &str, found: Vec<Global>) -> Checked<Vec<Value>> {
    let kind = schema::get(name);
    let value = |(index, item): (usize, Global)| {
        let other = match item {
            Global::Value(value) if value.type_of().signature() == kind.signature() => {
                return Ok(value.retyped(kind));
            }
            Global::Value(value) => value.type_of().name().to_owned(),
            Global::Other(class) => class,
        };
        let message = format!("{list}[{index}] is a {other}, not a {name}");
        let wrong = fault(DiagnosticKind::Evaluation, message);
        Err(in_file(path, at(&format!("{list}[{index}]"), wrong)))
    };
    found.into_iter().enumerate().map(value).collect()
}
