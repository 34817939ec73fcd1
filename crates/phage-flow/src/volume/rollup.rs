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

/// The first 96 bits of an IPv4 address among those of IPv6.
const MAPPED: u128 = 0xffff;

/// Hosts ahead that are asked for: all that moved in a slot are more than a cache holds.
const AHEAD: usize = 6;

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
        self.add((other.octets, other.samples), &other.lines, &other.sources);
    }

    /// Adds a host as it stands in its table.
    fn merge_host(&mut self, host: &Host) {
        self.hosts += 1;
        self.add((host.octets, host.samples), &host.lines, &host.sources);
    }

    #[inline(always)]
    fn add(
        &mut self,
        (octets, samples): ([u64; 2], [u32; 2]),
        lines: &[Line; 2],
        sources: &Distinct,
    ) {
        for (mine, theirs) in self.octets.iter_mut().zip(octets) {
            *mine = mine.saturating_add(theirs);
        }
        for (mine, theirs) in self.samples.iter_mut().zip(samples) {
            *mine = mine.saturating_add(theirs);
        }
        // What many hosts only receive, or only send, is one line.
        for (mine, theirs) in self.lines.iter_mut().zip(lines) {
            if theirs.flows != 0 {
                mine.merge(theirs);
            }
        }
        self.sources.merge(sources);
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

/// Slots of the hosts that moved, by address.
struct Order {
    /// Those of IPv4: address and slot in one number, which sorts in half of the time.
    mapped: Vec<u64>,
    others: Vec<(u128, u32)>,
    /// How many of the others stand before those of IPv4.
    before: usize,
}

impl Order {
    fn of(hosts: &Hosts) -> Self {
        let mut mapped = Vec::with_capacity(hosts.active());
        let mut others = Vec::new();
        for (slot, host) in hosts.moved() {
            let address = u128::from_be_bytes(host.address);
            if address >> 32 == MAPPED {
                mapped.push((address as u64) << 32 | u64::from(slot));
            } else {
                others.push((address, slot));
            }
        }
        mapped.sort_unstable();
        others.sort_unstable();
        let before = others.partition_point(|(address, _)| address >> 32 < MAPPED);
        Self {
            mapped,
            others,
            before,
        }
    }

    fn slots(&self) -> impl Iterator<Item = u32> + '_ {
        let (before, after) = self.others.split_at(self.before.min(self.others.len()));
        let of = |&(_, slot): &(u128, u32)| slot;
        let mapped = self.mapped.iter().map(|&both| both as u32);
        before
            .iter()
            .map(of)
            .chain(mapped)
            .chain(after.iter().map(of))
    }
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
    let order = Order::of(hosts);
    let mut v4 = Ladder::new(&V4, limits, time);
    let mut v6 = Ladder::new(&V6, limits, time);
    let mut groups = Groups::new(watch);
    let mut ahead = order.slots().skip(AHEAD);
    for slot in order.slots() {
        if let Some(slot) = ahead.next() {
            hosts.prefetch(slot);
        }
        let Some(host) = hosts.get(slot) else {
            continue;
        };
        if host.length > 128 {
            if is_notable(&host.lines, host.octets, limits) {
                rows.push(Sum::of(host).row(time));
            }
            continue;
        }
        let address = u128::from_be_bytes(host.address);
        let ladder = if address >> 32 == MAPPED {
            &mut v4
        } else {
            &mut v6
        };
        ladder.take(host, address, rows);
        groups.take(host, address);
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
    fn take(&mut self, host: &Host, address: u128) {
        let place = self.walk.group(address);
        if let Some(group) = place.and_then(|place| self.sums.get_mut(place)) {
            group.merge_host(host);
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
    fn take(&mut self, host: &Host, address: u128, rows: &mut Vec<VolumeRow>) {
        for rung in 0..self.rungs.len() {
            // What it lies in lies in all that is wider.
            if self.rungs.get(rung).is_some_and(|wide| wide.holds(address)) {
                break;
            }
            self.complete(rung, Some(address), rows);
        }
        if host.unasked >= UNASKED || is_notable(&host.lines, host.octets, self.limits) {
            rows.push(Sum::of(host).row(self.time));
        }
        let length = host.length;
        if let Some(rung) = self
            .rungs
            .iter_mut()
            .find(|rung| rung.length < length || length < 128 && rung.length == length)
        {
            rung.merge_host(host);
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
