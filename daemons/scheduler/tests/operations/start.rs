//! What a scheduler says when it begins.

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
