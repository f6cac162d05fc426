//! The whole state as bytes. Each configuration stands once, and so does each text that tasks repeat.
//!
//! Equal states give equal bytes: a snapshot of the state after some ops is a snapshot of what was decoded from an earlier
//! one plus the ops since.

use std::collections::HashMap;
use std::sync::Arc;

use aurora_api::model::{JobConfiguration, JobKey, ResourceAggregate, TaskConfig};

use super::events::{Event, Events};
use super::ids::{instance_in, split};
use super::record::Past;
use super::{ApplyError, ConfigId, Decided, Store, StoredConfig, Task, Update, View};
use crate::core::codec::{
    CodecError, VERSION, read_audit, read_outcome, read_version, write_audit, write_outcome,
};
use crate::core::op::Op;
use crate::core::primitives::{In, Out};

/// Why bytes are not a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// The bytes cannot be read.
    #[error("the snapshot cannot be read")]
    Codec(#[from] CodecError),
    /// The records contradict each other.
    #[error("the snapshot contradicts itself")]
    State(#[from] ApplyError),
}

/// Texts by number. A text's first use carries it, later ones its number.
#[derive(Default)]
struct TextWriter {
    numbers: HashMap<Arc<str>, u64>,
}

impl TextWriter {
    fn write(&mut self, out: &mut Out, text: &Arc<str>) {
        let next = self.numbers.len() as u64;
        let number = *self.numbers.entry(Arc::clone(text)).or_insert(next);
        out.number(number);
        if number == next {
            out.text(text);
        }
    }
}

#[derive(Default)]
struct TextReader {
    texts: Vec<Arc<str>>,
}

impl TextReader {
    fn read(&mut self, input: &mut In<'_>) -> Result<Arc<str>, CodecError> {
        let number = input.number()? as usize;
        if number == self.texts.len() {
            self.texts.push(input.shared()?);
        }
        let text = self
            .texts
            .get(number)
            .ok_or_else(|| input.fault("a text that was not written yet"))?;
        Ok(Arc::clone(text))
    }
}

/// The bytes of the state.
pub fn encode_snapshot(view: &View) -> Vec<u8> {
    let mut out = Out::default();
    out.byte(VERSION);
    out.option(view.framework_id.as_deref(), Out::text);
    out.text(&view.scheduler);
    out.number(view.next_config);

    let mut configs: Vec<&Arc<StoredConfig>> = view.configs().collect();
    configs.sort_unstable_by_key(|config| config.id);
    out.number(configs.len() as u64);
    for config in configs {
        out.number(config.id.0);
        out.thrift(&*config.task);
    }

    out.number(view.quotas.len() as u64);
    for (role, quota) in view.quotas.iter() {
        out.text(role);
        out.thrift(quota);
    }

    let mut hosts: Vec<_> = view.hosts().collect();
    hosts.sort_unstable_by_key(|host| &host.attributes.host);
    out.number(hosts.len() as u64);
    for host in hosts {
        out.thrift(&*host.attributes);
    }

    let mut jobs: Vec<_> = view.jobs().collect();
    jobs.sort_unstable_by_key(|job| &job.key);
    out.number(jobs.len() as u64);
    let mut texts = TextWriter::default();
    for job in jobs {
        out.thrift(&*job.key);
        out.signed(job.changed);
        out.number(job.task_count() as u64);
        for task in view.tasks_of_job(job) {
            write_task(&mut out, &mut texts, task);
        }
    }
    write_crons(&mut out, view);
    write_updates(&mut out, view);
    out.number(view.maintenance.len() as u64);
    for request in view.maintenance_requests() {
        out.thrift(request);
    }
    out.number(view.audit.len() as u64);
    for record in view.audit() {
        write_audit(&mut out, record);
    }
    out.bytes
}

fn write_crons(out: &mut Out, view: &View) {
    out.number(view.crons.len() as u64);
    for cron in view.crons() {
        out.thrift(&*cron.job);
        out.option(cron.last, |out, last| {
            out.signed(last.minute);
            write_outcome(out, last.outcome);
        });
    }
}

fn write_updates(out: &mut Out, view: &View) {
    let mut jobs: Vec<_> = view.updates.iter().collect();
    jobs.sort_unstable_by_key(|(job, _)| *job);
    let updates: Vec<&Update> = jobs
        .into_iter()
        .flat_map(|(_, updates)| updates.iter().map(|update| &**update))
        .collect();
    out.number(updates.len() as u64);
    for update in updates {
        out.thrift(&*update.update);
        out.number(update.events().count() as u64);
        for event in update.events() {
            out.thrift(event);
        }
        out.number(update.instance_events().count() as u64);
        for event in update.instance_events() {
            out.thrift(event);
        }
    }
}

fn write_task(out: &mut Out, texts: &mut TextWriter, task: &Task) {
    out.text(&task.id());
    out.number(task.config.id.0);
    out.signed(i64::from(task.instance));
    out.status(task.status);
    out.signed(i64::from(task.failure_count()));
    out.signed(i64::from(task.times_partitioned()));
    out.option(task.ancestor(), |out, id| out.text(&id));
    let place = task.place();
    out.option(place, |out, place| texts.write(out, &place.agent));
    out.option(place, |out, place| texts.write(out, &place.host));
    out.number(task.ports.len() as u64);
    for (name, port) in &task.ports {
        texts.write(out, name);
        out.signed(i64::from(*port));
    }
    out.number(task.events.len() as u64);
    for event in &task.events {
        out.signed(event.time);
        out.status(event.status);
        out.option(event.message.as_ref(), |out, text| texts.write(out, text));
        texts.write(out, &event.scheduler);
    }
}

/// The state in these bytes.
///
/// # Errors
/// The bytes are not exactly one snapshot of a known version, or its records contradict each other.
pub fn decode_snapshot(bytes: &[u8]) -> Result<Store, SnapshotError> {
    let mut input = In::new(bytes);
    let mut store = Store::default();
    let version = read_version(&mut input)?;
    store.view.framework_id = input.option(In::shared)?;
    store.view.scheduler = input.shared()?;
    let next_config = input.number()?;

    for _ in 0..input.count()? {
        let id = ConfigId(input.number()?);
        let config: TaskConfig = input.thrift()?;
        store.add_config(id, &Arc::new(config))?;
    }
    store.view.next_config = store.view.next_config.max(next_config);

    let mut quotas: Vec<(String, ResourceAggregate)> = Vec::new();
    for _ in 0..input.count()? {
        quotas.push((input.text()?.to_owned(), input.thrift()?));
    }
    store.view.quotas = Arc::new(quotas.into_iter().collect());

    for _ in 0..input.count()? {
        store.apply(&Op::SaveHost {
            attributes: Arc::new(input.thrift()?),
        })?;
    }

    let mut texts = TextReader::default();
    for _ in 0..input.count()? {
        let key: JobKey = input.thrift()?;
        let changed = input.signed()?;
        for _ in 0..input.count()? {
            let task = read_task(&mut store, &mut input, &mut texts)?;
            store.insert(task, &mut Vec::new())?;
        }
        store.set_job_changed(&key, changed);
    }
    if version >= 2 {
        read_crons(&mut store, &mut input)?;
        read_updates(&mut store, &mut input)?;
        for _ in 0..input.count()? {
            store.save_maintenance(&input.thrift()?, &mut Vec::new());
        }
        for _ in 0..input.count()? {
            store.remember(&Arc::new(read_audit(&mut input)?), &mut Vec::new());
        }
    }
    input.end()?;
    Ok(store)
}

fn read_crons(store: &mut Store, input: &mut In<'_>) -> Result<(), SnapshotError> {
    for _ in 0..input.count()? {
        let job: Arc<JobConfiguration> = Arc::new(input.thrift()?);
        store.save_cron(&job, &mut Vec::new());
        let last = input.option(|input| {
            Ok(Decided {
                minute: input.signed()?,
                outcome: read_outcome(input)?,
            })
        })?;
        if let Some(decided) = last {
            store.decide_cron(&job.key, decided, &mut Vec::new())?;
        }
    }
    Ok(())
}

fn read_updates(store: &mut Store, input: &mut In<'_>) -> Result<(), SnapshotError> {
    for _ in 0..input.count()? {
        let mut update = Update::new(Arc::new(input.thrift()?));
        for _ in 0..input.count()? {
            update.push(input.thrift()?);
        }
        for _ in 0..input.count()? {
            update.push_instance(input.thrift()?);
        }
        store.save_update(update, &mut Vec::new())?;
    }
    Ok(())
}

fn read_task(
    store: &mut Store,
    input: &mut In<'_>,
    texts: &mut TextReader,
) -> Result<Task, SnapshotError> {
    let id = input.text()?;
    let config = store.config(ConfigId(input.number()?))?;
    let instance = input.int()?;
    let uuid = |input: &In<'_>, id: &str| {
        split(id)
            .filter(|(head, _)| instance_in(head, &config.id_prefix) == Some(instance))
            .map(|(_, uuid)| uuid)
            .ok_or_else(|| input.fault("a task id that belongs to another task"))
    };
    let own = uuid(input, id)?;
    let status = input.status()?;
    let (failure_count, times_partitioned) = (input.int()?, input.int()?);
    let ancestor = input.option(|input| {
        let id = input.text()?;
        uuid(input, id)
    })?;
    let past = Past {
        ancestor,
        failure_count,
        times_partitioned,
    };
    let agent = input.option(|input| texts.read(input))?;
    let host = input.option(|input| texts.read(input))?;
    let place = match (agent, host) {
        (Some(agent), Some(host)) => Some(store.view.shared_place(&agent, &host)),
        (None, None) => None,
        _ => return Err(input.fault("an agent without a host").into()),
    };
    let mut ports = Vec::new();
    for _ in 0..input.count()? {
        ports.push((texts.read(input)?, input.int()?));
    }
    let mut events = Vec::new();
    for _ in 0..input.count()? {
        let (time, status) = (input.signed()?, input.status()?);
        let message = input.option(|input| texts.read(input))?;
        let scheduler = texts.read(input)?;
        let note = store.notes.note(status, message, &scheduler);
        events.push(Event::new(time, note));
    }
    let events = Events::of(events).ok_or_else(|| input.fault("a task without events"))?;
    Ok(Task {
        uuid: own,
        config,
        place,
        events,
        ports: ports.into(),
        past: (past != Past::default()).then(|| Box::new(past)),
        instance,
        status,
    })
}
