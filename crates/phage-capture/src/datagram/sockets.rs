//! All the sockets of one engine.

use std::net::SocketAddr;
use std::time::Duration;

use super::stream::Connections;
use super::system::{self, Mailbox};
use super::udp::{listen_error, UdpListener};
use super::{now, Arrival, DatagramCounters, DatagramSource, ListenConfig, TakeDatagram};
use crate::error::CaptureError;

/// Batches of one socket before the others have their turn, and before windows are looked after.
const BATCHES: usize = 8;

/// How often connections are looked at while datagrams keep coming; silent ones are ended then.
const ATTEND: Duration = Duration::from_millis(20);

/// Listens for exporters.
pub struct ExportSockets {
    udp: Vec<UdpListener>,
    connections: Connections,
    mailbox: Mailbox,
    counters: DatagramCounters,
    attended: i64,
}

impl ExportSockets {
    /// Opens every socket.
    pub fn open(config: &ListenConfig) -> Result<Self, CaptureError> {
        let udp: Vec<UdpListener> = config
            .udp
            .iter()
            .map(|address| UdpListener::open(*address, config))
            .collect::<Result<_, _>>()?;
        let connections = Connections::open(&config.tcp, config.connections, config.silence)?;
        let buffer = udp.iter().map(UdpListener::buffer).min();
        Ok(Self {
            udp,
            connections,
            mailbox: Mailbox::new(),
            counters: DatagramCounters {
                buffer: buffer.unwrap_or(0) as u64,
                ..DatagramCounters::default()
            },
            attended: 0,
        })
    }

    /// The addresses that are listened at, with the ports that the kernel chose: those for
    /// datagrams, those for connections.
    pub fn addresses(&self) -> (Vec<SocketAddr>, Vec<SocketAddr>) {
        let udp = self.udp.iter().map(UdpListener::address).collect();
        (udp, self.connections.addresses().collect())
    }

    /// Takes what waits everywhere; false where that was nothing.
    fn sweep(&mut self, time: i64, take: &mut TakeDatagram<'_>) -> Result<bool, CaptureError> {
        let before = self.counters.datagrams;
        for listener in &self.udp {
            for _ in 0..BATCHES {
                if !listener.take(&mut self.mailbox, time, &mut self.counters, take)? {
                    break;
                }
            }
        }
        if time - self.attended >= ATTEND.as_nanos() as i64 || time < self.attended {
            self.attended = time;
            self.connections.take(time, &mut self.counters, take);
        }
        Ok(self.counters.datagrams > before)
    }
}

impl DatagramSource for ExportSockets {
    fn next(
        &mut self,
        wait: Duration,
        take: &mut TakeDatagram<'_>,
    ) -> Result<Arrival, CaptureError> {
        if self.sweep(now(), take)? {
            return Ok(Arrival::Some);
        }
        let descriptors: Vec<_> = self
            .udp
            .iter()
            .map(UdpListener::descriptor)
            .chain(self.connections.descriptors())
            .collect();
        let ready = system::poll(&descriptors, wait).map_err(|error| {
            let address = self.udp.first().map(UdpListener::address);
            listen_error("udp", address.unwrap_or_else(|| ([0; 4], 0).into()), error)
        })?;
        if !ready.contains(&true) && self.connections.len() == 0 {
            return Ok(Arrival::Nothing);
        }
        self.attended = 0;
        Ok(if self.sweep(now(), take)? {
            Arrival::Some
        } else {
            Arrival::Nothing
        })
    }

    fn counters(&mut self) -> DatagramCounters {
        self.counters.dropped = self.udp.iter().map(|each| u64::from(each.drops())).sum();
        self.counters.connections = self.connections.len() as u64;
        self.counters
    }
}
