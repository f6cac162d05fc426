//! Ops on cron jobs, updates, maintenance requests and the audit trail.

use std::sync::Arc;

use aurora_api::model::{HostMaintenanceRequest, JobConfiguration, JobKey, JobUpdateKey};

use super::{ApplyError, Change, Changes, Cron, Decided, Store, Update};
use crate::core::op::AuditRecord;

/// How many changes by people are remembered.
const AUDIT_KEPT: usize = 1_000;

impl Store {
    pub(super) fn save_cron(&mut self, job: &Arc<JobConfiguration>, changes: &mut Changes) {
        let key = Arc::new(job.key.clone());
        let last = self.view.cron(&key).and_then(|cron| cron.last);
        let job = Arc::clone(job);
        Arc::make_mut(&mut self.view.crons).insert(Arc::clone(&key), Cron { job, last });
        changes.push(Change::Cron(key));
    }

    pub(super) fn remove_cron(
        &mut self,
        key: &JobKey,
        changes: &mut Changes,
    ) -> Result<(), ApplyError> {
        let removed = Arc::make_mut(&mut self.view.crons).remove_entry(key);
        let (key, _) = removed.ok_or_else(|| ApplyError::NoCron(key.clone()))?;
        changes.push(Change::Cron(key));
        Ok(())
    }

    pub(super) fn decide_cron(
        &mut self,
        key: &JobKey,
        decided: Decided,
        changes: &mut Changes,
    ) -> Result<(), ApplyError> {
        let cron = Arc::make_mut(&mut self.view.crons).get_mut(key);
        let cron = cron.ok_or_else(|| ApplyError::NoCron(key.clone()))?;
        cron.last = Some(decided);
        changes.push(Change::Cron(Arc::new(key.clone())));
        Ok(())
    }

    pub(super) fn save_update(
        &mut self,
        update: Update,
        changes: &mut Changes,
    ) -> Result<(), ApplyError> {
        let key = Arc::new(update.key().clone());
        if self.view.update(&key).is_some() {
            return Err(ApplyError::Duplicate(format!("update {}", key.id)));
        }
        let update = Arc::new(update);
        match self.view.updates.get_mut(&key.job) {
            Some(updates) => Arc::make_mut(updates).push(update),
            None => {
                let job = Arc::new(key.job.clone());
                self.view.updates.insert(job, Arc::new(vec![update]));
            }
        }
        self.note_activity(&key.job);
        changes.push(Change::Update(key));
        Ok(())
    }

    pub(super) fn change_update(
        &mut self,
        key: &JobUpdateKey,
        changes: &mut Changes,
        change: impl FnOnce(&mut Update),
    ) -> Result<(), ApplyError> {
        let updates = self.view.updates.get_mut(&key.job).map(Arc::make_mut);
        let update = updates
            .into_iter()
            .flatten()
            .find(|update| update.key().id == key.id)
            .ok_or_else(|| ApplyError::NoUpdate(key.id.clone()))?;
        let update = Arc::make_mut(update);
        let active = update.is_active();
        change(update);
        if update.is_active() != active {
            self.note_activity(&key.job);
        }
        changes.push(Change::Update(Arc::new(key.clone())));
        Ok(())
    }

    pub(super) fn remove_update(
        &mut self,
        key: &JobUpdateKey,
        changes: &mut Changes,
    ) -> Result<(), ApplyError> {
        let missing = || ApplyError::NoUpdate(key.id.clone());
        let updates = self.view.updates.get_mut(&key.job).ok_or_else(missing)?;
        let updates = Arc::make_mut(updates);
        let at = updates.iter().position(|update| update.key().id == key.id);
        updates.remove(at.ok_or_else(missing)?);
        if updates.is_empty() {
            self.view.updates.remove(&key.job);
        }
        self.note_activity(&key.job);
        changes.push(Change::UpdateRemoved(Arc::new(key.clone())));
        Ok(())
    }

    /// Keeps the set of jobs with an active update.
    fn note_activity(&mut self, job: &JobKey) {
        let active = self.view.active_update(job).is_some();
        if active == self.view.updating.contains(job) {
            return;
        }
        let updating = Arc::make_mut(&mut self.view.updating);
        if active {
            updating.insert(Arc::new(job.clone()));
        } else {
            updating.remove(job);
        }
    }

    pub(super) fn save_maintenance(
        &mut self,
        request: &HostMaintenanceRequest,
        changes: &mut Changes,
    ) {
        let host: Arc<str> = request.host.as_str().into();
        let requests = Arc::make_mut(&mut self.view.maintenance);
        requests.insert(Arc::clone(&host), Arc::new(request.clone()));
        changes.push(Change::Maintenance(host));
    }

    pub(super) fn remove_maintenance(
        &mut self,
        host: &str,
        changes: &mut Changes,
    ) -> Result<(), ApplyError> {
        let removed = Arc::make_mut(&mut self.view.maintenance).remove_entry(host);
        let (host, _) = removed.ok_or_else(|| ApplyError::NoMaintenance(host.to_owned()))?;
        changes.push(Change::Maintenance(host));
        Ok(())
    }

    pub(super) fn remember(&mut self, record: &Arc<AuditRecord>, changes: &mut Changes) {
        let audit = Arc::make_mut(&mut self.view.audit);
        if audit.len() == AUDIT_KEPT {
            audit.pop_front();
        }
        audit.push_back(Arc::clone(record));
        changes.push(Change::Audit(Arc::clone(record)));
    }
}
