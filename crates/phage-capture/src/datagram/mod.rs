//! Datagrams of flow exporters: from UDP sockets, from TCP connections, from files.

mod file;
mod sockets;
mod stream;
mod system;
mod udp;

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use phage_decode::export::Origin;

use crate::error::CaptureError;

pub use file::DatagramFile;
pub use sockets::ExportSockets;
pub use udp::DatagramSender;

/// What a source of datagrams came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Some datagrams were handed over.
    Some,
    /// The wait passed without one.
    Nothing,
    /// There will be no more.
    Ended,
}

/// Is given each datagram: its octets, who sent it, when it came (nanoseconds since the epoch).
pub type TakeDatagram<'a> = dyn FnMut(&[u8], Origin, i64) + 'a;

/// Something that datagrams of exporters come from.
pub trait DatagramSource: Send {
    /// Hands the next datagrams over, a batch at most; waits for the first one.
    fn next(
        &mut self,
        wait: Duration,
        take: &mut TakeDatagram<'_>,
    ) -> Result<Arrival, CaptureError>;

    /// What was counted since the source was opened.
    fn counters(&mut self) -> DatagramCounters;
}

/// What a source of datagrams counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DatagramCounters {
    /// Datagrams, and messages of connections, that were handed over.
    pub datagrams: u64,
    /// Their octets.
    pub octets: u64,
    /// Datagrams that the kernel dropped because a socket's buffer was full.
    pub dropped: u64,
    /// Datagrams that were longer than any exporter's.
    pub truncated: u64,
    /// Connections that are open.
    pub connections: u64,
    /// Connections that were not taken because there were too many.
    pub connections_refused: u64,
    /// Connections that were ended: what came was no IPFIX, or nothing came for too long.
    pub connections_ended: u64,
    /// Octets of the smallest receive buffer that the kernel granted.
    pub buffer: u64,
}

/// How sockets listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenConfig {
    /// Addresses for datagrams.
    pub udp: Vec<SocketAddr>,
    /// Addresses for connections (IPFIX over TCP, RFC 7011, 10.4).
    pub tcp: Vec<SocketAddr>,
    /// Octets of the receive buffer of each socket.
    pub receive_buffer: usize,
    /// Sockets, in as many engines, that share each address; exporters are spread over them.
    pub shared_by: u32,
    /// Connections at a time.
    pub connections: usize,
    /// How long a connection may be silent.
    pub silence: Duration,
}

impl Default for ListenConfig {
    fn default() -> Self {
        Self {
            udp: Vec::new(),
            tcp: Vec::new(),
            // Half a second of 1.5 million records a second.
            receive_buffer: 64 << 20,
            shared_by: 1,
            connections: 64,
            // Templates need not be sent again over TCP: a quiet link may be silent for long.
            silence: Duration::from_secs(3600),
        }
    }
}

/// The time of arrival of what arrives now, nanoseconds since the Unix epoch.
pub fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |passed| passed.as_nanos() as i64)
}
