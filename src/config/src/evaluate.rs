//! From a request to an answer.

use std::collections::BTreeMap;

use aurora_api::binary;
use aurora_api::eval::{Diagnostic, DiagnosticKind, EvalAnswer, EvalRequest, ListedJob, LoadedJob};
use base64::Engine as _;
use pystachio::{Raw, Value};

use crate::fault::{Checked, at, fault, of_python, of_value};
use crate::file::File;
use crate::job::Node;
use crate::python::on_large_stack;
use crate::select::{self, Key};
use crate::{convert, images, ports, tiers, update, validate};

/// All that is wrong with a job.
type Loads<T> = Result<T, Vec<Diagnostic>>;

/// Evaluates a job file. What is wrong with the file is in the answer.
///
/// Runs on a thread of its own with a large stack, Python and all; one call a process for files in Python, since a process
/// has one interpreter.
pub fn evaluate(request: &EvalRequest) -> EvalAnswer {
    let owned = request.clone();
    // The job's values live and end on that thread: how deep they nest is the file's choice.
    let outcome = on_large_stack(move || {
        let mut answer = EvalAnswer::default();
        match File::read(&owned, &mut answer.warnings) {
            Ok(file) => fill(&owned, &file, &mut answer),
            Err(diagnostic) => answer.errors.push(*diagnostic),
        }
        answer
    });
    outcome.unwrap_or_else(|fault| EvalAnswer {
        errors: vec![*of_python(*fault)],
        ..EvalAnswer::default()
    })
}

fn fill(request: &EvalRequest, file: &File, answer: &mut EvalAnswer) {
    if let Err(found) = fill_jobs(request, file, answer) {
        answer.errors.extend(found);
    }
    let update = answer
        .job
        .iter_mut()
        .filter_map(|job| job.update_error.as_mut());
    for diagnostic in answer
        .errors
        .iter_mut()
        .chain(&mut answer.warnings)
        .chain(update)
    {
        file.complete(diagnostic);
    }
}

fn fill_jobs(request: &EvalRequest, file: &File, answer: &mut EvalAnswer) -> Loads<()> {
    let one = |diagnostic: Box<Diagnostic>| vec![*diagnostic];
    answer.tasks = file.exported().map_err(one)?;
    let jobs = file
        .jobs
        .iter()
        .map(|job| bind(job, &request.bindings))
        .collect::<Checked<Vec<Value>>>()
        .map_err(one)?;
    let keys = jobs
        .iter()
        .enumerate()
        .map(|(index, job)| Key::of(job, index))
        .collect::<Checked<Vec<Key>>>()
        .map_err(one)?;
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
    let index = select::select(&keys, wanted).map_err(one)?;
    let loaded = load_at(index, &jobs[index], request, answer)?;
    if file.has_hooks && loaded.enable_hooks {
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
        if first != index {
            let message = format!("jobs[{first}] has the same key, {key}");
            let twice = fault(DiagnosticKind::Selection, message);
            answer.errors.push(*at(&format!("jobs[{index}]"), twice));
        }
        match load_at(index, job, request, answer) {
            Ok(loaded) => answer.errors.extend(loaded.update_error),
            Err(found) => answer.errors.extend(found),
        }
    }
}

/// Loads the job at this place of the file, where the fields of its diagnostics begin.
fn load_at(
    index: usize,
    job: &Value,
    request: &EvalRequest,
    answer: &mut EvalAnswer,
) -> Loads<LoadedJob> {
    let path = format!("jobs[{index}]");
    let mut warnings = Vec::new();
    let loaded = load(job, request, &mut warnings, &mut answer.unbound);
    let warnings = warnings.into_iter();
    answer
        .warnings
        .extend(warnings.map(|warning| *at(&path, Box::new(warning))));
    match loaded {
        Ok(mut loaded) => {
            loaded.update_error = loaded.update_error.map(|error| *at(&path, Box::new(error)));
            Ok(loaded)
        }
        Err(found) => Err(found
            .into_iter()
            .map(|error| *at(&path, Box::new(error)))
            .collect()),
    }
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

fn load(
    job: &Value,
    request: &EvalRequest,
    warnings: &mut Vec<Diagnostic>,
    unbound: &mut Vec<String>,
) -> Loads<LoadedJob> {
    validate::required(job)?;
    let one = |diagnostic: Box<Diagnostic>| vec![*diagnostic];
    let mut job = standard_bindings(job).map_err(one)?;
    if request.check {
        job = images::with_placeholders(&job).map_err(one)?;
    }
    let loaded = validate::all(&Node::root(job.clone()), warnings)
        .and_then(|()| finish(Node::root(job.clone()), request).map_err(one));
    if loaded.is_err() {
        // What cannot be told apart from the references of a broken job is left out: the faults say enough.
        *unbound = convert::to_be_bound(&job);
    }
    loaded
}

/// Converts a job that has passed its checks.
fn finish(mut job: Node, request: &EvalRequest) -> Checked<LoadedJob> {
    let requested = ports::requested(&job)?;
    let mut configuration = convert::convert(&job.value, &request.user, &requested)?;
    if let Some(tiers) = &request.tiers {
        let backfill = tiers::backfill(&configuration.task_config, tiers)?;
        job = Node::root(
            job.value
                .replace(backfill)
                .map_err(|error| of_value("", &error))?,
        );
        configuration = convert::convert(&job.value, &request.user, &requested)?;
    }
    let (update_settings, update_error) = match update::settings(&job) {
        Ok(settings) => (Some(encode(&settings)), None),
        Err(diagnostic) => (None, Some(*diagnostic)),
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
