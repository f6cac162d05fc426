//! `aurora_admin reconcile_tasks`.

use aurora_api::model::ExplicitReconciliationSettings;
use aurora_api::service::arguments::{
    TriggerExplicitTaskReconciliation, TriggerImplicitTaskReconciliation,
};
use aurora_client::scheduler::Retry;

use super::{bounded, call};
use crate::context::{Context, Outcome};

pub(super) async fn run(context: &Context<'_>) -> Outcome {
    let options = context.options;
    if options.text("type") == Some("implicit") {
        let all = TriggerImplicitTaskReconciliation::default();
        return call(context, all, Retry::Never).await.map(|_| ());
    }
    let batch_size = bounded(context, "batch_size")?;
    let known = TriggerExplicitTaskReconciliation {
        settings: Some(ExplicitReconciliationSettings { batch_size }),
    };
    call(context, known, Retry::Never).await.map(|_| ())
}
