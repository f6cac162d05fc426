//! Files with the shapes of those that Apache Aurora and Apache Heron ship (`shapes/`), and what becomes of them. Expected
//! values are read off the files by hand.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "the helpers are shared by several test programs"
)]

mod common;

use aurora_api::eval::{EvalRequest, JobSelector};
use aurora_api::model::{Container, Image, JobConfiguration, Resource, SlaPolicy};
use common::{answer, configuration};
use serde_json::{Value as Json, json};

const TOPOLOGY: &[(&str, &str)] = &[
    ("RELEASE_URI", "http://r/1"),
    ("BUNDLE_URI", "http://b/2"),
    ("BINARY", "./run"),
    ("ARGUMENTS", "--fast"),
    ("CPUS", "1.5"),
    ("RAM", "1073741824"),
    ("DISK", "2147483648"),
    ("NAME", "words"),
    ("CLUSTER", "west"),
    ("ROLE", "streams"),
    ("ENVIRONMENT", "prod"),
    ("INSTANCES", "4"),
];

const DIGEST: &[(&str, &str)] = &[
    (
        "docker.image[library/alpine][3.20]",
        "library/alpine@sha256:1",
    ),
    ("docker.image[web][latest]", "web@sha256:2"),
    ("rootfs_id", "sha512-3"),
    ("flag", "/tmp/flag"),
    ("mark", "/tmp/mark"),
];

fn request(file: &str, bindings: &[(&str, &str)]) -> EvalRequest {
    EvalRequest {
        path: format!("{}/tests/shapes/{file}.aurora", env!("CARGO_MANIFEST_DIR")),
        user: "someone".to_owned(),
        bindings: bindings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..EvalRequest::default()
    }
}

fn load(file: &str, name: &str, bindings: &[(&str, &str)]) -> JobConfiguration {
    let request = EvalRequest {
        select: Some(JobSelector {
            name: name.to_owned(),
            ..JobSelector::default()
        }),
        ..request(file, bindings)
    };
    configuration(&answer(&request), file)
}

fn data(job: &JobConfiguration) -> Json {
    let executor = job.task_config.executor_config.as_ref().expect("executor");
    serde_json::from_str(executor.data.as_deref().expect("data")).expect("JSON")
}

/// `cpus ram disk [gpus] port...`
fn resources(job: &JobConfiguration) -> String {
    let (mut numbers, mut ports) = ([String::new(), String::new(), String::new()], Vec::new());
    for resource in &job.task_config.resources {
        match resource {
            Resource::NumCpus(cpus) => numbers[0] = cpus.0.to_string(),
            Resource::RamMb(size) => numbers[1] = size.to_string(),
            Resource::DiskMb(size) => numbers[2] = size.to_string(),
            Resource::NumGpus(count) => ports.push(format!("gpus={count}")),
            Resource::NamedPort(name) => ports.push(name.clone()),
        }
    }
    [&numbers[..], &ports].concat().join(" ")
}

/// Every file: its jobs; and of one of them its resources and processes in the order of the file, those that are kept in
/// order joined by `<`.
#[test]
fn every_file_loads_with_its_jobs_resources_and_processes() {
    let me = std::env::var("LOGNAME")
        .or_else(|_| std::env::var("USER"))
        .unwrap_or_else(|_| "root".to_owned());
    let web = "write_profile<read_profile<show_ports<escaping<fetch<serve";
    let names = "web web_patient web_growing web_revocable web_docker web_gpu web_appc web_rootfs";
    for (file, role, jobs, name, wanted, processes) in [
        (
            "cron",
            "reports",
            "nightly",
            "nightly",
            "1 1024 1024",
            "nightly",
        ),
        (
            "docker_engine",
            "clock",
            "by_tag by_digest",
            "by_digest",
            "2 3 5",
            "ticker",
        ),
        ("docker_image", "clock", "image", "image", "2 3 5", "ticker"),
        ("hello", "www", "greet", "greet", "0.25 64 32", "greet"),
        (
            "variable_update",
            "www",
            "greet",
            "greet",
            "0.25 64 32",
            "greet",
        ),
        (
            "daemon_with_final",
            "",
            "watched",
            "watched",
            "0.5 16 48",
            "watcher work tidy",
        ),
        ("web", "", names, "web", "0.5 48 96 health http tcp", web),
        (
            "web",
            "",
            names,
            "web_gpu",
            "0.5 48 96 health http tcp gpus=1",
            web,
        ),
        (
            "web",
            "",
            names,
            "web_appc",
            "0.4 24 96 http",
            "write_profile<escaping<serve",
        ),
        (
            "web_unhealthy",
            "",
            "web web_revocable",
            "web",
            "0.5 48 96 health http",
            "fetch<serve",
        ),
        (
            "web_updated",
            "",
            "web web_growing",
            "web",
            "0.6 52 96 health http",
            "fetch<serve",
        ),
        (
            "partitions",
            "keeper",
            "as_it_is stays waits",
            "stays",
            "0.3 2 4",
            "wait",
        ),
        (
            "sla",
            "keeper",
            "count percentage coordinator",
            "coordinator",
            "0.2 2 4",
            "copy<answer",
        ),
        (
            "daemonizing",
            "keeper",
            "away",
            "away",
            "2 3 50",
            "ticker write<run",
        ),
    ] {
        let role = if role.is_empty() { me.as_str() } else { role };
        let listed = answer(&request(file, DIGEST));
        assert_eq!(listed.errors, [], "{file}");
        assert_eq!(listed.warnings, [], "{file}");
        let keys: Vec<&str> = listed.jobs.iter().map(|job| job.key.as_str()).collect();
        let environment = match file {
            "docker_engine" | "docker_image" => "devel",
            "hello" | "variable_update" => "prod",
            _ => "test",
        };
        let expected: Vec<String> = jobs
            .split(' ')
            .map(|name| format!("devcluster/{role}/{environment}/{name}"))
            .collect();
        assert_eq!(keys, expected, "{file}");
        let job = load(file, name, DIGEST);
        assert_eq!(resources(&job), wanted, "{file}");
        assert_eq!(drawn(&data(&job)["task"]), processes, "{file}");
    }
}

fn drawn(task: &Json) -> String {
    let list = |value: &Json| value.as_array().cloned().unwrap_or_default();
    let order: Vec<String> = list(&task["constraints"])
        .iter()
        .flat_map(|constraint| list(&constraint["order"]))
        .map(|name| name.as_str().unwrap_or_default().to_owned())
        .collect();
    let mut text = String::new();
    for process in list(&task["processes"]) {
        let name = process["name"].as_str().unwrap_or_default();
        let after = order.iter().position(|ordered| ordered == name);
        if !text.is_empty() {
            text.push(if after.is_some_and(|at| at > 0) {
                '<'
            } else {
                ' '
            });
        }
        text.push_str(name);
    }
    text
}

#[test]
fn containers_are_what_the_files_say() {
    let container = |file, name| load(file, name, DIGEST).task_config.container;
    let docker = |image: &str| {
        Container::Docker(aurora_api::model::DockerContainer {
            image: Some(image.to_owned()),
            parameters: Vec::new(),
        })
    };
    assert_eq!(container("docker_engine", "by_tag"), docker("alpine:3.20"));
    assert_eq!(
        container("docker_engine", "by_digest"),
        docker("library/alpine@sha256:1")
    );
    assert_eq!(container("web", "web_docker"), docker("web@sha256:2"));
    let mesos = |name| match container("web", name) {
        Container::Mesos(mesos) => mesos,
        other => panic!("{other:?}"),
    };
    let appc = mesos("web_appc");
    assert!(matches!(&appc.image, Some(Image::Appc(image)) if image.image_id == "sha512-3"));
    let paths: Vec<String> = appc
        .volumes
        .unwrap_or_default()
        .into_iter()
        .map(|volume| format!("{} {:?}", volume.container_path, volume.mode))
        .collect();
    assert_eq!(paths, ["etc/logs Some(Ro)", "var/data Some(Rw)"]);
    let rootfs = mesos("web_rootfs").image;
    assert!(
        matches!(rootfs, Some(Image::Docker(image)) if (image.name.as_str(), image.tag.as_str()) == ("web_rootfs", "latest"))
    );
    let image = container("docker_image", "image");
    assert!(
        matches!(image, Container::Mesos(mesos) if matches!(&mesos.image, Some(Image::Docker(image)) if image.tag == "3.20"))
    );
}

#[test]
fn policies_schedules_and_profiles_arrive() {
    let cron = load("cron", "nightly", &[]);
    assert_eq!(cron.cron_schedule.as_deref(), Some("15 3 * * 1-5"));
    assert!(!cron.task_config.is_service);
    let update = load("variable_update", "greet", &[]);
    assert_eq!(
        (update.instance_count, update.task_config.is_service),
        (10, true)
    );
    let final_job = data(&load("daemon_with_final", "watched", DIGEST));
    let processes = &final_job["task"]["processes"];
    assert_eq!(
        (
            &processes[0]["daemon"],
            &processes[0]["ephemeral"],
            &processes[2]["final"]
        ),
        (&json!(true), &json!(true), &json!(true))
    );
    assert_eq!(processes[2]["cmdline"], "rm -f /tmp/flag; echo \"tidied\"");
    let role = final_job["role"].as_str().expect("a role");
    assert_eq!(final_job["contact"], format!("{role}@example.org"));

    let web = load("web", "web_docker", DIGEST);
    assert_eq!(web.instance_count, 2);
    assert_eq!(
        data(&web)["task"]["processes"][4]["cmdline"],
        "cp /opt/web.py ."
    );
    assert_eq!(
        load("web", "web_revocable", DIGEST)
            .task_config
            .tier
            .as_deref(),
        Some("revocable")
    );
    let shell = &data(&load("web_unhealthy", "web", DIGEST))["health_check_config"];
    assert_eq!(
        shell["health_checker"]["shell"]["shell_command"],
        "touch /etc/shadow"
    );
    assert_eq!(
        (&shell["interval_secs"], &shell["min_consecutive_successes"]),
        (&json!(3.0), &json!(4))
    );

    let policy = |name| load("partitions", name, &[]).task_config.partition_policy;
    assert!(policy("as_it_is").is_none());
    assert!(
        policy("stays").is_some_and(|policy| !policy.reschedule && policy.delay_secs == Some(0))
    );
    assert!(
        policy("waits").is_some_and(|policy| policy.reschedule && policy.delay_secs == Some(43200))
    );
    let sla = |name| load("sla", name, &[]).task_config.sla_policy;
    assert!(matches!(sla("count"), Some(SlaPolicy::CountSlaPolicy(policy)) if policy.count == 2));
    assert!(
        matches!(sla("percentage"), Some(SlaPolicy::PercentageSlaPolicy(policy)) if policy.percentage.0 == 75.0)
    );
    assert!(
        matches!(sla("coordinator"), Some(SlaPolicy::CoordinatorSlaPolicy(policy)) if policy.status_key == "drain")
    );
    let away = data(&load("daemonizing", "away", DIGEST));
    let program = away["task"]["processes"][1]["cmdline"]
        .as_str()
        .expect("a command");
    assert!(program.contains("os.remove(\"/tmp/mark\")"), "{program}");
}

#[test]
fn a_job_may_come_from_the_command_line_whole() {
    let listed = answer(&request("topology", TOPOLOGY));
    assert_eq!(listed.jobs[0].key, "west/streams/prod/words");
    let job = load("topology", "words", TOPOLOGY);
    assert_eq!(job.instance_count, 4);
    assert_eq!(resources(&job), "1.5 1024 2048 http main profiler");
    let data = data(&job);
    assert_eq!(
        data["task"]["processes"][0]["cmdline"],
        "curl http://r/1 -o release.tar.gz && tar xzf release.tar.gz"
    );
    assert_eq!(
        data["task"]["processes"][2]["cmdline"],
        "./run --shard={{mesos.instance}} --main={{thermos.ports[main]}} --shell={{thermos.ports[http]}} --fast"
    );
    assert_eq!(
        data["announce"]["portmap"],
        json!({"admin": "http", "health": "http"})
    );
    assert_eq!(
        data["health_check_config"]["health_checker"]["http"]["expected_response_code"],
        200
    );
}
