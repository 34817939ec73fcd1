//! How many distinct peers: `HyperLogLog` with 64 registers, a cache line; 13 % error.
//!
//! Flajolet, Fusy, Gandouet and Meunier, "`HyperLogLog`: the analysis of a near-optimal cardinality
//! estimation algorithm" (`AofA` 2007). Registers of two sketches merge by their maximum, so a prefix
//! is counted from its hosts. Hashes are keyed, so nobody can aim at a register.

/// Registers.
const REGISTERS: usize = 64;
/// The bias correction for 64 registers (Flajolet et al., figure 3).
const ALPHA: f64 = 0.709;

/// The registers.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Distinct([u8; REGISTERS]);

impl Default for Distinct {
    fn default() -> Self {
        Self([0; REGISTERS])
    }
}

impl Distinct {
    /// Notes a thing by its hash.
    #[inline]
    pub(super) fn insert(&mut self, hash: u64) {
        // The hashes are one folded multiplication, which spreads neighbours too evenly.
        let mixed = (hash ^ (hash >> 32)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        let mixed = mixed ^ (mixed >> 29);
        let rank = ((mixed >> 6) | 1 << 58).trailing_zeros() as u8 + 1;
        if let Some(register) = self.0.get_mut((mixed & 63) as usize) {
            *register = (*register).max(rank);
        }
    }

    #[inline]
    pub(super) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = (*mine).max(theirs);
        }
    }

    /// The estimate; few things are counted by the registers that are still empty.
    pub(super) fn estimate(&self) -> f32 {
        let count = REGISTERS as f64;
        let sum: f64 = self
            .0
            .iter()
            // Exactly 2 to the power of minus the register.
            .map(|&register| f64::from_bits((1023 - u64::from(register)) << 52))
            .sum();
        let raw = ALPHA * count * count / sum;
        let empty: u32 = self.0.iter().map(|&rank| u32::from(rank == 0)).sum();
        let estimate = if raw <= 2.5 * count && empty > 0 {
            count * (count / f64::from(empty)).ln()
        } else {
            raw
        };
        estimate as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phage_decode::Secret;

    #[test]
    fn counts_within_its_error() {
        let secret = Secret::from_seed(5);
        for count in [1_u64, 10, 50, 200, 1000, 20_000, 500_000] {
            let mut sketch = Distinct::default();
            for thing in 0..count {
                sketch.insert(secret.hash(0, thing, 4));
                sketch.insert(secret.hash(0, thing, 4));
            }
            let ratio = f64::from(sketch.estimate()) / count as f64;
            assert!((0.6..1.6).contains(&ratio), "{count}: {ratio}");
        }
    }

    #[test]
    fn merged_sketches_count_the_union() {
        let secret = Secret::from_seed(6);
        let (mut one, mut two, mut both) = <(Distinct, Distinct, Distinct)>::default();
        for thing in 0..3000_u64 {
            let hash = secret.hash(1, thing, 4);
            if thing < 2000 {
                one.insert(hash);
            }
            if thing >= 1000 {
                two.insert(hash);
            }
            both.insert(hash);
        }
        one.merge(&two);
        assert!((one.estimate() - both.estimate()).abs() < f32::EPSILON);
        assert!(Distinct::default().estimate().abs() < f32::EPSILON);
    }
}
