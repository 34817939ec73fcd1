//! What information elements mean for a flow record.

use super::element::REVERSE;
use super::record::present;
use super::template::Field;

/// Where a field goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Src4,
    Dst4,
    Src6,
    Dst6,
    Packets,
    Octets,
    ReversePackets,
    ReverseOctets,
    InInterface,
    OutInterface,
    SrcAs,
    DstAs,
    Sampling,
    Sampler,
    Vlan,
    SrcPort,
    DstPort,
    IcmpTypeCode,
    IcmpType,
    IcmpCode,
    Flags,
    ReverseFlags,
    Protocol,
    IpVersion,
    Tos,
    SrcMask,
    DstMask,
    Direction,
    Forwarding,
    Start(Time),
    End(Time),
}

/// How a time is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Time {
    Seconds,
    Milliseconds,
    Ntp,
    /// Milliseconds of the exporter's uptime.
    Uptime,
    /// Microseconds before the export.
    Ago,
}

/// The place of a field in an order of preference.
fn rank(field: Field, best: &[(u32, u16)]) -> Option<usize> {
    best.iter()
        .position(|wanted| *wanted == (field.enterprise, field.number))
}

/// Packets of the record's direction: since the last record, in all, after the observation point,
/// of the initiator.
pub(super) fn packets(field: Field) -> Option<usize> {
    rank(field, &[(0, 2), (0, 86), (0, 24), (0, 298)])
}

/// Octets of the record's direction: of IP before those of layer 2.
pub(super) fn octets(field: Field) -> Option<usize> {
    let best = [(0, 1), (0, 85), (0, 23), (0, 352), (0, 353), (0, 231)];
    rank(field, &best)
}

/// Packets of the reverse direction.
pub(super) fn reverse_packets(field: Field) -> Option<usize> {
    rank(field, &[(REVERSE, 2), (REVERSE, 86), (0, 299)])
}

/// Octets of the reverse direction.
pub(super) fn reverse_octets(field: Field) -> Option<usize> {
    rank(field, &[(REVERSE, 1), (REVERSE, 85), (0, 232)])
}

/// The first time of the flow, the finest first.
pub(super) fn start(field: Field) -> Option<usize> {
    let best = [
        (0, 156),
        (0, 154),
        (0, 152),
        (0, 22),
        (0, 158),
        (0, 150),
        (0, 325),
        (0, 324),
        (0, 323),
        (0, 322),
    ];
    rank(field, &best)
}

/// The last time of the flow, the finest first.
pub(super) fn end(field: Field) -> Option<usize> {
    rank(
        field,
        &[(0, 157), (0, 155), (0, 153), (0, 21), (0, 159), (0, 151)],
    )
}

/// How a time is told that was chosen for the beginning or the end.
pub(super) fn timed(field: Field, begin: bool) -> Option<Target> {
    let time = match field.number {
        150 | 151 | 322 => Time::Seconds,
        152 | 153 | 323 => Time::Milliseconds,
        154..=157 | 324 | 325 => Time::Ntp,
        21 | 22 => Time::Uptime,
        158 | 159 => Time::Ago,
        _ => return None,
    };
    Some(if begin {
        Target::Start(time)
    } else {
        Target::End(time)
    })
}

/// Where a field that is no count and no time goes.
pub(super) fn target(field: Field) -> Option<Target> {
    Some(match (field.enterprise, field.number) {
        (0, 8) => Target::Src4,
        (0, 12) => Target::Dst4,
        (0, 27) => Target::Src6,
        (0, 28) => Target::Dst6,
        (0, 4) => Target::Protocol,
        (0, 5) => Target::Tos,
        (0, 6) => Target::Flags,
        (REVERSE, 6) => Target::ReverseFlags,
        (0, 7 | 180 | 182) => Target::SrcPort,
        (0, 11 | 181 | 183) => Target::DstPort,
        (0, 32 | 139) => Target::IcmpTypeCode,
        (0, 176 | 178) => Target::IcmpType,
        (0, 177 | 179) => Target::IcmpCode,
        (0, 9 | 29) => Target::SrcMask,
        (0, 13 | 30) => Target::DstMask,
        (0, 10 | 252) => Target::InInterface,
        (0, 14 | 253) => Target::OutInterface,
        (0, 16) => Target::SrcAs,
        (0, 17) => Target::DstAs,
        (0, 34) => Target::Sampling,
        (0, 48 | 302) => Target::Sampler,
        (0, 58 | 243) => Target::Vlan,
        (0, 60) => Target::IpVersion,
        (0, 61) => Target::Direction,
        (0, 89) => Target::Forwarding,
        _ => return None,
    })
}

/// Bits of [`present`] that a target sets.
pub(super) fn bits(target: Target) -> u32 {
    match target {
        Target::Src4 | Target::Src6 => present::SRC,
        Target::Dst4 | Target::Dst6 => present::DST,
        Target::Packets => present::PACKETS,
        Target::Octets => present::OCTETS,
        Target::ReversePackets | Target::ReverseOctets => present::REVERSE,
        Target::Start(_) => present::START,
        Target::End(_) => present::END,
        Target::SrcPort | Target::DstPort | Target::IcmpTypeCode => present::PORTS,
        Target::Protocol => present::PROTOCOL,
        _ => 0,
    }
}
