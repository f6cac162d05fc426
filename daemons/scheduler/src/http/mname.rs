//! `/mname/ROLE/ENV/JOB/INSTANCE[/PATH]`: on to the port of a running instance (aurora: `Mname.java`).

use aurora_api::model::{JobKey, ScheduleStatus};
use aurora_daemon::reply;
use aurora_daemon::server::Response;
use http::StatusCode;
use http::header::{HeaderValue, LOCATION};

use super::Routes;
use crate::core::store::Task;

/// Names of ports that are taken for the instance's page, the first that there is.
const PORTS: [&str; 5] = ["health", "http", "HTTP", "web", "admin"];

impl Routes {
    pub(super) fn mname(&self, path: &[&str], query: &str) -> Response {
        let [role, environment, job, instance, rest @ ..] = path else {
            return reply::text(
                StatusCode::BAD_REQUEST,
                "Usage: /mname/ROLE/ENVIRONMENT/JOB/INSTANCE[/PATH]\n",
            );
        };
        let none = || not_found("No such live instance found.");
        let Ok(instance) = instance.parse::<i32>() else {
            return none();
        };
        let durable = self.api.handle.durable();
        let key = JobKey::new(role, environment, job);
        let Some(task) = durable.view.active_task(&key, instance) else {
            return none();
        };
        match (task.status, address(task)) {
            (ScheduleStatus::Running, Some(address)) => redirect(&address, rest, query),
            (ScheduleStatus::Running, None) => {
                not_found("The task does not have a registered http port.")
            }
            (status, _) => not_found(&format!(
                "The selected instance is currently in state {status}"
            )),
        }
    }
}

fn not_found(text: &str) -> Response {
    reply::text(StatusCode::NOT_FOUND, text.to_owned())
}

/// `host:port` of the page that the task serves.
fn address(task: &Task) -> Option<String> {
    let host = task.host()?;
    let port = PORTS.iter().find_map(|wanted| {
        let mut ports = task.ports.iter();
        ports
            .find(|(name, _)| &**name == *wanted)
            .map(|(_, port)| *port)
    })?;
    Some(format!("{host}:{port}"))
}

fn redirect(address: &str, path: &[&str], query: &str) -> Response {
    let path: Vec<String> = path.iter().map(|segment| encode(segment)).collect();
    let mut place = format!("http://{address}/{}", path.join("/"));
    if !query.is_empty() {
        place.push('?');
        place.push_str(query);
    }
    match HeaderValue::try_from(place) {
        Ok(place) => {
            let mut response = reply::empty(StatusCode::TEMPORARY_REDIRECT);
            response.headers_mut().insert(LOCATION, place);
            response
        }
        Err(_) => not_found("The instance's host has no name that can be written in a header."),
    }
}

/// A segment of a path as it is written in an address.
fn encode(segment: &str) -> String {
    let mut out = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
