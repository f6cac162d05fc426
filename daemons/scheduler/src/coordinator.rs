//! Carries the core's questions to jobs' coordinators, and their answers back (aurora: `SlaManager.coordinatorAllows`).

use std::time::Duration;

use bytes::BytesMut;
use reqwest::header::CONTENT_TYPE;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::core::sla::{CoordinatorAnswer, CoordinatorCall};
use crate::engine::Handle;

/// So much of an answer is read; what is longer is none.
const MAX_ANSWER: usize = 64 << 10;

/// Asks until the engine ends. The core does not ask more coordinators at a time than it may.
pub(crate) async fn run(
    mut calls: mpsc::Receiver<CoordinatorCall>,
    limit: Duration,
    handle: Handle,
) {
    let mut asking = JoinSet::new();
    let mut client = None;
    loop {
        let call = tokio::select! {
            call = calls.recv() => call,
            Some(_) = asking.join_next() => continue,
        };
        let Some(call) = call else {
            return;
        };
        // Made when it is needed: most clusters have no coordinators, and looking for the machine's certificates takes time.
        let client = client.get_or_insert_with(connector).clone();
        let handle = handle.clone();
        asking.spawn(async move {
            let id = call.id;
            let asked = tokio::time::timeout(limit, ask(client, call)).await;
            let answer = match asked {
                Ok(Ok(answer)) => answer,
                Ok(Err(cause)) => CoordinatorAnswer::Failed(cause),
                Err(_) => CoordinatorAnswer::Failed(format!("no answer within {limit:?}")),
            };
            // When the engine is ending nobody wants to know any more.
            let _ = handle.coordinator(id, answer).await;
        });
    }
}

fn connector() -> Result<reqwest::Client, String> {
    // An error means that a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(|error| describe(&error))
}

async fn ask(
    client: Result<reqwest::Client, String>,
    call: CoordinatorCall,
) -> Result<CoordinatorAnswer, String> {
    let mut url = reqwest::Url::parse(&call.url).map_err(|error| error.to_string())?;
    url.query_pairs_mut().append_pair("task", &call.task);
    let request = client?
        .post(url)
        .header(CONTENT_TYPE, "application/json")
        .body(call.body);
    let mut response = request.send().await.map_err(|error| describe(&error))?;
    let status = response.status().as_u16();
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| describe(&error))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(format!("the answer is longer than {MAX_ANSWER} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(CoordinatorAnswer::Said {
        status,
        body: body.freeze(),
    })
}

/// An error with its causes: the outermost alone does not say why.
fn describe(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}
