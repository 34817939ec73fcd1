//! What record types and codes are called, and one line of text for a record's data.

use std::fmt::Write as _;

use super::name::Name;
use super::wire::{Record, Wire};
use crate::app::reader::Reader;
use crate::app::text::{append, bounded, ipv4, ipv6, named, printable, MAX_TEXT};

/// The name of a record type (IANA DNS parameters), else `TYPE65280` (RFC 3597).
pub(crate) fn type_name(kind: u16) -> String {
    let known = match kind {
        1 => "A",
        2 => "NS",
        5 => "CNAME",
        6 => "SOA",
        10 => "NULL",
        12 => "PTR",
        13 => "HINFO",
        15 => "MX",
        16 => "TXT",
        25 => "KEY",
        28 => "AAAA",
        29 => "LOC",
        32 => "NB",
        33 => "SRV",
        35 => "NAPTR",
        39 => "DNAME",
        41 => "OPT",
        43 => "DS",
        44 => "SSHFP",
        46 => "RRSIG",
        47 => "NSEC",
        48 => "DNSKEY",
        50 => "NSEC3",
        52 => "TLSA",
        64 => "SVCB",
        65 => "HTTPS",
        99 => "SPF",
        249 => "TKEY",
        250 => "TSIG",
        251 => "IXFR",
        252 => "AXFR",
        255 => "ANY",
        256 => "URI",
        257 => "CAA",
        other => return format!("TYPE{other}"),
    };
    known.to_owned()
}

/// The name of a response code (RFC 1035, 2136), else its number.
pub(crate) fn code_name(code: u8) -> String {
    let known = match code {
        0 => Some("NOERROR"),
        1 => Some("FORMERR"),
        2 => Some("SERVFAIL"),
        3 => Some("NXDOMAIN"),
        4 => Some("NOTIMP"),
        5 => Some("REFUSED"),
        6 => Some("YXDOMAIN"),
        7 => Some("YXRRSET"),
        8 => Some("NXRRSET"),
        9 => Some("NOTAUTH"),
        10 => Some("NOTZONE"),
        _ => None,
    };
    named(known, code)
}

/// One line for a record: type and data, for example `A 192.0.2.1`; data that cannot be read as
/// its type says is given by its size.
pub(crate) fn summary(wire: &Wire<'_>, record: &Record) -> String {
    let kind = type_name(record.kind);
    let data = wire.data_of(record);
    let text = content(wire, record, data).unwrap_or_else(|| format!("{} bytes", data.len()));
    bounded(format!("{kind} {text}"))
}

fn content(wire: &Wire<'_>, record: &Record, data: &[u8]) -> Option<String> {
    let name_at = |skip: usize| {
        let (name, behind) = Name::read(wire.data, record.start + skip).ok()?;
        (behind <= record.end).then(|| name.text())
    };
    let mut reader = Reader::new(data);
    match record.kind {
        1 => Some(ipv4(data.try_into().ok()?)),
        28 => Some(ipv6(data.try_into().ok()?)),
        2 | 5 | 6 | 12 | 39 => name_at(0),
        15 => Some(format!("{} {}", reader.u16()?, name_at(2)?)),
        33 => {
            let (priority, weight, port) = (reader.u16()?, reader.u16()?, reader.u16()?);
            Some(format!("{priority} {weight} {port} {}", name_at(6)?))
        }
        13 | 16 | 99 => strings(data),
        64 | 65 => Some(format!(
            "{} {} ({} bytes)",
            reader.u16()?,
            name_at(2)?,
            data.len()
        )),
        257 => {
            let flags = reader.u8()?;
            let tag = printable(reader.block8()?);
            Some(format!("{flags} {tag} {}", printable(reader.rest())))
        }
        _ => None,
    }
}

/// Character strings (RFC 1035, section 3.3), joined by spaces.
fn strings(data: &[u8]) -> Option<String> {
    let mut reader = Reader::new(data);
    let mut out = String::new();
    while !reader.is_empty() {
        let piece = reader.block8()?;
        if !out.is_empty() {
            out.push(' ');
        }
        if !append(&mut out, piece, b"", MAX_TEXT) {
            break;
        }
    }
    Some(out)
}

/// One line for a record with its owner before its data: `PTR _ipp._tcp.local Printer._ipp._tcp.local`.
pub(crate) fn owned_summary(wire: &Wire<'_>, record: &Record) -> String {
    let line = summary(wire, record);
    let (kind, text) = line.split_once(' ').unwrap_or((&line, ""));
    let mut out = String::new();
    let _ = write!(out, "{kind} {} {text}", record.name.text());
    bounded(out)
}
