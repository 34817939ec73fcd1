//! Messages of SMB 2 and 3 (MS-SMB2, 2.2): CREATE, READ, WRITE, CLOSE.

use std::collections::VecDeque;

use crate::smb::{u16_at, u32_at, u64_at, utf16, Files, PENDING};
use crate::stream::Output;

const HEADER: usize = 64;
const CREATE: u16 = 5;
const CLOSE: u16 = 6;
const READ: u16 = 8;
const WRITE: u16 = 9;
const IS_ANSWER: u32 = 1;
const STATUS_PENDING: u32 = 0x103;
/// Messages in one frame.
const COMPOUND: usize = 32;

type FileId = [u8; 16];

/// What is asked and not answered yet.
#[derive(Debug, Default)]
pub(crate) struct Smb2 {
    creates: VecDeque<(u64, String)>,
    reads: VecDeque<(u64, FileId, u64)>,
    files: Files<FileId>,
}

impl Smb2 {
    pub(crate) fn held(&self) -> usize {
        let names: usize = self.creates.iter().map(|(_, name)| name.len() + 32).sum();
        names + self.reads.len() * 32 + self.files.held()
    }

    pub(crate) fn end(&mut self, out: &mut Output<'_>) {
        self.files.end(out);
    }

    /// The messages of a frame, one after another.
    pub(crate) fn messages(&mut self, frame: &[u8], out: &mut Output<'_>) {
        let mut rest = frame;
        for _ in 0..COMPOUND {
            let next = u32_at(rest, 20).unwrap_or(0) as usize;
            let message = if next == 0 {
                rest
            } else {
                rest.get(..next).unwrap_or(rest)
            };
            if self.message(message, out).is_none() {
                out.counters.malformed += 1;
            }
            match rest.get(next..) {
                Some(more) if next >= HEADER && !more.is_empty() => rest = more,
                _ => return,
            }
        }
    }

    fn message(&mut self, message: &[u8], out: &mut Output<'_>) -> Option<()> {
        let status = u32_at(message, 8)?;
        let command = u16_at(message, 12)?;
        let flags = u32_at(message, 16)?;
        let number = u64_at(message, 24)?;
        let body = message.get(HEADER..)?;
        if flags & IS_ANSWER == 0 {
            self.asked(command, number, message, body, out)
        } else if status == STATUS_PENDING {
            Some(())
        } else {
            self.answered(command, number, status, message, body, out)
        }
    }

    fn asked(
        &mut self,
        command: u16,
        number: u64,
        message: &[u8],
        body: &[u8],
        out: &mut Output<'_>,
    ) -> Option<()> {
        match command {
            CREATE => {
                let from = u16_at(body, 44)? as usize;
                let name = utf16(message.get(from..from + u16_at(body, 46)? as usize)?);
                bounded(&mut self.creates).push_back((number, name));
            }
            READ => {
                let read = (number, file_id(body, 16)?, u64_at(body, 8)?);
                bounded(&mut self.reads).push_back(read);
            }
            WRITE => {
                let from = u16_at(body, 2)? as usize;
                let data = message.get(from..from.checked_add(u32_at(body, 4)? as usize)?)?;
                let (id, offset) = (file_id(body, 16)?, u64_at(body, 8)?);
                self.files.put(id, offset, data, false, out);
            }
            CLOSE => self.files.close(&file_id(body, 8)?, out),
            _ => {}
        }
        Some(())
    }

    fn answered(
        &mut self,
        command: u16,
        number: u64,
        status: u32,
        message: &[u8],
        body: &[u8],
        out: &mut Output<'_>,
    ) -> Option<()> {
        match command {
            CREATE => {
                let place = self
                    .creates
                    .iter()
                    .position(|(asked, _)| *asked == number)?;
                let (_, name) = self.creates.remove(place)?;
                if status == 0 {
                    self.files.open(file_id(body, 64)?, &name, out);
                }
            }
            READ => {
                let place = self.reads.iter().position(|(asked, ..)| *asked == number)?;
                let (_, id, offset) = self.reads.remove(place)?;
                if status == 0 {
                    let from = *body.get(2)? as usize;
                    let data = message.get(from..from.checked_add(u32_at(body, 4)? as usize)?)?;
                    self.files.put(id, offset, data, true, out);
                }
            }
            _ => {}
        }
        Some(())
    }
}

fn file_id(body: &[u8], at: usize) -> Option<FileId> {
    body.get(at..at + 16)?.try_into().ok()
}

/// A list with room for one more: who asks and never gets an answer fills nothing.
fn bounded<T>(list: &mut VecDeque<T>) -> &mut VecDeque<T> {
    if list.len() >= PENDING {
        list.pop_front();
    }
    list
}
