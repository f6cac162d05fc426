//! aurora-config
