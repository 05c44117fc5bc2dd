//! The reader of a list that comes in pieces.

use crate::object_id::{ObjectFormat, ObjectId};
use crate::packet::{self, Packet, PacketFault};
use crate::ref_name::RefName;

use super::capabilities::Capabilities;
use super::{CommandList, CommandListBounds, CommandListFault, MAX_PUSH_OPTIONS, PushCommand};

/// Reads the list at the beginning of a push, however the bytes come in pieces.
///
/// The reader holds the commands that it has read and at most one unfinished packet. One reader
/// reads one list.
#[derive(Debug)]
pub struct CommandListReader {
    bounds: CommandListBounds,
    stage: Stage,
    /// Bytes of a packet that is not whole.
    part: Vec<u8>,
    /// How many bytes of that packet must be there before it is looked at again, so that many small
    /// pieces cost what one large piece does.
    awaited: usize,
    /// Bytes of all whole packets.
    length: usize,
    shallow: Vec<ObjectId>,
    capabilities: Option<Capabilities>,
    commands: Vec<PushCommand>,
    options: Vec<Box<str>>,
}

/// What bytes of a push amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The list goes on.
    More,
    /// The list is whole.
    Whole {
        /// The list.
        list: CommandList,
        /// The length of the list in bytes, from the beginning of the push: a pack begins there.
        length: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Commands,
    Options,
    Ended,
}

impl CommandListReader {
    /// Returns a reader that has read nothing.
    #[must_use]
    pub fn new(bounds: CommandListBounds) -> Self {
        Self {
            bounds,
            stage: Stage::Commands,
            part: Vec::new(),
            awaited: 0,
            length: 0,
            shallow: Vec::new(),
            capabilities: None,
            commands: Vec::new(),
            options: Vec::new(),
        }
    }

    /// Reads the bytes that follow those which were read. Bytes behind the list are left alone.
    ///
    /// # Errors
    ///
    /// On the first fault, after which the reader is of no further use. A list beyond the bounds is
    /// refused as soon as the length of its next packet shows it.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Reading, CommandListFault> {
        if self.stage == Stage::Ended {
            return Err(CommandListFault::Ended);
        }
        if self.part.is_empty() {
            return self.read_packets(bytes);
        }
        // Only a packet that comes in pieces is copied, and what comes with its last piece.
        self.part.extend_from_slice(bytes);
        if self.part.len() < self.awaited {
            return Ok(Reading::More);
        }
        let held = std::mem::take(&mut self.part);
        self.read_packets(&held)
    }

    fn read_packets(&mut self, mut bytes: &[u8]) -> Result<Reading, CommandListFault> {
        loop {
            let (packet, rest) = packet::next(bytes)?;
            self.check_length(&packet)?;
            self.length += bytes.len() - rest.len();
            bytes = rest;
            match packet {
                Packet::Part(length) => {
                    self.awaited = length.unwrap_or(packet::FLUSH.len());
                    self.part = bytes.to_vec();
                    return Ok(Reading::More);
                }
                Packet::Flush if self.goes_on() => self.stage = Stage::Options,
                Packet::Flush => return self.finish(),
                Packet::Data(data) => self.line(data.strip_suffix(b"\n").unwrap_or(data))?,
            }
        }
    }

    /// Refuses a packet that would make the list too long, before it is held.
    fn check_length(&self, packet: &Packet<'_>) -> Result<(), CommandListFault> {
        let length = match packet {
            Packet::Part(length) => length.unwrap_or_default(),
            Packet::Flush => packet::FLUSH.len(),
            Packet::Data(data) => data.len() + packet::FLUSH.len(),
        };
        if self.length + length > self.bounds.bytes {
            return Err(CommandListFault::TooLong);
        }
        Ok(())
    }

    /// True if options follow the commands.
    fn goes_on(&self) -> bool {
        self.stage == Stage::Commands
            && self.capabilities.is_some_and(|chosen| chosen.push_options())
    }

    fn line(&mut self, line: &[u8]) -> Result<(), CommandListFault> {
        match line.strip_prefix(b"shallow ") {
            _ if self.stage == Stage::Options => self.option(line),
            Some(id) => self.shallow(id),
            None => self.command(line),
        }
    }

    fn option(&mut self, line: &[u8]) -> Result<(), CommandListFault> {
        if self.options.len() == MAX_PUSH_OPTIONS {
            return Err(CommandListFault::TooManyOptions);
        }
        self.options.push(option(line)?.into());
        Ok(())
    }

    /// A commit without parents. Its format is held against that of the commands at the end.
    fn shallow(&mut self, id: &[u8]) -> Result<(), CommandListFault> {
        if self.capabilities.is_some() {
            return Err(CommandListFault::Shallow);
        }
        let format = match id.len() {
            length if length == ObjectFormat::Sha256.id_digits() => ObjectFormat::Sha256,
            _ => ObjectFormat::Sha1,
        };
        let id = ObjectId::parse(format, id).map_err(|_| CommandListFault::Shallow)?;
        self.shallow.push(id);
        Ok(())
    }

    fn command(&mut self, line: &[u8]) -> Result<(), CommandListFault> {
        let nul = line.iter().position(|byte| *byte == 0);
        let (command, words) = match nul {
            Some(nul) => (line.get(..nul).unwrap_or_default(), line.get(nul + 1..)),
            None => (line, None),
        };
        if command == b"push-cert" {
            return Err(CommandListFault::PushCertificate);
        }
        let format = match (self.capabilities, words) {
            (None, words) => {
                let chosen = Capabilities::parse(words.unwrap_or_default())?;
                self.capabilities = Some(chosen);
                chosen.object_format()
            }
            (Some(chosen), None) => chosen.object_format(),
            // git takes capabilities from any line, others from the first only.
            (Some(_), Some(_)) => return Err(CommandListFault::Capability),
        };
        if self.commands.len() >= self.bounds.commands {
            return Err(CommandListFault::TooManyCommands);
        }
        self.commands.push(parse_command(format, command)?);
        Ok(())
    }

    fn finish(&mut self) -> Result<Reading, CommandListFault> {
        self.stage = Stage::Ended;
        let capabilities = self.capabilities.unwrap_or_default();
        if self.commands.is_empty() && !self.shallow.is_empty() {
            return Err(CommandListFault::Empty);
        }
        let format = capabilities.object_format();
        if self.shallow.iter().any(|id| id.format() != format) {
            return Err(CommandListFault::ObjectFormat);
        }
        let list = CommandList {
            commands: std::mem::take(&mut self.commands),
            options: std::mem::take(&mut self.options),
            shallow: std::mem::take(&mut self.shallow),
            capabilities,
        };
        Ok(Reading::Whole { list: list.without_twins()?, length: self.length })
    }
}

/// Reads a push option.
pub(super) fn option(line: &[u8]) -> Result<&str, CommandListFault> {
    std::str::from_utf8(line)
        .ok()
        .filter(|text| !text.is_empty() && !text.contains(char::is_control))
        .ok_or(CommandListFault::Option)
}

/// Reads `OLD NEW REF`.
fn parse_command(format: ObjectFormat, line: &[u8]) -> Result<PushCommand, CommandListFault> {
    let digits = format.id_digits();
    let part = |range| line.get::<std::ops::Range<usize>>(range).ok_or(CommandListFault::Command);
    if part(digits..digits + 1)? != b" " || part(2 * digits + 1..2 * digits + 2)? != b" " {
        let other = match format {
            ObjectFormat::Sha1 => ObjectFormat::Sha256,
            ObjectFormat::Sha256 => ObjectFormat::Sha1,
        };
        let is_other = line.iter().position(|byte| *byte == b' ') == Some(other.id_digits());
        return Err(if is_other {
            CommandListFault::ObjectFormat
        } else {
            CommandListFault::Command
        });
    }
    let id = |digits| ObjectId::parse(format, digits).map_err(|_| CommandListFault::Command);
    let (old, new) = (id(part(0..digits)?)?, id(part(digits + 1..2 * digits + 1)?)?);
    let name = line.get(2 * digits + 2..).unwrap_or_default();
    PushCommand::new(old, new, RefName::parse(name).map_err(|_| CommandListFault::Name)?)
}

impl From<PacketFault> for CommandListFault {
    fn from(_: PacketFault) -> Self {
        Self::Packet
    }
}
