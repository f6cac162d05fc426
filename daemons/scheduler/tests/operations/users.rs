//! Users with passwords and permissions.

use aurora_api::message::{Protocol, decode_reply, encode_call};

use super::*;

const USERS: &str = "[users]\nroot = secret, admin\neve = pw, web\n\n[roles]\nadmin = *\n\
    web = thrift.AuroraSchedulerManager:*:www-data\n";

// `printf 'root:secret' | base64` and so on.
const ROOT: &str = "Basic cm9vdDpzZWNyZXQ=";
const EVE: &str = "Basic ZXZlOnB3";
const WRONG: &str = "Basic ZXZlOnNlY3JldA==";

/// What a call is answered with: the HTTP status, and the code with the first message when there is one.
async fn answer(
    scheduler: &Scheduler,
    call: Call,
    credentials: Option<&str>,
) -> (u16, Option<Response>) {
    let body = encode_call(Protocol::Json, 1, &call);
    let headers: Vec<_> = credentials
        .map(|value| ("authorization", value))
        .into_iter()
        .collect();
    let answer = scheduler.request("POST", "/api", &headers, body).await;
    if answer.status != 200 {
        let challenge = answer.headers["www-authenticate"].to_str().unwrap();
        assert_eq!(challenge, "BASIC realm=\"Apache Aurora Scheduler\"");
        return (answer.status, None);
    }
    let reply = decode_reply(Protocol::Json, &answer.body).unwrap();
    (answer.status, Some(reply))
}

#[tokio::test]
async fn users_may_what_their_roles_permit() {
    let master = Master::start().await;
    let state = tempfile::tempdir().unwrap();
    let path = state.path().join("shiro.ini");
    std::fs::write(&path, USERS).unwrap();
    let flags = [
        "-http_authentication_mechanism=BASIC".to_owned(),
        format!("-shiro_ini_path={}", path.display()),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let scheduler = Scheduler::start(master.address, &state.path().join("s"), &flags).await;
    let kill = |role: &str| -> Call {
        KillTasks {
            job: Some(JobKey::new(role, "devel", "hello")),
            ..KillTasks::default()
        }
        .into()
    };
    let description = Some(job("hello", 1));
    let create: Call = CreateJob { description }.into();
    let quota: Call = SetQuota::default().into();
    for (call, credentials, status, code) in [
        (GetRoleSummary {}.into(), None, 200, Some(ResponseCode::Ok)),
        (
            GetRoleSummary {}.into(),
            Some(EVE),
            200,
            Some(ResponseCode::Ok),
        ),
        (GetRoleSummary {}.into(), Some(WRONG), 401, None),
        (create.clone(), None, 401, None),
        (create.clone(), Some(WRONG), 401, None),
        (create, Some(EVE), 200, Some(ResponseCode::Ok)),
        (
            kill("other"),
            Some(EVE),
            200,
            Some(ResponseCode::AuthFailed),
        ),
        (
            kill("no key"),
            Some(EVE),
            200,
            Some(ResponseCode::InvalidRequest),
        ),
        (kill("www-data"), Some(EVE), 200, Some(ResponseCode::Ok)),
        (
            quota.clone(),
            Some(EVE),
            200,
            Some(ResponseCode::AuthFailed),
        ),
        // Root is let through to a call that lacks everything.
        (quota, Some(ROOT), 200, Some(ResponseCode::Error)),
    ] {
        let what = format!("{} {credentials:?}", call.method());
        let (shown, reply) = answer(&scheduler, call, credentials).await;
        let shown_code = reply.as_ref().map(|reply| reply.response_code);
        assert_eq!((shown, shown_code), (status, code), "{what}: {reply:?}");
        if let Some(reply) = reply.filter(|reply| reply.response_code == ResponseCode::AuthFailed) {
            let text = reply.details[0].message.as_deref().unwrap();
            assert!(text.starts_with("Subject eve "), "{text}");
            assert_eq!(reply.server_info, None);
        }
    }
    let vars = scheduler.get("/vars.json").await.json();
    assert_eq!(vars["shiro_authorization_failures"], 2);
    assert_eq!(vars["shiro_bad_requests"], 1);
    // Who did it is remembered, for those who may change something.
    assert_eq!(scheduler.get("/ext/v1/audit").await.status, 401);
    let headers = [("authorization", EVE)];
    let audit = scheduler
        .request("GET", "/ext/v1/audit", &headers, Vec::new())
        .await
        .json();
    assert_eq!(audit["records"][0]["user"], "eve", "{audit}");
}
