//! aurora-local
