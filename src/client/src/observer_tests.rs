use super::*;
use crate::fake::{Reply, Server};

fn serve(answers: &'static [(&'static str, u16, &'static str)]) -> (Server, Observer) {
    let server = Server::start(move |request| {
        let (status, body) = answers
            .iter()
            .find(|(target, ..)| *target == request.target)
            .map_or((500, "unexpected"), |(_, status, body)| (*status, *body));
        Reply::Full(status, Vec::new(), body.into())
    });
    let observer = Observer::new(&server.url(), "t", Auth::Bearer("x".into())).unwrap();
    (server, observer)
}

#[tokio::test]
async fn tasks_and_processes() {
    // Shapes as upstream's observer answers them.
    let (_server, observer) = serve(&[
        (
            "/j/task_ids/active/0/20",
            200,
            r#"{"tasks":[{"task_id":"t1","name":"hello","role":"www","launch_timestamp":1700000000,"state":"ACTIVE",
                "state_timestamp":1700000001.5,"ports":{"http":31000},"cpu":0.25,"ram":1048576,"user":0.1,"system":0.2,
                "rss":1048576,"vms":2,"nice":null,"status":"None","threads":3,"disk":-1}],
                "type":"active","offset":0,"num":20,"task_count":1}"#,
        ),
        (
            "/j/task/t1",
            200,
            r#"{"t1":{"task_id":"t1","name":"hello","user":"www","launch_timestamp":1,"state":"ACTIVE","state_timestamp":1,
                "ports":{},"resource_consumption":{"cpu":1.5,"ram":2,"nice":0,"status":"sleeping","disk":5},
                "processes":{"waiting":[],"running":["a"],"success":[],"failed":[],"killed":[]},"task":{"name":"hello"}}}"#,
        ),
        ("/j/task/none", 404, ""),
        (
            "/j/process/t1/a%20b",
            200,
            r#"{"process_name":"a b","process_run":2,"state":"FAILED","return_code":-9}"#,
        ),
        ("/j/process/t1/none", 200, "{}"),
    ]);
    let page = observer.tasks(Which::Active, 0, 20).await.unwrap();
    assert_eq!(page.task_count, 1);
    let row = &page.tasks[0];
    assert_eq!(
        (row.usage.cpu, row.disk, row.ports["http"]),
        (0.25, -1, 31000)
    );
    let task = observer.task("t1").await.unwrap().unwrap();
    assert_eq!(
        (task.user.as_str(), task.processes["running"].as_slice()),
        ("www", &["a".to_owned()][..])
    );
    assert_eq!(task.resource_consumption.cpu, 1.5);
    assert_eq!(observer.task("none").await.unwrap(), None);
    let run = observer.process("t1", "a b", None).await.unwrap().unwrap();
    assert_eq!((run.process_run, run.return_code), (2, Some(-9)));
    assert_eq!(observer.process("t1", "none", None).await.unwrap(), None);
}

#[tokio::test]
async fn files_logs_and_directories() {
    let (_server, observer) = serve(&[
        (
            "/logdata/t1/a/0/stdout?offset=0&length=100",
            200,
            r#"{"offset":0,"length":9,"data":"a &lt;&amp;lt;&gt;"}"#,
        ),
        (
            "/filedata/t1/dir/a%3Fb?offset=-1&length=-1",
            200,
            r#"{"offset":42,"length":0}"#,
        ),
        ("/filedata/t1/none?offset=0&length=-1", 200, "{}"),
        (
            "/ext/v1/browse/t1/dir",
            200,
            r#"{"path":"dir","entries":[{"name":"x","kind":"dir","size":1,"mtime_ms":5,"mode":493,"owner":"root"},
                {"name":"y","kind":"socket"}]}"#,
        ),
        ("/ext/v1/browse/t1", 404, ""),
    ]);
    let chunk = observer
        .log_data("t1", "a", 0, LogStream::Stdout, 0, 100)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((chunk.data.as_str(), chunk.length), ("a <&lt;>", 9));
    let size = observer
        .file_data("t1", "/dir/a?b", -1, -1)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(size.offset, 42);
    assert_eq!(observer.file_data("t1", "none", 0, -1).await.unwrap(), None);
    let listing = observer.browse("t1", "dir").await.unwrap().unwrap();
    assert_eq!(listing.entries[0].kind, EntryKind::Dir);
    assert_eq!(listing.entries[1].kind, EntryKind::Other);
    assert_eq!(observer.browse("t1", "").await.unwrap(), None);
}
