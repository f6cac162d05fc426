//! aurora-mesosd
