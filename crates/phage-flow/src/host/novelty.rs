//! How new a relation is: a bounded memory of what each device has had to do with.

use phage_decode::{Packet, Secret};

use crate::flow::{touch, FlowTouch};
use crate::table::entries::{Entries, Payload};

/// Seconds in which the novelty of a relation halves: longer than most attacks last, shorter than
/// the time in which a person calls something new.
const HALF_LIFE: i64 = 1800;
/// The same for a device.
const DEVICE_HALF_LIFE: i64 = 7200;
/// Steps of the scale in one half-life.
const STEPS: i64 = 32;
/// Half-lives after which nothing is new any more.
const SPAN: i64 = 16;
/// Seconds, and packets, after which half of what is seen for the first time is news: at the
/// beginning everything is, and says nothing.
const LEARNED_SECONDS: f64 = 300.0;
const LEARNED_PACKETS: f64 = 5000.0;
/// Seconds that a relation is remembered as established without being seen: a week.
const REMEMBERED: u32 = 7 * 86_400;

/// When something was first seen, in seconds; set back where the first sight came while
/// everything was new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Birth(i32);

impl Birth {
    /// Of what was never new.
    pub(super) const EVER: Self = Self(i32::MIN);
}

/// Novelty by age.
#[derive(Clone, Debug)]
pub(super) struct Newness {
    scale: Box<[f32]>,
    packets: u64,
}

impl Newness {
    pub(super) fn new() -> Self {
        let steps = SPAN * STEPS;
        Self {
            scale: (0..steps)
                .map(|step| (-(step as f32) / STEPS as f32).exp2())
                .collect(),
            packets: 0,
        }
    }

    /// Counts a packet.
    #[inline(always)]
    pub(super) fn saw(&mut self) {
        self.packets += 1;
    }

    /// How much a first sight means, `second` seconds after the beginning: 0 to 1.
    fn weight(&self, second: u32) -> f64 {
        let time = (-f64::from(second) / LEARNED_SECONDS).exp2();
        let packets = (-(self.packets as f64) / LEARNED_PACKETS).exp2();
        1.0 - time.min(packets)
    }

    /// The birth of what is seen first now.
    pub(super) fn birth(&self, second: u32, device: bool) -> Birth {
        let half_life = if device { DEVICE_HALF_LIFE } else { HALF_LIFE };
        let weight = self.weight(second).max((-(SPAN as f64)).exp2());
        let earlier = -weight.log2() * half_life as f64;
        Birth((f64::from(second) - earlier) as i32)
    }

    /// How new a relation is.
    #[inline]
    pub(super) fn relation(&self, birth: Birth, second: u32) -> f32 {
        self.at(birth, second, HALF_LIFE)
    }

    /// How new a device is.
    #[inline]
    pub(super) fn device(&self, birth: Birth, second: u32) -> f32 {
        self.at(birth, second, DEVICE_HALF_LIFE)
    }

    #[inline]
    fn at(&self, birth: Birth, second: u32, half_life: i64) -> f32 {
        let age = (i64::from(second) - i64::from(birth.0)).max(0);
        let step = (age * STEPS / half_life) as usize;
        self.scale.get(step).copied().unwrap_or(0.0)
    }
}

/// What each device has had to do with: peers and services.
pub(super) struct Relations {
    entries: Entries,
}

impl Relations {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            entries: Entries::new(capacity),
        }
    }

    /// Begins to load what is known of a relation.
    #[inline(always)]
    pub(super) fn prefetch(&self, key: u64) {
        self.entries.prefetch(key);
    }

    /// Goes one step towards huge pages.
    pub(super) fn settle(&mut self) {
        self.entries.settle();
    }

    /// Relations forgotten for want of room.
    pub(super) fn forgotten(&self) -> u64 {
        self.entries.evicted
    }

    /// Notes a relation; says when it was first seen, and whether that is now.
    #[inline]
    pub(super) fn see(&mut self, key: u64, second: u32, newness: &Newness) -> (Birth, bool) {
        let Some((payload, place)) = self.entries.get(key) else {
            return self.meet(key, second, newness);
        };
        let [birth, last, times] = payload;
        // How often: in how many different seconds. A burst counts once.
        if last != second {
            let times = times.saturating_add(1);
            self.entries.set(place, [birth, second, times]);
        }
        (Birth(birth as i32), false)
    }

    fn meet(&mut self, key: u64, second: u32, newness: &Newness) -> (Birth, bool) {
        let birth = newness.birth(second, false);
        self.entries
            .insert(key, [birth.0 as u32, second, 1], |payload| {
                worth(payload, second)
            });
        (birth, true)
    }
}

/// What was seen in many seconds outweighs what was seen in few; between equals the later one
/// stays. What was not seen for a week weighs like a first sight.
fn worth(payload: &Payload, second: u32) -> u64 {
    let &[_, last, times] = payload;
    let times = if second.saturating_sub(last) > REMEMBERED {
        1
    } else {
        times.min(16)
    };
    u64::from(times) << 32 | u64::from(last)
}

/// The key of a device's relation with a peer.
#[inline]
pub(super) fn peer_key(secret: &Secret, device: u64, peer: u64) -> u64 {
    secret.hash(device, peer, 2)
}

/// A service as a device meets it: protocol, port, role and place of the peer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Service(u64);

impl Service {
    /// The service of a packet that the device sent, or else received. Ports from 32768 on are
    /// one: they are taken at random.
    #[inline]
    pub(super) fn of(packet: &Packet, answer: &FlowTouch, sent: bool, peer_home: bool) -> Self {
        let serves = sent == answer.has(touch::REVERSE);
        Self(
            u64::from(packet.protocol)
                | u64::from(packet.ether_type) << 8
                | u64::from(answer.server_port.min(32_768)) << 32
                | u64::from(serves) << 48
                | u64::from(peer_home) << 49,
        )
    }
}

/// The key of a device's relation with a service.
#[inline]
pub(super) fn service_key(secret: &Secret, device: u64, service: Service) -> u64 {
    secret.hash(device, service.0 | 1 << 63, 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u32 = 86_400;

    fn see(relations: &mut Relations, key: u64, second: u32, newness: &Newness) -> (f32, bool) {
        let (birth, first) = relations.see(key, second, newness);
        (newness.relation(birth, second), first)
    }

    fn newness(packets: u64) -> Newness {
        Newness {
            packets,
            ..Newness::new()
        }
    }

    #[test]
    fn at_the_beginning_nothing_is_news() {
        let mut relations = Relations::new(64);
        let mut newness = newness(0);
        assert!(see(&mut relations, 1, 0, &newness).0 < 0.01);
        newness.packets = 100_000;
        assert!(
            see(&mut relations, 1, 600, &newness).0 < 0.01,
            "known from the start"
        );
        let (novelty, fresh) = see(&mut relations, 2 << 32, 600, &newness);
        assert!(novelty > 0.9 && fresh);
    }

    #[test]
    fn novelty_halves_every_half_hour() {
        let mut relations = Relations::new(64);
        let newness = newness(1 << 40);
        for (seconds, expected) in [(0, 1.0), (1800, 0.5), (3600, 0.25), (DAY, 0.0)] {
            let (novelty, fresh) = see(&mut relations, 7, DAY + seconds, &newness);
            assert!((novelty - expected).abs() < 0.02, "{seconds}: {novelty}");
            assert_eq!(fresh, seconds == 0);
        }
        let birth = newness.birth(DAY, true);
        assert!((newness.device(birth, DAY + 7200) - 0.5).abs() < 0.02);
    }

    #[test]
    fn a_flood_of_relations_leaves_the_established() {
        let secret = Secret::from_seed(1);
        let mut relations = Relations::new(1024);
        let newness = newness(1 << 40);
        for second in 0..10 {
            for known in 0..200 {
                relations.see(peer_key(&secret, 1, known), second, &newness);
            }
        }
        for spoofed in 1000..1_000_000_u64 {
            relations.see(peer_key(&secret, 1, spoofed), 20, &newness);
        }
        let kept = (0..200)
            .filter(|&known| !relations.see(peer_key(&secret, 1, known), 21, &newness).1)
            .count();
        assert!(kept >= 199, "{kept}");
        assert!(relations.forgotten() > 990_000);
    }
}
