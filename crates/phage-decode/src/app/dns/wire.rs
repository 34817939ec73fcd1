//! The layout that DNS, mDNS, LLMNR and NBNS share: header, questions, records (RFC 1035, 4.1).

use super::name::Name;
use crate::app::fault::Reason;
use crate::app::reader::Reader;

/// Most records of a message that are looked at; a zone transfer's further records say nothing
/// about who asked for what.
pub(crate) const MAX_RECORDS: usize = 256;

/// Most questions that are looked at: mDNS queriers ask for a few dozen at once.
pub(crate) const MAX_QUESTIONS: usize = 64;

/// The fixed header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) id: u16,
    pub(crate) flags: u16,
    /// Claimed counts: questions, answers, authority, additional.
    pub(crate) counts: [u16; 4],
}

impl Header {
    /// Octets of the header.
    pub(crate) const SIZE: usize = 12;

    pub(crate) fn is_response(&self) -> bool {
        self.flags & 0x8000 != 0
    }

    pub(crate) fn opcode(&self) -> u8 {
        (self.flags >> 11 & 0xf) as u8
    }

    pub(crate) fn has(&self, bit: u16) -> bool {
        self.flags & bit != 0
    }

    pub(crate) fn code(&self) -> u8 {
        (self.flags & 0xf) as u8
    }
}

/// A question.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) name: Name,
    pub(crate) kind: u16,
}

/// A resource record; its data lie at `start..end` of the message.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) name: Name,
    pub(crate) kind: u16,
    pub(crate) ttl: u32,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// A message taken apart.
#[derive(Debug)]
pub(crate) struct Wire<'a> {
    pub(crate) data: &'a [u8],
    pub(crate) header: Header,
    pub(crate) questions: Vec<Question>,
    /// Answers, authority, additional.
    pub(crate) sections: [Vec<Record>; 3],
}

impl<'a> Wire<'a> {
    /// Takes a message apart. Where `cut` says that the capture lost its end, what stands before
    /// the cut is kept, as long as the header and the first question are whole.
    pub(crate) fn read(data: &'a [u8], cut: bool) -> Result<Self, Reason> {
        let mut reader = Reader::new(data);
        let mut word = || reader.u16().ok_or(Reason::Truncated);
        let header = Header {
            id: word()?,
            flags: word()?,
            counts: [word()?, word()?, word()?, word()?],
        };
        let [questions_claimed, records_claimed @ ..] = header.counts;
        let mut wire = Self {
            data,
            header,
            questions: Vec::new(),
            sections: [Vec::new(), Vec::new(), Vec::new()],
        };
        let mut at = Header::SIZE;
        for index in 0..usize::from(questions_claimed) {
            if index == MAX_QUESTIONS {
                return Err(Reason::TooLarge);
            }
            match question(data, at) {
                Ok((question, behind)) => {
                    wire.questions.push(question);
                    at = behind;
                }
                Err(Reason::Truncated) if cut && index > 0 => return Ok(wire),
                Err(reason) => return Err(reason),
            }
        }
        let mut seen = 0;
        for (section, claimed) in wire.sections.iter_mut().zip(records_claimed) {
            for _ in 0..claimed {
                if seen == MAX_RECORDS {
                    return Ok(wire);
                }
                seen += 1;
                match record(data, at) {
                    Ok((record, behind)) => {
                        section.push(record);
                        at = behind;
                    }
                    Err(Reason::Truncated) if cut => return Ok(wire),
                    Err(reason) => return Err(reason),
                }
            }
        }
        Ok(wire)
    }

    /// The octets of a record's data.
    pub(crate) fn data_of(&self, record: &Record) -> &'a [u8] {
        self.data.get(record.start..record.end).unwrap_or(&[])
    }
}

fn question(data: &[u8], at: usize) -> Result<(Question, usize), Reason> {
    let (name, behind) = Name::read(data, at)?;
    let mut reader = Reader::new(data.get(behind..).unwrap_or(&[]));
    let kind = reader.u16().ok_or(Reason::Truncated)?;
    reader.u16().ok_or(Reason::Truncated)?;
    Ok((Question { name, kind }, behind + 4))
}

fn record(data: &[u8], at: usize) -> Result<(Record, usize), Reason> {
    let (name, behind) = Name::read(data, at)?;
    let mut reader = Reader::new(data.get(behind..).unwrap_or(&[]));
    let kind = reader.u16().ok_or(Reason::Truncated)?;
    reader.u16().ok_or(Reason::Truncated)?;
    let ttl = reader.u32().ok_or(Reason::Truncated)?;
    let length = reader.block16().ok_or(Reason::Truncated)?.len();
    let start = behind + 10;
    let end = start + length;
    let record = Record {
        name,
        kind,
        ttl,
        start,
        end,
    };
    Ok((record, end))
}
