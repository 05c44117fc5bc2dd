//! Pushes of git, as a server that is not a repository can read them: the commands before the pack,
//! the report that refuses them, and the proof that an update only adds to a branch.
//!
//! This crate is a function of bytes to values. The crate does no I/O, keeps no repository, and
//! believes nothing that the sender says of an object: ids are computed anew.
//!
//! # A push
//!
//! ```text
//! *( PKT "shallow ID" )
//! PKT "OLD NEW REF" NUL " report-status side-band-64k …"
//! *( PKT "OLD NEW REF" )  "0000"
//! [ *( PKT option ) "0000" ]
//! "PACK" …
//! ```
//!
//! [`CommandListReader`] reads all that stands before the pack, within bounds, and says where the
//! pack begins:
//!
//! ```
//! use magicproxy_git::{Change, CommandListReader, CommandListBounds, Reading};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let old = "1".repeat(40);
//! let new = "2".repeat(40);
//! let line = format!("{old} {new} refs/heads/main\0 report-status side-band-64k\n");
//! let body = format!("{:04x}{line}0000PACK", line.len() + 4);
//!
//! let mut reader = CommandListReader::new(CommandListBounds::default());
//! let Reading::Whole { list, length } = reader.read(body.as_bytes())? else {
//!     return Err("the list is whole".into());
//! };
//! let command = list.commands().first().ok_or("there is a command")?;
//! assert_eq!(command.name().as_str(), "refs/heads/main");
//! assert_eq!(command.change(), Change::Update);
//! assert_eq!(&body[length..], "PACK");
//! # Ok(())
//! # }
//! ```
//!
//! Specification: `docs/spec/git.md` sections 4 and 5. This Rust API may change with every version
//! before 1.0.

mod command_list;
mod digest;
mod object_id;
mod packet;
mod proof;
mod ref_name;
pub mod report;

pub use command_list::{
    Change, CommandList, CommandListBounds, CommandListFault, CommandListReader,
    MAX_COMMAND_LIST_BYTES, MAX_PUSH_COMMANDS, MAX_PUSH_OPTIONS, PushCommand, Reading,
};
pub use object_id::{ObjectFormat, ObjectId, ParseObjectIdError};
pub use proof::{
    FastForwardProof, MAX_FRONTIER, MAX_PROOF_MEMORY, MAX_PROVED_COMMANDS, Progress, ProofBounds,
    Verdict,
};
pub use ref_name::{ParseRefNameError, RefName};
