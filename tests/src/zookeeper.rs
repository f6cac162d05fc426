//! A real ZooKeeper: Debian's package, started on a port that the kernel chose, in a directory of its own.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::wait;

const JAR: &str = "/usr/share/java/zookeeper.jar";
/// A probe that comes while the database loads is sometimes never answered.
const PROBE_PATIENCE: Duration = Duration::from_millis(500);

/// One server; killed when it is dropped.
pub struct ZooKeeper {
    directory: tempfile::TempDir,
    port: u16,
    server: Option<Child>,
}

impl ZooKeeper {
    /// Starts a server and waits until it serves; the text says why there is none.
    pub fn start() -> Result<ZooKeeper, String> {
        if !Path::new(JAR).exists() {
            return Err("the Debian package zookeeper is not installed".to_owned());
        }
        // A port is free when it is chosen; a server that finds it taken ends, and another one is tried.
        let mut last = String::new();
        for _ in 0..5 {
            let mut zookeeper = ZooKeeper {
                directory: tempfile::tempdir().map_err(|error| error.to_string())?,
                port: free_port().map_err(|error| error.to_string())?,
                server: None,
            };
            match zookeeper.try_run() {
                Ok(()) => return Ok(zookeeper),
                Err(reason) => last = reason,
            }
        }
        Err(last)
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Kills it at once; what it had acknowledged stays.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            drop(server.kill());
            drop(server.wait());
        }
    }

    /// Starts it again on the same port and data.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn run_again(&mut self) {
        self.kill();
        if let Err(reason) = self.try_run() {
            panic!("ZooKeeper does not come back: {reason}");
        }
    }

    fn try_run(&mut self) -> Result<(), String> {
        let place = self.directory.path();
        let config = format!(
            "tickTime=200\ninitLimit=25\nsyncLimit=10\ndataDir={}\nclientPort={}\nclientPortAddress=127.0.0.1\n\
             admin.enableServer=false\n4lw.commands.whitelist=*\nmaxClientCnxns=0\nminSessionTimeout=400\nmaxSessionTimeout=60000\n",
            place.join("data").display(),
            self.port
        );
        fs::write(place.join("zoo.cfg"), config).map_err(|error| error.to_string())?;
        let log = File::create(place.join("log")).map_err(|error| error.to_string())?;
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        let server = Command::new("java")
            .args([
                "-Xmx128m",
                "-Xms32m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-XX:-UsePerfData",
            ])
            .args(["-Dzookeeper.jmx.log4j.disable=true", "-cp", JAR])
            .arg("org.apache.zookeeper.server.quorum.QuorumPeerMain")
            .arg(place.join("zoo.cfg"))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|error| format!("cannot start java: {error}"))?;
        let server = self.server.insert(server);
        let port = self.port;
        let mut ended = None;
        wait::until("ZooKeeper serves", || {
            if let Ok(Some(status)) = server.try_wait() {
                ended = Some(status);
                return Ok(());
            }
            match ask(port, "srvr") {
                Ok(answer) if answer.contains("Mode:") => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
        match ended {
            None => Ok(()),
            Some(status) => {
                let log = fs::read_to_string(place.join("log")).unwrap_or_default();
                Err(format!("ZooKeeper ended with {status}: {log}"))
            }
        }
    }
}

impl Drop for ZooKeeper {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> std::io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// A four-letter word and the answer to it.
fn ask(port: u16, word: &str) -> std::io::Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, PROBE_PATIENCE)?;
    stream.set_read_timeout(Some(PROBE_PATIENCE))?;
    stream.write_all(word.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// A stretch of wire that can be cut without either end noticing: what is sent meanwhile is swallowed.
pub struct Wire {
    address: SocketAddr,
    cut: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Wire {
    /// A wire to the given address.
    pub fn to(target: &str) -> std::io::Result<Wire> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let wire = Wire {
            address: listener.local_addr()?,
            cut: Arc::default(),
            streams: Arc::default(),
        };
        let (cut, streams) = (Arc::clone(&wire.cut), Arc::clone(&wire.streams));
        let target = target.to_owned();
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = TcpStream::connect(&target) else {
                    continue;
                };
                for (from, to) in [(&near, &far), (&far, &near)] {
                    if let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) {
                        let cut = Arc::clone(&cut);
                        std::thread::spawn(move || copy(from, to, &cut));
                    }
                }
                let mut streams = streams.lock().unwrap_or_else(PoisonError::into_inner);
                streams.extend([near, far]);
            }
        });
        Ok(wire)
    }

    /// Where its near end is.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Swallows everything from here on, in both directions.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }

    /// Lets new connections work again; the old ones, which have lost bytes, are closed.
    pub fn mend(&self) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in streams.drain(..) {
            drop(stream.shutdown(std::net::Shutdown::Both));
        }
        self.cut.store(false, Ordering::SeqCst);
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, cut: &AtomicBool) {
    let mut bytes = [0; 4096];
    while let Ok(count) = from.read(&mut bytes) {
        if count == 0 {
            break;
        }
        if !cut.load(Ordering::SeqCst) && to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    if !cut.load(Ordering::SeqCst) {
        drop(to.shutdown(std::net::Shutdown::Both));
    }
}
