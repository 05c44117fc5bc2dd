//! Observation: the record of each request, and the one place where a request ends.

pub(crate) mod access_log;
pub(crate) mod ongoing;
