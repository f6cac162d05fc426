//! `POST /api/v1/scheduler`.

use std::sync::Arc;

use aurora_daemon::reply;
use aurora_daemon::server::{Request, Response};
use aurora_mesos::message::Format;
use aurora_mesos::v1::FrameworkId;
use aurora_mesos::v1::maintenance::InverseOfferAnswer;
use aurora_mesos::v1::scheduler::{Call, CallType};
use http::header::HeaderValue;
use http::{Method, StatusCode};
use uuid::Uuid;

use super::core::{CallError, FrameworkStream, Master, Time};
use super::negotiate::{
    accepted, accepted_format, bad_request, expect_method, not_implemented, read_call,
};
use super::shell::{Peer, Shell};

const STREAM_ID: &str = "mesos-stream-id";

/// Answers one call. The order of the checks is part of the API.
pub(crate) fn handle(shell: &Arc<Shell>, request: &Request) -> Result<Response, Box<Response>> {
    expect_method(request, &Method::POST)?;
    let call: Call = read_call(request)?;
    validate(&call).map_err(|error| {
        Box::new(bad_request(format!(
            "Failed to validate scheduler::Call: {error}"
        )))
    })?;
    // Checked: the type is there.
    let kind = call.kind.unwrap_or_default();
    let format = match kind {
        CallType::Subscribe | CallType::ReconcileOperations => accepted_format(request)?,
        _ => Format::Json,
    };
    let stream_id = request
        .headers
        .get(STREAM_ID)
        .map(|value| String::from_utf8_lossy(value.as_bytes()));
    if kind == CallType::Subscribe {
        if stream_id.is_some() {
            return Ok(bad_request(
                "Subscribe calls should not include the 'Mesos-Stream-Id' header",
            ));
        }
        return Ok(subscribe(shell, format, call));
    }
    let id = call.framework_id.clone().unwrap_or_default();
    // Under one lock: the subscription cannot change between the check and the call.
    shell.with(|master, now| {
        master
            .check_call(&id, stream_id.as_deref())
            .map_err(|error| Box::new(refusal(&error)))?;
        master.count_call(&id, kind);
        Ok(carry_out(master, now, kind, &id, call))
    })
}

fn refusal(error: &CallError) -> Response {
    let status = match error {
        CallError::NotSubscribed => StatusCode::FORBIDDEN,
        CallError::Unknown | CallError::NoStreamId | CallError::StreamId { .. } => {
            StatusCode::BAD_REQUEST
        }
    };
    reply::text(status, error.to_string())
}

/// What a call must have, whatever the framework.
fn validate(call: &Call) -> Result<(), String> {
    let expect = |is_present: bool, field: &str| {
        if is_present {
            Ok(())
        } else {
            Err(format!("Expecting '{field}' to be present"))
        }
    };
    let kind = call.kind.ok_or("Expecting 'type' to be present")?;
    if kind == CallType::Subscribe {
        let subscribe = call
            .subscribe
            .as_ref()
            .ok_or("Expecting 'subscribe' to be present")?;
        let value = |id: &Option<FrameworkId>| id.clone().unwrap_or_default();
        if value(&subscribe.framework_info.id) != value(&call.framework_id) {
            return Err("'framework_id' differs from 'subscribe.framework_info.id'".to_owned());
        }
        return Ok(());
    }
    expect(call.framework_id.is_some(), "framework_id")?;
    let uuid = match kind {
        CallType::Unknown
        | CallType::Subscribe
        | CallType::Teardown
        | CallType::Revive
        | CallType::Suppress => {
            return Ok(());
        }
        CallType::Accept => return expect(call.accept.is_some(), "accept"),
        CallType::Decline => return expect(call.decline.is_some(), "decline"),
        CallType::AcceptInverseOffers => {
            return expect(
                call.accept_inverse_offers.is_some(),
                "accept_inverse_offers",
            );
        }
        CallType::DeclineInverseOffers => {
            return expect(
                call.decline_inverse_offers.is_some(),
                "decline_inverse_offers",
            );
        }
        CallType::Kill => return expect(call.kill.is_some(), "kill"),
        CallType::Shutdown => return expect(call.shutdown.is_some(), "shutdown"),
        CallType::Reconcile => return expect(call.reconcile.is_some(), "reconcile"),
        CallType::ReconcileOperations => {
            return expect(call.reconcile_operations.is_some(), "reconcile_operations");
        }
        CallType::Message => return expect(call.message.is_some(), "message"),
        CallType::Request => return expect(call.request.is_some(), "request"),
        CallType::UpdateFramework => {
            let update = call.update_framework.as_ref();
            let update = update.ok_or("Expecting 'update_framework' to be present")?;
            if update.framework_info.id != call.framework_id {
                return Err(
                    "'framework_id' differs from 'update_framework.framework_info.id'".to_owned(),
                );
            }
            return Ok(());
        }
        CallType::Acknowledge => {
            let acknowledge = call.acknowledge.as_ref();
            &acknowledge
                .ok_or("Expecting 'acknowledge' to be present")?
                .uuid
        }
        CallType::AcknowledgeOperationStatus => {
            let acknowledge = call.acknowledge_operation_status.as_ref();
            &acknowledge
                .ok_or("Expecting 'acknowledge_operation_status' to be present")?
                .uuid
        }
    };
    if uuid.len() == 16 {
        Ok(())
    } else {
        Err("Not a valid UUID".to_owned())
    }
}

fn subscribe(shell: &Arc<Shell>, format: Format, call: Call) -> Response {
    let stream_id = Uuid::new_v4().to_string();
    let subscribe = call.subscribe.unwrap_or_default();
    let events = shell.open(Peer::Scheduler, format, |master, now, key| {
        let stream = FrameworkStream {
            key,
            id: stream_id.clone(),
        };
        master.subscribe(now, stream, subscribe);
    });
    let mut response = reply::stream(StatusCode::OK, format.media_type(), events);
    if let Ok(value) = HeaderValue::from_str(&stream_id) {
        response.headers_mut().insert(STREAM_ID, value);
    }
    response
}

fn carry_out(
    master: &mut Master,
    now: Time,
    kind: CallType,
    id: &FrameworkId,
    call: Call,
) -> Response {
    match kind {
        CallType::Teardown => {
            master.remove_framework(now, id);
        }
        CallType::Accept => master.accept(now, id, call.accept.unwrap_or_default()),
        CallType::Decline => {
            let decline = call.decline.unwrap_or_default();
            master.decline(now, id, &decline.offer_ids, decline.filters.as_ref());
        }
        CallType::AcceptInverseOffers => {
            let accept = call.accept_inverse_offers.unwrap_or_default();
            let (offers, answer) = (&accept.inverse_offer_ids, InverseOfferAnswer::Accept);
            master.answer_inverse_offers(now, id, offers, answer, accept.filters.as_ref());
        }
        CallType::DeclineInverseOffers => {
            let decline = call.decline_inverse_offers.unwrap_or_default();
            let (offers, answer) = (&decline.inverse_offer_ids, InverseOfferAnswer::Decline);
            master.answer_inverse_offers(now, id, offers, answer, decline.filters.as_ref());
        }
        CallType::Revive => master.revive(now, id, &call.revive.unwrap_or_default().roles),
        CallType::Suppress => master.suppress(id, &call.suppress.unwrap_or_default().roles),
        CallType::Kill => master.kill(now, id, call.kill.unwrap_or_default()),
        CallType::Shutdown => master.shutdown_executor(id, call.shutdown.unwrap_or_default()),
        CallType::Acknowledge => master.acknowledge(now, id, call.acknowledge.unwrap_or_default()),
        CallType::Reconcile => master.reconcile(now, id, &call.reconcile.unwrap_or_default()),
        CallType::ReconcileOperations => {
            master.reconcile_operations(id, call.reconcile_operations.unwrap_or_default());
        }
        CallType::Message => master.message(id, call.message.unwrap_or_default()),
        // The allocator does not look at requests, and there are no operations to acknowledge.
        CallType::Request | CallType::AcknowledgeOperationStatus => {}
        CallType::UpdateFramework => {
            let update = call.update_framework.unwrap_or_default();
            return match master.update_framework(now, id, update) {
                Ok(()) => reply::empty(StatusCode::OK),
                Err(text) => bad_request(text),
            };
        }
        CallType::Unknown | CallType::Subscribe => return not_implemented(),
    }
    accepted()
}
