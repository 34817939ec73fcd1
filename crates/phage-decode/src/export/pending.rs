//! Data that came before its template.

use std::collections::VecDeque;

use super::copying::Clock;

/// One set that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Place and serial number of its domain.
    pub(super) domain: (usize, u32),
    pub(super) template: u16,
    pub(super) port: u16,
    pub(super) clock: Clock,
    pub(super) data: Vec<u8>,
}

/// The sets that wait, oldest first; the oldest give way.
#[derive(Debug)]
pub(super) struct Pending {
    queue: VecDeque<Waiting>,
    octets: usize,
    limit: usize,
    /// Sets that gave way, or whose domain has too many.
    pub(super) dropped: u64,
}

/// Sets that wait at once: a template that comes is compared with each.
const MOST_SETS: usize = 1_024;

impl Pending {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            octets: 0,
            limit,
            dropped: 0,
        }
    }

    /// How many sets wait.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Keeps a set; answers whose sets gave way.
    pub(super) fn keep(&mut self, set: Waiting) -> Vec<(usize, u32)> {
        let mut gone = Vec::new();
        if set.data.len() > self.limit {
            self.dropped += 1;
            gone.push(set.domain);
            return gone;
        }
        self.octets += set.data.len();
        self.queue.push_back(set);
        while self.queue.len() > MOST_SETS || self.octets > self.limit {
            let Some(oldest) = self.queue.pop_front() else {
                break;
            };
            self.octets -= oldest.data.len();
            self.dropped += 1;
            gone.push(oldest.domain);
        }
        gone
    }

    /// Takes out the sets of a domain that wait for a template.
    pub(super) fn take(&mut self, domain: (usize, u32), template: u16) -> Vec<Waiting> {
        let mut taken = Vec::new();
        let mut place = 0;
        while let Some(set) = self.queue.get(place) {
            if set.domain == domain && set.template == template {
                if let Some(set) = self.queue.remove(place) {
                    self.octets -= set.data.len();
                    taken.push(set);
                }
            } else {
                place += 1;
            }
        }
        taken
    }
}
