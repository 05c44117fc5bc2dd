//! token-v1
