//! `GET /ext/v1/{jobs,tasks,hosts,updates,crons,quotas}`: pages of what there is, filtered and sorted here, so that no client
//! has to hold all of it.

mod records;
mod table;

use std::sync::Arc;

use aurora_daemon::reply;
use aurora_daemon::server::{Request, Response};
use http::StatusCode;
use serde_json::json;

use self::records::{CronRow, HostRow, JobRow, Moment, QuotaRow, TaskRow, UpdateRow};
use self::table::{Fault, Page, Parameters, Query, Record, page};
use super::Routes;

impl Routes {
    /// A page; `None` when there are none of this name.
    pub(super) async fn page(&self, name: &str, request: &Request) -> Option<Response> {
        let parameters = Parameters {
            filter: request.parameter("filter").unwrap_or_default(),
            sort: request.parameter("sort").unwrap_or_default(),
            limit: request.parameter("limit"),
            cursor: request.parameter("cursor"),
            columns: request.parameter("columns"),
        };
        let (view, seq) = self.hub.newest();
        let moment = Arc::new(Moment {
            view,
            now: (self.clock)(),
            zone: self.api.config.cron_timezone.clone(),
        });
        let made = match name {
            "jobs" => make::<JobRow>(&parameters, moment, JobRow::all).await,
            "tasks" => make::<TaskRow>(&parameters, moment, TaskRow::all).await,
            "hosts" => make::<HostRow>(&parameters, moment, HostRow::all).await,
            "updates" => make::<UpdateRow>(&parameters, moment, UpdateRow::all).await,
            "crons" => make::<CronRow>(&parameters, moment, CronRow::all).await,
            "quotas" => make::<QuotaRow>(&parameters, moment, QuotaRow::all).await,
            _ => return None,
        };
        Some(match made {
            Ok(page) => reply::json(
                StatusCode::OK,
                &json!({
                    "seq": seq,
                    "total": page.total,
                    "shown": page.shown,
                    "rows": page.rows,
                    "next": page.next,
                }),
            ),
            Err(refusal) => *refusal,
        })
    }
}

/// All records of a kind at a moment.
type All<T> = fn(&Arc<Moment>) -> Box<dyn Iterator<Item = T> + '_>;

async fn make<T: Record>(
    parameters: &Parameters,
    moment: Arc<Moment>,
    all: All<T>,
) -> Result<Page, Box<Response>> {
    let query = Query::parse::<T>(parameters).map_err(|fault| Box::new(bad_request(&fault)))?;
    // It looks at every record; other requests go on meanwhile.
    let made = tokio::task::spawn_blocking(move || page(all(&moment), &query)).await;
    made.map_err(|error| {
        tracing::error!(%error, "a page could not be made");
        Box::new(reply::empty(StatusCode::INTERNAL_SERVER_ERROR))
    })
}

fn bad_request(fault: &Fault) -> Response {
    reply::json(
        StatusCode::BAD_REQUEST,
        &json!({"error": {
            "code": format!("bad-{}", fault.parameter),
            "message": fault.message,
            "hint": format!("The fault is at character {} of `{}`.", fault.position, fault.parameter),
            "position": fault.position,
        }}),
    )
}
