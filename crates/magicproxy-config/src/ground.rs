//! The ground of all other modules: faults with their places, the environment, and text for people.

pub mod environment;
pub mod fault;
pub mod scheme;
pub mod suggest;
pub mod text;
pub mod trust;
pub mod userinfo;
