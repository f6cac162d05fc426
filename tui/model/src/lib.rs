//! aurora-tui-model
