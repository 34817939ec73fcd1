//! What the 100 features of a row are called.

use phage_decode::catalog::{Feature, Scale};

use super::DAMPED;

/// One statistic of one stream, under the five rates.
macro_rules! five {
    ($name:literal, $unit:literal, $meaning:literal, $scale:ident, $floor:literal) => {
        [
            five!(one $name, "200ms", $unit, $meaning, "0.2 s", $scale, $floor),
            five!(one $name, "330ms", $unit, $meaning, "0.33 s", $scale, $floor),
            five!(one $name, "1s", $unit, $meaning, "1 s", $scale, $floor),
            five!(one $name, "10s", $unit, $meaning, "10 s", $scale, $floor),
            five!(one $name, "100s", $unit, $meaning, "100 s", $scale, $floor),
        ]
    };
    (one $name:literal, $suffix:literal, $unit:literal, $meaning:literal, $half:literal, $scale:ident, $floor:literal) => {
        Feature {
            name: concat!($name, "_", $suffix),
            unit: $unit,
            meaning: concat!($meaning, ", memory halved every ", $half),
            scale: Scale::$scale,
            floor: $floor,
        }
    };
}

/// The groups of five, in the order of a row. Floors are what says nothing on any network: two packets, the
/// length of an option or two, a millisecond of the scheduler.
const GROUPS: [[Feature; 5]; DAMPED / 5] = [
    five!(
        "source_weight",
        "packets",
        "packets from this source",
        Logarithmic,
        2.0
    ),
    five!(
        "channel_weight",
        "packets",
        "packets from this address to that one",
        Logarithmic,
        2.0
    ),
    five!(
        "socket_weight",
        "packets",
        "packets in this direction of the connection",
        Logarithmic,
        2.0
    ),
    five!(
        "source_mean",
        "octets",
        "mean length of packets from this source",
        Logarithmic,
        16.0
    ),
    five!(
        "channel_mean",
        "octets",
        "mean length of packets from this address to that one",
        Logarithmic,
        16.0
    ),
    five!(
        "socket_mean",
        "octets",
        "mean length of packets in this direction of the connection",
        Logarithmic,
        16.0
    ),
    five!(
        "source_deviation",
        "octets",
        "spread of the lengths from this source",
        Logarithmic,
        16.0
    ),
    five!(
        "channel_deviation",
        "octets",
        "spread of the lengths from this address to that one",
        Logarithmic,
        16.0
    ),
    five!(
        "socket_deviation",
        "octets",
        "spread of the lengths in this direction of the connection",
        Logarithmic,
        16.0
    ),
    five!(
        "channel_magnitude",
        "octets",
        "mean lengths of both directions between two addresses, as one",
        Logarithmic,
        16.0
    ),
    five!(
        "socket_magnitude",
        "octets",
        "mean lengths of both directions of the connection, as one",
        Logarithmic,
        16.0
    ),
    five!(
        "channel_radius",
        "octets^2",
        "variance of both directions' lengths between two addresses, as one",
        Logarithmic,
        256.0
    ),
    five!(
        "socket_radius",
        "octets^2",
        "variance of both directions' lengths of the connection, as one",
        Logarithmic,
        256.0
    ),
    five!(
        "channel_covariance",
        "octets^2",
        "how lengths of both directions between two addresses go together",
        Logarithmic,
        256.0
    ),
    five!(
        "socket_covariance",
        "octets^2",
        "how lengths of both directions of the connection go together",
        Logarithmic,
        256.0
    ),
    five!(
        "channel_correlation",
        "1",
        "correlation of both directions' lengths between two addresses",
        Linear,
        0.1
    ),
    five!(
        "socket_correlation",
        "1",
        "correlation of both directions' lengths of the connection",
        Linear,
        0.1
    ),
    five!(
        "gap_weight",
        "packets",
        "gaps between packets from this address to that one",
        Logarithmic,
        2.0
    ),
    five!(
        "gap_mean",
        "ms",
        "mean gap between packets from this address to that one",
        Logarithmic,
        1.0
    ),
    five!(
        "gap_deviation",
        "ms",
        "spread of the gaps between packets from this address to that one",
        Logarithmic,
        1.0
    ),
];

/// The features of a row of damped statistics, in its order.
///
/// *Weight* is a count that decays; the weight of the gaps is that of their channel (a duplicate, kept so that the row has
/// the 100 features of the published method). The first packet of a direction counts as a gap of 0.
pub static DAMPED_CATALOG: [Feature; DAMPED] = flatten();

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated at compile time, where a wrong index is an error"
)]
const fn flatten() -> [Feature; DAMPED] {
    let mut all = [GROUPS[0][0]; DAMPED];
    let mut number = 0;
    while number < DAMPED {
        all[number] = GROUPS[number / 5][number % 5];
        number += 1;
    }
    all
}
