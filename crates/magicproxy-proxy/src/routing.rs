//! Routing: which upstream a request is for, by which names the proxy may be called, and by pages of which origins.

pub(crate) mod cross_origin;
pub mod host_check;
pub(crate) mod lfs;
pub mod placing;
