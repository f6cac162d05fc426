//! What a scheduler says when it begins.

use std::os::unix::fs::PermissionsExt;

use aurora_mesos::v1::FrameworkCapabilityType::PartitionAware;

use super::*;

#[tokio::test]
async fn partitions_are_asked_for_with_the_flag_alone() {
    for (flags, expected) in [(&[][..], false), (&["-partition_aware"][..], true)] {
        let master = Master::start().await;
        let state = tempfile::tempdir().unwrap();
        let _scheduler = Scheduler::start(master.address, state.path(), flags).await;
        let calls = master.calls(CallType::Subscribe, 1).await;
        let info = &calls[0].subscribe.as_ref().unwrap().framework_info;
        let mut kinds = info.capabilities.iter().map(|capability| capability.kind);
        assert_eq!(
            kinds.any(|kind| kind == Some(PartitionAware)),
            expected,
            "{flags:?}"
        );
    }
}

/// aurora: `CommandLineDriverSettingsModule.java`; what HTTP basic authentication shows is what a Mesos master with
/// `--authenticate_http_frameworks` asks for.
#[tokio::test]
async fn the_master_is_shown_the_credentials_of_a_properties_file() {
    let master = Master::start().await;
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("credentials.properties");
    let text = "aurora_authentication_principal=fleet\naurora_authentication_secret=hush\n";
    std::fs::write(&file, text).unwrap();
    let token = state.path().join("token");
    std::fs::write(&token, "of the cluster").unwrap();
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
    let file = format!("-framework_authentication_file={}", file.display());
    let token = format!("--token-file={}", token.display());
    for (count, announce, principal) in [(1, false, None), (2, true, Some("fleet"))] {
        let announce = format!("-framework_announce_principal={announce}");
        let log = state.path().join("log");
        let scheduler = Scheduler::start(master.address, &log, &[&file, &token, &announce]).await;
        let calls = master.calls(CallType::Subscribe, count).await;
        let last = calls.last().unwrap().subscribe.as_ref().unwrap();
        assert_eq!(last.framework_info.principal.as_deref(), principal);
        assert_eq!(master.secrets().last().unwrap().as_deref(), Some("hush"));
        assert!(scheduler.terminate().await);
    }
}

/// aurora: `LeaderHealth.java`; a port that nobody listens on stands for a master that is away.
#[tokio::test]
async fn nobody_leads_before_mesos_has_registered_the_scheduler() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let state = tempfile::tempdir().unwrap();
    let scheduler = Scheduler::start(address, state.path(), &[]).await;
    assert_eq!(scheduler.get("/leaderhealth").await.status, 502);
    assert_eq!(scheduler.get("/health").await.status, 200);
}
