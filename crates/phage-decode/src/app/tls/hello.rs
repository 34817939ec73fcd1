//! Client and server hellos (RFC 8446, section 4.1; RFC 5246, section 7.4.1).

use std::borrow::Cow;

use crate::app::fault::Reason;
use crate::app::reader::{numbers16, Reader};

/// Handshake type of a client hello.
pub(crate) const CLIENT_HELLO: u8 = 1;
/// Handshake type of a server hello.
pub(crate) const SERVER_HELLO: u8 = 2;

/// Longest hello that is followed: all of a stream that is reassembled. Hellos with post-quantum
/// key shares take about 2 kB.
pub(crate) const MAX_HELLO: usize = 16 * 1024;

/// Extension numbers (IANA).
pub(crate) mod extension {
    pub(crate) const SERVER_NAME: u16 = 0;
    pub(crate) const GROUPS: u16 = 10;
    pub(crate) const POINT_FORMATS: u16 = 11;
    pub(crate) const SIGNATURE_ALGORITHMS: u16 = 13;
    pub(crate) const ALPN: u16 = 16;
    pub(crate) const SUPPORTED_VERSIONS: u16 = 43;
    pub(crate) const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
}

/// The random of a server hello that asks for another client hello (RFC 8446, section 4.1.3).
const RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Whether a number is one that clients make up to keep servers tolerant (RFC 8701).
pub(crate) fn is_grease(number: u16) -> bool {
    number & 0x0f0f == 0x0a0a && number >> 8 == number & 0xff
}

/// A client hello; numbers in the order of the wire, made-up ones included.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ClientHello<'a> {
    pub(crate) version: u16,
    pub(crate) ciphers: Vec<u16>,
    pub(crate) extensions: Vec<u16>,
    pub(crate) server_name: Option<&'a [u8]>,
    pub(crate) alpn: Vec<&'a [u8]>,
    pub(crate) supported_versions: Vec<u16>,
    pub(crate) groups: Vec<u16>,
    pub(crate) point_formats: Vec<u8>,
    pub(crate) signature_algorithms: Vec<u16>,
}

/// A server hello.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ServerHello<'a> {
    pub(crate) legacy_version: u16,
    /// The version that was chosen.
    pub(crate) version: u16,
    pub(crate) cipher: u16,
    pub(crate) extensions: Vec<u16>,
    pub(crate) alpn: Option<&'a [u8]>,
    pub(crate) retry: bool,
}

/// Extensions: number and body. An absent block is an empty one (RFC 5246, section 7.4.1.2).
fn extensions<'a>(reader: &mut Reader<'a>) -> Result<Vec<(u16, &'a [u8])>, Reason> {
    if reader.is_empty() {
        return Ok(Vec::new());
    }
    let mut block = Reader::new(reader.block16().ok_or(Reason::Length)?);
    let mut found = Vec::new();
    while !block.is_empty() {
        let number = block.u16().ok_or(Reason::Length)?;
        found.push((number, block.block16().ok_or(Reason::Length)?));
    }
    Ok(found)
}

impl<'a> ClientHello<'a> {
    /// Reads the body of a whole hello, without its handshake header.
    pub(crate) fn read(body: &'a [u8]) -> Result<Self, Reason> {
        let mut reader = Reader::new(body);
        let version = reader.u16().ok_or(Reason::Length)?;
        reader.take(32).ok_or(Reason::Length)?;
        let session = reader.block8().ok_or(Reason::Length)?;
        let ciphers = reader.block16().ok_or(Reason::Length)?;
        reader.block8().ok_or(Reason::Length)?;
        if version >> 8 != 3 || session.len() > 32 || ciphers.len() % 2 != 0 {
            return Err(Reason::Value);
        }
        let mut hello = Self {
            version,
            ciphers: numbers16(ciphers).collect(),
            ..Self::default()
        };
        for (number, body) in extensions(&mut reader)? {
            hello.extensions.push(number);
            hello.read_extension(number, body);
        }
        Ok(hello)
    }

    /// Keeps what an extension says; one whose body is wrong says nothing.
    fn read_extension(&mut self, number: u16, body: &'a [u8]) {
        let mut reader = Reader::new(body);
        let numbers = |block: Option<&[u8]>| numbers16(block.unwrap_or(&[])).collect();
        match number {
            extension::SERVER_NAME => {
                let mut names = Reader::new(reader.block16().unwrap_or(&[]));
                // Type 0 is the only one there is (RFC 6066, section 3).
                if names.u8() == Some(0) {
                    self.server_name = names.block16();
                }
            }
            extension::GROUPS => self.groups = numbers(reader.block16()),
            extension::POINT_FORMATS => {
                self.point_formats = reader.block8().unwrap_or(&[]).to_vec();
            }
            extension::SIGNATURE_ALGORITHMS => {
                self.signature_algorithms = numbers(reader.block16());
            }
            extension::ALPN => {
                let mut names = Reader::new(reader.block16().unwrap_or(&[]));
                while let Some(name) = names.block8() {
                    self.alpn.push(name);
                }
            }
            extension::SUPPORTED_VERSIONS => self.supported_versions = numbers(reader.block8()),
            _ => {}
        }
    }

    /// The highest version on offer.
    pub(crate) fn best_version(&self) -> u16 {
        let offered = self.supported_versions.iter().copied();
        let best = offered.filter(|&version| !is_grease(version)).max();
        best.unwrap_or(self.version)
    }

    /// Whether an extension is there.
    pub(crate) fn has(&self, number: u16) -> bool {
        self.extensions.contains(&number)
    }
}

impl<'a> ServerHello<'a> {
    /// Reads the body of a whole hello, without its handshake header.
    pub(crate) fn read(body: &'a [u8]) -> Result<Self, Reason> {
        let mut reader = Reader::new(body);
        let version = reader.u16().ok_or(Reason::Length)?;
        let random: [u8; 32] = reader.array().ok_or(Reason::Length)?;
        let session = reader.block8().ok_or(Reason::Length)?;
        let cipher = reader.u16().ok_or(Reason::Length)?;
        reader.u8().ok_or(Reason::Length)?;
        if version >> 8 != 3 || session.len() > 32 {
            return Err(Reason::Value);
        }
        let mut hello = Self {
            legacy_version: version,
            version,
            cipher,
            retry: random == RETRY_RANDOM,
            ..Self::default()
        };
        for (number, body) in extensions(&mut reader)? {
            hello.extensions.push(number);
            let mut reader = Reader::new(body);
            match number {
                extension::SUPPORTED_VERSIONS => hello.version = reader.u16().unwrap_or(version),
                extension::ALPN => {
                    hello.alpn = Reader::new(reader.block16().unwrap_or(&[])).block8();
                }
                _ => {}
            }
        }
        Ok(hello)
    }
}

/// The first handshake message of a stream: the bytes of its records joined.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Handshake<'a> {
    /// A whole message: type and body.
    Whole(u8, Cow<'a, [u8]>),
    /// More bytes are needed.
    Incomplete,
    /// Not a handshake.
    Other,
    /// A handshake that lies.
    Wrong(Reason),
}

/// The body of a handshake message at the start of some bytes: its type and body, or `Ok(None)`
/// where it is not yet whole.
pub(crate) fn message(data: &[u8]) -> Result<Option<(u8, &[u8])>, Reason> {
    let mut reader = Reader::new(data);
    let (Some(kind), Some(length)) = (reader.u8(), reader.u24()) else {
        return Ok(None);
    };
    let length = length as usize;
    if length > MAX_HELLO {
        return Err(Reason::TooLarge);
    }
    Ok(reader.take(length).map(|body| (kind, body)))
}

/// Reads the first handshake message out of records (RFC 8446, section 5.1); a message may span
/// many, and many segments.
pub(crate) fn from_records(prefix: &[u8]) -> Handshake<'_> {
    // Type 22, version 3.x, a length of at most 2^14.
    let checks: [fn(u8) -> bool; 4] = [
        |byte| byte == 22,
        |byte| byte == 3,
        |byte| byte <= 4,
        |byte| byte <= 0x40,
    ];
    if !prefix.iter().zip(checks).all(|(&byte, check)| check(byte)) {
        return Handshake::Other;
    }
    let mut records = Reader::new(prefix);
    let mut joined: Cow<'_, [u8]> = Cow::Borrowed(&[]);
    loop {
        let (Some(kind), Some(_), Some(length)) = (records.u8(), records.u16(), records.u16())
        else {
            return Handshake::Incomplete;
        };
        if kind != 22 || length > 0x4000 {
            return Handshake::Wrong(Reason::Value);
        }
        let length = usize::from(length);
        let (piece, whole) = match records.take(length) {
            Some(piece) => (piece, true),
            None => (records.rest(), false),
        };
        if joined.is_empty() {
            joined = Cow::Borrowed(piece);
        } else {
            joined.to_mut().extend_from_slice(piece);
        }
        if !matches!(joined.first(), None | Some(&(CLIENT_HELLO | SERVER_HELLO))) {
            return Handshake::Other;
        }
        match message(&joined) {
            Err(reason) => return Handshake::Wrong(reason),
            Ok(Some((kind, body))) => {
                let length = body.len();
                return match joined {
                    Cow::Borrowed(joined) => Handshake::Whole(
                        kind,
                        Cow::Borrowed(joined.get(4..4 + length).unwrap_or(&[])),
                    ),
                    Cow::Owned(mut joined) => {
                        joined.truncate(4 + length);
                        joined.drain(..4);
                        Handshake::Whole(kind, Cow::Owned(joined))
                    }
                };
            }
            Ok(None) if !whole => return Handshake::Incomplete,
            Ok(None) => {}
        }
    }
}
