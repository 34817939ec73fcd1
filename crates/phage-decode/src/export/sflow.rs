//! sFlow version 5 (sflow.org, "sFlow Version 5", 2004) and sections of frames in IPFIX.

use super::domain::Key;
use super::record::{present, FlowRecord};
use super::template::Values;
use super::{ExportDecoder, ExportFault, Sink};
use crate::app::reader::Reader;
use crate::frame::{FrameHeader, LinkType};
use crate::packet::{decode_outer, ipv4_mapped, marks, Packet};

/// The version as it stands in [`FlowRecord::version`], apart from `NetFlow`'s.
const VERSION: u8 = 105;

/// Formats of samples and records, all of enterprise 0.
mod format {
    pub(super) const FLOW_SAMPLE: u32 = 1;
    pub(super) const EXPANDED_FLOW_SAMPLE: u32 = 3;
    pub(super) const RAW_HEADER: u32 = 1;
    pub(super) const ETHERNET: u32 = 2;
    pub(super) const IPV4: u32 = 3;
    pub(super) const IPV6: u32 = 4;
    pub(super) const SWITCH: u32 = 1001;
    pub(super) const ROUTER: u32 = 1002;
    pub(super) const GATEWAY: u32 = 1003;
}

/// A sampled packet, beside its record.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample<'a> {
    /// Address of the agent, IPv4 as `::ffff:a.b.c.d`.
    pub agent: [u8; 16],
    /// Octets that the agent took off the frame.
    pub stripped: Option<u32>,
    /// Protocol of the header: 1 Ethernet, 11 IPv4, 12 IPv6.
    pub header_protocol: Option<u32>,
    /// The first octets of the frame.
    pub header: &'a [u8],
    /// Octets of the IP packet; 0 where there is none.
    pub ip_octets: u64,
}

impl ExportDecoder {
    /// Reads one datagram: samples of flows and of counters.
    pub(super) fn sflow(
        &mut self,
        datagram: &[u8],
        time: i64,
        sink: &mut dyn Sink,
    ) -> Result<(), ExportFault> {
        let mut reader = Reader::new(datagram);
        let _version = reader.u32();
        let agent = address(&mut reader).ok_or(ExportFault::Header)?;
        let mut next = || reader.u32();
        let fields = (|| Some([next()?, next()?, next()?, next()?]))();
        let [domain, sequence, uptime, count] = fields.ok_or(ExportFault::Header)?;
        let key = Key {
            address: agent,
            domain,
            version: VERSION,
        };
        let place = self.heard(key, datagram, time);
        let Some(domain) = self.domains.get_mut(place) else {
            return Ok(());
        };
        domain.sequence(sequence, Some(uptime), Some(1));
        let prototype = FlowRecord {
            start: time,
            last: time,
            exporter: domain.serial,
            domain: key.domain,
            version: VERSION,
            packets: [1, 0],
            present: present::SAMPLE | present::PACKETS,
            ..FlowRecord::default()
        };
        for _ in 0..count {
            let (Some(tag), Some(length)) = (reader.u32(), reader.u32()) else {
                self.fault(place, ExportFault::Count);
                break;
            };
            let whole = length as usize <= reader.len();
            let body = reader
                .take((length as usize).min(reader.len()))
                .unwrap_or(&[]);
            let expanded = tag == format::EXPANDED_FLOW_SAMPLE;
            let read = if expanded || tag == format::FLOW_SAMPLE {
                let sample = Sample {
                    agent,
                    ..Sample::default()
                };
                flow_sample(body, expanded, prototype, sample, sink)
            } else {
                if let Some(domain) = self.domains.get_mut(place) {
                    domain.counters.options += 1;
                }
                None
            };
            if let Some(faults) = read {
                if let Some(domain) = self.domains.get_mut(place) {
                    domain.counters.records += 1;
                    domain.sampling.everywhere = sink.rows().last().map_or(0, |row| row.sampling);
                }
                faults
                    .into_iter()
                    .flatten()
                    .for_each(|fault| self.fault(place, fault));
            } else if expanded || tag == format::FLOW_SAMPLE || !whole {
                self.fault(place, ExportFault::SampleTruncated);
            }
        }
        Ok(())
    }
}

/// Reads a sample; answers what was wrong with its records, None if it has no header.
fn flow_sample(
    body: &[u8],
    expanded: bool,
    prototype: FlowRecord,
    mut sample: Sample<'_>,
    sink: &mut dyn Sink,
) -> Option<[Option<ExportFault>; 2]> {
    let mut reader = Reader::new(body);
    let mut row = prototype;
    let skip = |reader: &mut Reader<'_>, octets| reader.take(octets).map(|_| ());
    skip(&mut reader, if expanded { 12 } else { 8 })?;
    row.sampling = reader.u32()?;
    skip(&mut reader, 8)?;
    let interface = |reader: &mut Reader<'_>| {
        if expanded {
            reader.u32()?;
            reader.u32()
        } else {
            // The two highest bits tell what the rest is: an index, a reason, a number of ports.
            reader.u32().map(|value| value & 0x3fff_ffff)
        }
    };
    row.in_interface = interface(&mut reader)?;
    row.out_interface = interface(&mut reader)?;
    let count = reader.u32()?;
    let mut truncated = None;
    let mut malformed = None;
    let mut held: &[u8] = &[];
    for _ in 0..count {
        let (Some(tag), Some(length)) = (reader.u32(), reader.u32()) else {
            truncated = Some(ExportFault::SampleTruncated);
            break;
        };
        let Some(record) = reader.take(length as usize) else {
            truncated = Some(ExportFault::SampleTruncated);
            break;
        };
        let read = match tag {
            format::RAW_HEADER => {
                raw_header(record, &mut row, &mut sample).map(|(sound, header)| {
                    held = header;
                    if !sound {
                        malformed = Some(ExportFault::SampledPacket);
                    }
                })
            }
            format::ETHERNET => ethernet(record, &mut row),
            format::IPV4 | format::IPV6 => sampled_ip(record, tag, &mut row, &mut sample),
            format::SWITCH => switch(record, &mut row),
            format::ROUTER => router(record, &mut row),
            format::GATEWAY => gateway(record, &mut row),
            _ => Some(()),
        };
        if read.is_none() {
            truncated = Some(ExportFault::SampleTruncated);
        }
    }
    sink.rows().push(row);
    sink.sample(&Sample {
        header: held,
        ..sample
    });
    Some([truncated, malformed])
}

/// Reads an address behind its type (1 IPv4, 2 IPv6).
fn address(reader: &mut Reader<'_>) -> Option<[u8; 16]> {
    match reader.u32()? {
        1 => reader.array().map(ipv4_mapped),
        2 => reader.array(),
        0 => Some([0; 16]),
        _ => None,
    }
}

/// Reads the first octets of the frame; answers whether they were decoded, and the octets.
fn raw_header<'a>(
    record: &'a [u8],
    row: &mut FlowRecord,
    sample: &mut Sample<'_>,
) -> Option<(bool, &'a [u8])> {
    let mut reader = Reader::new(record);
    let protocol = reader.u32()?;
    let frame = reader.u32()?;
    let stripped = reader.u32()?;
    let length = reader.u32()? as usize;
    let header = reader.take(length.min(reader.len()))?;
    sample.stripped = Some(stripped);
    sample.header_protocol = Some(protocol);
    row.octets[0] = u64::from(frame);
    row.present |= present::OCTETS;
    let (link, bytes) = match protocol {
        1 => (LinkType::ETHERNET, header),
        7 => (LinkType::PPP, header),
        11 => (LinkType::IPV4, header),
        12 => (LinkType::IPV6, header),
        13 => (LinkType::RAW, behind_labels(header)),
        _ => return Some((true, header)),
    };
    let mut packet = Packet::default();
    read_frame(bytes, frame.saturating_sub(stripped), link, &mut packet);
    fill(&packet, row);
    sample.ip_octets = ip_octets(&packet, bytes);
    Some((packet.is_sound(), header))
}

/// What stands behind MPLS labels (RFC 3032, 2.1).
fn behind_labels(mut bytes: &[u8]) -> &[u8] {
    while let [_, _, bottom, _, rest @ ..] = bytes {
        bytes = rest;
        if bottom & 1 == 1 {
            break;
        }
    }
    bytes
}

fn read_frame(bytes: &[u8], length: u32, link: LinkType, packet: &mut Packet) {
    let header = FrameHeader {
        time: 0,
        offset: 0,
        captured: bytes.len() as u32,
        length,
        link,
        interface: 0,
        vlan: 0,
    };
    decode_outer(bytes, &header, packet);
}

/// Octets of the IP packet in a frame, header included, as its header says.
fn ip_octets(packet: &Packet, bytes: &[u8]) -> u64 {
    let at = packet.network_offset as usize;
    let length = |offset: usize| {
        bytes
            .get(at + offset..)
            .and_then(<[u8]>::first_chunk)
            .map_or(0, |octets| u64::from(u16::from_be_bytes(*octets)))
    };
    match packet.ip_version {
        4 => length(2),
        6 => length(4) + 40,
        _ => 0,
    }
}

/// Takes over what a packet tells.
fn fill(packet: &Packet, row: &mut FlowRecord) {
    if packet.vlan != 0 {
        row.vlan = packet.vlan;
    }
    if packet.ip_version == 0 {
        return;
    }
    row.src = packet.src;
    row.dst = packet.dst;
    row.ip_version = packet.ip_version;
    row.protocol = packet.protocol;
    row.tos = packet.traffic_class;
    row.present |= present::SRC | present::DST | present::PROTOCOL;
    if packet.has(marks::FRAGMENT) {
        row.present |= present::FRAGMENT;
    }
    if packet.transport_offset == 0 || packet.has(marks::LATER_FRAGMENT) {
        return;
    }
    row.present |= present::PORTS;
    row.flags[0] = packet.tcp_flags;
    if matches!(packet.protocol, 1 | 58) {
        row.dst_port = packet.src_port << 8 | packet.dst_port & 0xff;
    } else {
        row.src_port = packet.src_port;
        row.dst_port = packet.dst_port;
    }
}

fn ethernet(record: &[u8], row: &mut FlowRecord) -> Option<()> {
    let length = Reader::new(record).u32()?;
    if !row.has(present::OCTETS) {
        row.octets[0] = u64::from(length);
        row.present |= present::OCTETS;
    }
    Some(())
}

/// Reads a packet that the agent took apart itself.
fn sampled_ip(
    record: &[u8],
    tag: u32,
    row: &mut FlowRecord,
    sample: &mut Sample<'_>,
) -> Option<()> {
    let mut reader = Reader::new(record);
    let length = reader.u32()?;
    let protocol = reader.u32()?;
    let ends = if tag == format::IPV4 {
        (ipv4_mapped(reader.array()?), ipv4_mapped(reader.array()?))
    } else {
        (reader.array()?, reader.array()?)
    };
    let rest = (reader.u32()?, reader.u32()?, reader.u32()?, reader.u32()?);
    if row.has(present::SRC) {
        return Some(());
    }
    (row.src, row.dst) = ends;
    row.ip_version = if tag == format::IPV4 { 4 } else { 6 };
    row.protocol = protocol as u8;
    row.src_port = rest.0 as u16;
    row.dst_port = rest.1 as u16;
    row.flags[0] = rest.2 as u8;
    row.tos = rest.3 as u8;
    sample.ip_octets = u64::from(length);
    if !row.has(present::OCTETS) {
        row.octets[0] = u64::from(length);
    }
    row.present |=
        present::SRC | present::DST | present::PROTOCOL | present::PORTS | present::OCTETS;
    Some(())
}

fn switch(record: &[u8], row: &mut FlowRecord) -> Option<()> {
    let vlan = Reader::new(record).u32()?;
    // All ones, and what is no identifier (IEEE 802.1Q), stand for unknown.
    if row.vlan == 0 && vlan < 0x0fff {
        row.vlan = vlan as u16;
    }
    Some(())
}

fn router(record: &[u8], row: &mut FlowRecord) -> Option<()> {
    let mut reader = Reader::new(record);
    address(&mut reader)?;
    row.src_mask = reader.u32()? as u8;
    row.dst_mask = reader.u32()? as u8;
    Some(())
}

/// Reads the autonomous systems; the destination's is the last of the path.
fn gateway(record: &[u8], row: &mut FlowRecord) -> Option<()> {
    let mut reader = Reader::new(record);
    address(&mut reader)?;
    let own = reader.u32()?;
    row.src_as = reader.u32()?;
    let _peer = reader.u32()?;
    row.dst_as = own;
    for _ in 0..reader.u32()? {
        let _kind = reader.u32()?;
        for _ in 0..reader.u32()? {
            row.dst_as = reader.u32()?;
        }
    }
    Some(())
}

/// Takes what a section of a frame in a data record tells (IPFIX elements 104, 313 and 315): the
/// record is one packet.
pub(super) fn section(values: Values<'_>, row: &mut FlowRecord) {
    for (field, octets) in values {
        let link = match (field.enterprise, field.number) {
            (0, 104 | 315) => LinkType::ETHERNET,
            (0, 313) => LinkType::RAW,
            _ => continue,
        };
        let mut packet = Packet::default();
        read_frame(octets, octets.len() as u32, link, &mut packet);
        if packet.ip_version == 0 {
            return;
        }
        let kept = (row.octets[0], row.has(present::OCTETS));
        if !row.has(present::SRC) {
            fill(&packet, row);
        }
        row.present |= present::SAMPLE;
        row.octets[0] = if kept.1 {
            kept.0
        } else {
            ip_octets(&packet, octets)
        };
        row.packets[0] = row.packets[0].max(1);
        return;
    }
}
