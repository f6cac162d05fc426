//! From a request to an answer.

use std::collections::BTreeMap;

use aurora_api::binary;
use aurora_api::eval::{
    Diagnostic, DiagnosticKind, EvalAnswer, EvalRequest, ListedJob, LoadedJob, Tiers,
};
use aurora_api::model::TaskConfig;
use base64::Engine as _;
use pystachio::{Raw, Value, schema};

use crate::fault::{Checked, at, fault, of_python, of_value};
use crate::job::Node;
use crate::python::{Global, Python, with_interpreter};
use crate::select::{self, Key};
use crate::{convert, ports, update, validate};

/// The largest job file that is read.
const MAX_FILE: u64 = 16 << 20;

/// Evaluates a job file. What is wrong with the file is in the answer.
///
/// Runs on a thread of its own with a large stack, Python and all; one call a process, since a process has one interpreter.
pub fn evaluate(request: &EvalRequest) -> EvalAnswer {
    let owned = request.clone();
    // The job's values live and end on that thread: how deep they nest is the file's choice.
    let outcome = with_interpreter(move |python| {
        let mut answer = EvalAnswer::default();
        if let Err(diagnostic) = fill(&owned, python, &mut answer) {
            answer.errors.push(*diagnostic);
        }
        answer
    });
    outcome.unwrap_or_else(|fault| EvalAnswer {
        errors: vec![*of_python(*fault)],
        ..EvalAnswer::default()
    })
}

fn fill(request: &EvalRequest, python: &Python<'_>, answer: &mut EvalAnswer) -> Checked<()> {
    let (source, from_text) = match &request.source {
        Some(source) => (source.clone(), true),
        None => (read(&request.path)?, false),
    };
    let (jobs, has_hooks) = if request.read_json {
        (jobs_from_json(&request.path, &source)?, false)
    } else {
        jobs_from_python(python, &request.path, &source, from_text)?
    };
    let jobs = jobs
        .into_iter()
        .map(|job| bind(&job, &request.bindings))
        .collect::<Checked<Vec<Value>>>()?;
    let keys = jobs
        .iter()
        .enumerate()
        .map(|(index, job)| Key::of(job, index))
        .collect::<Checked<Vec<Key>>>()?;
    answer.jobs = keys
        .iter()
        .map(|key| ListedJob {
            key: key.to_string(),
        })
        .collect();
    if request.check {
        check(&jobs, &keys, request, answer);
        return Ok(());
    }
    let Some(wanted) = &request.select else {
        return Ok(());
    };
    let index = select::select(&keys, wanted)?;
    let loaded = load_at(index, &jobs[index], request, &mut answer.warnings)?;
    if has_hooks && loaded.enable_hooks {
        answer.warnings.push(hooks_warning(&request.path));
    }
    answer.job = Some(loaded);
    Ok(())
}

/// Loads every job for what is wrong with it.
fn check(jobs: &[Value], keys: &[Key], request: &EvalRequest, answer: &mut EvalAnswer) {
    let mut seen = BTreeMap::new();
    for (index, (job, key)) in jobs.iter().zip(keys).enumerate() {
        let first = *seen.entry(key.to_string()).or_insert(index);
        let path = format!("jobs[{index}]");
        if first != index {
            let message = format!("jobs[{first}] has the same key, {key}");
            let twice = fault(DiagnosticKind::Selection, message);
            answer.errors.push(*at(&path, twice));
        }
        match load_at(index, job, request, &mut answer.warnings) {
            Ok(loaded) => answer.errors.extend(loaded.update_error.map(|what| {
                let field = format!("{path}.update_config");
                *at(&field, fault(DiagnosticKind::Invalid, what))
            })),
            Err(diagnostic) => answer.errors.push(*diagnostic),
        }
    }
}

/// Loads the job at this place of the file, where the fields of its diagnostics begin.
fn load_at(
    index: usize,
    job: &Value,
    request: &EvalRequest,
    warnings: &mut Vec<Diagnostic>,
) -> Checked<LoadedJob> {
    let path = format!("jobs[{index}]");
    let mut found = Vec::new();
    let loaded = load(job, request, &mut found);
    warnings.extend(
        found
            .into_iter()
            .map(|warning| *at(&path, Box::new(warning))),
    );
    loaded.map_err(|diagnostic| at(&path, diagnostic))
}

fn read(path: &str) -> Checked<String> {
    let failed = |why: String| {
        let mut found = fault(
            DiagnosticKind::NotFound,
            format!("Could not load resource {path}: {why}"),
        );
        found.file = Some(path.to_owned());
        found
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

fn jobs_from_json(path: &str, source: &str) -> Checked<Vec<Value>> {
    let document: serde_json::Value = serde_json::from_str(source).map_err(|error| {
        Box::new(Diagnostic {
            kind: DiagnosticKind::Evaluation,
            message: error.to_string(),
            file: Some(path.to_owned()),
            line: u32::try_from(error.line()).ok().filter(|line| *line > 0),
            column: u32::try_from(error.column())
                .ok()
                .filter(|column| *column > 0),
            hint: Some("--read-json reads JSON; leave it out for a file in Python".to_owned()),
            ..Diagnostic::default()
        })
    })?;
    let listed = match document.get("jobs") {
        Some(serde_json::Value::Array(jobs)) => jobs.clone(),
        Some(_) => {
            return Err(in_file(
                path,
                fault(DiagnosticKind::Evaluation, "\"jobs\" is not a list"),
            ));
        }
        None => vec![document],
    };
    listed
        .iter()
        .enumerate()
        .map(|(index, job)| {
            Value::from_json(schema::get("Job"), job, true).map_err(|error| {
                let mut found = of_value("", &error);
                found.kind = DiagnosticKind::Evaluation;
                in_file(path, at(&format!("jobs[{index}]"), found))
            })
        })
        .collect()
}

/// Hooks are Python objects that upstream's client calls around its requests; there is no Python in this one.
fn hooks_warning(path: &str) -> Diagnostic {
    Diagnostic {
        kind: DiagnosticKind::Warning,
        message: "the file defines hooks; they are not run".to_owned(),
        file: Some(path.to_owned()),
        field: Some("hooks".to_owned()),
        hint: Some("run what they do before or after the command instead".to_owned()),
        ..Diagnostic::default()
    }
}

fn in_file(path: &str, mut diagnostic: Box<Diagnostic>) -> Box<Diagnostic> {
    diagnostic.file = Some(path.to_owned());
    diagnostic
}

fn jobs_from_python(
    python: &Python<'_>,
    path: &str,
    source: &str,
    from_text: bool,
) -> Checked<(Vec<Value>, bool)> {
    let loaded = python
        .load(path, source, from_text)
        .map_err(|fault| of_python(*fault))?;
    let kind = schema::get("Job");
    let mut jobs = Vec::new();
    for (index, found) in loaded.jobs.unwrap_or_default().into_iter().enumerate() {
        let other = match found {
            // A subclass of Job has the structure of Job under a name of its own.
            Global::Value(value) if value.type_of().signature() == kind.signature() => {
                jobs.push(value.retyped(kind));
                continue;
            }
            Global::Value(value) => value.type_of().name().to_owned(),
            Global::Other(class) => class,
        };
        let mut found = fault(
            DiagnosticKind::Evaluation,
            format!("jobs[{index}] is a {other}, not a Job"),
        );
        found.field = Some(format!("jobs[{index}]"));
        return Err(in_file(path, found));
    }
    Ok((jobs, loaded.has_hooks))
}

fn bind(job: &Value, bindings: &[(String, String)]) -> Checked<Value> {
    let scopes = bindings
        .iter()
        .map(|(name, value)| Raw::Dict(vec![(name.as_str().into(), value.as_str().into())]))
        .collect();
    job.bind(scopes).map_err(|error| {
        fault(
            DiagnosticKind::Evaluation,
            format!("a binding's name must be an address such as profile.env: {error}"),
        )
    })
}

/// Names that were references of their own in old files; the client's meaning wins over every other.
fn standard_bindings(job: &Value) -> Checked<Value> {
    let aliases = [
        ("mesos.role", "{{role}}"),
        ("mesos.cluster", "{{cluster}}"),
        ("thermos.user", "{{role}}"),
    ];
    let pairs = aliases.map(|(name, value)| (name.into(), value.into()));
    job.bind(vec![Raw::Dict(pairs.into())])
        .map_err(|error| of_value("", &error))
}

fn load(job: &Value, request: &EvalRequest, warnings: &mut Vec<Diagnostic>) -> Checked<LoadedJob> {
    let raw = Node::root(job.clone());
    let name = match raw.field("name")? {
        Some(name) => name
            .get()?
            .to_text()
            .map_err(|error| of_value("name", &error))?,
        None => String::new(),
    };
    validate::required(&raw, &name)?;
    let mut job = Node::root(standard_bindings(job)?);
    validate::settings(&job)?;
    validate::announce(&job, warnings)?;
    validate::deprecated(&job, warnings)?;
    validate::types(&job)?;
    let requested = ports::requested(&job)?;
    let mut configuration = convert::convert(&job.value, &request.user, &requested)?;
    if let Some(tiers) = &request.tiers {
        let backfill = backfill(&configuration.task_config, tiers)?;
        job = Node::root(
            job.value
                .replace(backfill)
                .map_err(|error| of_value("", &error))?,
        );
        configuration = convert::convert(&job.value, &request.user, &requested)?;
    }
    let (update_settings, update_error) = match update::settings(&job) {
        Ok(settings) => (Some(encode(&settings)), None),
        Err(diagnostic) => (None, Some(diagnostic.message)),
    };
    let plain = job.get()?;
    Ok(LoadedJob {
        cluster: job.need("cluster")?.text()?,
        configuration: encode(&configuration),
        update_settings,
        update_error,
        job: pystachio::to_json(&plain).map_err(|error| of_value("", &error))?,
        enable_hooks: job.need("enable_hooks")?.boolean()?,
    })
}

fn encode<T: aurora_api::wire::Wire>(value: &T) -> String {
    base64::engine::general_purpose::STANDARD.encode(binary::encode(value))
}

/// What the scheduler's tiers add: a tier for a job without one, else what the tier says about production.
fn backfill(task: &TaskConfig, tiers: &Tiers) -> Checked<Vec<(std::sync::Arc<str>, Raw)>> {
    let setting = |tier: &aurora_api::eval::Tier, name: &str| -> Checked<bool> {
        let text = tier.settings.get(name).map_or("", String::as_str);
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(fault(
                DiagnosticKind::Invalid,
                format!(
                    "the scheduler's tier {} has {name} {text:?}, neither true nor false",
                    tier.name
                ),
            )),
        }
    };
    let production = task.production.unwrap_or_default();
    match &task.tier {
        None => {
            let mut chosen = &tiers.default;
            for tier in &tiers.tiers {
                if setting(tier, "preemptible")? != production && !setting(tier, "revocable")? {
                    chosen = &tier.name;
                    break;
                }
            }
            Ok(vec![("tier".into(), chosen.as_str().into())])
        }
        Some(name) => {
            let production = match tiers.tiers.iter().find(|tier| tier.name == *name) {
                Some(tier) => !setting(tier, "preemptible")?,
                None => production,
            };
            Ok(vec![("production".into(), production.into())])
        }
    }
}
