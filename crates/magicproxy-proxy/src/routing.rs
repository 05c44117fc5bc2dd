//! Routing: which upstream a request is for, which pages of other origins may call it, where objects of Git LFS lead.

pub(crate) mod cross_origin;
pub(crate) mod lfs;
pub mod router;
