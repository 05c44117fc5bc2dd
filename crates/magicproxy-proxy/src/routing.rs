//! Routing: the upstream of a request, the pages of other origins allowed to call an upstream, and
//! the destinations of Git LFS objects.

pub(crate) mod cross_origin;
pub(crate) mod lfs;
pub mod router;
