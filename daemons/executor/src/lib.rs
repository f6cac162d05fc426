//! aurora-executor
