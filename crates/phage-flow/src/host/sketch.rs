//! How many distinct things were seen in the last minute: linear counting in two halves.
//!
//! Two bitmaps cover the running half-minute and the one before; what was seen only in the older
//! one fades out as the running one fills. 512 bits count up to about 1,500 with 5 % error and
//! say "3,000" for anything beyond. (Whang, Vander-Zanden and Taylor, "A linear-time probabilistic
//! counting algorithm", TODS 1990.)

/// Bits of one half.
const BITS: usize = 512;
/// Seconds of one half.
pub(super) const HALF: i64 = 30;

/// Mixes a key once more. One folded multiplication spreads neighbouring addresses too evenly: a
/// scan would fill the bitmap like a comb, and count as many times what it is.
#[inline]
fn mixed(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// The bitmaps of one sketch: two cache lines.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Bitmaps {
    now: [u64; BITS / 64],
    before: [u64; BITS / 64],
}

impl Default for Bitmaps {
    fn default() -> Self {
        Self {
            now: [0; BITS / 64],
            before: [0; BITS / 64],
        }
    }
}

/// What is read of a sketch for every packet; the bitmaps lie elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sketch {
    half: u32,
    ones: u16,
    either: u16,
}

impl Sketch {
    /// Notes a thing by its hash in a half-minute.
    #[inline]
    pub(super) fn insert(&mut self, bitmaps: &mut Bitmaps, hash: u64, half: u32) {
        if self.half != half {
            self.turn(bitmaps, half);
        }
        let hash = mixed(hash);
        let (word, bit) = ((hash >> 61) as usize, 1 << ((hash >> 55) & 63));
        let (Some(now), Some(before)) = (bitmaps.now.get_mut(word), bitmaps.before.get(word))
        else {
            return;
        };
        if *now & bit == 0 {
            *now |= bit;
            self.ones += 1;
            self.either += u16::from(before & bit == 0);
        }
    }

    #[cold]
    fn turn(&mut self, bitmaps: &mut Bitmaps, half: u32) {
        if half == self.half.wrapping_add(1) {
            bitmaps.before = bitmaps.now;
            self.either = self.ones;
        } else {
            bitmaps.before = [0; BITS / 64];
            self.either = 0;
        }
        bitmaps.now = [0; BITS / 64];
        self.ones = 0;
        self.half = half;
    }

    /// The estimate in a half-minute of which the share `left` is still to come.
    #[inline]
    pub(super) fn estimate(self, scale: &Estimates, half: u32, left: f32) -> f32 {
        // Without branches: which it is changes from packet to packet.
        let age = half.wrapping_sub(self.half);
        let ones = scale.of(self.ones);
        let recent = if age == 0 { ones } else { 0.0 };
        let before = if age == 1 { ones } else { 0.0 };
        let either = if age == 0 {
            scale.of(self.either)
        } else {
            before
        };
        recent + (either - recent) * left
    }
}

/// Estimates by the number of bits set.
#[derive(Clone, Debug)]
pub(super) struct Estimates(Box<[f32]>);

impl Estimates {
    pub(super) fn new() -> Self {
        let bits = BITS as f64;
        let estimate = |ones: usize| {
            // A full bitmap counts as if half a bit were left.
            let empty = (bits - ones as f64).max(0.5);
            (bits * (bits / empty).ln()) as f32
        };
        Self((0..=BITS).map(estimate).collect())
    }

    #[inline]
    fn of(&self, ones: u16) -> f32 {
        self.0.get(usize::from(ones)).copied().unwrap_or(0.0)
    }
}

/// A sketch of 64 bits a half, for the many remote hosts: up to about 150 with 15 % error.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SmallSketch {
    now: u64,
    before: u64,
}

impl SmallSketch {
    /// Notes a thing by its hash.
    #[inline]
    pub(super) fn insert(&mut self, hash: u64) {
        self.now |= 1 << (mixed(hash) >> 58);
    }

    /// Begins another half-minute, `halves` after the last.
    pub(super) fn turn(&mut self, halves: u32) {
        self.before = if halves == 1 { self.now } else { 0 };
        self.now = 0;
    }

    /// Whether [`SmallSketch::estimate`] is at least so many, of a few: then it lies above the
    /// number of bits set, by less than one.
    pub(super) fn is_at_least(self, few: u32) -> bool {
        debug_assert!(few <= 8);
        (self.now | self.before).count_ones() >= few
    }

    /// How many distinct things, in both halves.
    pub(super) fn estimate(self) -> f32 {
        let empty = (64.0 - (self.now | self.before).count_ones() as f32).max(0.5);
        64.0 * (64.0 / empty).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phage_decode::Secret;

    #[test]
    fn the_error_stays_within_bounds() {
        let scale = Estimates::new();
        for seed in 0..20 {
            let secret = Secret::from_seed(seed);
            for (count, bound) in [
                (1_u64, 0.01),
                (10, 0.1),
                (100, 0.12),
                (500, 0.12),
                (1500, 0.2),
            ] {
                let (mut sketch, mut bitmaps) = (Sketch::default(), Bitmaps::default());
                for _ in 0..3 {
                    for i in 0..count {
                        sketch.insert(&mut bitmaps, secret.hash(i, 5, 0), 4);
                    }
                }
                let estimate = sketch.estimate(&scale, 4, 1.0);
                let error = (estimate - count as f32).abs() / count as f32;
                assert!(error <= bound, "{count}: {estimate}");
            }
        }
    }

    #[test]
    fn what_is_old_fades_and_what_is_older_is_gone() {
        let scale = Estimates::new();
        let secret = Secret::from_seed(3);
        let (mut sketch, mut bitmaps) = (Sketch::default(), Bitmaps::default());
        for i in 0..100 {
            sketch.insert(&mut bitmaps, secret.hash(i, 0, 0), 7);
        }
        let full = sketch.estimate(&scale, 7, 0.5);
        assert!((sketch.estimate(&scale, 8, 0.5) - full / 2.0).abs() < 1.0);
        sketch.insert(&mut bitmaps, secret.hash(1, 0, 0), 8);
        assert!((sketch.estimate(&scale, 8, 1.0) - full).abs() < 1.0);
        assert!(sketch.estimate(&scale, 8, 0.0) < 2.0);
        assert!(sketch.estimate(&scale, 10, 1.0).abs() < f32::EPSILON);
        sketch.insert(&mut bitmaps, secret.hash(1, 0, 0), 20);
        assert!(sketch.estimate(&scale, 20, 1.0) < 2.0);
    }

    #[test]
    fn a_few_bits_are_as_many_things() {
        for ones in 0..=64_u32 {
            let now = if ones == 64 {
                u64::MAX
            } else {
                (1 << ones) - 1
            };
            let sketch = SmallSketch { now, before: 0 };
            for few in 0..=8 {
                let estimated = sketch.estimate() >= few as f32;
                assert_eq!(sketch.is_at_least(few), estimated, "{ones} {few}");
            }
        }
    }

    #[test]
    fn the_small_one_counts_a_scan() {
        let secret = Secret::from_seed(3);
        let mut sketch = SmallSketch::default();
        for i in 0..40 {
            sketch.insert(secret.hash(i, 0, 0));
        }
        assert!((25.0..60.0).contains(&sketch.estimate()));
        sketch.turn(2);
        assert!(sketch.estimate() < 0.01);
    }
}
