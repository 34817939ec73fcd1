//! From flows to the rows of a window.

use phage_decode::Secret;
use phage_memory::prefetch;

use super::record::{traits, Flow, SECOND};
use super::uses::Uses;
use super::{FlowCounters, FlowTable};
use crate::rows::{event, FlowRow, UseRow};

/// Seconds that a clock may go back before the wheel is set anew; less is packets out of order.
const SET_BACK: i64 = 3600;

/// Flows ahead that are asked for: all that were touched in a window are more than a cache holds.
/// Then the sets by which they and their uses are found, then the uses.
const AHEAD: usize = 16;
const SETS_AHEAD: usize = 6;
const USES_AHEAD: usize = 3;

/// The rows of flows that ended since the last window.
pub(super) struct Ended {
    rows: Vec<FlowRow>,
    limit: usize,
    /// What devices did, of flows that began as well.
    pub(super) uses: Uses,
}

impl Ended {
    pub(super) fn new(limit: usize, uses: usize, secret: Secret) -> Self {
        Self {
            rows: Vec::new(),
            limit: limit.max(2),
            uses: Uses::new(uses, secret),
        }
    }

    /// Sets how many rows are kept; returns the limit before.
    pub(super) fn limit(&mut self, limit: usize) -> usize {
        std::mem::replace(&mut self.limit, limit)
    }

    /// Counts a record that ends and keeps its row if there is room.
    ///
    /// Flows that nobody answered take half of the room at most, so that a flood of them leaves
    /// the other half to what was answered.
    #[inline]
    pub(super) fn close(&mut self, flow: &Flow, reason: u8, counters: &mut FlowCounters) {
        let (packets, octets) = (flow.total(), flow.volume());
        if let Some(ended) = counters.ended.get_mut(usize::from(reason)) {
            *ended += 1;
        }
        counters.ended_packets += packets;
        counters.ended_octets += octets;
        self.uses.end(flow);
        let limit = if flow.is_unanswered() {
            self.limit / 2
        } else {
            self.limit
        };
        if self.rows.len() < limit {
            self.rows.push(flow.row(flow.event | event::ENDED, reason));
        } else {
            counters.omitted += 1;
            counters.omitted_packets += packets;
            counters.omitted_octets += octets;
        }
    }

    /// Moves the rows out; says how many more the window may hold.
    pub(super) fn drain(&mut self, rows: &mut Vec<FlowRow>) -> usize {
        let room = self.limit.saturating_sub(self.rows.len());
        rows.append(&mut self.rows);
        // What a flood needed is given back.
        if self.rows.capacity() > 1024 {
            self.rows.shrink_to(1024);
        }
        room
    }
}

impl FlowTable {
    /// Ends the flows that were silent for too long.
    pub(super) fn expire(&mut self, now: i64) {
        let second = now.div_euclid(SECOND);
        let mut due = std::mem::take(&mut self.due);
        due.clear();
        if self.wheel.next().saturating_sub(second) > SET_BACK {
            self.wheel.empty(&mut due);
            self.wheel.set(second);
            self.clock = now;
        } else {
            self.wheel.advance(second, &mut due);
            self.clock = self.clock.max(now);
        }
        for (number, &slot) in due.iter().enumerate() {
            self.fetch_due(&due, number);
            let Some(flow) = self.flows.get(slot as usize).filter(|flow| flow.id != 0) else {
                continue;
            };
            let deadline = flow.deadline(&self.timeouts);
            // A flow that ends hours ahead was dated by a clock that has been set back since.
            let ahead = flow.last.saturating_sub(now) > SET_BACK.saturating_mul(SECOND);
            if deadline < now || ahead {
                let reason = flow.silent_reason();
                self.end(slot, reason);
            } else {
                self.wheel.enter(slot, deadline.div_euclid(SECOND) + 1);
            }
        }
        self.due = due;
    }

    /// Begins to load what the end of flows reads that come due after this one, nearer things first.
    #[inline]
    fn fetch_due(&self, due: &[u32], number: usize) {
        let flow = |ahead: usize| self.flows.get(*due.get(number + ahead)? as usize);
        if let Some(&slot) = due.get(number + AHEAD) {
            prefetch(&self.flows, slot as usize);
        }
        if let Some(flow) = flow(SETS_AHEAD) {
            self.index.prefetch(flow.key);
            self.ended.uses.fetch_sets(flow);
        }
        if let Some(flow) = flow(USES_AHEAD) {
            self.ended.uses.fetch(flow);
        }
    }

    /// The same of flows that go on: most were counted as uses before.
    #[inline]
    fn fetch_listed(&self, place: usize) {
        let flow = |ahead: usize| {
            let slot = *self.listed.get(place + ahead)?;
            let flow = self.flows.get(slot as usize)?;
            flow.may_be_used().then_some(flow)
        };
        if let Some(&slot) = self.listed.get(place + AHEAD) {
            prefetch(&self.flows, slot as usize);
        }
        if let Some(flow) = flow(SETS_AHEAD) {
            self.ended.uses.fetch_sets(flow);
        }
        if let Some(flow) = flow(USES_AHEAD) {
            self.ended.uses.fetch(flow);
        }
    }

    /// Appends the rows of flows that were touched and go on, `room` at most; the rest wait.
    ///
    /// Those that began or that stand otherwise than they did come at once. One that only goes on
    /// comes once a second: its counts are totals, and nothing is lost.
    pub(super) fn updates(&mut self, now: i64, room: usize, rows: &mut Vec<FlowRow>) {
        let mut room = room;
        let mut waiting = 0;
        let mut deferred = 0;
        rows.reserve(room.min(self.listed.len()));
        for place in 0..self.listed.len() {
            self.fetch_listed(place);
            let Some(&slot) = self.listed.get(place) else {
                break;
            };
            let Some(flow) = self.flows.get_mut(slot as usize) else {
                continue;
            };
            if flow.id != 0 && flow.event != 0 {
                self.ended.uses.see(flow);
            }
            let standing = flow.standing(now);
            let due = flow.event & event::STARTED != 0 || flow.told.is_old(standing);
            if flow.id == 0 || flow.event == 0 {
                flow.traits &= !traits::LISTED;
            } else if room == 0 || !due {
                deferred += u64::from(due);
                if let Some(slot_waiting) = self.listed.get_mut(waiting) {
                    *slot_waiting = slot;
                }
                waiting += 1;
            } else {
                rows.push(flow.row(flow.event, 0));
                flow.event = 0;
                flow.told = standing;
                flow.traits &= !traits::LISTED;
                room -= 1;
            }
        }
        self.listed.truncate(waiting);
        self.counters.deferred += deferred;
    }

    /// Appends what devices did, of the flows that [`FlowTable::window`] or [`FlowTable::finish`]
    /// saw: what they had not done for ten seconds, and what was gathered for as long.
    pub fn uses(&mut self, now: i64, rows: &mut Vec<UseRow>) {
        let uses = &mut self.ended.uses;
        uses.window(now, rows);
        (self.counters.uses, self.counters.uses_dropped) = (uses.merged, uses.dropped);
    }
}
