//! aurora-observer
