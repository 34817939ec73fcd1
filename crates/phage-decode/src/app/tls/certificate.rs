//! A server's certificate behind its hello (RFC 5246, sections 6.2.1, 7.4 and 7.4.2).

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::fingerprint::hex;
use super::hello::SERVER_HELLO;
use super::HANDSHAKE;
use crate::app::fault::Reason;
use crate::app::reader::Reader;

/// Handshake type of a chain of certificates.
const CERTIFICATE: u8 = 11;

/// Handshake type of data that may stand before it (RFC 4680).
const SUPPLEMENTAL_DATA: u8 = 23;

/// What stands behind a server's hello.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The server's own certificate, by its hashes in hexadecimal.
    Certificate { sha1: String, sha256: String },
    /// No certificate: a session is resumed, or the server is anonymous.
    Nothing,
}

/// Finds the first certificate of a server's flight; `None` where more octets are needed.
///
/// Messages may span records, and records may hold several. It is not waited for the chain's end.
pub(super) fn first(prefix: &[u8]) -> Result<Option<Found>, Reason> {
    let (joined, is_over) = handshakes(prefix)?;
    let mut messages = Reader::new(&joined);
    loop {
        let (Some(kind), Some(length)) = (messages.u8(), messages.u24()) else {
            return Ok(is_over.then_some(Found::Nothing));
        };
        match kind {
            CERTIFICATE => return leaf(messages, length, is_over),
            SERVER_HELLO | SUPPLEMENTAL_DATA => {}
            _ => return Ok(Some(Found::Nothing)),
        }
        if messages.take(length as usize).is_none() {
            return Ok(is_over.then_some(Found::Nothing));
        }
    }
}

/// Joins what records of handshakes hold; tells whether something else follows them.
fn handshakes(prefix: &[u8]) -> Result<(Vec<u8>, bool), Reason> {
    let mut records = Reader::new(prefix);
    let mut joined = Vec::with_capacity(prefix.len());
    while let (Some(kind), Some(_), Some(length)) = (records.u8(), records.u16(), records.u16()) {
        if kind != HANDSHAKE {
            return Ok((joined, true));
        }
        if length > 0x4000 {
            return Err(Reason::Value);
        }
        let Some(piece) = records.take(usize::from(length)) else {
            joined.extend_from_slice(records.rest());
            break;
        };
        joined.extend_from_slice(piece);
    }
    Ok((joined, false))
}

/// Reads the first certificate of a chain whose message has `length` octets.
fn leaf(mut body: Reader<'_>, length: u32, is_over: bool) -> Result<Option<Found>, Reason> {
    let cut = |found: Option<u32>| match found {
        None if is_over => Err(Reason::Length),
        found => Ok(found),
    };
    let Some(all) = cut(body.u24())? else {
        return Ok(None);
    };
    if all == 0 {
        return Ok(Some(Found::Nothing));
    }
    let Some(own) = cut(body.u24())? else {
        return Ok(None);
    };
    if own == 0 || own + 3 > all || all + 3 > length {
        return Err(Reason::Length);
    }
    match body.take(own as usize) {
        None if is_over => Err(Reason::Length),
        None => Ok(None),
        Some(der) => Ok(Some(Found::Certificate {
            sha1: hex(&Sha1::digest(der), 20),
            sha256: hex(&Sha256::digest(der), 32),
        })),
    }
}
