//! Messages of SMB 1 (MS-CIFS, 2.2.4): `NT_CREATE_ANDX`, `READ_ANDX`, `WRITE_ANDX`, CLOSE.

use std::collections::VecDeque;

use crate::smb::{u16_at, u32_at, utf16, Files, PENDING};
use crate::stream::Output;

/// Where the words of a message begin: after the header and their number.
const WORDS: usize = 33;
const CLOSE: u8 = 0x04;
const READ: u8 = 0x2e;
const WRITE: u8 = 0x2f;
const CREATE: u8 = 0xa2;
const IS_ANSWER: u8 = 0x80;
const UNICODE: u16 = 0x8000;

/// A request: process and multiplex number.
type Number = (u16, u16);

/// What is asked and not answered yet.
#[derive(Debug)]
enum Asked {
    Create(String),
    Read(u16, u64),
}

impl Asked {
    fn held(&self) -> usize {
        64 + match self {
            Self::Create(name) => name.capacity(),
            Self::Read(..) => 0,
        }
    }
}

/// One connection.
#[derive(Debug, Default)]
pub(crate) struct Smb1 {
    asked: VecDeque<(Number, Asked)>,
    files: Files<u16>,
}

impl Smb1 {
    pub(crate) fn held(&self) -> usize {
        let names: usize = self.asked.iter().map(|(_, asked)| asked.held()).sum();
        names + self.files.held()
    }

    pub(crate) fn end(&mut self, out: &mut Output<'_>) {
        self.files.end(out);
    }

    pub(crate) fn message(&mut self, message: &[u8], out: &mut Output<'_>) {
        if self.read(message, out).is_none() {
            out.counters.malformed += 1;
        }
    }

    fn read(&mut self, message: &[u8], out: &mut Output<'_>) -> Option<()> {
        let command = *message.get(4)?;
        let status = u32_at(message, 5)?;
        let is_answer = message.get(9)? & IS_ANSWER != 0;
        let is_unicode = u16_at(message, 10)? & UNICODE != 0;
        let number = (u16_at(message, 26)?, u16_at(message, 30)?);
        let count = *message.get(32)? as usize;
        let words = message.get(WORDS..WORDS + 2 * count)?;
        if is_answer {
            self.answered(command, number, status, message, words, out)
        } else {
            self.asked(command, number, is_unicode, message, words, out)
        }
    }

    fn asked(
        &mut self,
        command: u8,
        number: Number,
        is_unicode: bool,
        message: &[u8],
        words: &[u8],
        out: &mut Output<'_>,
    ) -> Option<()> {
        match command {
            CREATE => {
                let length = u16_at(words, 5)? as usize;
                let from = WORDS + words.len() + 2;
                // A name in Unicode begins at an even place.
                let from = from + usize::from(is_unicode && from % 2 == 1);
                let octets = message.get(from..from + length)?;
                let name = if is_unicode {
                    utf16(octets)
                } else {
                    String::from_utf8_lossy(octets)
                        .trim_end_matches('\0')
                        .to_owned()
                };
                self.wait(number, Asked::Create(name));
            }
            READ => {
                let high = u32_at(words, 20).unwrap_or(0);
                let offset = u64::from(high) << 32 | u64::from(u32_at(words, 6)?);
                self.wait(number, Asked::Read(u16_at(words, 4)?, offset));
            }
            WRITE => {
                let high = u32_at(words, 24).unwrap_or(0);
                let offset = u64::from(high) << 32 | u64::from(u32_at(words, 6)?);
                let size = (u16_at(words, 18)? as usize) << 16 | u16_at(words, 20)? as usize;
                let from = u16_at(words, 22)? as usize;
                let data = message.get(from..from + size)?;
                self.files.put(u16_at(words, 4)?, offset, data, false, out);
            }
            CLOSE => self.files.close(&u16_at(words, 0)?, out),
            _ => {}
        }
        Some(())
    }

    fn answered(
        &mut self,
        command: u8,
        number: Number,
        status: u32,
        message: &[u8],
        words: &[u8],
        out: &mut Output<'_>,
    ) -> Option<()> {
        if !matches!(command, CREATE | READ) {
            return Some(());
        }
        let place = self.asked.iter().position(|(asked, _)| *asked == number)?;
        let (_, asked) = self.asked.remove(place)?;
        if status != 0 {
            return Some(());
        }
        match asked {
            Asked::Create(name) => self.files.open(u16_at(words, 5)?, &name, out),
            Asked::Read(id, offset) => {
                let high = u16_at(words, 14).unwrap_or(0) as usize;
                let size = high << 16 | u16_at(words, 10)? as usize;
                let from = u16_at(words, 12)? as usize;
                let data = message.get(from..from + size)?;
                self.files.put(id, offset, data, true, out);
            }
        }
        Some(())
    }

    fn wait(&mut self, number: Number, asked: Asked) {
        if self.asked.len() >= PENDING {
            self.asked.pop_front();
        }
        self.asked.push_back((number, asked));
    }
}
