//! Damped counters of one device: they halve every ten seconds, or every minute.

/// Half-life of rates, seconds.
const FAST: f32 = 10.0;
/// Half-life of ratios and rare things, seconds.
const SLOW: f32 = 60.0;
/// A steady stream of `r` events a second settles at a count of `r * half-life / ln 2`.
pub(super) const PER_SECOND: f32 = std::f32::consts::LN_2 / FAST;
/// Nanoseconds for which decay is put off: under 0.4 % of a fast counter, and it spares the
/// exponential of most packets in a burst.
const GRAIN: i64 = 50_000_000;
/// Seconds a clock may go back before it is taken as set anew.
const SET_BACK: i64 = 3_600_000_000_000;

/// Places of the counters that halve every ten seconds; the first eight as the features have them.
pub(super) mod fast {
    pub(in crate::host) const OPEN_OUT: usize = 0;
    pub(in crate::host) const OPEN_IN: usize = 1;
    pub(in crate::host) const RESETS_IN: usize = 2;
    pub(in crate::host) const RESETS_OUT: usize = 3;
    pub(in crate::host) const UNREACHABLE_IN: usize = 4;
    pub(in crate::host) const ECHO_OUT: usize = 5;
    pub(in crate::host) const GROUP: usize = 6;
    pub(in crate::host) const ODD: usize = 7;
    pub(in crate::host) const FLOWS_OUT: usize = 8;
    pub(in crate::host) const FLOWS_IN: usize = 9;
    pub(in crate::host) const ARP_OUT: usize = 10;
    pub(in crate::host) const QUESTIONS: usize = 11;
}

/// Places of the counters that halve every minute; shares and means are of four and the next four.
pub(super) mod slow {
    pub(in crate::host) const FAILURES: usize = 0;
    pub(in crate::host) const NAME_LENGTH: usize = 1;
    pub(in crate::host) const NAME_ENTROPY: usize = 2;
    pub(in crate::host) const FAILED_NAMES: usize = 3;
    pub(in crate::host) const ATTEMPTS: usize = 4;
    pub(in crate::host) const NAMES: usize = 5;
    pub(in crate::host) const ANSWERS: usize = 7;
    pub(in crate::host) const NEW_PEERS: usize = 8;
    pub(in crate::host) const MISMATCHES: usize = 9;
}

/// `2^-x` for `x` not negative, within 2e-7: the mathematical library takes several times as long.
#[inline(always)]
fn halved(x: f32) -> f32 {
    let whole = (x + 0.5) as i32;
    if whole > 126 {
        return 0.0;
    }
    // The exponential series at at most ln(2) / 2 from zero.
    let z = (whole as f32 - x) * std::f32::consts::LN_2;
    let series = 1.0
        + z * (1.0
            + z * (0.5 + z * (1.0 / 6.0 + z * (1.0 / 24.0 + z * (1.0 / 120.0 + z / 720.0)))));
    series * f32::from_bits(((127 - whole) as u32) << 23)
}

/// Zero for what is as good as gone, long before it is too small for the processor to be quick.
#[inline(always)]
fn faded(value: f32) -> f32 {
    if value < 1e-6 {
        0.0
    } else {
        value
    }
}

/// The damped counters of a device. Octets are `f64`: a gigabit stream weighs 10^9, where `f32`
/// rounds a small packet away.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct Damped {
    time: i64,
    pub(super) packets: [f64; 2],
    pub(super) octets: [f64; 2],
    /// Octets, halving every minute.
    pub(super) volume: [f64; 2],
    pub(super) fast: [f32; 12],
    pub(super) slow: [f32; 12],
}

impl Damped {
    /// Starts at a time with nothing counted.
    pub(super) fn at(time: i64) -> Self {
        Self {
            time,
            ..Self::default()
        }
    }

    /// Lets the counters decay up to a time.
    #[inline(always)]
    pub(super) fn advance(&mut self, time: i64) {
        let elapsed = time.saturating_sub(self.time);
        if elapsed >= GRAIN {
            self.decay(elapsed as f32 * 1e-9);
            self.time = time;
        } else if elapsed < -SET_BACK {
            self.time = time;
        }
    }

    fn decay(&mut self, seconds: f32) {
        let fast = halved(seconds / FAST);
        let slow = halved(seconds / SLOW);
        for value in self.packets.iter_mut().chain(&mut self.octets) {
            *value *= f64::from(fast);
        }
        for value in &mut self.volume {
            *value *= f64::from(slow);
        }
        for value in &mut self.fast {
            *value = faded(*value * fast);
        }
        for value in &mut self.slow {
            *value = faded(*value * slow);
        }
    }

    /// How much of a fast event is left after a time.
    pub(super) fn left(seconds: f32) -> f32 {
        halved(seconds / FAST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_stream_settles_at_its_rate() {
        let mut damped = Damped::at(0);
        // 50 packets a second of 1000 octets for three minutes.
        for i in 0..9000_i64 {
            damped.advance(i * 20_000_000);
            damped.packets[0] += 1.0;
            damped.octets[0] += 1000.0;
            damped.fast[fast::GROUP] += 1.0;
        }
        let rate = damped.packets[0] as f32 * PER_SECOND;
        assert!((rate - 50.0).abs() < 1.0, "{rate}");
        assert!((damped.octets[0] as f32 * PER_SECOND - 50_000.0).abs() < 1000.0);
        assert!((damped.fast[fast::GROUP] * PER_SECOND - 50.0).abs() < 1.0);
        damped.advance(9000 * 20_000_000 + 10_000_000_000);
        assert!((damped.packets[0] as f32 * PER_SECOND - 25.0).abs() < 1.0);
    }

    #[test]
    fn halving_agrees_with_the_library() {
        for step in 0..20_000 {
            let x = step as f32 * 0.01;
            let expected = (-x).exp2();
            let error = (halved(x) - expected).abs();
            assert!(error <= 4e-7 * expected + 1e-38, "{x}: {error}");
        }
        assert!(halved(f32::MAX).abs() < f32::MIN_POSITIVE);
    }

    #[test]
    fn a_clock_set_back_does_not_freeze_the_counters() {
        let mut damped = Damped::at(i64::MAX - 1);
        damped.packets[0] = 8.0;
        damped.advance(0);
        damped.advance(10_000_000_000);
        assert!((damped.packets[0] - 4.0).abs() < 0.01);
    }
}
