//! Handshakes that wait for their answer, by the second in which they began.

use crate::table::side;

/// Seconds after which a handshake counts as unanswered: the first retransmission of a SYN
/// (one second, RFC 6298) and most of the second have passed by then.
pub(super) const PATIENCE: u32 = 3;
/// Seconds kept: the running one and those of the patience.
const KEPT: usize = PATIENCE as usize + 1;

/// Handshakes begun and not answered: `[0]` by the host, `[1]` to it.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct Pending {
    second: u32,
    begun: [[u32; KEPT]; 2],
}

impl Pending {
    /// Moves on to a second; returns how many handshakes were given up.
    #[inline]
    pub(super) fn advance(&mut self, second: u32) -> [u32; 2] {
        if second <= self.second {
            return [0; 2];
        }
        self.turn(second)
    }

    fn turn(&mut self, second: u32) -> [u32; 2] {
        let steps = (second - self.second).min(KEPT as u32);
        let mut given_up = [0_u32; 2];
        for step in 1..=steps {
            let place = self.second.wrapping_add(step) as usize % KEPT;
            for (lists, total) in self.begun.iter_mut().zip(&mut given_up) {
                if let Some(count) = lists.get_mut(place) {
                    *total = total.saturating_add(std::mem::take(count));
                }
            }
        }
        self.second = second;
        given_up
    }

    /// A handshake begins now.
    #[inline]
    pub(super) fn begin(&mut self, inbound: bool) {
        let place = self.second as usize % KEPT;
        if let Some(count) = side(&mut self.begun, inbound).get_mut(place) {
            *count = count.saturating_add(1);
        }
    }

    /// A handshake that began some seconds ago is answered. Where that second has none (clocks
    /// round), the nearest one before or after pays; false if none waits.
    #[inline]
    pub(super) fn answer(&mut self, inbound: bool, seconds: u32) -> bool {
        let lists = side(&mut self.begun, inbound);
        for step in 0..KEPT as u32 {
            let back = (seconds.min(PATIENCE) + step) % KEPT as u32;
            let place = self.second.wrapping_sub(back) as usize % KEPT;
            if let Some(count) = lists.get_mut(place).filter(|count| **count > 0) {
                *count -= 1;
                return true;
            }
        }
        false
    }

    /// Whether any handshake waits.
    pub(super) fn is_waiting(&self) -> bool {
        self.begun.iter().flatten().any(|&count| count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_answered_in_time_is_not_counted() {
        let mut pending = Pending::default();
        pending.advance(100);
        for _ in 0..5 {
            pending.begin(false);
        }
        pending.begin(true);
        assert_eq!(pending.advance(102), [0, 0]);
        assert!(pending.answer(false, 2));
        assert!(pending.answer(false, 1), "the nearest second pays");
        assert_eq!(pending.advance(103), [0, 0]);
        assert_eq!(pending.advance(104), [3, 1]);
        assert!(!pending.is_waiting());
        assert!(!pending.answer(false, 0));
    }

    #[test]
    fn a_long_silence_gives_up_all() {
        let mut pending = Pending::default();
        for second in 10..13 {
            pending.advance(second);
            pending.begin(true);
        }
        assert_eq!(pending.advance(1_000_000), [0, 3]);
    }
}
