//! What is said when a file is wrong, and where.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "the helpers are shared by several test programs"
)]

mod common;

use aurora_api::eval::{DiagnosticKind, EvalRequest, JobSelector};
use common::{answer, fault, file, selecting, text};

#[test]
fn faults_of_the_program_name_line_and_column() {
    for (source, line, column, message, hint) in [
        (
            "x = 1\nprint \"hello\"\n",
            2,
            Some(7),
            "invalid syntax",
            Some("print(...)"),
        ),
        (
            "a = 1\n\njobs = [Jobb()]",
            3,
            Some(9),
            "name 'Jobb' is not defined",
            Some("did you mean Job?"),
        ),
        (
            "def f():\n  return Task(procesess=[])\nf()",
            2,
            Some(10),
            "Unknown schema attribute procesess",
            Some("did you mean processes?"),
        ),
        (
            "x = {}\nx.iteritems()",
            2,
            None,
            "'dict' object has no attribute 'iteritems'",
            Some("items"),
        ),
        (
            "{}.has_key('k')",
            1,
            None,
            "'dict' object has no attribute 'has_key'",
            Some("`key in mapping`"),
        ),
        (
            "for v in {}.itervalues():\n  pass",
            1,
            None,
            "'dict' object has no attribute 'itervalues'",
            Some("use values"),
        ),
        (
            "x = 1\nprint x",
            2,
            Some(7),
            "invalid syntax",
            Some("write print(...)"),
        ),
        (
            "x = 1 <> 2",
            1,
            None,
            "invalid syntax",
            Some("write != instead"),
        ),
        (
            "env = raw_input('which? ')",
            1,
            None,
            "EOF when reading a line",
            Some("--bind"),
        ),
        (
            "Process(nmae='p')",
            1,
            Some(1),
            "Unknown schema attribute nmae",
            Some("did you mean name?"),
        ),
        (
            "\n\nimport sys\nsys.exit(4)",
            4,
            None,
            "the file called sys.exit(4)",
            None,
        ),
        ("{}['k']", 1, None, "KeyError: 'k'", None),
        (
            "x = Packer()",
            1,
            None,
            "name 'Packer' is not defined",
            Some("internal to Twitter"),
        ),
        (
            "Task(name='{{ x }}').name()",
            1,
            None,
            "Invalid reference: x",
            Some("{{mesos.instance}}"),
        ),
        (
            "Resources(cpu='x').cpu()",
            1,
            None,
            "Cannot coerce 'x' to Float",
            None,
        ),
        (
            "Volume(mode='rw')",
            1,
            None,
            "Enum_RO_RW only accepts the following values: RO, RW",
            None,
        ),
    ] {
        let found = fault(&text(source));
        assert_eq!(found.kind, DiagnosticKind::Evaluation, "{source}");
        assert_eq!(found.file.as_deref(), Some("test.aurora"), "{source}");
        assert_eq!(found.line, Some(line), "{source}");
        if column.is_some() {
            assert_eq!(found.column, column, "{source}");
        }
        assert_eq!(found.message, message, "{source}");
        match hint {
            Some(part) => assert!(
                found.hint.as_deref().unwrap_or("").contains(part),
                "{found:?}"
            ),
            None => assert_eq!(found.hint, None, "{source}"),
        }
    }
    // Given by the struct that was being made.
    let found = fault(&text(
        "Job(task=Task(processes=[Process(name='p')(max_failures=1), Process(nam='q')]))",
    ));
    assert_eq!(found.message, "Unknown schema attribute nam");
    let found = fault(&text(
        "Job(task={'processes': [{'name': 'p'}, {'resources': [1]}]})",
    ));
    assert_eq!(found.field.as_deref(), Some("task.processes[1].resources"));
}

#[test]
fn includes_resolve_against_the_including_file_and_faults_name_the_included_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    std::fs::create_dir(root.join("sub")).expect("a directory");
    let write = |name: &str, text: &str| std::fs::write(root.join(name), text).expect("written");
    write(
        "root.aurora",
        "include('sub/a.aurora')\njobs = [job(name=NAME) for job in JOBS]",
    );
    write(
        "sub/a.aurora",
        "include('b.aurora')\nJOBS = [Job(cluster='c', role='r', environment='e')]",
    );
    write("sub/b.aurora", "NAME = 'from-b'");
    let path = |name: &str| EvalRequest {
        path: root.join(name).to_str().expect("a path").to_owned(),
        ..EvalRequest::default()
    };
    let found = answer(&path("root.aurora"));
    assert_eq!(found.errors, []);
    assert_eq!(found.jobs[0].key, "c/r/e/from-b");

    write("sub/b.aurora", "\nNAME = nothing");
    let found = fault(&path("root.aurora"));
    let file = found.file.expect("a file");
    assert!(file.ends_with("sub/b.aurora"), "{file}");
    assert_eq!(found.line, Some(2));

    write("loop.aurora", "include('loop.aurora')");
    assert!(
        fault(&path("loop.aurora"))
            .message
            .contains("include one another")
    );
    let found = fault(&path("missing.aurora"));
    assert_eq!(found.kind, DiagnosticKind::NotFound);
    assert!(
        found.message.starts_with("Could not load resource "),
        "{}",
        found.message
    );
    assert!(
        fault(&text("include('x')"))
            .message
            .starts_with("You may not include()"),
        "a text has no place to include from"
    );
}

const TWO: &str = "jobs = [Job(cluster='c', role='r', environment='e', name='n'), \
                   Job(cluster='c', role='r', name='m'), Job(cluster='d', role='r', environment='e', name='n')]";

#[test]
fn selection_lists_the_candidates() {
    let mut request = selecting(TWO);
    if let Some(wanted) = &mut request.select {
        wanted.role = "other".to_owned();
    }
    let found = fault(&request);
    assert_eq!(found.kind, DiagnosticKind::Selection);
    assert_eq!(
        found.message,
        "Could not find job c/other/e/n\n\
         Job c/r/{MISSING}/m in configuration file doesn't specify an environment\n\
         Candidates are:\n  c/r/e/n\n  c/r/{MISSING}/m\n  d/r/e/n"
    );
    let mut request = selecting(TWO);
    if let Some(wanted) = &mut request.select {
        wanted.cluster = String::new();
    }
    assert_eq!(
        fault(&request).message,
        "Multiple jobs match, please disambiguate by specifying a job key.\n\
         Candidates are:\n  c/r/e/n\n  c/r/{MISSING}/m\n  d/r/e/n"
    );
    let mut request = text(TWO);
    request.select = Some(JobSelector::default());
    assert_eq!(
        fault(&request).message,
        "Configuration has multiple jobs but no job name specified!"
    );
    assert_eq!(
        fault(&selecting("x = 1")).message,
        "No job defined in this config!"
    );
    // Listing alone is content with no jobs, and shows what is not set as upstream does.
    assert_eq!(answer(&text("x = 1")).jobs, []);
    let listed = answer(&text(
        "jobs = [Job(cluster='c', environment='{{env}}', name='n')]",
    ));
    assert_eq!(
        listed.jobs[0].key,
        "c/<class 'pystachio.composite.Empty'>/{{env}}/n"
    );
    let found = fault(&text("jobs = [Task(name='x')]"));
    assert_eq!(found.message, "jobs[0] is a Task, not a Job");
}

/// Arguments of `Job` and `Task`, the command, the kind, the message and the field.
#[test]
fn bad_jobs_are_refused_with_upstreams_words_and_the_field() {
    use DiagnosticKind::{Fatal, Invalid};
    const INVALID: &str = "The configuration was invalid: ";
    for (job, task, cmdline, kind, message, field) in [
        (
            "role='a b'",
            "",
            "true",
            Invalid,
            "Invalid role 'a b'",
            "role",
        ),
        (
            "instances=0",
            "",
            "true",
            Fatal,
            "max_total_failures in update_config must be lesser",
            "update_config.max_total_failures",
        ),
        (
            "instances=200, constraints={'dedicated': 'x'}",
            "",
            "true",
            Fatal,
            "Since this is a dedicated job",
            "update_config.max_total_failures",
        ),
        (
            "update_config=UpdateConfig(watch_secs=-1)",
            "",
            "true",
            Fatal,
            "Invalid value (-1) specified for watch_secs.",
            "update_config.watch_secs",
        ),
        (
            "health_check_config=HealthCheckConfig(interval_secs=-1)",
            "",
            "true",
            Fatal,
            "Invalid value (-1.0) specified for interval_secs.",
            "health_check_config.interval_secs",
        ),
        (
            "announce=Announcer(portmap={'http': 80})",
            "",
            "true",
            Invalid,
            "Job must be dedicated in order to specify static ports!",
            "announce.portmap",
        ),
        (
            "priority='high'",
            "",
            "true",
            Invalid,
            "TypeCheck(FAILED): MesosJob[priority] failed: Unable to interpolate: Cannot coerce 'high' to Integer",
            "priority",
        ),
        (
            "",
            "processes=[p, Process(name='q')]",
            "true",
            Invalid,
            "TypeCheck(FAILED): MesosJob[task] failed: Task[processes] failed: \
             Element in ProcessList failed check: Process[cmdline] is required.",
            "task.processes[1].cmdline",
        ),
        (
            "",
            "resources=Empty",
            "true",
            Invalid,
            "Task must specify resources!",
            "task.resources",
        ),
        (
            "",
            "resources=Resources(cpu=1, ram=0, disk=MB)",
            "true",
            Invalid,
            "Must specify ram and disk resources, got ram:0 disk:1048576",
            "task.resources",
        ),
        (
            "",
            "resources=Resources(cpu=1, ram=1, disk=MB)",
            "true",
            Invalid,
            "Task has invalid resources.  cpu/ramMb/diskMb must all be positive: cpu:1.0 ramMb:0 diskMb:1",
            "task.resources",
        ),
        (
            "constraints={'host': 'limit:x'}",
            "",
            "true",
            Invalid,
            "limit:x is not a valid limit value",
            "constraints[host]",
        ),
        (
            "cron_collision_policy='x'",
            "",
            "true",
            Invalid,
            "Invalid CronCollisionPolicy type: x",
            "cron_collision_policy",
        ),
        (
            "",
            "processes=[p(name='.x')]",
            "true",
            Invalid,
            "Task is invalid: Task has invalid process: Invalid process name: .x",
            "task.processes[0].name",
        ),
        (
            "",
            "processes=[p, p(name='d', daemon=True)], constraints=order('d', 'p')",
            "true",
            Invalid,
            "Task is invalid: Task has invalid plan: Process p may not depend upon daemon process d",
            "task.constraints",
        ),
        (
            "",
            "",
            "{{thermos.ports[p{{mesos.instance}}]}}",
            Invalid,
            "Task is invalid: Unexpected unbound refs: {{thermos.ports[p31337]}}",
            "task.processes[0].cmdline",
        ),
        (
            "",
            "",
            "{{thermos.ports.http}}",
            Invalid,
            "Bad port specification \"thermos.ports.http\"",
            "task.processes[0]",
        ),
        (
            "contact='{{a}} {{b}}'",
            "",
            "true",
            Invalid,
            "Config contains unbound variables: {{a}} {{b}}",
            "contact",
        ),
        (
            "container=Container()",
            "",
            "true",
            Invalid,
            "If a container is specified it must set one type.",
            "container",
        ),
        (
            "",
            "name='{{name}}'",
            "true",
            Invalid,
            "TypeCheck(FAILED): MesosJob[task] failed: Task[name] failed: Unable to interpolate: \
             Unable to interpolate {{name}}!  Maximum replacements reached.",
            "task.name",
        ),
        (
            "",
            "",
            "awk '{{ print $1 }}'",
            Invalid,
            "Invalid reference: print $1",
            "task.processes[0].cmdline",
        ),
    ] {
        let mut request = selecting(&file(job, task, cmdline));
        if let Some(wanted) = &mut request.select {
            wanted.role = String::new();
        }
        let found = fault(&request);
        let bare = found
            .message
            .strip_prefix(INVALID)
            .unwrap_or(&found.message);
        assert_eq!(found.kind, kind, "{job} {task}: {found:?}");
        assert!(bare.starts_with(message), "{job} {task}: {found:?}");
        assert_eq!(
            found.field,
            Some(format!("jobs[0].{field}")),
            "{job} {task}"
        );
    }
}

#[test]
fn required_parts_are_asked_for_first() {
    for (job, message) in [
        (
            "role='r', task=Task(processes=[])",
            "Cluster required for job \"n\"",
        ),
        ("role='r', cluster='c'", "Task required for job \"n\""),
        (
            "cluster='c', task=Task(processes=[])",
            "Role required for job \"n\"",
        ),
        (
            "role='r', cluster='c', task=Task(name='t')",
            "Processes required for task on job \"n\"",
        ),
    ] {
        let mut request = selecting(&format!("jobs = [Job(name='n', {job})]"));
        if let Some(wanted) = &mut request.select {
            (wanted.cluster, wanted.role, wanted.environment) = Default::default();
        }
        let found = fault(&request).message;
        assert_eq!(found, format!("The configuration was invalid: {message}"));
    }
}

#[test]
fn things_worth_saying_are_warnings() {
    let source = file(
        "enable_hooks=True, production=True, announce=Announcer(primary_port='web', portmap={'a': 'b'})",
        "",
        "true",
    ) + "hooks = [object()]";
    let found = answer(&selecting(&source));
    assert_eq!(found.errors, []);
    let texts: Vec<&str> = found
        .warnings
        .iter()
        .map(|warning| warning.message.as_str())
        .collect();
    for part in [
        "Announcer specified primary port as 'web' but no processes have bound that port.",
        "attribute 'production' is deprecated.",
        "the file defines hooks; they are not run",
    ] {
        assert!(
            texts.iter().any(|text| text.contains(part)),
            "{part}: {texts:?}"
        );
    }
    assert_eq!(texts.len(), 3);
}

#[test]
fn json_files_say_where_they_are_wrong() {
    let json = |source: &str| EvalRequest {
        read_json: true,
        ..text(source)
    };
    let found = fault(&json("{\n  \"role\": }"));
    assert_eq!((found.line, found.column), (Some(2), Some(11)));
    let found = fault(&json(
        r#"{"jobs": [{"role": "r"}, {"task": {"proceses": []}}]}"#,
    ));
    assert_eq!(found.message, "Unknown schema attribute proceses");
    assert_eq!(found.field.as_deref(), Some("jobs[1].task"));
}

#[test]
fn a_bad_request_is_no_answer() {
    use std::process::{Command, Stdio};
    let output = Command::new(env!("CARGO_BIN_EXE_aurora-eval"))
        .stdin(Stdio::null())
        .output()
        .expect("aurora-eval runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("the request is not valid"));
}

#[test]
fn bindings_need_an_address_for_a_name() {
    let mut request = selecting(&file("", "", "true"));
    request.bindings = vec![("a b".to_owned(), "x".to_owned())];
    let found = fault(&request);
    assert!(
        found
            .message
            .starts_with("a binding's name must be an address"),
        "{}",
        found.message
    );
}

#[test]
fn every_job_is_checked() {
    let source = "p = Process(name='p', cmdline='true')\n\
        task = Task(processes=[p], resources=Resources(cpu=1, ram=64*MB, disk=64*MB))\n\
        job = Job(cluster='c', role='r', environment='e', name='a', task=task)\n\
        bare = Job(cluster='c', role='r', environment='e', name='b')\n\
        slow = job(name='d', update_config=UpdateConfig(batch_size=0))\n\
        jobs = [job, bare, job, slow]\n";
    let found = answer(&EvalRequest {
        check: true,
        ..text(source)
    });
    assert_eq!(found.jobs.len(), 4);
    assert_eq!(found.job, None);
    let shown: Vec<(&str, &str)> = found
        .errors
        .iter()
        .map(|error| {
            let field = error.field.as_deref().unwrap_or_default();
            (field, error.message.as_str())
        })
        .collect();
    assert_eq!(shown.len(), 3, "{shown:?}");
    assert!(shown[0].0.starts_with("jobs[1]"), "{shown:?}");
    assert_eq!(shown[1], ("jobs[2]", "jobs[0] has the same key, c/r/e/a"));
    assert_eq!(
        shown[2],
        (
            "jobs[3].update_config.batch_size",
            "Batch size should be greater than 0"
        )
    );
}
