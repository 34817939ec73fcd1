//! Which MAC holds which address, as ARP says: the ground on which a forged claim stands out.

use crate::table::entries::{Entries, Payload};

/// Seconds for which a claim keeps an address for its holder. An address that changes hands by
/// lease has been silent for longer.
const HELD: u32 = 1200;

/// Holders of addresses: MAC and when they last claimed it.
pub(super) struct Neighbours {
    entries: Entries,
}

impl Neighbours {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            entries: Entries::new(capacity),
        }
    }

    /// Notes that a MAC claims the address behind a key; true if another holds it.
    ///
    /// The holder stays the holder while it goes on claiming: each forged claim is a mismatch, not
    /// only the first.
    pub(super) fn claim(&mut self, key: u64, mac: u64, second: u32) -> bool {
        let (low, high) = (mac as u32, (mac >> 32) as u32 & 0xffff);
        let Some(([held_low, held_high, last], place)) = self.entries.get(key) else {
            self.entries.insert(key, [low, high, second], worth);
            return false;
        };
        let times = held_high >> 16;
        let same = (held_low, held_high & 0xffff) == (low, high);
        if same || second.saturating_sub(last) > HELD {
            let times = if same { (times + 1).min(0xffff) } else { 0 };
            self.entries.set(place, [low, high | times << 16, second]);
            return false;
        }
        true
    }
}

/// Claims repeated often outweigh those made once; between equals the later one stays.
fn worth(payload: &Payload) -> u64 {
    let &[_, high, last] = payload;
    u64::from((high >> 16).min(16)) << 32 | u64::from(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forged_claim_stands_out_each_time_and_the_holder_never() {
        let mut neighbours = Neighbours::new(64);
        for second in 0..100 {
            assert!(!neighbours.claim(5 << 32, 0xaa_0000_0001, second));
            if second > 10 {
                assert!(neighbours.claim(5 << 32, 0xbb_0000_0001, second));
            }
        }
        // Handed over after a long silence.
        assert!(!neighbours.claim(5 << 32, 0xcc_0000_0001, 2000));
        assert!(neighbours.claim(5 << 32, 0xaa_0000_0001, 2001));
    }
}
