//! Flows: both directions between two endpoints, from the first packet to the last.
//!
//! A flow is found by its 64-bit key and recognised by the endpoints themselves, so two flows
//! under one key stay two. Memory is an arena that grows to its cap as flows come; beyond it the
//! least valuable flow of the set goes: what nobody answered first, then the oldest.

mod answer;
mod begin;
mod connection;
mod limits;
mod record;
mod rows;
mod share;
#[cfg(test)]
mod tests;
mod uses;

use phage_decode::packet::{protocol, Packet};
use phage_decode::{Keys, Secret};
use phage_memory::{prefetch, Pages};

pub use answer::{touch, FlowTouch};
pub use limits::{FlowCounters, FlowLimits};
pub use share::Share;

use crate::home::Home;
use crate::rows::{end_reason, event, FlowRow};
use crate::table::index::{Score, SetIndex};
use crate::table::wheel::Wheel;
use crate::table::{side, NIL};
use record::{is_link, key_ports, traits, Flow, Timeouts, Way, SECOND};

/// Packets ahead for which the index is asked for.
const INDEX_AHEAD: usize = 16;
/// Packets ahead for which the flow itself is asked for; its set has come by then.
const FLOW_AHEAD: usize = 8;
/// Payload octets at the beginning of a direction that applications are read from.
const EARLY: u64 = 16 * 1024;
/// Nanoseconds of the half-minutes of [`touch::FRESH`].
const HALF_MINUTE: i64 = 30 * SECOND;

/// The table of flows.
pub struct FlowTable {
    home: Home,
    timeouts: Timeouts,
    capacity: usize,
    index: SetIndex,
    flows: Vec<Flow>,
    pages: Pages,
    free: Vec<u32>,
    wheel: Wheel,
    /// Slots touched since the last window, each once.
    listed: Vec<u32>,
    /// Slots that came due, reused.
    due: Vec<u32>,
    ended: rows::Ended,
    next_id: u64,
    counters: FlowCounters,
    /// Latest time seen in a packet or a window.
    clock: i64,
    /// Beginning of the half-minute of the last packet.
    half: i64,
}

impl FlowTable {
    /// Makes an empty table.
    pub fn new(limits: &FlowLimits, home: &Home, secret: Secret) -> Self {
        let capacity = limits.capacity.clamp(8, 1 << 24);
        Self {
            home: home.clone(),
            timeouts: Timeouts::of(limits),
            capacity,
            // Twice the ways of flows: a set overflows rarely before the arena is full.
            index: SetIndex::new(capacity * 2),
            flows: Vec::with_capacity(capacity),
            pages: Pages::default(),
            free: Vec::new(),
            wheel: Wheel::new(),
            listed: Vec::new(),
            due: Vec::new(),
            ended: rows::Ended::new(limits.rows, limits.uses, secret),
            next_id: limits.first,
            counters: FlowCounters::default(),
            clock: i64::MIN,
            half: i64::MIN,
        }
    }

    /// Adds packets to their flows, in order. `touches[i]` answers for `packets[i]`.
    pub fn observe(&mut self, packets: &[Packet], keys: &[Keys], touches: &mut [FlowTouch]) {
        let second = self.second();
        for key in keys.iter().take(INDEX_AHEAD) {
            self.index.prefetch(key.socket);
        }
        for key in keys.iter().take(FLOW_AHEAD) {
            self.prefetch_flow(key.socket, second);
        }
        for (i, ((packet, key), touch)) in
            packets.iter().zip(keys).zip(touches.iter_mut()).enumerate()
        {
            if let Some(ahead) = keys.get(i + INDEX_AHEAD) {
                self.index.prefetch(ahead.socket);
            }
            if let Some(ahead) = keys.get(i + FLOW_AHEAD) {
                self.prefetch_flow(ahead.socket, second);
            }
            *touch = self.add(packet, key.socket);
        }
    }

    #[inline(always)]
    fn prefetch_flow(&self, key: u64, second: u32) {
        // A table with room takes a free slot; a full one has to read its victim first.
        let full = self.flows.len() == self.capacity && self.free.is_empty();
        let slot = if full {
            self.index.peek_victim(key, second)
        } else {
            self.index.peek(key)
        };
        if let Some(slot) = slot {
            prefetch(&self.flows, slot as usize);
        }
    }

    /// The clock in seconds, as scores have it.
    #[inline(always)]
    fn second(&self) -> u32 {
        self.clock.div_euclid(SECOND) as u32
    }

    /// Moves the clock and the half-minute to a packet's time.
    #[inline(always)]
    fn turn(&mut self, time: i64) {
        self.clock = self.clock.max(time);
        if time.saturating_sub(self.half) >= HALF_MINUTE || time < self.half {
            self.half = time.saturating_sub(time.rem_euclid(HALF_MINUTE));
        }
    }

    #[inline]
    fn add(&mut self, packet: &Packet, key: u64) -> FlowTouch {
        self.counters.packets += 1;
        self.counters.octets += u64::from(packet.length);
        self.turn(packet.time);
        let flows = &self.flows;
        let mut way = Way::Other;
        let mut collided = false;
        let found = self.index.find(key, |slot| match flows.get(slot as usize) {
            Some(flow) if flow.key == key => {
                way = flow.way(packet);
                collided |= way == Way::Other;
                way != Way::Other
            }
            _ => false,
        });
        self.counters.collisions += u64::from(collided);
        let Some((place, slot)) = found else {
            return self.begin(packet, key, 0);
        };
        let reverse = way == Way::Reverse;
        let Some(flow) = self.flows.get_mut(slot as usize) else {
            return FlowTouch::default();
        };
        if flow.deadline(&self.timeouts) < packet.time {
            let reason = flow.silent_reason();
            self.end(slot, reason);
            return self.begin(packet, key, touch::REPLACED);
        }
        if packet.is_syn() && flow.is_begun_anew(packet, reverse) {
            self.end(slot, end_reason::END_OF_FLOW);
            return self.begin(packet, key, touch::REPLACED);
        }
        let mut change = 0;
        if packet.time.saturating_sub(flow.start) >= self.timeouts.active {
            self.ended
                .close(flow, end_reason::ACTIVE_TIMEOUT, &mut self.counters);
            flow.continue_as(self.next_id, packet.time);
            flow.event = event::STARTED;
            self.next_id += 1;
            self.counters.started += 1;
            change |= touch::CONTINUED;
        }
        if flow.last < self.half {
            change |= touch::FRESH;
        }
        let before = flow.state;
        let answer = Self::count(flow, packet, slot, reverse, change);
        let score = Score::new(flow.class(), packet.time.div_euclid(SECOND) as u32);
        self.index.rate(place, score);
        if flow.traits & traits::LISTED == 0 {
            flow.traits |= traits::LISTED;
            self.listed.push(slot);
        }
        // Only a shorter patience has to be told to the wheel; a longer one it finds out.
        if flow.state != before && flow.patience(&self.timeouts) == self.timeouts.linger {
            let due = flow.deadline(&self.timeouts).div_euclid(SECOND) + 1;
            self.wheel.enter(slot, due);
        }
        answer
    }

    /// Counts a packet to its flow.
    #[inline]
    fn count(
        flow: &mut Flow,
        packet: &Packet,
        slot: u32,
        reverse: bool,
        mut change: u16,
    ) -> FlowTouch {
        let payload = side(&mut flow.payload, reverse);
        if *payload < EARLY {
            change |= touch::EARLY;
        }
        *payload += u64::from(packet.payload_length);
        *side(&mut flow.octets, reverse) += u64::from(packet.length);
        *side(&mut flow.packets, reverse) += 1;
        flow.longest = flow.longest.max(packet.length);
        flow.last = flow.last.max(packet.time);
        flow.event |= event::UPDATED;
        if reverse {
            change |= touch::REVERSE;
        }
        if flow.traits & traits::ANSWERED == 0 && !flow.packets.contains(&0) {
            flow.traits |= traits::ANSWERED;
            if reverse {
                change |= touch::FIRST_REPLY;
            }
        }
        if packet.protocol == protocol::TCP {
            change |= flow.follow(packet, reverse, change & touch::NEW != 0);
        }
        if flow.traits & traits::GUESSED != 0 {
            change |= touch::GUESSED;
        }
        let age = packet.time.saturating_sub(flow.start) / 1_000_000;
        FlowTouch {
            id: flow.id,
            slot,
            age_ms: age.clamp(0, i64::from(u32::MAX)) as u32,
            change,
            server_port: if key_ports(packet) == (0, 0) {
                0
            } else {
                flow.dst_port
            },
            state: flow.state,
            home: if reverse {
                flow.home >> 1 | (flow.home & 1) << 1
            } else {
                flow.home
            },
        }
    }

    /// Begins a flow with its first packet.
    fn begin(&mut self, packet: &Packet, key: u64, change: u16) -> FlowTouch {
        let second = packet.time.div_euclid(SECOND) as u32;
        let slot = self.take_slot(key, second);
        let link = is_link(packet);
        let places = if link {
            0
        } else {
            u8::from(self.home.contains(&packet.src))
                | u8::from(self.home.contains(&packet.dst)) << 1
        };
        let beginning = begin::judge(packet, places);
        let reverse = beginning.reverse;
        let (mut from, mut to) = (packet.src_port, packet.dst_port);
        if matches!(packet.protocol, protocol::ICMP | protocol::ICMPV6) {
            (from, to) = begin::icmp_ports(packet, reverse);
        } else if packet.ip_version == 0 {
            (from, to) = (0, 0);
        } else if reverse {
            (from, to) = (to, from);
        }
        let Some(flow) = self.flows.get_mut(slot as usize) else {
            return FlowTouch::default();
        };
        let listed = flow.traits & traits::LISTED;
        *flow = Flow {
            key,
            src: if reverse { packet.dst } else { packet.src },
            dst: if reverse { packet.src } else { packet.dst },
            src_port: from,
            dst_port: to,
            vlan: packet.vlan,
            inner_vlan: packet.inner_vlan,
            ether_type: packet.ether_type,
            protocol: packet.protocol,
            ip_version: packet.ip_version,
            home: if reverse {
                places >> 1 | (places & 1) << 1
            } else {
                places
            },
            traits: listed
                | if link { traits::LINK } else { 0 }
                | if beginning.guessed {
                    traits::GUESSED
                } else {
                    0
                },
            event: event::STARTED,
            last: packet.time,
            id: self.next_id,
            start: packet.time,
            src_mac: if reverse {
                packet.dst_mac
            } else {
                packet.src_mac
            },
            dst_mac: if reverse {
                packet.src_mac
            } else {
                packet.dst_mac
            },
            ..Flow::vacant()
        };
        self.next_id += 1;
        self.counters.started += 1;
        self.counters.live += 1;
        let answer = Self::count(
            flow,
            packet,
            slot,
            reverse,
            change | touch::NEW | touch::FRESH,
        );
        if listed == 0 {
            flow.traits |= traits::LISTED;
            self.listed.push(slot);
        }
        let score = Score::new(flow.class(), second);
        let due = flow.deadline(&self.timeouts).div_euclid(SECOND) + 1;
        self.wheel.enter(slot, due);
        // The set has room: `take_slot` saw to it.
        let entered = self.index.insert(key, slot, score);
        debug_assert!(entered);
        answer
    }

    /// A slot for a new flow under a key whose set then has room; evicts if there is none.
    fn take_slot(&mut self, key: u64, second: u32) -> u32 {
        if self.index.is_full(key) {
            self.evict(key, second);
        }
        if let Some(slot) = self.free.pop() {
            return slot;
        }
        if self.flows.len() < self.capacity {
            self.flows.push(Flow::vacant());
            return self.flows.len() as u32 - 1;
        }
        // The arena is full: the victim is of this set, or of the next that has one.
        for step in 0..u64::from(u32::MAX) {
            if self.evict(key.wrapping_add(step), second) {
                break;
            }
        }
        self.free.pop().unwrap_or(NIL)
    }

    /// Ends the least valuable flow in the set of a key.
    fn evict(&mut self, key: u64, second: u32) -> bool {
        let Some((place, slot)) = self.index.victim(key, second) else {
            return false;
        };
        if let Some(flow) = self.flows.get_mut(slot as usize) {
            self.ended
                .close(flow, end_reason::LACK_OF_RESOURCES, &mut self.counters);
            flow.id = 0;
        }
        self.index.clear(place);
        self.release(slot);
        true
    }

    /// Ends a flow and frees its slot.
    fn end(&mut self, slot: u32, reason: u8) {
        let Some(flow) = self.flows.get_mut(slot as usize) else {
            return;
        };
        self.ended.close(flow, reason, &mut self.counters);
        flow.id = 0;
        let key = flow.key;
        self.index.remove(key, slot);
        self.release(slot);
    }

    fn release(&mut self, slot: u32) {
        self.wheel.leave(slot);
        self.free.push(slot);
        self.counters.live -= 1;
    }

    /// Notes the application protocol of a flow, if it is still the one with that number. The first
    /// one that is noted stays.
    pub fn set_application(&mut self, slot: u32, id: u64, application: u8) {
        if let Some(flow) = self.live(slot, id) {
            if flow.application == 0 {
                flow.application = application;
            }
        }
    }

    /// The application protocol that was noted of a flow; 0 for none, and for a flow that is over.
    pub fn application(&self, slot: u32, id: u64) -> u8 {
        self.flows
            .get(slot as usize)
            .filter(|flow| flow.id == id)
            .map_or(0, |flow| flow.application)
    }

    /// Notes the device that a flow is about, if it is still the one with that number.
    pub fn set_device(&mut self, slot: u32, id: u64, device: u32) {
        if let Some(flow) = self.live(slot, id) {
            flow.device = device;
        }
    }

    fn live(&mut self, slot: u32, id: u64) -> Option<&mut Flow> {
        self.flows
            .get_mut(slot as usize)
            .filter(|flow| flow.id == id && id != 0)
    }

    /// What was counted since the table was made.
    pub fn counters(&self) -> FlowCounters {
        self.counters
    }

    /// Packets and octets of the flows that go on, summed over the table.
    pub fn live_totals(&self) -> (u64, u64) {
        self.flows
            .iter()
            .filter(|flow| flow.id != 0)
            .fold((0, 0), |(packets, octets), flow| {
                (packets + flow.total(), octets + flow.volume())
            })
    }

    /// Ends idle flows up to `now` and appends the rows of flows touched or ended since the last
    /// call: ended ones first, then updates, together at most `limits.rows`. A flow of which
    /// nothing changed but its counts is told once a second.
    pub fn window(&mut self, now: i64, rows: &mut Vec<FlowRow>) {
        self.expire(now);
        let room = self.ended.drain(rows);
        self.updates(now, room, rows);
        self.pages.settle(&self.flows);
        self.index.settle();
    }

    /// Ends every flow and appends its row: as many as there are flows, for nothing comes after.
    pub fn finish(&mut self, rows: &mut Vec<FlowRow>) {
        let mut over = std::mem::take(&mut self.due);
        over.clear();
        over.extend(self.listed.iter().copied());
        let limit = self.ended.limit(usize::MAX);
        // Those of this window first, then the rest.
        for slot in over.drain(..).chain(0..self.flows.len() as u32) {
            if let Some(flow) = self.flows.get(slot as usize).filter(|flow| flow.id != 0) {
                let reason = match flow.silent_reason() {
                    end_reason::END_OF_FLOW => end_reason::END_OF_FLOW,
                    _ => end_reason::FORCED_END,
                };
                self.end(slot, reason);
            }
        }
        for slot in self.listed.drain(..) {
            if let Some(flow) = self.flows.get_mut(slot as usize) {
                flow.traits &= !traits::LISTED;
            }
        }
        self.ended.drain(rows);
        self.ended.limit(limit);
        self.ended.uses.finish();
    }
}
