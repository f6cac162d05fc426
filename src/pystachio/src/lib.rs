//! pystachio
