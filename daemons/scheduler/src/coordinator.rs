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

/// A client for what jobs and operators name.
pub(crate) fn connector() -> Result<reqwest::Client, String> {
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// A server that answers one request with `answer`; what it was sent comes out of the thread.
    fn server(answer: String) -> (String, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/allow?x=1", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut text = String::new();
            let mut buffer = [0; 4096];
            while !text.ends_with("BODY") {
                let read = stream.read(&mut buffer).unwrap();
                assert!(read > 0, "{text}");
                text.push_str(&String::from_utf8_lossy(&buffer[..read]));
            }
            // Whoever has read enough goes away.
            drop(stream.write_all(answer.as_bytes()));
            text
        });
        (url, thread)
    }

    async fn asked(answer: String) -> (Result<CoordinatorAnswer, String>, String) {
        let (url, thread) = server(answer);
        let call = CoordinatorCall {
            id: 1,
            url,
            task: "c/role/env/job/0".to_owned(),
            body: "BODY".to_owned(),
        };
        let answer = ask(connector(), call).await;
        (answer, thread.join().unwrap())
    }

    #[tokio::test]
    async fn a_question_is_a_post_and_its_answer_is_given_back_as_it_is() {
        for (status, body) in [(200, r#"{"drain": true}"#), (503, "busy"), (302, "")] {
            let text = format!(
                "HTTP/1.1 {status} x\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let (answer, request) = asked(text).await;
            let body = body.into();
            assert_eq!(answer, Ok(CoordinatorAnswer::Said { status, body }));
            let line = "POST /allow?x=1&task=c%2Frole%2Fenv%2Fjob%2F0 HTTP/1.1\r\n";
            assert!(request.starts_with(line), "{request}");
        }
    }

    #[tokio::test]
    async fn what_is_no_answer() {
        let long = "x".repeat(MAX_ANSWER + 1);
        for (text, expected) in [
            (
                format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{long}",
                    long.len()
                ),
                "the answer is longer than 65536 bytes",
            ),
            ("nonsense\r\n\r\n".to_owned(), "error sending request"),
        ] {
            let (answer, _) = asked(text).await;
            let error = answer.unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let call = CoordinatorCall {
            id: 1,
            url: "not a url".to_owned(),
            task: String::new(),
            body: String::new(),
        };
        assert!(ask(connector(), call).await.is_err());
    }
}
