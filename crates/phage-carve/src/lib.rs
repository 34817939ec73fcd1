//! Files out of streams: what HTTP, FTP, SMTP and SMB carry without encryption.
//!
//! Packets in, whole files out; no I/O, no clock. Streams are followed by
//! [`phage_flow::reassembly::Following`]. What a file holds is nobody's business here: a packed body
//! is handed on packed. Whatever a stream says, its memory is bounded and it never panics; a stream
//! that makes no sense is let go of and counted.

#![forbid(unsafe_code)]

mod body;
mod carver;
mod ftp;
mod http;
mod line;
mod smb;
mod smb1;
mod smb2;
mod smtp;
mod stream;
#[cfg(test)]
mod tests;

pub use carver::{Carver, CarverCounters, CarverLimits};

/// How a file travelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 9112.
    Http,
    /// RFC 959.
    Ftp,
    /// RFC 5321.
    Smtp,
    /// MS-CIFS, MS-SMB2.
    Smb,
}

impl Protocol {
    /// Its name, in small letters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Ftp => "ftp",
            Self::Smtp => "smtp",
            Self::Smb => "smb",
        }
    }
}

/// A whole file that went from `src` to `dst`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarvedFile {
    /// Nanoseconds since the Unix epoch, when it was complete.
    pub time: i64,
    /// Who sent it.
    pub src: [u8; 16],
    /// Who got it.
    pub dst: [u8; 16],
    /// The sender's link-layer address as it was seen here; 0 for none.
    pub src_mac: u64,
    /// The receiver's link-layer address as it was seen here; 0 for none.
    pub dst_mac: u64,
    /// The service's port.
    pub port: u16,
    /// How it travelled.
    pub protocol: Protocol,
    /// What it was called; empty where nobody said.
    pub name: String,
    /// Its octets.
    pub data: Vec<u8>,
}
