//! Pages for operators, pages of rows, explanations, the audit trail.

use std::collections::BTreeSet;

use aurora_api::feed::{JobRecord, RoleRecord};
use aurora_api::model::{Hosts, ResponseCode};
use aurora_api::service::arguments::StartMaintenance;
use serde_json::{Value, json};

use super::{Cluster, Scheduler, assert_code};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_pages_show_what_there_is() {
    let cluster = Cluster::start().await;
    let scheduler = &cluster.scheduler;
    let tasks = scheduler
        .get("/ext/v1/tasks?columns=task,host,status")
        .await
        .json();
    let rows = tasks["rows"].as_array().unwrap();
    let running = rows.iter().find(|row| row["status"] == "RUNNING").unwrap();
    let id = running["task"].as_str().unwrap().to_owned();

    for (path, status, part) in [
        ("/slaves", 200, "<td>host-1</td>"),
        ("/tiers", 200, r#""default":"preemptible""#),
        ("/quotas?role=nobody", 200, "{}"),
        ("/leaderhealth", 200, "leading"),
        ("/services", 200, r#"{"name":"mesos","state":"RUNNING"}"#),
        (
            "/cron",
            200,
            r#"{"scheduled":{"www-data/devel/nightly":"0 2 * * *"}}"#,
        ),
        (
            "/maintenance",
            200,
            r#"{"DRAINED":[],"SCHEDULED":[],"DRAINING":{}}"#,
        ),
        (
            "/state",
            200,
            r#""agents":{"agent-1":["www-data/devel/web-"#,
        ),
        ("/utilization", 200, "<td>TOTAL_CONSUMED</td><td>128.5</td>"),
        (
            "/utilization/free_pool_consumed",
            200,
            "<td>www-data</td><td>128.5</td>",
        ),
        (
            "/utilization/total_consumed/www-data",
            200,
            "<td>www-data/devel/web</td><td>0.5</td>",
        ),
        ("/utilization/none", 400, "Invalid metric type."),
        (
            "/scheduler",
            200,
            r#"<a href="/scheduler/www-data">www-data</a>"#,
        ),
        (
            "/scheduler/www-data",
            200,
            r#"<a href="/scheduler/www-data/devel/nightly">www-data/devel/nightly</a></td><td>cron</td>"#,
        ),
        ("/scheduler/www-data/devel", 200, "<td>RUNNING</td>"),
        ("/scheduler/www-data/prod", 200, "There is nothing here."),
        (
            "/scheduler/www-data/devel/web",
            200,
            r#"<a href="/scheduler/www-data/devel/web/0">0</a></td><td>RUNNING</td><td>host-1</td>"#,
        ),
        (
            "/scheduler/www-data/devel/web",
            200,
            "aurora-tui --open aurora://test/instances/www-data/devel/web",
        ),
        ("/scheduler/www-data/devel/web/0", 200, "<td>ASSIGNED</td>"),
        ("/scheduler/%3Cb%3E", 200, "&lt;b&gt;"),
        ("/scheduler/a/b/c/d/e", 404, "There is nothing here."),
        ("/updates", 200, "aurora://test/updates"),
        ("/assets/style.css", 200, "border-collapse"),
        (
            "/structdump/cron/www-data/devel/nightly",
            200,
            "&quot;cronSchedule&quot;",
        ),
        ("/structdump/task/none", 200, "Entity not found"),
        ("/structdump", 400, "Usage"),
        ("/mname/www-data/devel/web/0", 307, ""),
        (
            "/mname/www-data/devel/web/7",
            404,
            "No such live instance found.",
        ),
        (
            "/mname/www-data/devel/large/0",
            404,
            "The selected instance is currently in state PENDING",
        ),
        ("/mname", 400, "Usage"),
        ("/vars.json?pretty=true", 200, "{\n  \""),
        ("/apibeta", 303, ""),
        ("/ext/v1", 200, r#""capabilities":{"events":4,"pages":3"#),
    ] {
        let answer = scheduler.get(path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(answer.text().contains(part), "{path}: {}", answer.text());
    }
    let dump = scheduler
        .get(&format!("/structdump/task/{id}"))
        .await
        .text();
    assert!(
        dump.contains(&id) && dump.contains("assignedTask"),
        "{dump}"
    );
    let on = scheduler
        .request("POST", "/mname/www-data/devel/web/0/a%20b?c=d", &[], "")
        .await;
    assert_eq!(on.status, 307);
    let place = on.headers["location"].to_str().unwrap();
    let port = place.strip_prefix("http://host-1:310").unwrap();
    assert!(port.ends_with("/a%20b?c=d"), "{place}");

    let drain = StartMaintenance {
        hosts: Some(Hosts {
            host_names: BTreeSet::from(["host-1".to_owned()]),
        }),
    };
    assert_code(&scheduler.call(drain).await, ResponseCode::Ok);
    let shown = scheduler.get("/maintenance").await.json();
    assert_eq!(shown["SCHEDULED"], json!(["host-1"]));

    let vars = scheduler.get("/vars.json").await.json();
    for (name, expected) in [
        ("scheduler_lifecycle_ACTIVE", 1),
        ("scheduler_lifecycle_IDLE", 0),
        ("scheduler_lifecycle_PREPARING_STORAGE", 0),
        ("scheduler_lifecycle_STORAGE_PREPARED", 0),
        ("scheduler_lifecycle_LEADER_AWAITING_REGISTRATION", 0),
        ("scheduler_lifecycle_DEAD", 0),
        ("framework_registered", 1),
        ("mesos_scheduler_event_SUBSCRIBED", 1),
        ("mesos_scheduler_event_OFFERS", 1),
        ("mesos_scheduler_event_UPDATE", 1),
        ("mesos_scheduler_event_RESCIND", 0),
        ("slaves_lost", 0),
        ("scheduler_backup_failed", 0),
        ("scheduler_resource_offers", 1),
        // The one that was made is used.
        ("outstanding_offers", 0),
        ("scheduler_status_update", 1),
        ("resources_total_consumed_cpu_cores", 128),
        ("resources_per_role_free_pool_consumed_www-data_ram_mb", 192),
        ("mem_storage_cron_size", 1),
        ("http_303_responses_events", 1),
    ] {
        assert_eq!(vars[name], expected, "{name}");
    }
    assert!(vars["scheduler_thrift_createJob_events"] == 2, "{vars:#}");
    assert!(vars["scheduler_thrift_response_OK"].as_i64().unwrap() >= 4);
    drop(cluster.state);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_explanations_and_the_audit_trail() {
    let cluster = Cluster::start().await;
    let scheduler = &cluster.scheduler;
    for (path, shown, rows) in [
        (
            "jobs?columns=job,pending&sort=-pending,job",
            3,
            json!([
                {"job": "www-data/devel/large", "pending": 2},
                {"job": "www-data/devel/nightly", "pending": 0},
                {"job": "www-data/devel/web", "pending": 0},
            ]),
        ),
        (
            "jobs?filter=schedule=%220%202%20*%20*%20*%22&columns=name",
            1,
            json!([{"name": "nightly"}]),
        ),
        (
            "tasks?filter=status=PENDING%20cpus%3E32%20ram%3C=64MiB&columns=instance&sort=instance",
            2,
            json!([
                {"instance": 0},
                {"instance": 1},
            ]),
        ),
        (
            "hosts?columns=host,mode,tasks",
            1,
            json!([{"host": "host-1", "mode": "NONE", "tasks": 1}]),
        ),
        ("updates", 0, json!([])),
        (
            "crons?columns=job,instances",
            1,
            json!([{"job": "www-data/devel/nightly", "instances": 2}]),
        ),
        (
            "crons?filter=job%3D%22www-data%2Fdevel%2Fnightly%22&columns=instances",
            1,
            json!([{"instances": 2}]),
        ),
        ("quotas", 0, json!([])),
        (
            "instances/www-data/devel/large?columns=id,status,problem&sort=-instance",
            2,
            json!([
                {"id": "1", "status": "PENDING", "problem": "yes"},
                {"id": "0", "status": "PENDING", "problem": "yes"},
            ]),
        ),
        (
            "instances/www-data/devel/large?columns=instance&filter=instance=1%20status=PENDING&sort=-for",
            1,
            json!([{"instance": 1}]),
        ),
        ("instances/www-data/devel/none", 0, json!([])),
    ] {
        let page = scheduler.get(&format!("/ext/v1/{path}")).await.json();
        assert_eq!(
            (&page["shown"], &page["rows"]),
            (&json!(shown), &rows),
            "{path}"
        );
        assert!(page["seq"].as_str().unwrap().contains('.'), "{page}");
    }
    let first = scheduler
        .get("/ext/v1/jobs?limit=1&columns=name")
        .await
        .json();
    let next = first["next"].as_str().unwrap();
    let second = scheduler
        .get(&format!("/ext/v1/jobs?limit=2&columns=name&cursor={next}"))
        .await
        .json();
    assert_eq!(
        second["rows"],
        json!([{"name": "nightly"}, {"name": "web"}])
    );
    assert_eq!(second["next"], Value::Null);
    windows_as_records(scheduler).await;
    let wrong = scheduler.get("/ext/v1/tasks?filter=web%20moon=1").await;
    assert_eq!(wrong.status, 400);
    let error = &wrong.json()["error"];
    assert_eq!(
        (&error["code"], &error["position"]),
        (&json!("bad-filter"), &json!(5))
    );
    assert_eq!(scheduler.get("/ext/v1/moons").await.status, 404);

    let tasks = scheduler
        .get("/ext/v1/tasks?filter=status=PENDING&columns=task&limit=1")
        .await
        .json();
    let id = tasks["rows"][0]["task"].as_str().unwrap();
    // The small rest of the host's offer comes back.
    let mut rest = cluster.master.make_offer("offer-2");
    for resource in &mut rest.resources {
        if resource.name == "cpus" {
            resource.scalar = Some(aurora_mesos::v1::Scalar { value: 3.5 });
        }
    }
    cluster.master.send_offer(rest).await;
    let why = scheduler
        .poll(&format!("/ext/v1/explain/{id}"), |why| {
            why["hosts"]["looked_at"] == 1
        })
        .await;
    let hosts = &why["hosts"];
    assert_eq!(
        hosts["excluded"],
        json!({"Insufficient: CPU": 1}),
        "{why:#}"
    );
    assert_eq!(
        (&hosts["known"], &hosts["suitable"]),
        (&json!(1), &json!(0))
    );
    let near = &hosts["nearest"][0];
    assert_eq!(near["host"], "host-1");
    // 64 and 0.25 for the executor are asked for; 3.5 are there.
    assert_eq!(near["missing"], json!({"cpus": 60.75}));
    assert!(
        why["next_attempt_ms"].is_number() && why["backoff_ms"].is_number(),
        "{why:#}"
    );
    assert_eq!(why["quota"]["limits_this_task"], false);

    let audit = scheduler.get("/ext/v1/audit").await.json();
    let methods: Vec<&str> = audit["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["method"].as_str().unwrap())
        .collect();
    assert_eq!(methods, ["createJob", "scheduleCronJob", "createJob"]);
    let last = &audit["records"][2];
    assert_eq!(last["target"], "www-data/devel/large");
    let from = last["time_ms"].as_i64().unwrap() + 1;
    let later = scheduler
        .get(&format!("/ext/v1/audit?from={from}"))
        .await
        .json();
    assert_eq!(later["records"], json!([]));
    assert_eq!(scheduler.get("/ext/v1/audit?from=x").await.status, 400);
    let handover = scheduler.request("POST", "/ext/v1/handover", &[], "").await;
    assert_eq!(handover.status, 409);
    assert_eq!(handover.json()["error"]["code"], "single-scheduler");
}

/// Pages from the end and around a row, with the records of the feed; and what is told of a table that has not changed.
async fn windows_as_records(scheduler: &Scheduler) {
    let get = async |path: &str| scheduler.get(&format!("/ext/v1/{path}")).await.json();
    let end = get("jobs?columns=record&from=end&limit=1&sort=name").await;
    let record = &end["rows"][0]["record"];
    assert_eq!(record["job"], "www-data/devel/web");
    let job: JobRecord = serde_json::from_value(record.clone()).unwrap();
    assert!(job.service && end["next"].is_null(), "{end}");
    let total = end["total"].as_u64().unwrap();
    assert_eq!(end["offset"].as_u64(), Some(total - 1));
    let around = get("jobs?columns=name&around=www-data/devel/web&lead=1&limit=1").await;
    assert_eq!(around["rows"], json!([{"name": "web"}]));
    // By the names of the workbench's columns.
    let cron = get("jobs?columns=name,kind&filter=kind%3Dcron").await;
    assert_eq!(cron["rows"], json!([{"name": "nightly", "kind": "cron"}]));
    for order in ["changed", "-changed", "state", "-waiting", "ended"] {
        let page = get(&format!("jobs?columns=name&sort={order}")).await;
        assert_eq!(page["shown"].as_u64(), Some(total), "{order}");
    }
    let roles = get("roles?columns=record").await;
    let role: RoleRecord = serde_json::from_value(roles["rows"][0]["record"].clone()).unwrap();
    assert_eq!(
        (role.role.as_str(), u64::from(role.jobs)),
        ("www-data", total)
    );
    let hosts = get("hosts?columns=record&sort=-host&limit=1").await;
    assert_eq!(hosts["rows"][0]["record"]["mode"], "NONE");

    // The quotas are as they are: that is told at once, or after the time that is to be waited.
    let quotas = get("quotas").await;
    let seq = quotas["seq"].as_str().unwrap();
    let same = get(&format!("quotas?unless={seq}&wait=0")).await;
    assert_eq!(same["unchanged"], true, "{same}");
    let old = get("quotas?unless=0.0").await;
    assert_eq!(
        (&old["unchanged"], &old["rows"]),
        (&Value::Null, &quotas["rows"])
    );
    let wrong = scheduler.get("/ext/v1/quotas?unless=yesterday").await;
    assert_eq!(wrong.status, 400);
}
