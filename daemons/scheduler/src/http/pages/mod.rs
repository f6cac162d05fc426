//! `GET /ext/v1/{jobs,tasks,hosts,roles,updates,crons,quotas,instances/ROLE/ENV/NAME}`: pages of what there is, filtered and
//! sorted here, so that no client has to hold all of it.
//!
//! A page stands at its `cursor`, `around` the row of a key, or `from=end`; `lead` of its rows are before that place. All of
//! it is of one moment, `seq`. With `unless=SEQ` it is told only if the table changed after that, which is waited for up to
//! `wait` seconds: so a client keeps a page current at the price of a request now and then.

mod query;
mod records;
mod table;
mod tasks;

use std::sync::Arc;
use std::time::Duration;

use aurora_api::feed::Seq;
use aurora_api::model::JobKey;
use aurora_daemon::reply;
use aurora_daemon::server::{Request, Response};
use http::StatusCode;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use self::query::{Fault, Parameters, Query};
use self::records::{CronRow, HostRow, JobRow, Moment, QuotaRow, RoleRow, UpdateRow};
use self::table::{Page, Record, page};
use self::tasks::{InstanceRow, TaskRow};
use super::Routes;
use crate::feed::Kind;

/// A request waits for a change no longer than this.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

impl Routes {
    /// A page; `None` when there are none of this name.
    pub(super) async fn page(
        &self,
        name: &str,
        job: Option<JobKey>,
        request: &Request,
    ) -> Option<Response> {
        let kinds = kinds_of(name, job.is_some())?;
        let parameters = Parameters {
            filter: request.parameter("filter").unwrap_or_default(),
            sort: request.parameter("sort").unwrap_or_default(),
            limit: request.parameter("limit"),
            cursor: request.parameter("cursor"),
            around: request.parameter("around"),
            from: request.parameter("from"),
            lead: request.parameter("lead"),
            columns: request.parameter("columns"),
        };
        if let Some(unless) = request.parameter("unless") {
            let unless = match unless.parse::<Seq>() {
                Ok(unless) => unless,
                Err(error) => return Some(bad_request(&Fault::of("unless", error))),
            };
            let wait = request.parameter("wait").unwrap_or_default();
            let wait = Duration::from_secs(wait.parse().unwrap_or(0)).min(LONGEST_WAIT);
            if !self.changes(kinds, unless, wait).await {
                let same = json!({"seq": unless, "unchanged": true});
                return Some(reply::json(StatusCode::OK, &same));
            }
        }
        let (view, seq) = self.hub.newest();
        let moment = Arc::new(Moment {
            view,
            seq,
            now: (self.clock)(),
            zone: self.api.config.cron_timezone.clone(),
            job,
        });
        let made = match name {
            "jobs" => make::<JobRow>(&parameters, moment, JobRow::all).await,
            "tasks" => make::<TaskRow>(&parameters, moment, TaskRow::all).await,
            "hosts" => make::<HostRow>(&parameters, moment, HostRow::all).await,
            "updates" => make::<UpdateRow>(&parameters, moment, UpdateRow::all).await,
            "crons" => make::<CronRow>(&parameters, moment, CronRow::all).await,
            "instances" => make::<InstanceRow>(&parameters, moment, InstanceRow::all).await,
            "quotas" => make::<QuotaRow>(&parameters, moment, QuotaRow::all).await,
            _ => make::<RoleRow>(&parameters, moment, RoleRow::all).await,
        };
        Some(match made {
            Ok(page) => reply::json(
                StatusCode::OK,
                &json!({
                    "seq": seq,
                    "total": page.total,
                    "shown": page.shown,
                    "offset": page.offset,
                    "rows": page.rows,
                    "prev": page.prev,
                    "next": page.next,
                }),
            ),
            Err(refusal) => *refusal,
        })
    }

    /// Whether something of these kinds changed after a position, or does within a time.
    async fn changes(&self, kinds: &[Kind], after: Seq, wait: Duration) -> bool {
        let mut position = self.hub.position();
        let deadline = Instant::now() + wait;
        loop {
            position.borrow_and_update();
            if self.hub.last_change(kinds) > after {
                return true;
            }
            tokio::select! {
                changed = position.changed() => if changed.is_err() {
                    return false;
                },
                () = sleep_until(deadline) => return false,
                () = self.hub.closed() => return false,
            }
        }
    }
}

/// What a table is made of; `None` when there is none of this name, of a job or of all.
fn kinds_of(name: &str, of_job: bool) -> Option<&'static [Kind]> {
    Some(match name {
        "instances" if of_job => &[Kind::Task, Kind::Host],
        "jobs" => &[Kind::Task, Kind::Cron, Kind::Update],
        "tasks" => &[Kind::Task, Kind::Host],
        "hosts" => &[Kind::Host, Kind::Task, Kind::Maintenance],
        "updates" => &[Kind::Update],
        "crons" => &[Kind::Cron, Kind::Task],
        "quotas" => &[Kind::Quota, Kind::Task, Kind::Cron, Kind::Update],
        "roles" => &[Kind::Task, Kind::Cron, Kind::Quota],
        _ => return None,
    })
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
    let made = tokio::task::spawn_blocking(move || page(|| all(&moment), &query)).await;
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
