//! The agents' side of the master: [`crate::link`] over HTTP.

use std::sync::Arc;

use aurora_daemon::reply;
use aurora_daemon::server::{Request, Response};
use aurora_mesos::message::Format;
use http::{Method, StatusCode};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::negotiate::{accepted, bad_request, expect_method};
use super::shell::{Peer, Shell};
use crate::link;

fn read<T: DeserializeOwned>(request: &Request) -> Result<T, Box<Response>> {
    expect_method(request, &Method::POST)?;
    serde_json::from_slice(&request.body)
        .map_err(|error| Box::new(bad_request(format!("The body is not understood: {error}"))))
}

pub(crate) fn subscribe(shell: &Arc<Shell>, request: &Request) -> Result<Response, Box<Response>> {
    let subscribe: link::Subscribe = read(request)?;
    let session = Uuid::new_v4().to_string();
    let events = shell.open(Peer::Agent, Format::Json, |master, now, key| {
        master.agent_subscribed(now, key, session, subscribe);
    });
    Ok(reply::stream(StatusCode::OK, "application/json", events))
}

pub(crate) fn call(shell: &Shell, request: &Request) -> Result<Response, Box<Response>> {
    let link::Request {
        agent_id,
        session,
        call,
    } = read(request)?;
    let is_current = shell.with(|master, now| {
        let is_current = master.agent_of_session(&agent_id, &session);
        if is_current {
            master.agent_call(now, &agent_id, call);
        }
        is_current
    });
    if is_current {
        Ok(accepted())
    } else {
        Ok(reply::text(
            StatusCode::CONFLICT,
            "This is not the agent's current session; it has to subscribe again.\n",
        ))
    }
}
