//! aurora-client
