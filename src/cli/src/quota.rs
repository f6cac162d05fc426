//! `aurora quota get` (aurora: `cli/quota.py`).

use aurora_api::model::GetQuotaResult;
use aurora_api::service::arguments::GetQuota;
use aurora_api::simple;
use aurora_client::scheduler::{Retry, take};

use crate::context::{Context, Outcome, check, print_out};
use crate::exit::ExitCode;
use crate::keys::parse_qualified_role;
use crate::resources::details;

pub(crate) async fn run(context: &Context<'_>) -> Outcome {
    let (cluster, role) = context.positional(0, "CLUSTER/NAME", parse_qualified_role)?;
    tracing::info!("Getting quota for: {role}");
    let call = GetQuota {
        owner_role: Some(role.clone()),
    };
    let response = context.scheduler(&cluster)?.call(call, Retry::Safe).await?;
    let what = format!("Error retrieving quota for role {role}");
    check(&response, ExitCode::ApiError, &what)?;
    let result: GetQuotaResult = take("getQuota", response)?;
    if context.options.flag("write-json") {
        return print_out(&simple::to_json(&result).to_string());
    }
    print_out(&render(&result))
}

fn render(result: &GetQuotaResult) -> String {
    let mut lines = vec!["Allocated:".to_owned()];
    let list = |aggregate: &aurora_api::model::ResourceAggregate, lines: &mut Vec<String>| {
        lines.extend(
            details(&aggregate.resources)
                .into_iter()
                .map(|line| format!("  {line}")),
        );
    };
    list(&result.quota, &mut lines);
    for (pool, consumption) in [
        ("Production shared pool", &result.prod_shared_consumption),
        (
            "Production dedicated pool",
            &result.prod_dedicated_consumption,
        ),
        (
            "Non-production shared pool",
            &result.non_prod_shared_consumption,
        ),
        (
            "Non-production dedicated pool",
            &result.non_prod_dedicated_consumption,
        ),
    ] {
        if let Some(consumption) = consumption
            && !consumption.resources.is_empty()
        {
            lines.push(format!("{pool} resources consumed:"));
            list(consumption, &mut lines);
        }
    }
    lines.join("\n")
}
