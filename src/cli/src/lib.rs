//! aurora-cli
