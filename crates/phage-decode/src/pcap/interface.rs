//! Interfaces of a pcapng section: how to read the frames that were seen on them.

use super::block::options;
use super::reader::Order;
use crate::frame::LinkType;

/// Options of an interface description that matter for reading frames.
mod code {
    pub(super) const TIME_RESOLUTION: u16 = 9;
    pub(super) const TIME_OFFSET: u16 = 14;
}

/// An interface description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interface {
    pub(super) link: LinkType,
    /// Bytes of a frame that were kept at most; 0 where there was no limit.
    pub(super) snap_length: u32,
    /// Its number over all sections.
    pub(super) number: u16,
    clock: Clock,
}

/// How an interface tells time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Clock {
    /// Added to every time, in nanoseconds.
    offset: i128,
    resolution: Resolution,
}

/// What a unit of time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resolution {
    /// So many nanoseconds.
    Nanoseconds(u64),
    /// A nanosecond divided by this.
    Divided(u128),
    /// A second divided by two to this power.
    Binary(u32),
}

impl Interface {
    /// Reads the body of an interface description block; None where it is too short.
    pub(super) fn read(order: Order, body: &[u8], number: u16) -> Option<Self> {
        let mut clock = Clock {
            offset: 0,
            resolution: Resolution::Nanoseconds(1000),
        };
        for (option, value) in options(order, body.get(8..)?) {
            match (option, value) {
                (code::TIME_RESOLUTION, [exponent]) => clock.resolution = resolution(*exponent),
                (code::TIME_OFFSET, _) => {
                    if let Some(seconds) = order.u64_at(value, 0) {
                        clock.offset = i128::from(seconds as i64) * 1_000_000_000;
                    }
                }
                _ => {}
            }
        }
        Some(Self {
            link: LinkType(order.u16_at(body, 0)?),
            snap_length: order.u32_at(body, 4)?,
            number,
            clock,
        })
    }

    /// Nanoseconds since the epoch for a time in the interface's units. What lies beyond the
    /// range of the type stays at its end.
    #[inline]
    pub(super) fn time(&self, units: u64) -> i64 {
        if let Resolution::Nanoseconds(unit) = self.clock.resolution {
            let exact = units
                .checked_mul(unit)
                .and_then(|time| i64::try_from(time).ok());
            if let (Some(time), 0) = (exact, self.clock.offset) {
                return time;
            }
        }
        self.clock.scaled(units)
    }
}

impl Clock {
    #[cold]
    fn scaled(&self, units: u64) -> i64 {
        let units = u128::from(units);
        // 64 bits times 10^9 are at most 94 bits.
        let time = match self.resolution {
            Resolution::Nanoseconds(unit) => units * u128::from(unit),
            Resolution::Divided(parts) => units / parts,
            Resolution::Binary(power) => (units * 1_000_000_000) >> power,
        };
        let time = time as i128 + self.offset;
        i64::try_from(time).unwrap_or(if time < 0 { i64::MIN } else { i64::MAX })
    }
}

/// Reads the exponent of a resolution: of two where the highest bit is set, else of ten.
fn resolution(exponent: u8) -> Resolution {
    let power = u32::from(exponent & 0x7f);
    if exponent & 0x80 != 0 {
        return Resolution::Binary(power);
    }
    match power.checked_sub(9) {
        None | Some(0) => Resolution::Nanoseconds(10_u64.pow(9 - power)),
        // Units too short to be written down make every time 0.
        Some(smaller) => Resolution::Divided(10_u128.checked_pow(smaller).unwrap_or(u128::MAX)),
    }
}
