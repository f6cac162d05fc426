//! A disk that loses power.
//!
//! What was written and not synced survives in pieces: each 512-byte sector is old or new on its own. Names are kept in order,
//! as a journal does, but only up to some point.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::disk::{Disk, DiskFile};

const SECTOR: usize = 512;

#[derive(Clone, Default)]
struct Content {
    durable: Vec<u8>,
    now: Vec<u8>,
    /// Ranges written since the last sync.
    dirty: Vec<(usize, usize)>,
}

#[derive(Clone)]
enum NameOp {
    Create(String, u64),
    Rename(String, String),
    Remove(String),
}

#[derive(Default)]
struct State {
    files: BTreeMap<u64, Content>,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    pending_names: Vec<NameOp>,
    next_file: u64,
    /// Operations that change something, so far.
    operations: u64,
    /// The operation at which power is lost.
    crash_at: Option<u64>,
    crashed: bool,
    /// Bytes that the disk can hold.
    capacity: Option<usize>,
    fail_sync: bool,
}

/// See the module.
#[derive(Clone, Default)]
pub(crate) struct SimDisk(Arc<Mutex<State>>);

fn apply(names: &mut BTreeMap<String, u64>, op: &NameOp) {
    match op {
        NameOp::Create(name, file) => {
            names.insert(name.clone(), *file);
        }
        NameOp::Rename(from, to) => {
            if let Some(file) = names.remove(from) {
                names.insert(to.clone(), file);
            }
        }
        NameOp::Remove(name) => {
            names.remove(name);
        }
    }
}

fn power_lost() -> io::Error {
    io::Error::other("power lost")
}

impl State {
    fn alive(&self) -> io::Result<()> {
        if self.crashed {
            Err(power_lost())
        } else {
            Ok(())
        }
    }

    /// Counts an operation; true when it is the one in which power is lost.
    fn count(&mut self) -> io::Result<bool> {
        self.alive()?;
        let last = self.crash_at == Some(self.operations);
        self.operations += 1;
        self.crashed = last;
        Ok(last)
    }

    fn name(&mut self, op: NameOp) -> io::Result<()> {
        let last = self.count()?;
        apply(&mut self.names, &op);
        self.pending_names.push(op);
        if last { Err(power_lost()) } else { Ok(()) }
    }
}

impl SimDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Loses power at the operation of this number.
    pub(crate) fn crash_at(&self, operation: u64) {
        self.state().crash_at = Some(operation);
    }

    /// How many changing operations there were.
    pub(crate) fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Limits what the disk holds.
    pub(crate) fn set_capacity(&self, bytes: usize) {
        self.state().capacity = Some(bytes);
    }

    /// Makes the next syncs fail.
    pub(crate) fn fail_syncs(&self) {
        self.state().fail_sync = true;
    }

    /// What is there after power comes back.
    pub(crate) fn after_power_loss(&self, seed: u64) -> SimDisk {
        let mut random = StdRng::seed_from_u64(seed);
        let old = self.state();
        let mut names = old.durable_names.clone();
        let kept = random.random_range(0..=old.pending_names.len());
        for op in &old.pending_names[..kept] {
            apply(&mut names, op);
        }
        let mut files = BTreeMap::new();
        for file in names.values() {
            let Some(content) = old.files.get(file) else {
                continue;
            };
            let mut bytes = content.durable.clone();
            for (start, end) in &content.dirty {
                let mut at = *start;
                while at < *end {
                    let stop = ((at / SECTOR + 1) * SECTOR).min(*end);
                    if random.random_bool(0.5) {
                        if bytes.len() < stop {
                            bytes.resize(stop, 0);
                        }
                        bytes[at..stop].copy_from_slice(&content.now[at..stop]);
                    }
                    at = stop;
                }
            }
            files.insert(
                *file,
                Content {
                    now: bytes.clone(),
                    durable: bytes,
                    dirty: Vec::new(),
                },
            );
        }
        SimDisk(Arc::new(Mutex::new(State {
            files,
            durable_names: names.clone(),
            names,
            next_file: old.next_file,
            ..State::default()
        })))
    }

    /// Changes a byte of a file behind everybody's back.
    pub(crate) fn flip(&self, name: &str, offset: usize) {
        let mut state = self.state();
        let file = state.names[name];
        let content = state.files.get_mut(&file).expect("named files exist");
        content.now[offset] ^= 0x40;
        content.durable[offset] ^= 0x40;
    }
}

impl Disk for SimDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let state = self.state();
        state.alive()?;
        Ok(state.names.keys().cloned().collect())
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let state = self.state();
        state.alive()?;
        let file = *state
            .names
            .get(name)
            .ok_or(io::Error::from(io::ErrorKind::NotFound))?;
        drop(state);
        Ok(Box::new(SimFile {
            disk: self.clone(),
            file,
        }))
    }
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        let file = state.next_file;
        state.next_file += 1;
        state.files.insert(file, Content::default());
        state.name(NameOp::Create(name.to_owned(), file))?;
        drop(state);
        Ok(Box::new(SimFile {
            disk: self.clone(),
            file,
        }))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.alive()?;
        if !state.names.contains_key(from) {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        state.name(NameOp::Rename(from.to_owned(), to.to_owned()))
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.alive()?;
        if !state.names.contains_key(name) {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        state.name(NameOp::Remove(name.to_owned()))
    }
    fn sync_directory(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.count()? {
            return Err(power_lost());
        }
        state.durable_names = state.names.clone();
        state.pending_names.clear();
        Ok(())
    }
}

struct SimFile {
    disk: SimDisk,
    file: u64,
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        let state = self.disk.state();
        state.alive()?;
        Ok(state.files[&self.file].now.len() as u64)
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let state = self.disk.state();
        state.alive()?;
        let bytes = &state.files[&self.file].now;
        let start = (offset as usize).min(bytes.len());
        let end = (start + buffer.len()).min(bytes.len());
        buffer[..end - start].copy_from_slice(&bytes[start..end]);
        Ok(end - start)
    }
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        let last = state.count()?;
        let held: usize = state.files.values().map(|content| content.now.len()).sum();
        let capacity = state.capacity;
        let content = state
            .files
            .get_mut(&self.file)
            .ok_or(io::Error::from(io::ErrorKind::NotFound))?;
        let (start, end) = (offset as usize, offset as usize + bytes.len());
        let growth = end.saturating_sub(content.now.len());
        if capacity.is_some_and(|capacity| held + growth > capacity) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        if content.now.len() < end {
            content.now.resize(end, 0);
        }
        content.now[start..end].copy_from_slice(bytes);
        content.dirty.push((start, end));
        if last { Err(power_lost()) } else { Ok(()) }
    }
    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.state();
        if state.count()? {
            return Err(power_lost());
        }
        if state.fail_sync {
            return Err(io::Error::other("input/output error"));
        }
        if let Some(content) = state.files.get_mut(&self.file) {
            content.durable = content.now.clone();
            content.dirty.clear();
        }
        Ok(())
    }
}
