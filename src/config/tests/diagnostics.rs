//! Where faults lie that are found after a file has run, and what is told of them.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "the helpers are shared by several test programs"
)]

mod common;

use aurora_api::eval::{Diagnostic, DiagnosticKind, EvalRequest};
use common::{answer, fault, selecting, text};

/// A file with faults of many kinds, and lines to name.
const FILE: &str = "\
def process(name, **fields):
  return Process(name=name, **fields)

good = process('good', cmdline='true')
base = Service(
  cluster='c', role='r', environment='e',
  priority='high')
resources = Resources(cpu=1, ram=64*MB, disk=64*MB)

def job(name, *processes, **fields):
  task = Task(processes=[good] + list(processes), resources=resources)
  return base(name=name, task=task)(**fields)

jobs = [
  job('a', priority=1),
  job('b',
      Process(name='q')),
  job('c', Process(name='q', cmdline='{{ x }}'), priority=1),
  job('d', priority=1, task={'processes': [{'name': 'p', 'cmdline': 'true', 'max_failures': 'many'}]}),
  job('e', priority=1, contact='{{nobody}}'),
  job('f', priority=1, update_config=UpdateConfig(batch_size=0)),
]
";

fn check(source: &str) -> Vec<Diagnostic> {
    answer(&EvalRequest {
        check: true,
        ..text(source)
    })
    .errors
}

/// Line, column, field, what stands there, what may.
type Told<'a> = (u32, u32, &'a str, Option<&'a str>, Option<&'a str>);

fn told(diagnostic: &Diagnostic) -> Told<'_> {
    (
        diagnostic.line.unwrap_or_default(),
        diagnostic.column.unwrap_or_default(),
        diagnostic.field.as_deref().unwrap_or_default(),
        diagnostic.found.as_deref(),
        diagnostic.allowed.as_deref(),
    )
}

#[test]
fn faults_of_values_name_the_call_that_made_them() {
    let errors = check(FILE);
    let number = Some("a whole number");
    let expected: &[Told<'_>] = &[
        // Both faults of one job: what the base was given, and what a process was not.
        (
            17,
            7,
            "jobs[1].task.processes[1].cmdline",
            Some("nothing"),
            Some("a text"),
        ),
        (5, 8, "jobs[1].priority", Some("'high'"), number),
        (
            18,
            12,
            "jobs[2].task.processes[1].cmdline",
            Some("'{{ x }}'"),
            Some("addresses between double braces, such as {{mesos.instance}}"),
        ),
        // Given as a dict: the call that took it.
        (
            12,
            10,
            "jobs[3].task.processes[0].max_failures",
            Some("'many'"),
            number,
        ),
        (
            12,
            10,
            "jobs[4].contact",
            Some("'{{nobody}}'"),
            Some("references that are bound"),
        ),
        (
            21,
            38,
            "jobs[5].update_config.batch_size",
            Some("0"),
            Some("1 or more"),
        ),
    ];
    let found: Vec<Told<'_>> = errors.iter().map(told).collect();
    assert_eq!(found, expected, "{errors:#?}");
    assert!(
        errors
            .iter()
            .all(|error| error.file.as_deref() == Some("test.aurora"))
    );
}

#[test]
fn a_job_that_is_loaded_tells_all_its_faults() {
    let source = "jobs = [Job(cluster='c', role='r', environment='e', name='n', priority='x', instances=1,\n\
                  task=Task(processes=[Process(name='p', max_failures='y')]),\n\
                  update_config=UpdateConfig(watch_secs=-1, max_total_failures=3),\n\
                  health_check_config=HealthCheckConfig(interval_secs='z'))]";
    let errors = answer(&selecting(source)).errors;
    let fields: Vec<&str> = errors
        .iter()
        .map(|error| error.field.as_deref().unwrap_or_default())
        .collect();
    // Those that upstream dies of come first; each field is told once.
    assert_eq!(
        fields,
        [
            "jobs[0].update_config.max_total_failures",
            "jobs[0].update_config.watch_secs",
            "jobs[0].health_check_config.interval_secs",
            "jobs[0].task.processes[0].cmdline",
            "jobs[0].task.processes[0].max_failures",
            "jobs[0].priority",
        ]
    );
    assert_eq!(errors[0].kind, DiagnosticKind::Fatal);
    assert_eq!(
        errors[0].allowed.as_deref(),
        Some("less than there are instances")
    );
    assert_eq!(
        told(&errors[1]),
        (3, 15, fields[1], Some("-1"), Some("0 or more"))
    );
}

#[test]
fn update_settings_keep_their_place_and_hint() {
    let source = common::file(
        "update_config=UpdateConfig(pulse_interval_secs=5)",
        "",
        "true",
    );
    let found = answer(&selecting(&source));
    assert_eq!(found.errors, []);
    let error = found.job.and_then(|job| job.update_error).expect("a fault");
    let field = "jobs[0].update_config.pulse_interval_secs";
    assert_eq!(told(&error), (4, 98, field, Some("5"), Some("60 or more")));
}

#[test]
fn misspelt_fields_are_told_with_what_was_meant() {
    for (source, message, hint, allowed) in [
        (
            "Resources(cpus=1)",
            "Unknown schema attribute cpus",
            "did you mean cpu?",
            "cpu, ram, disk, gpu",
        ),
        (
            "Constraint().ordr()",
            "Constraint has no attribute ordr",
            "did you mean order?",
            "order",
        ),
        (
            "class Profile(Struct):\n  dataset = String\n\nProfile(data_set='x')",
            "Unknown schema attribute data_set",
            "did you mean dataset?",
            "dataset",
        ),
    ] {
        let found = fault(&text(source));
        assert_eq!(found.message, message);
        assert_eq!(found.hint.as_deref(), Some(hint), "{source}");
        assert_eq!(found.allowed.as_deref(), Some(allowed), "{source}");
    }
}

#[test]
fn json_has_places_too() {
    let json = |source: &str| EvalRequest {
        read_json: true,
        check: true,
        ..text(source)
    };
    let found = fault(&json(
        "{\"jobs\": [{\"role\": \"r\"},\n  {\"task\": {\n    \"proceses\": []}}]}",
    ));
    assert_eq!(found.hint.as_deref(), Some("did you mean processes?"));
    assert_eq!((found.line, found.column), (Some(3), Some(17)));
    for (source, shown) in [
        ("\"\"", "''"),
        ("{\"jobs\": [3]}", "3"),
        ("{\"task\": []}", "[]"),
    ] {
        let found = fault(&json(source));
        let expected = format!("a mapping of fields is expected, not {shown}");
        assert_eq!(found.message, expected);
        assert_eq!(found.line, Some(1));
    }
    let one = "{\"cluster\": \"c\", \"role\": \"r\", \"name\": \"n\", \"environment\": \"e\",\n \
               \"priority\": \"high\",\n \"task\": {\"processes\": [{\"name\": \"p\"}]}}";
    let errors = answer(&json(one)).errors;
    let found: Vec<Told<'_>> = errors.iter().map(told).collect();
    assert_eq!(
        found,
        [
            (
                3,
                25,
                "jobs[0].task.processes[0].cmdline",
                Some("nothing"),
                Some("a text")
            ),
            (
                2,
                14,
                "jobs[0].priority",
                Some("'high'"),
                Some("a whole number")
            ),
        ]
    );
}

#[test]
fn divisions_with_a_remainder_are_warnings_unless_they_floor() {
    let source = "import statistics\n\
                  half = 7 / 2\n\
                  def share(total, parts):\n\
                  \x20 return total / parts\n\
                  x = [share(n, 3) for n in (3, 4, 5)]\n\
                  exact = 8 / 2\n\
                  real = 7.0 / 2\n\
                  mean = statistics.mean([1, 2])\n\
                  total = 9\n\
                  total /= 4\n\
                  jobs = [Job(cluster='c', role='r', environment='e', name='%s-%s-%s-%s-%s' % (half, x[1], exact, mean, total))]";
    let found = answer(&text(source));
    let shown: Vec<(u32, u32, &str)> = found
        .warnings
        .iter()
        .map(|warning| {
            let (line, column) = (warning.line.unwrap_or(0), warning.column.unwrap_or(0));
            (
                line,
                column,
                warning.message.split(" has").next().unwrap_or(""),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [(2, 8, "7 / 2"), (4, 10, "4 / 3"), (10, 10, "9 / 4")]
    );
    assert!(
        found.warnings[0]
            .hint
            .as_deref()
            .unwrap_or("")
            .contains("write //")
    );
    assert_eq!(
        found.jobs[0].key,
        "c/r/e/3.5-1.3333333333333333-4.0-1.5-2.25"
    );
    let floored = answer(&EvalRequest {
        python2_division: true,
        ..text(source)
    });
    assert_eq!(floored.warnings, []);
    // The library's own divisions are Python 3's.
    assert_eq!(floored.jobs[0].key, "c/r/e/3-1-4-1.5-2");
}

#[test]
fn includes_that_raise_leave_the_way_back_open() {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, text).expect("written");
    };
    write(
        "root.aurora",
        "for name in ('sub/bad.aurora', 'sub/missing.aurora'):\n\
         \x20 try:\n    include(name)\n  except (ZeroDivisionError, FileNotFoundError):\n    pass\n\
         include('good.aurora')\ninclude('good.aurora')\n",
    );
    write("sub/bad.aurora", "1 / 0");
    write(
        "good.aurora",
        "runs = globals().get('runs', 0) + 1\njobs = [Job(name=str(runs))]",
    );
    let request = EvalRequest {
        path: directory.path().join("root.aurora").display().to_string(),
        ..EvalRequest::default()
    };
    let found = answer(&request);
    assert_eq!(found.errors, []);
    // A file that is included twice runs twice.
    assert!(found.jobs[0].key.ends_with("/2"), "{:?}", found.jobs);
}

#[test]
fn bundles_are_replayed_without_files() {
    let bundle = serde_json::json!({
        "\0root.aurora": "include('sub/a.aurora')\njobs = [job(name=NAME)]",
        "root.aurora\0sub/a.aurora": "include('b.aurora')\njob = Job(cluster='c', role='r', environment='e')",
        "sub/a.aurora\0b.aurora": "NAME = 'n'",
    });
    let request = |bundle: &serde_json::Value| EvalRequest {
        read_json: true,
        ..text(&bundle.to_string())
    };
    let found = answer(&request(&bundle));
    assert_eq!(found.errors, []);
    assert_eq!(found.jobs[0].key, "c/r/e/n");
    let mut torn = bundle;
    torn.as_object_mut()
        .expect("an object")
        .shift_remove("sub/a.aurora\0b.aurora");
    let found = fault(&request(&torn));
    assert_eq!(
        found.message,
        "the bundle has nothing for include('b.aurora') in sub/a.aurora"
    );
    assert_eq!(
        (found.file.as_deref(), found.line),
        (Some("sub/a.aurora"), Some(1))
    );
}

#[test]
fn files_of_the_thermos_command_export_tasks() {
    let source = "export(Task(name='t', processes=[Process(name='p', cmdline='{{thermos.ports[x]}}')]))\n\
                  export({'name': 'u', 'processes': [{'name': 'q', 'cmdline': 'true'}]})";
    let request = EvalRequest {
        thermos: true,
        ..text(source)
    };
    let found = answer(&request);
    assert_eq!(found.errors, []);
    let shown: Vec<(&str, &str)> = found
        .tasks
        .iter()
        .map(|task| {
            (
                task["name"].as_str().unwrap_or_default(),
                task["processes"][0]["cmdline"].as_str().unwrap_or_default(),
            )
        })
        .collect();
    assert_eq!(shown, [("t", "{{thermos.ports[x]}}"), ("u", "true")]);
    assert_eq!(found.tasks[0]["finalization_wait"], 30);
    let message = fault(&text(source)).message;
    assert_eq!(message, "name 'export' is not defined");
    let wrong = EvalRequest {
        thermos: true,
        ..text("export(Process(name='p'))")
    };
    assert_eq!(fault(&wrong).message, "tasks[0] is a Process, not a Task");
}

/// What clients have to bind before a job can be loaded.
#[test]
fn references_left_to_be_bound_are_listed() {
    let image = "container=Docker(image='{{docker.image[library/python][3.12-slim]}}')";
    let source = common::file(
        image,
        "",
        "run {{mesos.instance}} {{other}} {{thermos.ports[http]}}",
    );
    let found = answer(&selecting(&source));
    assert_eq!(found.errors.len(), 1);
    assert_eq!(
        found.unbound,
        ["other", "docker.image[library/python][3.12-slim]"]
    );
    let mut bound = selecting(&source);
    bound.bindings = [
        ("other", "x"),
        (found.unbound[1].as_str(), "library/python@sha256:1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let found = answer(&bound);
    let container = common::configuration(&found, &source).task_config.container;
    let aurora_api::model::Container::Docker(docker) = container else {
        panic!("{container:?}");
    };
    assert_eq!(docker.image.as_deref(), Some("library/python@sha256:1"));
    assert_eq!(found.unbound, Vec::<String>::new());
    // A check asks no registry.
    let checked = answer(&EvalRequest {
        check: true,
        ..text(&common::file(image, "", "true"))
    });
    assert_eq!(checked.errors, []);
}
