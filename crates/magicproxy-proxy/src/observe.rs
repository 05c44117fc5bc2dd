//! Observation: the record of each request.

pub(crate) mod access_log;
