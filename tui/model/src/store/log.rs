//! Which jobs have changed, so that a table of them is made anew row by row.

use std::collections::VecDeque;

use aurora_api::job_key::JobPath;

/// Whoever is farther behind begins anew.
const MOST: usize = 4_096;

/// The latest changes of jobs, oldest first, each with a number.
#[derive(Clone, Debug, Default)]
pub(crate) struct JobLog {
    /// The number of the next one.
    next: u64,
    jobs: VecDeque<JobPath>,
}

impl JobLog {
    /// A job has changed, or come, or gone.
    pub(super) fn note(&mut self, job: &JobPath) {
        self.next += 1;
        self.jobs.push_back(job.clone());
        if self.jobs.len() > MOST {
            self.jobs.pop_front();
        }
    }

    /// What comes after this is new to whoever has seen all.
    pub(crate) fn position(&self) -> u64 {
        self.next
    }

    /// What changed after a position; `None` when that is not known any more.
    pub(crate) fn since(&self, position: u64) -> Option<impl Iterator<Item = &JobPath>> {
        let new = usize::try_from(self.next.checked_sub(position)?).ok()?;
        let known = self.jobs.len().checked_sub(new)?;
        Some(self.jobs.iter().skip(known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_from_where_one_stands() {
        let job = |at: usize| format!("a/b/{at}").parse::<JobPath>().unwrap();
        let mut log = JobLog::default();
        let told = |log: &JobLog, at| Some(log.since(at)?.cloned().collect::<Vec<JobPath>>());
        assert_eq!(told(&log, 0), Some(Vec::new()));
        (0..3).for_each(|at| log.note(&job(at)));
        assert_eq!(told(&log, 1), Some(vec![job(1), job(2)]));
        assert_eq!(told(&log, 4), None, "a place that is yet to come");
        (0..MOST).for_each(|at| log.note(&job(at)));
        assert_eq!(told(&log, 2), None, "older than what is kept");
        assert_eq!(told(&log, 3).map(|jobs| jobs.len()), Some(MOST));
    }
}
