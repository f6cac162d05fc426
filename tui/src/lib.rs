//! aurora-tui
