//! aurora-thermos
