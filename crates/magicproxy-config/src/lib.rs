//! The configuration of Magic API Proxy: what was written, found, layered and checked, as plain data.
//!
//! [`config`] is what an operator may say and what holds, [`providers`] what is known of APIs, [`ground`] what both and the program
//! stand on. Files of the configuration are read here, and those in which it has a value; keys, and the certificate of the proxy
//! itself, are not.

pub mod config;
pub mod ground;
pub mod providers;

pub use config::{ConfigurationForm, check_configuration};
