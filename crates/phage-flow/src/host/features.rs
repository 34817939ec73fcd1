//! Writes the behaviour features, in the order of the catalog.

use super::catalog::BEHAVIOUR;
use super::damped::{fast, slow, PER_SECOND};
use super::device::{sketches, Device};

/// Writes the features of a device at a packet. `distinct` are the estimates of its sketches,
/// `novelty` that of the peer, the service and the device.
#[inline]
pub(super) fn write(
    device: &Device,
    distinct: &[f32; 5],
    novelty: [f32; 3],
    length: u32,
    row: &mut [f32],
) {
    let damped = &device.damped;
    let [packets_out, packets_in] = damped.packets.map(|value| value as f32 * PER_SECOND);
    let [octets_out, octets_in] = damped.octets.map(|value| value as f32 * PER_SECOND);
    let [sent, received] = damped.volume;
    let quick = damped.fast.map(|value| value * PER_SECOND);
    let rare = &damped.slow;
    let values: [f32; BEHAVIOUR] = [
        packets_out,
        packets_in,
        octets_out,
        octets_in,
        quick[fast::FLOWS_OUT],
        quick[fast::FLOWS_IN],
        (sent / (sent + received).max(1.0)) as f32,
        length as f32,
        distinct[sketches::PEERS_OUT],
        distinct[sketches::ENDPOINTS_OUT],
        distinct[sketches::PEERS_IN],
        distinct[sketches::PORTS_IN],
        rare[slow::NEW_PEERS],
        novelty[0],
        novelty[1],
        novelty[2],
        damped.fast[fast::OPEN_OUT],
        damped.fast[fast::OPEN_IN],
        quick[fast::RESETS_IN],
        quick[fast::RESETS_OUT],
        quick[fast::UNREACHABLE_IN],
        quick[fast::ECHO_OUT],
        share(rare[slow::FAILURES], rare[slow::ATTEMPTS]),
        quick[fast::ODD],
        quick[fast::ARP_OUT],
        rare[slow::MISMATCHES],
        distinct[sketches::ARP_TARGETS],
        quick[fast::QUESTIONS],
        mean(rare[slow::NAME_LENGTH], rare[slow::NAMES]),
        mean(rare[slow::NAME_ENTROPY], rare[slow::NAMES]),
        share(rare[slow::FAILED_NAMES], rare[slow::ANSWERS]),
        quick[fast::GROUP],
    ];
    if row.len() == BEHAVIOUR {
        row.copy_from_slice(&values);
    }
}

/// A mean that fades to zero once less than one event of weight is left.
#[inline(always)]
fn mean(sum: f32, weight: f32) -> f32 {
    sum / weight.max(1.0)
}

/// A share: a mean of what happened or not.
#[inline(always)]
fn share(part: f32, whole: f32) -> f32 {
    mean(part, whole).min(1.0)
}
