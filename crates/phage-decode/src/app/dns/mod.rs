//! DNS over UDP and TCP (RFC 1035).
//!
//! | field | type | what |
//! |---|---|---|
//! | `id` | integer | transaction |
//! | `response` | flag | an answer, not a question |
//! | `opcode` | integer | 0 query, 4 notify, 5 update |
//! | `query` | text | name of the first question, lower case; absent without a question |
//! | `query_type` | text | `A`, `TXT`, ..., `TYPE65280` |
//! | `questions` | integer | questions in the message |
//! | `rcode` | text | `NOERROR`, `NXDOMAIN`, ...; responses only |
//! | `authoritative`, `truncated`, `recursion`, `recursion_available` | flag | header bits AA, TC, RD, RA |
//! | `answers` | integer | records in the answer section; responses only |
//! | `answer` | list | `A 192.0.2.1`, `CNAME host.example`, `TXT ...`, `NULL 120 bytes` |
//! | `ttl` | integer | smallest time to live of the answers, seconds; with answers only |
//! | `name_length` | integer | characters of the query name, dots included |
//! | `labels` | integer | labels of the query name |
//! | `longest_label` | integer | octets of its longest label |
//! | `entropy` | real | bits for each octet of its labels, case as sent |
//! | `size` | integer | octets of the message |
//! | `query_bytes` | integer | octets that the query names carry: what a tunnel can send up |
//! | `response_bytes` | integer | octets of all records' data but OPT: what a tunnel can send down; responses only |

pub(crate) mod name;
pub(crate) mod record;
pub(crate) mod wire;

use self::record::{code_name, summary, type_name};
use self::wire::{Header, Wire};
use super::fault::{AppFault, Reason};
use super::kind::Kind;
use super::message::{Message, Parsed};
use super::reader::Reader;
use super::text::MAX_ITEMS;

/// The record type of EDNS (RFC 6891), which carries no answer.
const OPT: u16 = 41;

/// Opcodes above DSO (RFC 8490) are not assigned, nor is 3.
fn is_opcode(opcode: u8) -> bool {
    opcode <= 6 && opcode != 3
}

/// Parses a message; `cut` says that its end was not captured.
pub(crate) fn parse(data: &[u8], cut: bool) -> Result<Message, Reason> {
    let wire = Wire::read(data, cut)?;
    let header = wire.header;
    if !is_opcode(header.opcode()) {
        return Err(Reason::Value);
    }
    let mut message = Message::new(Kind::Dns);
    put_header(&mut message, &wire);
    message.put_integer("opcode", header.opcode());
    message.put_count("questions", wire.questions.len());
    message.put_flag("authoritative", header.has(0x0400));
    message.put_flag("truncated", header.has(0x0200));
    message.put_flag("recursion", header.has(0x0100));
    message.put_flag("recursion_available", header.has(0x0080));
    if let Some(question) = wire.questions.first() {
        message.put_count("name_length", question.name.length());
        message.put_count("labels", question.name.count());
        message.put_count("longest_label", question.name.longest_label());
        message.put_real("entropy", question.name.entropy());
    }
    message.put_count("size", data.len());
    let up = wire.questions.iter().map(|question| question.name.length());
    message.put_count("query_bytes", up.sum());
    if header.is_response() {
        let down = wire
            .sections
            .iter()
            .flatten()
            .filter(|record| record.kind != OPT);
        message.put_count(
            "response_bytes",
            down.map(|record| wire.data_of(record).len()).sum(),
        );
    }
    Ok(message)
}

/// Adds what DNS and LLMNR have in common: transaction, question, response code, answers.
pub(crate) fn put_header(message: &mut Message, wire: &Wire<'_>) {
    message.put_integer("id", wire.header.id);
    message.put_flag("response", wire.header.is_response());
    if let Some(question) = wire.questions.first() {
        message.put_text("query", question.name.lower());
        message.put_text("query_type", type_name(question.kind));
    }
    if wire.header.is_response() {
        let [answers, ..] = &wire.sections;
        message.put_text("rcode", code_name(wire.header.code()));
        message.put_count("answers", answers.len());
        let lines = answers.iter().take(MAX_ITEMS);
        message.put_list(
            "answer",
            lines.map(|record| summary(wire, record)).collect(),
        );
        if let Some(ttl) = answers.iter().map(|record| record.ttl).min() {
            message.put_integer("ttl", ttl);
        }
    }
}

/// Whether the first message of a stream may be DNS: its length prefix covers a header, and the
/// header holds values that DNS gives (RFC 1035, section 4.2.2).
fn plausible(frame: &[u8]) -> bool {
    let mut reader = Reader::new(frame);
    let (_, flags, questions) = (reader.u16(), reader.u16(), reader.u16());
    let claimed = usize::from(reader.u16().unwrap_or(0));
    flags.is_some_and(|flags| is_opcode((flags >> 11 & 0xf) as u8) && flags & 0x40 == 0)
        && questions == Some(1)
        && claimed <= frame.len() / 11
}

/// Parses the first message of a stream. On ports that are not DNS's only a stream that starts
/// with exactly one whole, sound question is taken for DNS.
pub(crate) fn parse_stream(prefix: &[u8], server_port: u16) -> Parsed {
    let expected = matches!(server_port, 53 | 5353 | 5355);
    let mut reader = Reader::new(prefix);
    let Some(length) = reader.u16() else {
        return if expected {
            Parsed::Incomplete
        } else {
            Parsed::NotMine
        };
    };
    let length = usize::from(length);
    let body = reader.rest();
    if length < Header::SIZE {
        return if expected {
            malformed(Reason::Length)
        } else {
            Parsed::NotMine
        };
    }
    let Some(frame) = body.get(..length) else {
        return if expected {
            Parsed::Incomplete
        } else {
            Parsed::NotMine
        };
    };
    let alone = body.len() == length && plausible(frame);
    if !(expected || alone) {
        return Parsed::NotMine;
    }
    match parse(frame, false) {
        Ok(message) => Parsed::Done(message),
        Err(reason) if expected => malformed(reason),
        Err(_) => Parsed::NotMine,
    }
}

fn malformed(reason: Reason) -> Parsed {
    Parsed::Malformed(AppFault {
        kind: Kind::Dns,
        reason,
    })
}

#[cfg(test)]
mod tests;
