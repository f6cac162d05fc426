//! Bad links: a scheduler that refuses, and one that is far away.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aurora_tui_model::event::Event;
use aurora_tui_model::key::{Code, Key};
use aurora_tui_model::state::{LinkState, State};
use aurora_tui_model::update::{settle, update};
use tokio::sync::mpsc;

use super::fake::NOW;
use super::polling::{target, upstream};
use super::scheduler::{Reply, Server};
use super::setup;
use crate::cluster::Cluster;
use crate::data::{BUFFER, Data};
use crate::recorder::Recorder;

const DELAY: Duration = Duration::from_millis(200);

/// Passes bytes on, each way a while after they came. Ends with the test process.
fn far_away(server: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = server
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned();
    std::thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let far = TcpStream::connect(&server).unwrap();
            for (from, to) in [
                (near.try_clone(), far.try_clone()),
                (far.try_clone(), near.try_clone()),
            ] {
                let (from, to) = (from.unwrap(), to.unwrap());
                std::thread::spawn(move || pass(from, to));
            }
        }
    });
    format!("http://{address}/")
}

#[allow(
    clippy::disallowed_methods,
    reason = "the delay of a link is what is simulated here"
)]
fn pass(mut from: TcpStream, mut to: TcpStream) {
    let mut bytes = [0; 65_536];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        std::thread::sleep(DELAY); // moment
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    // Either side may be gone already.
    drop(to.shutdown(Shutdown::Write));
}

/// A workbench on a server of ours.
pub(super) struct Bench {
    pub(super) state: State,
    data: Data,
    heard: mpsc::Receiver<Event>,
}

impl Bench {
    pub(super) fn on(url: &str, server: &Server) -> Bench {
        let mut target = target(server);
        target.scheduler = url.parse().unwrap();
        let (events, heard) = mpsc::channel(BUFFER);
        let data = Data::new(Arc::new(Cluster::new(target)), Recorder::new(None), events);
        let mut bench = Bench {
            state: State::new(setup(), (80, 24), NOW),
            data,
            heard,
        };
        bench.take(Event::Tick(NOW));
        bench
    }

    pub(super) fn take(&mut self, event: Event) {
        for effect in update(&mut self.state, event) {
            assert_eq!(self.data.carry_out(effect), None);
        }
        settle(&mut self.state);
    }

    pub(super) async fn until(&mut self, what: &str, fits: impl Fn(&State) -> bool) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while !fits(&self.state) {
            let event = tokio::time::timeout_at(deadline, self.heard.recv()).await;
            let event = event.unwrap_or_else(|_| panic!("no {what}: {:?}", self.state.link));
            self.take(event.unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_far_scheduler_holds_up_no_key() {
    let server = upstream();
    let mut bench = Bench::on(&far_away(&server.url()), &server);
    let begun = Instant::now();
    // Nothing has come yet, and keys are obeyed at once.
    let before = Instant::now();
    for _ in 0..50 {
        bench.take(Event::Key(Key::plain(Code::Char('j'))));
        bench.take(Event::Run("journal; jobs".to_owned()));
    }
    assert!(before.elapsed() < DELAY, "{:?}", before.elapsed());
    bench
        .until("jobs", |state| !state.store.jobs.is_empty())
        .await;
    assert!(begun.elapsed() >= 2 * DELAY, "the link was not slow");
    bench.take(Event::Run("instances www/prod/web".to_owned()));
    bench
        .until("tasks", |state| !state.store.tasks.is_empty())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduler_that_refuses_is_a_state_of_its_own() {
    let server = Server::start(|_| Reply::Full(401, Vec::new(), b"who are you".to_vec()));
    let mut bench = Bench::on(&server.url(), &server);
    bench
        .until("refusal", |state| {
            matches!(state.link, LinkState::Unauthorised(..))
        })
        .await;
    let LinkState::Unauthorised(_, why) = &bench.state.link else {
        panic!("{:?}", bench.state.link);
    };
    assert!(why.contains("401"), "{why}");
}

/// Set where the test is inside of its own network, which loses packets.
const LOSES: &str = "TEST_IS_ON_A_LINK_THAT_LOSES";

/// Keys are obeyed and data comes, whatever is lost on the way.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_loses_packets_loses_no_data() {
    if std::env::var_os(LOSES).is_none() {
        return in_a_network_that_loses("tests::link::a_link_that_loses_packets_loses_no_data");
    }
    let server = upstream();
    for _ in 0..10 {
        let mut bench = Bench::on(&server.url(), &server);
        bench
            .until("jobs", |state| !state.store.jobs.is_empty())
            .await;
        let before = Instant::now();
        bench.take(Event::Run("instances www/prod/web".to_owned()));
        bench.take(Event::Key(Key::plain(Code::Char('j'))));
        assert!(before.elapsed() < DELAY, "{:?}", before.elapsed());
        bench
            .until("tasks", |state| !state.store.tasks.is_empty())
            .await;
        assert_eq!(bench.state.link, LinkState::Live);
    }
}

/// Runs a test of this program again where one of twenty packets is lost; says so where that is not permitted.
fn in_a_network_that_loses(test: &str) {
    let script = "ip link set lo up && iptables -A INPUT -m statistic --mode random --probability 0.05 -j DROP \
        && echo lossy && \"$0\" --exact \"$1\" --nocapture && iptables -nvxL INPUT";
    let output = std::process::Command::new("unshare")
        .args(["-n", "/bin/sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .arg(test)
        .env(LOSES, "1")
        .output();
    let (said, why) = match &output {
        Ok(output) => (
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ),
        Err(error) => (String::new(), error.to_string()),
    };
    if !said.starts_with("lossy") {
        println!("skipped: no network of one's own that loses packets is to be had here: {why}");
        return;
    }
    assert!(output.unwrap().status.success(), "{said}\n{why}");
    // `PACKETS BYTES DROP all ...`
    let dropped = said.lines().find(|line| line.contains("DROP"));
    let packets = dropped.and_then(|line| line.split_whitespace().next());
    let packets: u64 = packets.and_then(|count| count.parse().ok()).unwrap_or(0);
    assert!(packets > 0, "nothing was lost: {said}");
}
