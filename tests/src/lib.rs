//! aurora-tests
