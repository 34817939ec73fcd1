//! From payloads to observations: datagrams at once, streams through reassembly.

use phage_decode::app::{self, Kind, Message, Parsed, QuicInitial, Value};
use phage_decode::packet::{protocol, tcp};
use phage_decode::{Keys, Packet};
use phage_flow::rows::state;
use phage_flow::{touch, FlowTable, FlowTouch, HostTable, Reassembler, ReassemblyLimits};

use crate::counters::Counters;
use crate::progress::{ParserProgress, Told};
use crate::window::Observation;

/// Application number of a flow whose stream is none that is decoded.
const UNKNOWN: u8 = u8::MAX;

/// DNS answers that tell of a name that does not exist or of a server that failed.
const FAILED: [&str; 2] = ["NXDOMAIN", "SERVFAIL"];

/// The parsers' state and the observations of the window that is open.
pub(crate) struct Applications {
    pub(crate) reassembler: Reassembler,
    pub(crate) quic: QuicInitial,
    progress: ParserProgress,
    observations: Vec<Observation>,
    limit: usize,
}

/// One packet on its way through the parsers.
pub(crate) struct Subject<'a> {
    pub(crate) packet: &'a Packet,
    pub(crate) keys: &'a Keys,
    pub(crate) touch: &'a FlowTouch,
    pub(crate) device: u32,
    pub(crate) number: u64,
    pub(crate) frame: &'a [u8],
}

impl Subject<'_> {
    /// The payload of the transport layer, as far as it was captured.
    #[inline]
    fn payload(&self) -> &[u8] {
        let start = self.packet.payload_offset as usize;
        let end = start.saturating_add(self.packet.payload_captured as usize);
        self.frame.get(start..end).unwrap_or(&[])
    }

    /// The application protocol of its flow, as far as it is known.
    #[inline]
    fn application(&self, flows: &FlowTable) -> u8 {
        flows.application(self.touch.slot, self.touch.id)
    }
}

impl Applications {
    pub(crate) fn new(limit: usize, octets: usize) -> Self {
        Self {
            reassembler: Reassembler::new(&ReassemblyLimits {
                memory: octets,
                ..ReassemblyLimits::default()
            }),
            quic: QuicInitial::default(),
            progress: ParserProgress::new(app::MAX_ATTEMPTS),
            observations: Vec::new(),
            limit,
        }
    }

    /// The observations of the window, and an empty list for the next.
    pub(crate) fn take(&mut self) -> Vec<Observation> {
        std::mem::take(&mut self.observations)
    }

    /// Looks at one packet; the plain path is a few compares.
    ///
    /// What is known of its flow is asked anew: the packet before it may have told.
    #[inline]
    pub(crate) fn see(
        &mut self,
        subject: &Subject<'_>,
        flows: &mut FlowTable,
        hosts: &mut HostTable,
        counters: &mut Counters,
    ) {
        let packet = subject.packet;
        if packet.protocol == protocol::TCP {
            // Without its beginning a stream cannot be put in order.
            if subject.touch.has(touch::EARLY)
                && subject.touch.state != state::NONE
                && subject.application(flows) != UNKNOWN
            {
                if packet.tcp_flags & (tcp::SYN | tcp::ACK) == tcp::SYN | tcp::ACK {
                    self.begin(subject);
                } else if packet.payload_captured > 0 {
                    self.stream(subject, flows, hosts, counters);
                }
            }
        } else if app::wants_datagram(packet) {
            let parsed = app::parse_datagram(packet, subject.payload());
            self.settle(parsed, subject, flows, hosts, counters);
        } else if packet.protocol == protocol::UDP
            && subject.application(flows) == 0
            && QuicInitial::wants(subject.payload())
        {
            // Both ends of a connection send Initials: each direction has its own keys and bytes.
            let key = subject.keys.socket ^ u64::from(subject.keys.socket_reverse);
            let parsed = self.quic.push(key, packet.time, subject.payload());
            self.settle(parsed, subject, flows, hosts, counters);
        }
    }

    /// Begins both directions of a stream. A SYN alone begins nothing: a flood of them that nobody
    /// answers costs nothing here.
    fn begin(&mut self, subject: &Subject<'_>) {
        let packet = subject.packet;
        let (flow, time) = (subject.touch.id, packet.time);
        let answered = packet.tcp_acknowledgement.wrapping_sub(1);
        self.reassembler
            .push(flow, false, answered, true, &[], time);
        self.reassembler
            .push(flow, true, packet.tcp_sequence, true, &[], time);
    }

    fn stream(
        &mut self,
        subject: &Subject<'_>,
        flows: &mut FlowTable,
        hosts: &mut HostTable,
        counters: &mut Counters,
    ) {
        let packet = subject.packet;
        let flow = subject.touch.id;
        let reverse = subject.touch.has(touch::REVERSE);
        if !self.progress.wants(flow, reverse) {
            return;
        }
        let Some(prefix) = self.reassembler.push(
            flow,
            reverse,
            packet.tcp_sequence,
            packet.tcp_flags & tcp::SYN != 0,
            subject.payload(),
            packet.time,
        ) else {
            if subject.touch.state == state::ESTABLISHED && !self.reassembler.holds(flow) {
                // Its beginning was not seen, or was given up: there is nothing to wait for.
                flows.set_application(subject.touch.slot, flow, UNKNOWN);
            }
            return;
        };
        self.progress.attempt(flow, reverse);
        let told = self.progress.told(flow, reverse);
        let (first, further) = parse(prefix, told, !reverse, subject.touch.server_port);
        let refusal =
            |parsed: &Parsed| matches!(parsed, Parsed::Done(message) if app::is_refusal(message));
        let refused = told == Told::Refusal || refusal(&first) || refusal(&further);
        if further == Parsed::Incomplete || refusal(&further) {
            let told = if refused { Told::Refusal } else { Told::First };
            self.progress.tell(flow, reverse, told);
            self.settle(first, subject, flows, hosts, counters);
            self.settle(further, subject, flows, hosts, counters);
            return;
        }
        if first == Parsed::Incomplete {
            return;
        }
        if self.progress.end(flow, reverse) {
            self.reassembler.release(flow);
            // Neither side said anything that is known: its packets need not be asked about again.
            if first == Parsed::NotMine && told == Told::Nothing {
                flows.set_application(subject.touch.slot, flow, UNKNOWN);
            }
        }
        self.settle(first, subject, flows, hosts, counters);
        self.settle(further, subject, flows, hosts, counters);
    }

    /// Turns an answer into an observation or a count.
    fn settle(
        &mut self,
        parsed: Parsed,
        subject: &Subject<'_>,
        flows: &mut FlowTable,
        hosts: &mut HostTable,
        counters: &mut Counters,
    ) {
        match parsed {
            Parsed::Done(message) => {
                counters.messages += 1;
                let number = message.kind as u8;
                flows.set_application(subject.touch.slot, subject.touch.id, number);
                if message.kind == Kind::Dns {
                    note_dns(&message, subject, hosts);
                }
                self.observe(message, subject, counters);
            }
            Parsed::Malformed(fault) => counters.message_fault(fault.kind),
            Parsed::Incomplete | Parsed::NotMine => {}
        }
    }

    fn observe(&mut self, message: Message, subject: &Subject<'_>, counters: &mut Counters) {
        if self.observations.len() >= self.limit {
            counters.observations_omitted += 1;
            return;
        }
        let packet = subject.packet;
        self.observations.push(Observation {
            time: packet.time,
            packet: subject.number,
            src: packet.src,
            dst: packet.dst,
            src_mac: packet.src_mac,
            dst_mac: packet.dst_mac,
            src_port: packet.src_port,
            dst_port: packet.dst_port,
            vlan: packet.vlan,
            protocol: packet.protocol,
            device: subject.device,
            flow: subject.touch.id,
            message,
        });
    }
}

/// Parses a direction's first message, unless it was `told`, and what follows it, where something
/// does ([`Parsed::NotMine`] where nothing does).
fn parse(prefix: &[u8], told: Told, from_initiator: bool, server_port: u16) -> (Parsed, Parsed) {
    if told != Told::Nothing {
        let further = app::parse_further(prefix, told == Told::Refusal);
        return (Parsed::NotMine, further);
    }
    let first = app::parse_stream(prefix, from_initiator, server_port);
    let further = match &first {
        Parsed::Done(message) if app::is_followed(message) => {
            app::parse_further(prefix, app::is_refusal(message))
        }
        _ => Parsed::NotMine,
    };
    (first, further)
}

/// Tells the subject device's behaviour features of a question or a failed answer.
fn note_dns(message: &Message, subject: &Subject<'_>, hosts: &mut HostTable) {
    let response = matches!(message.get("response"), Some(Value::Flag(true)));
    if response {
        let failed = matches!(message.get("rcode"), Some(Value::Text(code)) if FAILED.contains(&code.as_str()));
        hosts.note_dns(subject.device, None, failed);
    } else if let Some(Value::Text(name)) = message.get("query") {
        hosts.note_dns(subject.device, Some(name), false);
    }
}
