//! Doors: what clients speak to. The reverse door looks like the API; the control plane is the proxy's own.

pub(crate) mod control;
pub(crate) mod reverse;
