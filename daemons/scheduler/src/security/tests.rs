//! Who is let in, and what they may.

use std::path::Path;

use aurora_api::model::{JobKey, JobUpdateKey};
use aurora_api::service::arguments;
use aurora_daemon::guard::Token;

use super::*;

fn gate(token: Option<&str>, has_realm: bool) -> Gate {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shiro.ini");
    let text = "[users]\nroot = secret, admin\neve = pw, eng\n[roles]\nadmin = *\neng = thrift.AuroraSchedulerManager:*:www\n";
    std::fs::write(&path, text).unwrap();
    let token = token.map(Token::new);
    Gate {
        guard: Guard::new(token, "127.0.0.1:80".parse().unwrap()),
        realm: has_realm.then(|| Realm::load(&path).unwrap()),
    }
}

fn headers(value: Option<&str>) -> HeaderMap {
    let header = value.map(|value| (AUTHORIZATION, HeaderValue::from_str(value).unwrap()));
    header.into_iter().collect()
}

/// Token, realm, credentials; the caller's name or the challenge.
#[test]
fn callers() {
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    for (token, realm, credentials, expected) in [
        (None, false, None, "UNSECURE"),
        (
            Some("t0ken"),
            false,
            Some("Bearer t0ken".to_owned()),
            "aurora",
        ),
        (Some("t0ken"), false, Some(basic("ann:t0ken")), "ann"),
        (
            Some("t0ken"),
            false,
            Some(basic("root:secret")),
            "Basic realm=\"aurora\"",
        ),
        (None, true, None, CHALLENGE),
        (None, true, Some(basic("root:secret")), "root"),
        (None, true, Some(basic("root:wrong")), CHALLENGE),
        (None, true, Some("Bearer secret".to_owned()), CHALLENGE),
        (
            Some("t0ken"),
            true,
            Some("Bearer t0ken".to_owned()),
            "aurora",
        ),
        (Some("t0ken"), true, Some(basic("eve:pw")), "eve"),
        (Some("t0ken"), true, Some(basic("eve:t0ken")), "eve"),
        (Some("t0ken"), true, None, CHALLENGE),
    ] {
        let gate = gate(token, realm);
        let shown = match gate.caller(&headers(credentials.as_deref())) {
            Ok(caller) => caller.name().to_owned(),
            Err(refusal) => {
                assert_eq!(refusal.status(), 401);
                refusal.headers()[WWW_AUTHENTICATE]
                    .to_str()
                    .unwrap()
                    .to_owned()
            }
        };
        assert_eq!(shown, expected, "{token:?} {realm} {credentials:?}");
    }
}

#[test]
fn readers_with_a_wrong_password_are_refused() {
    let gate = gate(None, true);
    for (credentials, is_admitted) in [
        (None, true),
        (Some("root:secret"), true),
        (Some("root:wrong"), false),
    ] {
        let value = credentials.map(|pair| format!("Basic {}", STANDARD.encode(pair)));
        let verdict = gate.check_reader(&headers(value.as_deref()));
        assert_eq!(verdict.is_ok(), is_admitted, "{credentials:?}");
    }
}

/// Upstream's words (aurora: `ShiroAuthorizingParamInterceptor.java`, `ShiroAuthorizingInterceptor.java`).
#[test]
fn what_users_may() {
    let gate = gate(None, true);
    let realm = gate.realm.as_ref().unwrap();
    let eve = Caller::User(realm.user("eve", "pw").unwrap());
    let root = Caller::User(realm.user("root", "secret").unwrap());
    let kill = |role: &str| -> Call {
        arguments::KillTasks {
            job: Some(JobKey::new(role, "prod", "web")),
            ..arguments::KillTasks::default()
        }
        .into()
    };
    let quota: Call = arguments::SetQuota::default().into();
    let denied = |text: &str| Err(Refusal::Denied(text.to_owned()));
    let pause: Call = arguments::PauseJobUpdate {
        key: Some(JobUpdateKey {
            job: JobKey::new("www", "prod", "web"),
            id: "u".to_owned(),
        }),
        message: None,
    }
    .into();
    let no_job: Call = arguments::KillTasks::default().into();
    for (call, of_eve, of_root) in [
        (kill("www"), Ok(()), Ok(())),
        (pause, Ok(()), Ok(())),
        (
            kill("ads"),
            denied(
                "Subject eve is not permitted to JobScopedRpcPermission{rpc=killTasks, \
                 permittedJob=IJobKey{role=ads, environment=prod, name=web}}.",
            ),
            Ok(()),
        ),
        (kill("a b"), Err(Refusal::NoJob), Err(Refusal::NoJob)),
        (no_job, Err(Refusal::NoJob), Err(Refusal::NoJob)),
        (
            quota,
            denied(
                "Subject eve lacks permission UnscopedRpcPermission{domain=thrift.AuroraAdmin, rpc=setQuota}",
            ),
            Ok(()),
        ),
        (arguments::GetRoleSummary {}.into(), Ok(()), Ok(())),
    ] {
        assert_eq!(eve.may(&call), of_eve, "{call:?}");
        assert_eq!(root.may(&call), of_root, "{call:?}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Realm::load(Path::new("/no/such/file")).unwrap_err();
    assert!(error.to_string().contains("/no/such/file"), "{error}");
}
