//! QUIC Initial packets: the client hello inside (RFC 9000, RFC 9001, RFC 9369).
//!
//! | field | type | what |
//! |---|---|---|
//! | `version` | text | of QUIC: `1`, `2`, `draft-29` |
//! | `tls_version` | text | the highest that the hello offers |
//! | `sni`, `alpn`, `supported_versions`, `ciphers`, `extensions`, `ech`, `ja3`, `ja4` | | as of [TLS](super::tls) |
//!
//! A hello may span several packets and datagrams and come in any order, so packets go through
//! [`QuicInitial`], which keeps what is not yet whole.
//!
//! It fails where the client's first packets were not seen (keys follow from the first) and for
//! versions without a published salt.

pub(crate) mod keys;
pub(crate) mod packet;
pub(crate) mod stream;

use std::collections::BTreeMap;

use self::keys::{Keys, Version};
use self::packet::{crypto_frames, next, Initial, Next};
use self::stream::Stream;
use super::fault::{AppFault, Reason};
use super::kind::Kind;
use super::message::{Message, Parsed};
use super::tls;
use super::tls::hello::CLIENT_HELLO;

/// Smallest datagram in which a client sends an Initial packet (RFC 9000, section 14.1).
const MIN_DATAGRAM: usize = 1200;

/// Most coalesced packets of a datagram that are looked at; stacks put at most four together, one
/// for each packet type.
const MAX_COALESCED: usize = 8;

/// How much is kept and done at most.
#[derive(Clone, Copy, Debug)]
pub struct QuicLimits {
    /// Connections whose hello is awaited or was told; the longest unused one makes room. At most
    /// 16 kB each.
    pub connections: usize,
    /// Initial packets that are opened in one second: each costs five to ten microseconds, and a
    /// flood of forged ones must not cost more than a few hundredths of a core.
    pub packets_per_second: u32,
}

impl Default for QuicLimits {
    fn default() -> Self {
        Self {
            connections: 256,
            packets_per_second: 4_000,
        }
    }
}

/// What has come and what was dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuicCounters {
    /// Initial packets that were looked at.
    pub packets: u64,
    /// Initial packets that were opened.
    pub opened: u64,
    /// Initial packets whose keys are not known: the server's, or of connections that began unseen.
    pub sealed: u64,
    /// Datagrams that lie about a length, and opened packets with wrong frames.
    pub malformed: u64,
    /// CRYPTO frames beyond the bounds of a stream.
    pub beyond: u64,
    /// Initial packets that were not opened for lack of budget.
    pub over_budget: u64,
    /// Connections that made room before their hello was whole.
    pub evicted: u64,
    /// Client hellos told.
    pub hellos: u64,
}

/// Opens clients' Initial packets and puts their hellos together.
#[derive(Default)]
pub struct QuicInitial {
    limits: QuicLimits,
    // Ordered, so that a replay makes room for the same connections on every run.
    connections: BTreeMap<u64, Connection>,
    counters: QuicCounters,
    budget: Budget,
}

struct Connection {
    /// Time of the last packet.
    used: i64,
    version: Version,
    /// The identifier that the keys were made of.
    destination: Vec<u8>,
    // Half a kilobyte or more, apart so that the search for the oldest stays in few cache lines.
    keys: Box<Keys>,
    stream: Stream,
    told: bool,
}

/// Packets that may be opened in the current second.
#[derive(Default)]
struct Budget {
    second: i64,
    spent: u32,
}

impl Budget {
    fn take(&mut self, time: i64, limit: u32) -> bool {
        let second = time.div_euclid(1_000_000_000);
        if second != self.second {
            *self = Self { second, spent: 0 };
        }
        let within = self.spent < limit;
        self.spent += u32::from(within);
        within
    }
}

impl QuicInitial {
    /// An empty table.
    pub fn new(limits: QuicLimits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Whether a UDP payload may start with a client's Initial packet, whatever the port: a few
    /// compares, and wrong for one in billions of other datagrams.
    #[inline]
    pub fn wants(payload: &[u8]) -> bool {
        payload.len() >= MIN_DATAGRAM
            && payload.first_chunk().is_some_and(|&[first, a, b, c, d]| {
                first & 0xc0 == 0xc0
                    && Version::new(u32::from_be_bytes([a, b, c, d]))
                        .is_some_and(|version| first >> 4 & 3 == version.initial_type())
            })
    }

    /// Adds a datagram that a client sent at `time` (nanoseconds) on the flow `key`.
    ///
    /// Answers [`Parsed::Done`] with the datagram that makes a hello whole, once for each
    /// connection; [`Parsed::Incomplete`] where more is awaited; [`Parsed::NotMine`] for packets
    /// that cannot be opened or bring nothing new.
    pub fn push(&mut self, key: u64, time: i64, payload: &[u8]) -> Parsed {
        let mut answer = Parsed::NotMine;
        let mut rest = payload;
        for _ in 0..MAX_COALESCED {
            match next(rest) {
                Next::Foreign => break,
                Next::Other(behind) => rest = behind,
                Next::Wrong(reason) => {
                    self.counters.malformed += 1;
                    return worse(answer, reason);
                }
                Next::Initial(packet, behind) => {
                    rest = behind;
                    self.counters.packets += 1;
                    if !self.budget.take(time, self.limits.packets_per_second) {
                        self.counters.over_budget += 1;
                        continue;
                    }
                    let Some(frames) = self.open(key, time, &packet) else {
                        self.counters.sealed += 1;
                        continue;
                    };
                    self.counters.opened += 1;
                    match self.read(key, &frames) {
                        Ok(Some(message)) => answer = Parsed::Done(message),
                        Ok(None) if answer == Parsed::NotMine && !self.is_told(key) => {
                            answer = Parsed::Incomplete;
                        }
                        Ok(None) => {}
                        Err(reason) => {
                            self.counters.malformed += 1;
                            return worse(answer, reason);
                        }
                    }
                }
            }
        }
        answer
    }

    /// Forgets a flow that has ended.
    pub fn release(&mut self, key: u64) {
        self.connections.remove(&key);
    }

    /// What has come and what was dropped since the start.
    pub fn counters(&self) -> QuicCounters {
        self.counters
    }

    fn is_told(&self, key: u64) -> bool {
        self.connections
            .get(&key)
            .is_some_and(|connection| connection.told)
    }

    /// Opens a packet with the keys of its connection, else with keys made of the packet itself:
    /// the connection is new then, or began anew after a Retry or a version negotiation.
    fn open(&mut self, key: u64, time: i64, packet: &Initial<'_>) -> Option<Vec<u8>> {
        if let Some(connection) = self.connections.get_mut(&key) {
            let same = connection.version == packet.version;
            if let Some(frames) = same.then(|| packet.open(&connection.keys)).flatten() {
                connection.used = connection.used.max(time);
                return Some(frames);
            }
            if same && connection.destination == packet.destination {
                return None;
            }
        }
        let keys = Keys::client(packet.version, packet.destination)?;
        if let Some(frames) = packet.open(&keys) {
            self.insert(key, time, packet, keys);
            return Some(frames);
        }
        // Compatible version negotiation (RFC 9368): another version's keys from the identifier
        // of the first packet, and the stream goes on.
        let connection = self.connections.get_mut(&key)?;
        if connection.version == packet.version {
            return None;
        }
        let keys = Keys::client(packet.version, &connection.destination)?;
        let frames = packet.open(&keys)?;
        *connection.keys = keys;
        connection.version = packet.version;
        connection.used = connection.used.max(time);
        Some(frames)
    }

    fn insert(&mut self, key: u64, time: i64, packet: &Initial<'_>, keys: Keys) {
        if self.connections.len() >= self.limits.connections.max(1)
            && !self.connections.contains_key(&key)
        {
            let oldest = self
                .connections
                .iter()
                .min_by_key(|(_, connection)| connection.used);
            if let Some((&oldest, connection)) = oldest {
                self.counters.evicted += u64::from(!connection.told);
                self.connections.remove(&oldest);
            }
        }
        let connection = Connection {
            used: time,
            version: packet.version,
            destination: packet.destination.to_vec(),
            keys: Box::new(keys),
            stream: Stream::default(),
            told: false,
        };
        self.connections.insert(key, connection);
    }

    /// Adds a packet's frames to its connection; the hello's message once it is whole.
    fn read(&mut self, key: u64, frames: &[u8]) -> Result<Option<Message>, Reason> {
        let Some(connection) = self
            .connections
            .get_mut(&key)
            .filter(|connection| !connection.told)
        else {
            return Ok(None);
        };
        let (stream, beyond) = (&mut connection.stream, &mut self.counters.beyond);
        let frames = crypto_frames(frames, |offset, data| {
            *beyond += u64::from(!stream.insert(offset, data));
        });
        let result = match tls::hello::message(stream.prefix()) {
            Ok(Some((CLIENT_HELLO, body))) => tls::client(body, Kind::Quic).map(Some),
            Ok(Some(_)) => Err(Reason::Value),
            Ok(None) => frames.map(|()| None),
            Err(reason) => Err(reason),
        };
        if !matches!(result, Ok(None)) {
            connection.told = true;
            connection.stream = Stream::default();
        }
        let mut message = result?;
        if let Some(message) = &mut message {
            message.put_text("version", connection.version.name());
            self.counters.hellos += 1;
        }
        Ok(message)
    }
}

/// A hello that was told stays told, whatever follows it in the datagram.
fn worse(answer: Parsed, reason: Reason) -> Parsed {
    match answer {
        Parsed::Done(_) => answer,
        _ => Parsed::Malformed(AppFault {
            kind: Kind::Quic,
            reason,
        }),
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
