//! One stream: who speaks to whom, which protocol it is, and both directions.

use phage_decode::Packet;
use phage_flow::reassembly::Following;

use crate::carver::{CarverCounters, CarverLimits};
use crate::ftp::{Control, Data, Expected, Transfer};
use crate::http::Http;
use crate::smb::Smb;
use crate::smtp::Smtp;
use crate::{CarvedFile, Protocol};

/// Octets by which a protocol is told.
const TOLD_BY: usize = 8;

/// Data connections of FTP that one packet may announce; of more the last count.
const EXPECTED: usize = 8;

/// The ends of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Ends {
    pub(crate) initiator: [u8; 16],
    pub(crate) responder: [u8; 16],
    initiator_mac: u64,
    responder_mac: u64,
    port: u16,
}

impl Ends {
    /// Of the answer to a SYN.
    pub(crate) fn of(answer: &Packet) -> Self {
        Self {
            initiator: answer.dst,
            responder: answer.src,
            initiator_mac: answer.dst_mac,
            responder_mac: answer.src_mac,
            port: answer.src_port,
        }
    }

    /// An IPv4 address as packets have it.
    pub(crate) fn mapped(address: [u8; 4]) -> [u8; 16] {
        std::net::Ipv4Addr::from(address).to_ipv6_mapped().octets()
    }
}

/// Where a stream's protocol puts what it found.
pub(crate) struct Output<'a> {
    pub(crate) limits: &'a CarverLimits,
    pub(crate) counters: &'a mut CarverCounters,
    pub(crate) files: &'a mut Vec<CarvedFile>,
    /// Data connections of FTP that will come.
    pub(crate) expected: &'a mut Vec<Expected>,
    /// What a control connection of FTP transfers now.
    pub(crate) transfer: Option<(u64, Transfer)>,
    pub(crate) ends: &'a Ends,
    pub(crate) protocol: Protocol,
    pub(crate) time: i64,
}

impl Output<'_> {
    pub(crate) fn expect(&mut self, address: [u8; 16], port: u16, control: u64) {
        if self.expected.len() >= EXPECTED {
            self.expected.remove(0);
        }
        self.expected.push(Expected {
            address,
            port,
            control,
        });
    }

    pub(crate) fn emit(&mut self, to_initiator: bool, name: String, data: Vec<u8>) {
        let waiting: usize = self.files.iter().map(|file| file.data.capacity()).sum();
        if self.files.len() >= self.limits.files || waiting + data.len() > self.limits.memory {
            self.counters.dropped += 1;
            return;
        }
        let ends = self.ends;
        let (src, src_mac, dst, dst_mac) = if to_initiator {
            (
                ends.responder,
                ends.responder_mac,
                ends.initiator,
                ends.initiator_mac,
            )
        } else {
            (
                ends.initiator,
                ends.initiator_mac,
                ends.responder,
                ends.responder_mac,
            )
        };
        self.counters.files += 1;
        self.counters.octets += data.len() as u64;
        self.files.push(CarvedFile {
            time: self.time,
            src,
            dst,
            src_mac,
            dst_mac,
            port: ends.port,
            protocol: self.protocol,
            name,
            data,
        });
    }
}

/// What a stream turned out to be.
#[derive(Debug)]
pub(crate) enum Application {
    /// Nobody said enough yet; the first octets of both directions.
    Unknown([Vec<u8>; 2]),
    Http(Http),
    Smtp(Smtp),
    Ftp(Control),
    FtpData(Data),
    Smb(Box<Smb>),
    /// Nothing that carries files for us.
    Other,
}

impl Application {
    fn protocol(&self) -> Protocol {
        match self {
            Self::Smtp(_) => Protocol::Smtp,
            Self::Ftp(_) | Self::FtpData(_) => Protocol::Ftp,
            Self::Smb(_) => Protocol::Smb,
            Self::Http(_) | Self::Unknown(_) | Self::Other => Protocol::Http,
        }
    }
}

/// One stream.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) ends: Ends,
    pub(crate) directions: [Following; 2],
    pub(crate) over: [bool; 2],
    pub(crate) application: Application,
    /// Octets accounted for.
    pub(crate) held: usize,
    /// Whether it was used since the hand of the clock passed.
    pub(crate) used: bool,
    number: u64,
}

impl Stream {
    pub(crate) fn new(ends: Ends, answer: &Packet, application: Application, number: u64) -> Self {
        Self {
            ends,
            directions: [
                Following::new(answer.tcp_acknowledgement),
                Following::new(answer.tcp_sequence.wrapping_add(1)),
            ],
            over: [false; 2],
            application,
            held: 0,
            used: true,
            number,
        }
    }

    /// Whether nothing more can come of it.
    pub(crate) fn is_done(&self) -> bool {
        self.over == [true, true]
            || match &self.application {
                Application::Other => true,
                Application::Http(http) => http.is_deaf(),
                Application::Smtp(smtp) => smtp.is_deaf(),
                Application::Ftp(control) => control.is_deaf(),
                Application::Smb(smb) => smb.is_deaf(),
                Application::Unknown(_) | Application::FtpData(_) => false,
            }
    }

    pub(crate) fn protocol(&self) -> Protocol {
        self.application.protocol()
    }

    /// Octets of memory.
    pub(crate) fn count(&self) -> usize {
        let waiting: usize = self.directions.iter().map(Following::held).sum();
        let application = match &self.application {
            Application::Unknown(first) => first.iter().map(Vec::capacity).sum(),
            Application::Http(http) => http.held(),
            Application::Smtp(smtp) => smtp.held(),
            Application::Ftp(control) => control.held(),
            Application::FtpData(data) => data.held(),
            Application::Smb(smb) => smb.held(),
            Application::Other => 0,
        };
        waiting + application
    }

    /// Takes octets in order; `reverse` for those of the responder.
    pub(crate) fn take(
        application: &mut Application,
        number: u64,
        reverse: bool,
        data: &[u8],
        out: &mut Output<'_>,
    ) {
        if let Application::Unknown(first) = application {
            if let Some(kept) = first.get_mut(usize::from(reverse)) {
                kept.extend_from_slice(data);
            }
            let Some(found) = told(first, number) else {
                return;
            };
            let first = std::mem::take(first);
            *application = found;
            out.protocol = application.protocol();
            // A server that speaks first is heard first.
            for (reverse, kept) in [(true, &first[1]), (false, &first[0])] {
                Self::give(application, reverse, kept, out);
            }
            return;
        }
        Self::give(application, reverse, data, out);
    }

    fn give(application: &mut Application, reverse: bool, data: &[u8], out: &mut Output<'_>) {
        match application {
            Application::Http(http) => http.push(reverse, data, out),
            Application::Smtp(smtp) => smtp.push(reverse, data, out),
            Application::Ftp(control) => control.push(reverse, data, out),
            Application::FtpData(body) => body.push(reverse, data, out),
            Application::Smb(smb) => smb.push(reverse, data, out),
            Application::Unknown(_) | Application::Other => {}
        }
    }

    /// A direction has ended.
    pub(crate) fn end(application: &mut Application, reverse: bool, out: &mut Output<'_>) {
        match application {
            Application::Http(http) => http.end(reverse, out),
            Application::Smtp(smtp) => smtp.end(reverse, out),
            Application::FtpData(body) => body.end(reverse, out),
            Application::Smb(smb) => smb.end(reverse, out),
            Application::Ftp(_) | Application::Unknown(_) | Application::Other => {}
        }
    }

    /// Whether a packet comes from the responder; addresses alone do not say so on one host.
    pub(crate) fn is_from_responder(&self, packet: &Packet) -> bool {
        packet.src_port == self.ends.port
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

/// What a stream is, by how its ends begin; None while that cannot be said.
fn told(first: &[Vec<u8>; 2], number: u64) -> Option<Application> {
    let [client, server] = first;
    if client.is_empty() {
        // Only servers of mail and files speak first, and so does SMB never.
        let greets = server.starts_with(b"220") || b"220".starts_with(server.as_slice());
        return (!greets || server.len() > 4096).then_some(Application::Other);
    }
    if client.len() < TOLD_BY && client.last() != Some(&b'\n') {
        return (server.len() > 4096).then_some(Application::Other);
    }
    let smb = client.get(4..8);
    if client.first() == Some(&0) && matches!(smb, Some([0xfc..=0xff, b'S', b'M', b'B'])) {
        return Some(Application::Smb(Box::default()));
    }
    if client.first() == Some(&0x81) && client.get(1) == Some(&0) {
        return Some(Application::Smb(Box::default())); // A session of NetBIOS first.
    }
    let word = client.split(|octet| !octet.is_ascii_alphabetic()).next()?;
    Some(match word.to_ascii_uppercase().as_slice() {
        b"EHLO" | b"HELO" | b"LHLO" => Application::Smtp(Smtp::new()),
        b"USER" | b"AUTH" | b"FEAT" | b"OPTS" | b"CLNT" => Application::Ftp(Control::new(number)),
        b"GET" | b"POST" | b"PUT" | b"HEAD" | b"DELETE" | b"OPTIONS" | b"PATCH" | b"CONNECT"
        | b"PROPFIND" | b"TRACE" | b"MKCOL" | b"MOVE" | b"COPY" | b"LOCK" | b"REPORT"
        | b"SEARCH" => Application::Http(Http::new()),
        _ => Application::Other,
    })
}
