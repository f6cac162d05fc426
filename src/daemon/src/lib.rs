//! aurora-daemon
