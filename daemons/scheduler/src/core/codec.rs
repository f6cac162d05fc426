//! The bytes of ops. A batch starts with the format's version; what an older version wrote is read for ever.

use std::sync::Arc;

use aurora_api::model::{JobUpdateAction, Range};
use aurora_api::wire::DecodeError;

use super::op::{AuditRecord, CronOutcome, InstanceAct, Op};
use super::primitives::{In, Out};
use super::store::ConfigId;

/// The version that is written.
pub const VERSION: u8 = 3;

/// The oldest version that is read.
const OLDEST: u8 = 1;

/// Why bytes are not ops or not a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Another program or a newer version wrote them.
    #[error("format version {0} is not known; this program reads versions {OLDEST} to {VERSION}")]
    Version(u8),
    /// They end too early.
    #[error("the bytes end inside a value")]
    Truncated,
    /// They do not make sense.
    #[error("at byte {at}: {what}")]
    Malformed {
        /// Offset.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// A nested Thrift value is broken.
    #[error("a nested value is broken")]
    Nested(#[from] DecodeError),
}

/// The version that bytes begin with.
pub(crate) fn read_version(input: &mut In<'_>) -> Result<u8, CodecError> {
    match input.byte()? {
        known @ OLDEST..=VERSION => Ok(known),
        other => Err(CodecError::Version(other)),
    }
}

fn write_seed(out: &mut Out, seed: u128) {
    out.bytes.extend_from_slice(&seed.to_le_bytes());
}

fn read_seed(input: &mut In<'_>) -> Result<u128, CodecError> {
    let mut bytes = [0; 16];
    for byte in &mut bytes {
        *byte = input.byte()?;
    }
    Ok(u128::from_le_bytes(bytes))
}

/// The bytes of a batch.
pub fn encode_ops(ops: &[Op]) -> Vec<u8> {
    let mut out = Out::default();
    out.byte(VERSION);
    out.number(ops.len() as u64);
    for op in ops {
        write_op(&mut out, op);
    }
    out.bytes
}

/// The batch in these bytes.
///
/// # Errors
/// The bytes are not exactly one batch of a known version.
pub fn decode_ops(bytes: &[u8]) -> Result<Vec<Op>, CodecError> {
    let mut input = In::new(bytes);
    read_version(&mut input)?;
    let ops = read_all(&mut input, read_op)?;
    input.end()?;
    Ok(ops)
}

// Tags are never used twice. A field is added by a new tag.
const SAVE_FRAMEWORK_ID: u8 = 1;
const SAVE_SCHEDULER: u8 = 2;
const ADD_CONFIG: u8 = 3;
const INSERT_TASKS: u8 = 4;
const INSERT_REPLACEMENT: u8 = 5;
const SAVE_STATUS: u8 = 6;
const COUNT_FAILURE: u8 = 7;
const ASSIGN: u8 = 8;
const REMOVE_TASKS: u8 = 9;
const SAVE_QUOTA: u8 = 10;
const SAVE_HOST: u8 = 11;
const SAVE_CRON: u8 = 12;
const REMOVE_CRON: u8 = 13;
const CRON_DECIDED: u8 = 14;
const SAVE_UPDATE: u8 = 15;
const UPDATE_EVENT: u8 = 16;
/// Read only: versions 1 and 2 held one event of one instance.
const INSTANCE_EVENT: u8 = 17;
const REMOVE_UPDATES: u8 = 18;
const SAVE_MAINTENANCE: u8 = 19;
const REMOVE_MAINTENANCE: u8 = 20;
const AUDIT: u8 = 21;
const UPDATE_INSTANCES: u8 = 22;
const SUPERSEDE: u8 = 23;

pub(crate) fn write_outcome(out: &mut Out, outcome: CronOutcome) {
    out.byte(match outcome {
        CronOutcome::Launched => 1,
        CronOutcome::Skipped => 2,
        CronOutcome::Replacing => 3,
        CronOutcome::Missed => 4,
        CronOutcome::Scheduled => 5,
    });
}

pub(crate) fn read_outcome(input: &mut In<'_>) -> Result<CronOutcome, CodecError> {
    match input.byte()? {
        1 => Ok(CronOutcome::Launched),
        2 => Ok(CronOutcome::Skipped),
        3 => Ok(CronOutcome::Replacing),
        4 => Ok(CronOutcome::Missed),
        5 => Ok(CronOutcome::Scheduled),
        _ => Err(input.fault("an outcome of a cron job that is not known")),
    }
}

pub(crate) fn write_audit(out: &mut Out, record: &AuditRecord) {
    out.signed(record.time);
    out.text(&record.user);
    out.text(&record.method);
    out.text(&record.target);
    out.text(&record.detail);
}

pub(crate) fn read_audit(input: &mut In<'_>) -> Result<AuditRecord, CodecError> {
    Ok(AuditRecord {
        time: input.signed()?,
        user: input.text()?.to_owned(),
        method: input.text()?.to_owned(),
        target: input.text()?.to_owned(),
        detail: input.text()?.to_owned(),
    })
}

fn write_op(out: &mut Out, op: &Op) {
    match op {
        Op::SaveFrameworkId { id } => {
            out.byte(SAVE_FRAMEWORK_ID);
            out.text(id);
        }
        Op::SaveScheduler { host } => {
            out.byte(SAVE_SCHEDULER);
            out.text(host);
        }
        Op::AddConfig { id, config } => {
            out.byte(ADD_CONFIG);
            out.number(id.0);
            out.thrift(&**config);
        }
        Op::InsertTasks {
            config,
            instances,
            seed,
            time,
        } => {
            out.byte(INSERT_TASKS);
            out.number(config.0);
            out.number(instances.len() as u64);
            for range in instances {
                out.signed(i64::from(range.first));
                out.signed(i64::from(range.last));
            }
            write_seed(out, *seed);
            out.signed(*time);
        }
        Op::InsertReplacement {
            ancestor,
            seed,
            status,
            message,
            time,
        } => {
            out.byte(INSERT_REPLACEMENT);
            out.text(ancestor);
            write_seed(out, *seed);
            out.status(*status);
            out.text(message);
            out.signed(*time);
        }
        Op::SaveStatus {
            task,
            status,
            message,
            time,
        } => {
            out.byte(SAVE_STATUS);
            out.text(task);
            out.status(*status);
            out.option(message.as_deref(), Out::text);
            out.signed(*time);
        }
        Op::CountFailure { task } => {
            out.byte(COUNT_FAILURE);
            out.text(task);
        }
        Op::Assign {
            task,
            agent,
            host,
            ports,
            time,
        } => {
            out.byte(ASSIGN);
            out.text(task);
            out.text(agent);
            out.text(host);
            out.number(ports.len() as u64);
            for (name, port) in ports {
                out.text(name);
                out.signed(i64::from(*port));
            }
            out.signed(*time);
        }
        Op::RemoveTasks { tasks } => {
            out.byte(REMOVE_TASKS);
            out.number(tasks.len() as u64);
            for task in tasks {
                out.text(task);
            }
        }
        Op::SaveQuota { role, quota } => {
            out.byte(SAVE_QUOTA);
            out.text(role);
            out.thrift(quota);
        }
        Op::SaveHost { attributes } => {
            out.byte(SAVE_HOST);
            out.thrift(&**attributes);
        }
        Op::SaveCron { job } => {
            out.byte(SAVE_CRON);
            out.thrift(&**job);
        }
        Op::RemoveCron { key } => {
            out.byte(REMOVE_CRON);
            out.thrift(key);
        }
        Op::CronDecided {
            key,
            minute,
            outcome,
        } => {
            out.byte(CRON_DECIDED);
            out.thrift(key);
            out.signed(*minute);
            write_outcome(out, *outcome);
        }
        Op::SaveUpdate { update } => {
            out.byte(SAVE_UPDATE);
            out.thrift(&**update);
        }
        Op::UpdateEvent { key, event } => {
            out.byte(UPDATE_EVENT);
            out.thrift(key);
            out.thrift(event);
        }
        Op::UpdateInstances {
            key,
            acts,
            kills,
            message,
            time,
        } => {
            out.byte(UPDATE_INSTANCES);
            out.thrift(key);
            out.number(acts.len() as u64);
            for act in acts {
                out.signed(i64::from(act.instance));
                out.signed(i64::from(act.action as i32));
                out.option(act.message.as_deref(), Out::text);
            }
            out.number(kills.len() as u64);
            for task in kills {
                out.text(task);
            }
            out.option(message.as_deref(), Out::text);
            out.signed(*time);
        }
        Op::Supersede {
            task,
            status,
            message,
            config,
            seed,
            time,
        } => {
            out.byte(SUPERSEDE);
            out.text(task);
            out.status(*status);
            out.option(message.as_deref(), Out::text);
            out.number(config.0);
            write_seed(out, *seed);
            out.signed(*time);
        }
        Op::RemoveUpdates { keys } => {
            out.byte(REMOVE_UPDATES);
            out.number(keys.len() as u64);
            for key in keys {
                out.thrift(key);
            }
        }
        Op::SaveMaintenance { request } => {
            out.byte(SAVE_MAINTENANCE);
            out.thrift(request);
        }
        Op::RemoveMaintenance { host } => {
            out.byte(REMOVE_MAINTENANCE);
            out.text(host);
        }
        Op::Audit { record } => {
            out.byte(AUDIT);
            write_audit(out, record);
        }
    }
}

/// A count, and so many values.
fn read_all<'a, T>(
    input: &mut In<'a>,
    read: impl Fn(&mut In<'a>) -> Result<T, CodecError>,
) -> Result<Vec<T>, CodecError> {
    let count = input.count()?;
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        all.push(read(input)?);
    }
    Ok(all)
}

fn read_message(input: &mut In<'_>) -> Result<Option<String>, CodecError> {
    Ok(input.option(In::text)?.map(str::to_owned))
}

fn read_range(input: &mut In<'_>) -> Result<Range, CodecError> {
    let (first, last) = (input.int()?, input.int()?);
    Ok(Range { first, last })
}

fn read_act(input: &mut In<'_>) -> Result<InstanceAct, CodecError> {
    let instance = input.int()?;
    let action = JobUpdateAction::from_number(input.int()?)
        .ok_or_else(|| input.fault("an action of an update that is not known"))?;
    Ok(InstanceAct {
        instance,
        action,
        message: read_message(input)?,
    })
}

fn read_op(input: &mut In<'_>) -> Result<Op, CodecError> {
    Ok(match input.byte()? {
        SAVE_FRAMEWORK_ID => Op::SaveFrameworkId {
            id: input.text()?.to_owned(),
        },
        SAVE_SCHEDULER => Op::SaveScheduler {
            host: input.text()?.to_owned(),
        },
        ADD_CONFIG => Op::AddConfig {
            id: ConfigId(input.number()?),
            config: Arc::new(input.thrift()?),
        },
        INSERT_TASKS => Op::InsertTasks {
            config: ConfigId(input.number()?),
            instances: read_all(input, read_range)?,
            seed: read_seed(input)?,
            time: input.signed()?,
        },
        INSERT_REPLACEMENT => Op::InsertReplacement {
            ancestor: input.shared()?,
            seed: read_seed(input)?,
            status: input.status()?,
            message: input.text()?.to_owned(),
            time: input.signed()?,
        },
        SAVE_STATUS => Op::SaveStatus {
            task: input.shared()?,
            status: input.status()?,
            message: read_message(input)?,
            time: input.signed()?,
        },
        COUNT_FAILURE => Op::CountFailure {
            task: input.shared()?,
        },
        ASSIGN => Op::Assign {
            task: input.shared()?,
            agent: input.shared()?,
            host: input.shared()?,
            ports: read_all(input, |input| Ok((input.text()?.to_owned(), input.int()?)))?,
            time: input.signed()?,
        },
        REMOVE_TASKS => Op::RemoveTasks {
            tasks: read_all(input, In::shared)?,
        },
        SAVE_QUOTA => Op::SaveQuota {
            role: input.text()?.to_owned(),
            quota: input.thrift()?,
        },
        SAVE_HOST => Op::SaveHost {
            attributes: Arc::new(input.thrift()?),
        },
        SAVE_CRON => Op::SaveCron {
            job: Arc::new(input.thrift()?),
        },
        REMOVE_CRON => Op::RemoveCron {
            key: input.thrift()?,
        },
        CRON_DECIDED => Op::CronDecided {
            key: input.thrift()?,
            minute: input.signed()?,
            outcome: read_outcome(input)?,
        },
        SAVE_UPDATE => Op::SaveUpdate {
            update: Arc::new(input.thrift()?),
        },
        UPDATE_EVENT => Op::UpdateEvent {
            key: input.thrift()?,
            event: input.thrift()?,
        },
        INSTANCE_EVENT => Op::instance_event(input.thrift()?, input.thrift()?),
        UPDATE_INSTANCES => Op::UpdateInstances {
            key: input.thrift()?,
            acts: read_all(input, read_act)?,
            kills: read_all(input, In::shared)?,
            message: read_message(input)?,
            time: input.signed()?,
        },
        SUPERSEDE => Op::Supersede {
            task: input.shared()?,
            status: input.status()?,
            message: read_message(input)?,
            config: ConfigId(input.number()?),
            seed: read_seed(input)?,
            time: input.signed()?,
        },
        REMOVE_UPDATES => Op::RemoveUpdates {
            keys: read_all(input, In::thrift)?,
        },
        SAVE_MAINTENANCE => Op::SaveMaintenance {
            request: input.thrift()?,
        },
        REMOVE_MAINTENANCE => Op::RemoveMaintenance {
            host: input.text()?.to_owned(),
        },
        AUDIT => Op::Audit {
            record: Arc::new(read_audit(input)?),
        },
        _ => return Err(input.fault("an op that is not known")),
    })
}
