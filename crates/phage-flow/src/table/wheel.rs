//! A timing wheel: slots by the second in which they are to be looked at.
//!
//! Entering, removing and coming due cost O(1) each. A slot whose time moved is not moved with
//! it: when it comes due too early, its owner enters it again. (Varghese and Lauck, "Hashed and
//! hierarchical timing wheels", SOSP 1987, scheme 6 with one level.)

use super::NIL;

/// Seconds that the wheel spans; what is due later is looked at once a turn.
const SPAN: usize = 512;
/// Mark of a slot that is on no list.
const OFF: u16 = u16::MAX;

/// Doubly linked lists of slots, one for each second of a turn.
pub(crate) struct Wheel {
    heads: [u32; SPAN],
    links: Vec<Link>,
    /// The next second to be looked at.
    next: i64,
}

#[derive(Clone, Copy)]
struct Link {
    before: u32,
    after: u32,
    list: u16,
}

impl Link {
    const FREE: Self = Self {
        before: NIL,
        after: NIL,
        list: OFF,
    };
}

impl Wheel {
    pub(crate) fn new() -> Self {
        Self {
            heads: [NIL; SPAN],
            links: Vec::new(),
            next: i64::MIN,
        }
    }

    /// Enters a slot that is due in a second, and removes it from where it was.
    #[inline]
    pub(crate) fn enter(&mut self, slot: u32, second: i64) {
        let index = slot as usize;
        if index >= self.links.len() {
            self.links.resize(index + 1, Link::FREE);
        }
        self.leave(slot);
        // The first slot of all sets the wheel.
        if self.next == i64::MIN {
            self.next = second.saturating_sub(SPAN as i64 - 1);
        }
        let last = self.next.saturating_add(SPAN as i64 - 1);
        let list = second.clamp(self.next, last).rem_euclid(SPAN as i64) as usize;
        if let Some(head) = self.heads.get_mut(list) {
            let after = std::mem::replace(head, slot);
            if let Some(link) = self.links.get_mut(after as usize) {
                link.before = slot;
            }
            if let Some(link) = self.links.get_mut(index) {
                *link = Link {
                    before: NIL,
                    after,
                    list: list as u16,
                };
            }
        }
    }

    /// Removes a slot.
    #[inline]
    pub(crate) fn leave(&mut self, slot: u32) {
        let Some(link) = self.links.get_mut(slot as usize) else {
            return;
        };
        let Link {
            before,
            after,
            list,
        } = std::mem::replace(link, Link::FREE);
        if list == OFF {
            return;
        }
        if let Some(link) = self.links.get_mut(before as usize) {
            link.after = after;
        } else if let Some(head) = self.heads.get_mut(list as usize) {
            *head = after;
        }
        if let Some(link) = self.links.get_mut(after as usize) {
            link.before = before;
        }
    }

    /// Removes the slots that are due up to and in a second, and appends them.
    pub(crate) fn advance(&mut self, second: i64, due: &mut Vec<u32>) {
        if self.next == i64::MIN || second < self.next {
            return;
        }
        let turns = second.saturating_sub(self.next).saturating_add(1);
        let from = self.next;
        for step in 0..turns.min(SPAN as i64) {
            let list = from.saturating_add(step).rem_euclid(SPAN as i64) as usize;
            let Some(head) = self.heads.get_mut(list) else {
                continue;
            };
            let mut slot = std::mem::replace(head, NIL);
            while let Some(link) = self.links.get_mut(slot as usize) {
                due.push(slot);
                slot = std::mem::replace(link, Link::FREE).after;
            }
        }
        self.next = second.saturating_add(1);
    }

    /// Empties the wheel and appends all its slots, for a clock that was set back.
    pub(crate) fn empty(&mut self, all: &mut Vec<u32>) {
        if self.next == i64::MIN {
            return;
        }
        self.advance(self.next.saturating_add(SPAN as i64 - 1), all);
        self.next = i64::MIN;
    }

    /// The next second to be looked at.
    pub(crate) fn next(&self) -> i64 {
        self.next
    }

    /// Sets the next second to be looked at, of an empty wheel.
    pub(crate) fn set(&mut self, second: i64) {
        self.next = second;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn every_slot_comes_due_once_and_not_late(
            steps in prop::collection::vec((0_u32..50, 0_i64..2000, 0_u8..3), 1..300)
        ) {
            let mut wheel = Wheel::new();
            wheel.set(0);
            let mut expected: BTreeMap<u32, i64> = BTreeMap::new();
            let mut now = 0;
            for (slot, offset, kind) in steps {
                match kind {
                    0 => {
                        let second = (now + offset).max(wheel.next());
                        wheel.enter(slot, now + offset);
                        expected.insert(slot, second);
                    }
                    1 => { wheel.leave(slot); expected.remove(&slot); }
                    _ => {
                        now += offset / 20;
                        let mut due = Vec::new();
                        wheel.advance(now, &mut due);
                        let mut seen = due.clone();
                        seen.sort_unstable();
                        seen.dedup();
                        prop_assert_eq!(seen.len(), due.len());
                        for slot in due {
                            let second = expected.remove(&slot);
                            prop_assert!(second.is_some());
                            // Too early is allowed only for what lies beyond a turn.
                            if let Some(second) = second.filter(|&second| second > now) {
                                expected.insert(slot, second);
                                wheel.enter(slot, second);
                            }
                        }
                        prop_assert!(expected.values().all(|&second| second > now));
                    }
                }
            }
        }
    }
}
