//! Counters of remote hosts: small records, many of them, none that a flood can multiply.

use phage_decode::packet::Packet;
use phage_memory::{prefetch, Pages};

use super::admission::Allowance;
use super::events;
use super::pending::Pending;
use super::sketch::SmallSketch;
use crate::flow::{touch, FlowTouch};
use crate::rows::{host, HostRow, NO_DEVICE};
use crate::table::index::{Score, SetIndex};
use crate::table::side;

/// Hosts that get a record at their first packet, at once and a second; beyond that a host gets
/// one at its second packet, and the first is not in its counters.
const BURST: i64 = 16_384;
const PER_SECOND: i64 = 8192;
/// Hosts of which a first packet is remembered then; a power of two.
const DOOR: usize = 65_536;
/// Hosts ahead that the end of a window asks for, and their details after that: most take a few
/// nanoseconds, while memory takes a hundred.
const HOST_AHEAD: usize = 24;
const DETAIL_AHEAD: usize = 12;
/// Flows begun, SYNs, resets, echo requests, handshakes given up, or endpoints contacted in the
/// last minute, from which on a remote host is shown. Below it the flows say all there is.
const NOTABLE: u32 = 4;

/// What every packet of a remote host changes: a cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
struct Remote {
    address: [u8; 16],
    first: i64,
    last: i64,
    octets: [u64; 2],
    packets: [u32; 2],
    seen: u16,
    vlan: u16,
    listed: bool,
    new: bool,
    /// Its [`Detail`] says something, or waits for something.
    detailed: bool,
}

const _: () = assert!(size_of::<Remote>() == 64);

/// What few packets of a remote host change.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
struct Detail {
    udp: [u32; 2],
    syn: [u32; 2],
    flows: [u32; 2],
    unanswered: [u32; 2],
    syn_ack: [u16; 2],
    rst: [u16; 2],
    echo: [u16; 2],
    unreachable: [u16; 2],
    peers: SmallSketch,
    endpoints: SmallSketch,
    half: u32,
    pending: Pending,
}

const _: () = assert!(size_of::<Detail>() == 128);

impl Remote {
    /// Packets from which on a record is worth more.
    const SEVERAL: u16 = 2;
    const MANY: u16 = 17;

    #[inline]
    fn count(&mut self, packet: &Packet, received: bool) {
        if self.packets == [0; 2] {
            self.first = packet.time;
        }
        self.last = packet.time;
        *side(&mut self.packets, received) += 1;
        *side(&mut self.octets, received) += u64::from(packet.length);
        self.seen = self.seen.saturating_add(1);
    }

    /// How much the record is worth when room is needed.
    fn class(&self) -> u8 {
        match self.seen {
            0..Self::SEVERAL => 0,
            Self::SEVERAL..Self::MANY => 1,
            _ => 2,
        }
    }

    /// Whether the last packet made it worth more.
    #[inline(always)]
    fn has_risen(&self) -> bool {
        self.seen == Self::SEVERAL || self.seen == Self::MANY
    }

    fn take_row(&mut self, detail: &Detail) -> HostRow {
        let wide = |pair: [u16; 2]| pair.map(u32::from);
        let row = HostRow {
            first: self.first,
            last: self.last,
            address: self.address,
            packets: self.packets.map(u64::from),
            octets: self.octets,
            syn: detail.syn,
            syn_ack: wide(detail.syn_ack),
            rst: wide(detail.rst),
            unanswered: detail.unanswered,
            udp: detail.udp,
            echo: wide(detail.echo),
            unreachable: wide(detail.unreachable),
            flows: detail.flows,
            peers: [detail.peers.estimate(), 0.0],
            ports: [detail.endpoints.estimate(), 0.0],
            device: NO_DEVICE,
            marks: if self.new { host::NEW } else { 0 },
            vlan: u32::from(self.vlan),
            ..HostRow::default()
        };
        self.new = false;
        row
    }

    /// Forgets the window, keeps what lasts.
    fn clear(&mut self) {
        self.first = 0;
        self.last = 0;
        self.octets = [0; 2];
        self.packets = [0; 2];
    }
}

impl Detail {
    /// Counts a packet that is worth a look of its own.
    fn count(&mut self, answer: &FlowTouch, events: u16, received: bool) {
        if events & events::UDP != 0 {
            *side(&mut self.udp, received) += 1;
        }
        if events & events::RARE == 0 {
            return;
        }
        let serves = received != answer.has(touch::REVERSE);
        *side(&mut self.syn, received) += u32::from(events & events::SYN != 0);
        for (bit, pair) in [
            (events::SYN_ACK, &mut self.syn_ack),
            (events::RST, &mut self.rst),
            (events::ECHO, &mut self.echo),
            (events::UNREACHABLE, &mut self.unreachable),
        ] {
            let count = side(pair, received);
            *count = count.saturating_add(u16::from(events & bit != 0));
        }
        if events & events::BEGUN != 0 {
            *side(&mut self.flows, serves) += 1;
        }
        if events & events::ATTEMPT != 0 {
            self.pending.begin(serves);
        }
        if events & events::ANSWER != 0 {
            self.pending.answer(serves, answer.age_ms / 1000);
        }
    }

    /// Notes a packet.
    fn note(&mut self, seen: &Seen<'_>) {
        self.advance(seen.second, seen.half);
        self.count(seen.answer, seen.events, seen.received);
        // It is the initiator and a flow begins: whom does it contact?
        if seen.events & events::BEGUN != 0 && seen.received == seen.answer.has(touch::REVERSE) {
            self.peers.insert(seen.peer);
            let port = u64::from(seen.answer.server_port);
            self.endpoints.insert(phage_decode::keys::fold(
                seen.peer | 1,
                port << 32 | 0x9e37_79b9,
            ));
        }
    }

    /// Moves all that depends on time; it may have stood still while there was nothing.
    fn advance(&mut self, second: u32, half: u32) {
        let [out, inbound] = self.pending.advance(second);
        let [mine, theirs] = &mut self.unanswered;
        *mine = mine.saturating_add(out);
        *theirs = theirs.saturating_add(inbound);
        if self.half != half {
            let halves = half.wrapping_sub(self.half);
            self.peers.turn(halves);
            self.endpoints.turn(halves);
            self.half = half;
        }
    }

    fn is_notable(&self) -> bool {
        let [flows, _] = self.flows;
        let [syn, _] = self.syn;
        let [rst, _] = self.rst;
        let [echo, _] = self.echo;
        let [out, inbound] = self.unanswered;
        flows.max(syn).max(u32::from(rst)).max(u32::from(echo)) >= NOTABLE
            || out.max(inbound) >= NOTABLE
            || self.endpoints.is_at_least(NOTABLE)
    }

    /// Whether it has to be asked in the next window although nothing may happen in it.
    fn lasts(&self) -> bool {
        self.pending.is_waiting() || self.endpoints.is_at_least(NOTABLE)
    }

    /// Forgets the window, keeps what lasts.
    fn clear(&mut self) {
        *self = Self {
            peers: self.peers,
            endpoints: self.endpoints,
            half: self.half,
            pending: self.pending,
            ..Self::default()
        };
    }
}

/// What was counted of remote hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RemoteCounters {
    pub(super) evicted: u64,
    pub(super) refused: u64,
    pub(super) omitted: u64,
}

/// The table of remote hosts.
pub(super) struct Remotes {
    capacity: usize,
    index: SetIndex,
    hosts: Vec<Remote>,
    /// By the same slots.
    details: Vec<Detail>,
    /// Of `hosts`, `details`.
    pages: [Pages; 2],
    listed: Vec<u32>,
    allowance: Allowance,
    door: Vec<u32>,
    pub(super) counters: RemoteCounters,
}

/// One packet as seen by one of its ends.
pub(super) struct Seen<'a> {
    pub(super) packet: &'a Packet,
    pub(super) answer: &'a FlowTouch,
    pub(super) events: u16,
    pub(super) received: bool,
    pub(super) address: &'a [u8; 16],
    /// Hash of the address.
    pub(super) key: u64,
    /// Hash of the address of the other end.
    pub(super) peer: u64,
    pub(super) now: i64,
    pub(super) second: u32,
    pub(super) half: u32,
}

impl Remotes {
    pub(super) fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(8, 1 << 24);
        Self {
            capacity,
            index: SetIndex::new(capacity * 2),
            hosts: Vec::with_capacity(capacity),
            details: Vec::with_capacity(capacity),
            pages: [Pages::default(); 2],
            listed: Vec::new(),
            allowance: Allowance::new(BURST.min(capacity as i64 / 4), PER_SECOND),
            door: vec![0; DOOR],
            counters: RemoteCounters::default(),
        }
    }

    /// Begins to load the set of a host.
    #[inline(always)]
    pub(super) fn prefetch(&self, key: u64) {
        self.index.prefetch(key);
    }

    /// The slot where a host will most likely be found, or have its record made.
    #[inline(always)]
    pub(super) fn peek(&self, key: u64, second: u32) -> Option<u32> {
        if self.hosts.len() == self.capacity {
            self.index.peek_victim(key, second)
        } else {
            self.index.peek(key)
        }
    }

    /// Begins to load the record of a slot, and what few packets change where it is `detailed`.
    #[inline(always)]
    pub(super) fn prefetch_record(&self, slot: u32, detailed: bool) {
        prefetch(&self.hosts, slot as usize);
        if detailed {
            prefetch(&self.details, slot as usize);
        }
    }

    /// Counts a packet for a host, most likely the one in the slot `hint`; tells its slot.
    #[inline]
    pub(super) fn count(&mut self, seen: &Seen<'_>, hint: u32) -> Option<u32> {
        let hosts = &self.hosts;
        let is = |slot: u32| {
            let remote = hosts.get(slot as usize);
            remote.is_some_and(|remote| remote.address == *seen.address)
        };
        let slot = if is(hint) {
            hint
        } else {
            match self.index.find(seen.key, is) {
                Some((_, slot)) => slot,
                None => self.make(seen)?,
            }
        };
        let remote = self.hosts.get_mut(slot as usize)?;
        remote.count(seen.packet, seen.received);
        // What it is worth is told once in a half-minute for each flow, and when it rises.
        if seen.answer.has(touch::FRESH) || remote.has_risen() {
            let score = Score::new(remote.class(), seen.second);
            if let Some((place, _)) = self.index.find(seen.key, |found| found == slot) {
                self.index.rate(place, score);
            }
        }
        if seen.events & !events::GROUP != 0 {
            remote.detailed = true;
            if let Some(detail) = self.details.get_mut(slot as usize) {
                detail.note(seen);
            }
        }
        if !remote.listed {
            remote.listed = true;
            self.listed.push(slot);
        }
        Some(slot)
    }

    /// Makes a record, if the host may have one.
    fn make(&mut self, seen: &Seen<'_>) -> Option<u32> {
        if !self.allowance.take(seen.now) && !self.knock(seen.key) {
            self.counters.refused += 1;
            return None;
        }
        let crowded = self.index.is_full(seen.key);
        let slot = if !crowded && self.hosts.len() < self.capacity {
            self.hosts.push(Remote::default());
            self.details.push(Detail::default());
            self.hosts.len() as u32 - 1
        } else {
            (0..self.hosts.len() as u64 * 2)
                .find_map(|step| self.evict(seen.key.wrapping_add(step), seen.second))?
        };
        *self.details.get_mut(slot as usize)? = Detail {
            half: seen.half,
            ..Detail::default()
        };
        let remote = self.hosts.get_mut(slot as usize)?;
        *remote = Remote {
            address: *seen.address,
            vlan: seen.packet.vlan,
            listed: remote.listed,
            new: true,
            ..Remote::default()
        };
        self.index
            .insert(seen.key, slot, Score::new(0, seen.second));
        Some(slot)
    }

    /// Whether a host beyond the allowance was there before.
    fn knock(&mut self, key: u64) -> bool {
        let tag = (key >> 32) as u32 | 1;
        match self.door.get_mut(key as usize % DOOR) {
            Some(place) if *place == tag => true,
            Some(place) => {
                *place = tag;
                false
            }
            None => false,
        }
    }

    fn evict(&mut self, key: u64, second: u32) -> Option<u32> {
        let (place, slot) = self.index.victim(key, second)?;
        self.index.clear(place);
        self.counters.evicted += 1;
        Some(slot)
    }

    /// Appends the rows of notable hosts, `room` at most.
    pub(super) fn window(&mut self, second: u32, half: u32, room: usize, rows: &mut Vec<HostRow>) {
        let mut room = room;
        let mut waiting = 0;
        for place in 0..self.listed.len() {
            if let Some(&ahead) = self.listed.get(place + HOST_AHEAD) {
                prefetch(&self.hosts, ahead as usize);
            }
            if let Some(&ahead) = self.listed.get(place + DETAIL_AHEAD) {
                let remote = self.hosts.get(ahead as usize);
                if remote.is_some_and(|remote| remote.detailed) {
                    prefetch(&self.details, ahead as usize);
                }
            }
            let Some(&slot) = self.listed.get(place) else {
                break;
            };
            let Some(remote) = self.hosts.get_mut(slot as usize) else {
                continue;
            };
            remote.listed = false;
            if remote.detailed {
                let Some(detail) = self.details.get_mut(slot as usize) else {
                    continue;
                };
                detail.advance(second, half);
                if detail.is_notable() {
                    if room > 0 {
                        room -= 1;
                        rows.push(remote.take_row(detail));
                    } else {
                        self.counters.omitted += 1;
                    }
                }
                detail.clear();
                remote.listed = detail.pending.is_waiting();
                remote.detailed = detail.lasts();
            }
            remote.clear();
            if remote.listed {
                if let Some(kept) = self.listed.get_mut(waiting) {
                    *kept = slot;
                }
                waiting += 1;
            }
        }
        self.listed.truncate(waiting);
    }

    /// Goes one step towards huge pages.
    pub(super) fn settle(&mut self) {
        let [hosts, details] = &mut self.pages;
        hosts.settle(&self.hosts);
        details.settle(&self.details);
        self.index.settle();
    }

    /// Hosts with a record.
    pub(super) fn len(&self) -> usize {
        self.hosts.len()
    }
}
