//! IPFIX over TCP (RFC 7011, 10.4): messages behind one another, each with its length.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use super::udp::listen_error;
use super::{system, DatagramCounters, TakeDatagram};
use crate::error::CaptureError;

/// Version and shortest message of IPFIX (RFC 7011, 3.1).
const IPFIX: u16 = 10;
const SHORTEST: usize = 16;
/// The longest message: its length has 16 bits.
const LONGEST: usize = 65_535;

/// A connection that sent no whole message for so long gives way to a new one when all places are
/// taken: who only holds places does not keep exporters out.
const IDLE: Duration = Duration::from_secs(30);

/// Octets taken from a connection before the others have their turn.
const TURN: usize = 256 << 10;

/// Octets read at once.
const CHUNK: usize = 64 << 10;

/// Connections of exporters.
pub(super) struct Connections {
    listeners: Vec<(TcpListener, SocketAddr)>,
    open: Vec<Connection>,
    most: usize,
    silence: Duration,
    chunk: Box<[u8]>,
}

struct Connection {
    stream: TcpStream,
    from: SocketAddr,
    /// The beginning of a message that is not complete.
    begun: Vec<u8>,
    /// When it was opened, or sent its last whole message.
    heard: Instant,
}

impl Connections {
    pub(super) fn open(
        addresses: &[SocketAddr],
        most: usize,
        silence: Duration,
    ) -> Result<Self, CaptureError> {
        let listeners = addresses.iter().map(|&address| {
            let failed = |error| listen_error("tcp", address, error);
            let listener = TcpListener::bind(address).map_err(failed)?;
            listener.set_nonblocking(true).map_err(failed)?;
            let address = listener.local_addr().map_err(failed)?;
            Ok((listener, address))
        });
        Ok(Self {
            listeners: listeners.collect::<Result<_, CaptureError>>()?,
            open: Vec::new(),
            most: most.max(1),
            silence,
            chunk: if addresses.is_empty() {
                Box::default()
            } else {
                vec![0; CHUNK].into_boxed_slice()
            },
        })
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.listeners.iter().map(|(_, address)| *address)
    }

    /// Everything that may become readable.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = RawFd> + '_ {
        let listeners = self.listeners.iter().map(|(each, _)| each.as_raw_fd());
        listeners.chain(self.open.iter().map(|each| each.stream.as_raw_fd()))
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Takes new connections, and messages of those that are open.
    pub(super) fn take(
        &mut self,
        time: i64,
        counters: &mut DatagramCounters,
        take: &mut TakeDatagram<'_>,
    ) -> bool {
        if self.listeners.is_empty() {
            return false;
        }
        self.accept(counters);
        let now = Instant::now();
        let (silence, chunk) = (self.silence, &mut self.chunk);
        let before = counters.datagrams;
        self.open.retain_mut(|connection| {
            match connection.read(chunk, now, time, counters, take) {
                Ending::Open if now.duration_since(connection.heard) < silence => true,
                Ending::Closed => false,
                Ending::Open | Ending::Wrong => {
                    counters.connections_ended += 1;
                    false
                }
            }
        });
        counters.connections = self.open.len() as u64;
        counters.datagrams > before
    }

    fn accept(&mut self, counters: &mut DatagramCounters) {
        for (listener, _) in &self.listeners {
            while let Ok((stream, from)) = listener.accept() {
                if self.open.len() >= self.most {
                    let idle = self
                        .open
                        .iter()
                        .position(|each| each.heard.elapsed() > IDLE);
                    let Some(place) = idle else {
                        counters.connections_refused += 1;
                        continue;
                    };
                    self.open.swap_remove(place);
                    counters.connections_ended += 1;
                }
                if stream.set_nonblocking(true).is_ok() {
                    self.open.push(Connection {
                        stream,
                        from,
                        begun: Vec::new(),
                        heard: Instant::now(),
                    });
                }
            }
        }
    }
}

/// What became of a connection.
enum Ending {
    Open,
    Closed,
    Wrong,
}

impl Connection {
    fn read(
        &mut self,
        chunk: &mut [u8],
        now: Instant,
        time: i64,
        counters: &mut DatagramCounters,
        take: &mut TakeDatagram<'_>,
    ) -> Ending {
        let mut read = 0;
        while read < TURN {
            match self.stream.read(chunk) {
                Ok(0) => return Ending::Closed,
                Ok(count) => {
                    read += count;
                    self.begun.extend(chunk.get(..count).unwrap_or(&[]));
                    if !self.messages(now, time, counters, take) {
                        return Ending::Wrong;
                    }
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => break,
                    io::ErrorKind::Interrupted => {}
                    _ => return Ending::Closed,
                },
            }
        }
        Ending::Open
    }

    /// Hands over the messages that are whole; false where what came is no IPFIX.
    fn messages(
        &mut self,
        now: Instant,
        time: i64,
        counters: &mut DatagramCounters,
        take: &mut TakeDatagram<'_>,
    ) -> bool {
        let mut rest = self.begun.as_slice();
        while let [version_high, version_low, length_high, length_low, ..] = *rest {
            let length = usize::from(u16::from_be_bytes([length_high, length_low]));
            if u16::from_be_bytes([version_high, version_low]) != IPFIX || length < SHORTEST {
                return false;
            }
            let Some((message, behind)) = rest.split_at_checked(length) else {
                break;
            };
            counters.datagrams += 1;
            counters.octets += length as u64;
            take(message, system::origin(self.from), time);
            self.heard = now;
            rest = behind;
        }
        let kept = rest.len();
        let done = self.begun.len() - kept;
        self.begun.drain(..done);
        debug_assert!(kept <= LONGEST);
        // A connection that is quiet holds no memory.
        if kept == 0 {
            self.begun = Vec::new();
        }
        true
    }
}
