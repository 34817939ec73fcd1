//! UDP sockets: received in batches, spread over several engines by the exporter's address.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::system::{self, Mailbox, BATCH};
use super::{DatagramCounters, ListenConfig, TakeDatagram};
use crate::error::CaptureError;

/// A socket that datagrams of exporters come to.
pub(super) struct UdpListener {
    socket: OwnedFd,
    address: SocketAddr,
    /// Octets that the kernel granted.
    buffer: usize,
}

impl UdpListener {
    pub(super) fn open(address: SocketAddr, config: &ListenConfig) -> Result<Self, CaptureError> {
        let failed = |error| listen_error("udp", address, error);
        let shared = config.shared_by > 1;
        let socket = system::udp_socket(address, shared).map_err(failed)?;
        let buffer =
            system::receive_buffer(socket.as_fd(), config.receive_buffer).map_err(failed)?;
        if shared {
            system::spread_by_address(socket.as_fd(), config.shared_by).map_err(failed)?;
        }
        let address = system::local_address(socket.as_fd()).map_err(failed)?;
        Ok(Self {
            socket,
            address,
            buffer,
        })
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn buffer(&self) -> usize {
        self.buffer
    }

    pub(super) fn drops(&self) -> u32 {
        system::drops(self.socket.as_fd())
    }

    /// Hands over what waits, one batch; says whether more may wait.
    pub(super) fn take(
        &self,
        mailbox: &mut Mailbox,
        time: i64,
        counters: &mut DatagramCounters,
        take: &mut TakeDatagram<'_>,
    ) -> Result<bool, CaptureError> {
        let received = mailbox.receive(self.socket.as_fd(), |datagram| {
            counters.datagrams += 1;
            counters.octets += datagram.octets.len() as u64;
            counters.truncated += u64::from(datagram.truncated);
            take(datagram.octets, system::origin(datagram.from), time);
        });
        match received {
            Ok(count) => Ok(count == BATCH),
            Err(error) => Err(listen_error("udp", self.address, error)),
        }
    }
}

/// The error of listening at an address.
pub(super) fn listen_error(kind: &str, address: SocketAddr, error: io::Error) -> CaptureError {
    CaptureError::Io {
        path: PathBuf::from(format!("{kind}://{address}")),
        offset: 0,
        error,
    }
}

/// Sends datagrams as fast as wanted, for tests and benchmarks.
pub struct DatagramSender {
    socket: UdpSocket,
}

impl DatagramSender {
    /// Opens a socket that sends to an address.
    pub fn open(to: SocketAddr) -> io::Result<Self> {
        let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any)?;
        socket.connect(to)?;
        Ok(Self { socket })
    }

    /// Sends datagrams in a circle until so many are sent or the time is over; answers how many.
    ///
    /// `rate` is in datagrams a second, as fast as possible where absent.
    pub fn send(
        &self,
        datagrams: &[Vec<u8>],
        count: u64,
        duration: Duration,
        rate: Option<f64>,
    ) -> io::Result<u64> {
        let began = Instant::now();
        let mut sent = 0_u64;
        while !datagrams.is_empty() && sent < count && began.elapsed() < duration {
            let due = rate.map_or(u64::MAX, |rate| {
                (began.elapsed().as_secs_f64() * rate) as u64
            });
            let Some(owed) = due.min(count).checked_sub(sent).filter(|owed| *owed > 0) else {
                std::thread::sleep(Duration::from_micros(200));
                continue;
            };
            let from = (sent % datagrams.len() as u64) as usize;
            let batch: Vec<&[u8]> = datagrams
                .iter()
                .skip(from)
                .take(owed.min(BATCH as u64) as usize)
                .map(Vec::as_slice)
                .collect();
            match system::send_many(self.socket.as_fd(), &batch) {
                Ok(taken) => sent += taken as u64,
                // Nobody listened to the one before; or the kernel's queue is full.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }
}
