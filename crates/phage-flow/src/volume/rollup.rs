//! From hosts to prefixes: summed up once a slot, never for each packet.

use super::class::Class;
use super::distinct::Distinct;
use super::hosts::{Host, Hosts, UNASKED};
use super::limits::VolumeLimits;
use super::line::Line;
use super::rows::VolumeRow;
use super::watch::{Walk, Watch, GROUP};

/// Lengths of the prefixes besides that of a host, the longest first; 96 more than those of IPv4.
const V4: [u8; 4] = [96 + 28, 96 + 24, 96 + 20, 96 + 16];
const V6: [u8; 3] = [64, 56, 48];

/// Parts of a second that a slot is.
pub(super) const SLOTS_A_SECOND: u32 = 2;

/// Sums of one prefix that are not complete yet.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    prefix: u128,
    length: u8,
    hosts: u32,
    unasked: u32,
    unasked_samples: u32,
    octets: [u64; 2],
    samples: [u32; 2],
    lines: [Line; 2],
    sources: Distinct,
}

impl Sum {
    fn of(host: &Host) -> Self {
        Self {
            prefix: u128::from_be_bytes(host.address),
            length: host.length,
            hosts: 1,
            unasked: host.unasked,
            unasked_samples: host.unasked_samples,
            octets: host.octets,
            samples: host.samples,
            lines: host.lines,
            sources: host.sources,
        }
    }

    /// Whether something was summed up and an address lies in the prefix.
    fn holds(&self, address: u128) -> bool {
        self.hosts > 0 && masked(address, self.length) == self.prefix
    }

    fn merge(&mut self, other: &Self) {
        self.hosts += other.hosts;
        for (mine, theirs) in self.octets.iter_mut().zip(other.octets) {
            *mine = mine.saturating_add(theirs);
        }
        for (mine, theirs) in self.samples.iter_mut().zip(other.samples) {
            *mine = mine.saturating_add(theirs);
        }
        for (mine, theirs) in self.lines.iter_mut().zip(&other.lines) {
            mine.merge(theirs);
        }
        self.sources.merge(&other.sources);
    }

    fn row(&self, time: i64) -> VolumeRow {
        let [received, sent] = &self.lines;
        VolumeRow {
            time,
            address: self.prefix.to_be_bytes(),
            octets: self.octets,
            packets: [received.packets, sent.packets],
            grouped: [received.octets, sent.octets],
            flows: [received.flows, sent.flows],
            samples: self.samples,
            sources: self.sources.estimate(),
            hosts: self.hosts,
            unasked: self.unasked,
            unasked_samples: u16::try_from(self.unasked_samples).unwrap_or(u16::MAX),
            length: self.length,
            reserved: [0; 1],
        }
    }
}

/// Whether there is enough of it to be handed on: packets, octets, SYNs, flows or sources.
fn is_notable(lines: &[Line; 2], octets: [u64; 2], limits: &VolumeLimits) -> bool {
    let packets = u64::from(limits.floor_packets / SLOTS_A_SECOND);
    let volume = limits.floor_octets / u64::from(SLOTS_A_SECOND);
    let flows = limits.floor_flows / SLOTS_A_SECOND;
    let by_line = lines
        .iter()
        .any(|line| line.total() >= packets || line.flows >= flows || line.of(Class::Syn) >= flows);
    by_line || octets.iter().any(|&octets| octets >= volume)
}

/// Rows of the hosts that moved, of their services, prefixes and groups, those with most packets
/// where there are more than fit; returns how many did not.
pub(super) fn roll_up(
    hosts: &Hosts,
    watch: &Watch,
    limits: &VolumeLimits,
    time: i64,
    rows: &mut Vec<VolumeRow>,
) -> u64 {
    let mut order: Vec<(u128, u32)> = hosts
        .moved()
        .map(|(slot, host)| (u128::from_be_bytes(host.address), slot))
        .collect();
    order.sort_unstable();
    let mut v4 = Ladder::new(&V4, limits, time);
    let mut v6 = Ladder::new(&V6, limits, time);
    let mut groups = Groups::new(watch);
    for host in order.iter().filter_map(|&(_, slot)| hosts.get(slot)) {
        let sum = Sum::of(host);
        if host.length > 128 {
            if is_notable(&sum.lines, sum.octets, limits) {
                rows.push(sum.row(time));
            }
            continue;
        }
        let is_v4 = sum.prefix >> 32 == 0xffff;
        let ladder = if is_v4 { &mut v4 } else { &mut v6 };
        ladder.take(&sum, rows);
        groups.take(&sum);
    }
    v4.finish(rows);
    v6.finish(rows);
    groups.finish(limits, time, rows);
    omit(rows, limits.rows)
}

/// Leaves only as many rows as fit, those of most packets.
fn omit(rows: &mut Vec<VolumeRow>, most: usize) -> u64 {
    let over = rows.len().saturating_sub(most);
    if over > 0 {
        let total = |row: &VolumeRow| -> u64 {
            let all = row.packets.iter().flatten();
            all.map(|&count| u64::from(count)).sum()
        };
        rows.sort_by_cached_key(|row| std::cmp::Reverse(total(row)));
        rows.truncate(most);
    }
    over as u64
}

/// Sums of the groups that hosts are in.
struct Groups<'a> {
    walk: Walk<'a>,
    sums: Vec<Sum>,
}

impl<'a> Groups<'a> {
    fn new(watch: &'a Watch) -> Self {
        let sum = |name: &[u8; 16]| Sum {
            prefix: u128::from_be_bytes(*name),
            length: GROUP,
            ..Sum::default()
        };
        Self {
            walk: watch.walk(),
            sums: watch.names().iter().map(sum).collect(),
        }
    }

    /// Takes a host, or a prefix that stands for many, in the order of addresses.
    fn take(&mut self, sum: &Sum) {
        let place = self.walk.group(sum.prefix);
        if let Some(group) = place.and_then(|place| self.sums.get_mut(place)) {
            group.merge(sum);
        }
    }

    fn finish(self, limits: &VolumeLimits, time: i64, rows: &mut Vec<VolumeRow>) {
        let notable = |sum: &&Sum| sum.hosts > 0 && is_notable(&sum.lines, sum.octets, limits);
        rows.extend(self.sums.iter().filter(notable).map(|sum| sum.row(time)));
    }
}

/// Sums of the prefixes that are being filled, the longest first.
struct Ladder<'a> {
    rungs: Vec<Sum>,
    limits: &'a VolumeLimits,
    time: i64,
}

impl<'a> Ladder<'a> {
    fn new(lengths: &[u8], limits: &'a VolumeLimits, time: i64) -> Self {
        let rung = |&length: &u8| Sum {
            length,
            ..Sum::default()
        };
        Self {
            rungs: lengths.iter().map(rung).collect(),
            limits,
            time,
        }
    }

    /// Takes a host, or a prefix that stands for many, in the order of addresses.
    fn take(&mut self, sum: &Sum, rows: &mut Vec<VolumeRow>) {
        for rung in 0..self.rungs.len() {
            // What it lies in lies in all that is wider.
            if self
                .rungs
                .get(rung)
                .is_some_and(|wide| wide.holds(sum.prefix))
            {
                break;
            }
            self.complete(rung, Some(sum.prefix), rows);
        }
        if sum.unasked >= UNASKED || is_notable(&sum.lines, sum.octets, self.limits) {
            rows.push(sum.row(self.time));
        }
        if let Some(rung) = self
            .rungs
            .iter_mut()
            .find(|rung| rung.length < sum.length || sum.length < 128 && rung.length == sum.length)
        {
            rung.merge(sum);
        }
    }

    /// Hands a prefix on that the next address is not in, and adds it to the one around it.
    fn complete(&mut self, rung: usize, next: Option<u128>, rows: &mut Vec<VolumeRow>) {
        let Some(sum) = self.rungs.get(rung).copied() else {
            return;
        };
        if sum.hosts > 0 {
            // A prefix of one host says what the host's own row says.
            if sum.hosts > 1 && is_notable(&sum.lines, sum.octets, self.limits) {
                rows.push(sum.row(self.time));
            }
            if let Some(around) = self.rungs.get_mut(rung + 1) {
                around.merge(&sum);
            }
        }
        if let Some(place) = self.rungs.get_mut(rung) {
            *place = Sum {
                prefix: next.map_or(0, |address| masked(address, sum.length)),
                length: sum.length,
                ..Sum::default()
            };
        }
    }

    fn finish(&mut self, rows: &mut Vec<VolumeRow>) {
        for rung in 0..self.rungs.len() {
            self.complete(rung, None, rows);
        }
    }
}

fn masked(address: u128, length: u8) -> u128 {
    let shift = 128 - u32::from(length.min(128));
    address.checked_shr(shift).map_or(0, |high| high << shift)
}
