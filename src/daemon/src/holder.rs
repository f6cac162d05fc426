//! Who holds a port: so that "address in use" names a process.

use std::fs;
use std::net::SocketAddr;

/// A process that listens on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Its name.
    pub name: String,
}

/// The process listening on the port of `address`, as far as this user can see.
pub fn of(address: SocketAddr) -> Option<Holder> {
    let inodes = listening_inodes(address.port());
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else {
            continue;
        };
        // Other users' descriptors cannot be read; the port is then named without its holder.
        let Ok(descriptors) = fs::read_dir(entry.path().join("fd")) else {
            continue;
        };
        let holds = descriptors.flatten().any(|descriptor| {
            fs::read_link(descriptor.path()).is_ok_and(|target| {
                target
                    .to_str()
                    .and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']'))
                    .is_some_and(|inode| inodes.iter().any(|known| known == inode))
            })
        });
        if holds {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            return Some(Holder {
                pid,
                name: name.trim().to_owned(),
            });
        }
    }
    None
}

/// Inodes of sockets in state LISTEN on the port, from /proc/net/tcp and tcp6.
fn listening_inodes(port: u16) -> Vec<String> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|table| {
            table
                .lines()
                .skip(1)
                .filter_map(|line| parse_listening(line, port))
                .collect::<Vec<_>>()
        })
        .collect()
}

fn parse_listening(line: &str, port: u16) -> Option<String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (_, local_port) = fields.get(1)?.rsplit_once(':')?;
    // 0A is TCP_LISTEN.
    let listens = fields.get(3)? == &"0A";
    let same = u16::from_str_radix(local_port, 16).ok()? == port;
    (listens && same).then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
}
