//! aurora-scheduler
