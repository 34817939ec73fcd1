//! The time of packets, as the tables need it: never trusted, may jump either way.

use crate::table::{Moment, Set};

/// Units of 2^20 ns in two hours: a stream idle for so long has decayed by 2^72 at the slowest
/// rate, so forgetting it changes nothing.
const MEMORY: i64 = (7_200 * 1_000_000_000) >> Set::UNIT_BITS;
/// The base lies four hours before the first packet, so that a cut-off two hours ago is above zero.
const LEAD: i64 = (2 * MEMORY) << Set::UNIT_BITS;
/// The base moves when this many units have passed (13 days): half of what 31 bits hold.
const HORIZON: i64 = 1 << 30;
/// A clock that goes back by more than this (a minute) was set, and is followed; less is packets out of order.
const STEP: i64 = 60 * 1_000_000_000;
/// At most one pass over the tables for a step backwards in so many packets, so that hostile times cannot
/// make every packet cost a pass.
const PATIENCE: u32 = 1 << 20;

/// What the tables must do before the next packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shift {
    pub(super) base: i64,
    pub(super) lower: i32,
    pub(super) dead: i32,
    pub(super) latest: (i32, i64),
}

/// Follows the packets' times.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    base: i64,
    latest: i64,
    started: bool,
    since_step: u32,
}

impl Clock {
    /// Notes the time of a packet. Answers its moment, and a shift of all scores where the base changed.
    #[inline(always)]
    pub(super) fn advance(&mut self, time: i64) -> (Moment, Option<Shift>) {
        self.since_step = self.since_step.saturating_add(1);
        let shift = if time.wrapping_sub(self.latest) as u64 <= STEP as u64
            && self.started
            && time.wrapping_sub(self.base) >> Set::UNIT_BITS < HORIZON
        {
            self.latest = time;
            None
        } else {
            self.jump(time)
        };
        let now = (self.latest.wrapping_sub(self.base) >> Set::UNIT_BITS) as i32;
        let moment = Moment {
            base: self.base,
            now,
            dead: now.saturating_sub(MEMORY as i32),
        };
        (moment, shift)
    }

    /// The rare ways: the first packet, one out of order, a gap, a step of the clock, a new base.
    #[cold]
    fn jump(&mut self, time: i64) -> Option<Shift> {
        if !self.started {
            self.started = true;
            self.since_step = PATIENCE;
            self.latest = time;
            self.base = time.saturating_sub(LEAD);
            return None;
        }
        let late = self.latest.saturating_sub(time);
        if late > STEP && self.since_step >= PATIENCE {
            self.since_step = 0;
        } else if late > 0 {
            return None;
        }
        self.latest = time;
        let passed = time.saturating_sub(self.base) >> Set::UNIT_BITS;
        if late <= 0 && passed < HORIZON {
            return None;
        }
        // Scores beyond 31 bits are all dead alike.
        let base = time.saturating_sub(LEAD);
        let shift = (base.saturating_sub(self.base) >> Set::UNIT_BITS)
            .clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
        self.base = base;
        let now = (time.saturating_sub(base) >> Set::UNIT_BITS) as i32;
        Some(Shift {
            base,
            lower: shift,
            dead: now.saturating_sub(MEMORY as i32),
            latest: (now, time),
        })
    }
}

/// The gap since the last packet in seconds, and the time to remember.
///
/// A late packet counts as simultaneous with the last one, and the stream's clock is not set back; but a
/// clock that was set back is followed at once.
#[inline(always)]
pub(super) fn gap(time: i64, last: i64) -> (f32, i64) {
    let nanoseconds = time.saturating_sub(last);
    let kept = if nanoseconds < 0 && nanoseconds > -STEP {
        last
    } else {
        time
    };
    (nanoseconds.max(0) as f32 * 1e-9, kept)
}
