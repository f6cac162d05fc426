//! Job updates as they are stored: what was asked, and everything that happened since.

use std::sync::Arc;

use aurora_api::model::{
    JobInstanceUpdateEvent, JobKey, JobUpdate, JobUpdateDetails, JobUpdateEvent, JobUpdateKey,
    JobUpdateState, JobUpdateStatus,
};

use super::cow::CowVec;
use crate::core::config::Millis;
use crate::core::op::InstanceAct;

/// An update with its events.
#[derive(Clone, Debug)]
pub struct Update {
    /// What was asked; `summary.state` is unset.
    pub update: Arc<JobUpdate>,
    events: CowVec<JobUpdateEvent>,
    instance_events: CowVec<JobInstanceUpdateEvent>,
}

impl Update {
    pub(super) fn new(update: Arc<JobUpdate>) -> Update {
        Update {
            update,
            events: CowVec::default(),
            instance_events: CowVec::default(),
        }
    }

    pub(super) fn push(&mut self, event: JobUpdateEvent) {
        self.events.push(event);
    }

    pub(super) fn push_instance(&mut self, event: JobInstanceUpdateEvent) {
        self.instance_events.push(event);
    }

    /// Records what the update did to instances at one time.
    pub(super) fn did(&mut self, acts: &[InstanceAct], time: Millis) {
        for act in acts {
            self.push_instance(JobInstanceUpdateEvent {
                instance_id: act.instance,
                timestamp_ms: time,
                action: act.action,
                message: act.message.clone(),
            });
        }
    }

    /// Names it.
    pub fn key(&self) -> &JobUpdateKey {
        &self.update.summary.key
    }

    /// The job.
    pub fn job(&self) -> &JobKey {
        &self.key().job
    }

    /// Changes of the status, oldest first.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = &JobUpdateEvent> {
        (0..self.events.len()).filter_map(|at| self.events.get(at))
    }

    /// What was done to instances, oldest first.
    pub fn instance_events(&self) -> impl DoubleEndedIterator<Item = &JobInstanceUpdateEvent> {
        (0..self.instance_events.len()).filter_map(|at| self.instance_events.get(at))
    }

    /// The latest change of the status; `None` only between the ops of one step.
    pub fn last_event(&self) -> Option<&JobUpdateEvent> {
        self.events().next_back()
    }

    /// The status; `None` only between the ops of one step.
    pub fn status(&self) -> Option<JobUpdateStatus> {
        self.last_event().map(|event| event.status)
    }

    /// Whether it goes on or waits.
    pub fn is_active(&self) -> bool {
        self.status().is_none_or(JobUpdateStatus::is_active)
    }

    /// When it began.
    pub fn created(&self) -> Millis {
        self.events().next().map_or(0, |event| event.timestamp_ms)
    }

    /// When something last happened in it.
    pub fn modified(&self) -> Millis {
        let status = self.last_event().map(|event| event.timestamp_ms);
        let instance = self.instance_events().next_back();
        let instance = instance.map(|event| event.timestamp_ms);
        status.max(instance).unwrap_or(0)
    }

    /// Status and times as the API tells them (aurora: `JobUpdateStore`, states follow from events).
    pub fn state(&self) -> Option<JobUpdateState> {
        Some(JobUpdateState {
            status: self.status()?,
            created_timestamp_ms: self.created(),
            last_modified_timestamp_ms: self.modified(),
        })
    }

    /// The whole of it, state filled in.
    pub fn details(&self) -> JobUpdateDetails {
        let mut update = (*self.update).clone();
        update.summary.state = self.state();
        JobUpdateDetails {
            update,
            update_events: self.events().cloned().collect(),
            instance_events: self.instance_events().cloned().collect(),
        }
    }
}
