//! Writes the behaviour features, in the order of the catalog.

use super::catalog::BEHAVIOUR;
use super::damped::{fast, slow, PER_SECOND};
use super::device::{sketches, Device};

/// What the first eight fast counters are multiplied by: handshakes are shown as a number.
const HEALTH: [f32; 8] = {
    let mut factors = [PER_SECOND; 8];
    factors[fast::OPEN_OUT] = 1.0;
    factors[fast::OPEN_IN] = 1.0;
    factors
};

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
    let Ok(row) = <&mut [f32; BEHAVIOUR]>::try_from(row) else {
        return;
    };
    let damped = &device.damped;
    let [packets_out, packets_in] = damped.packets.map(|value| value as f32 * PER_SECOND);
    let [octets_out, octets_in] = damped.octets.map(|value| value as f32 * PER_SECOND);
    let [sent, received] = damped.volume;
    let quick = damped.fast.map(|value| value * PER_SECOND);
    let [open_out, open_in, resets_in, resets_out, unreachable_in, echo_out, group, odd] =
        first_eight(&damped.fast, &HEALTH);
    let rare = &damped.slow;
    let [failures, name_length, name_entropy, failed_names] = ratios(rare);
    *row = [
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
        open_out,
        open_in,
        resets_in,
        resets_out,
        unreachable_in,
        echo_out,
        failures.min(1.0),
        odd,
        quick[fast::ARP_OUT],
        rare[slow::MISMATCHES],
        distinct[sketches::ARP_TARGETS],
        quick[fast::QUESTIONS],
        name_length,
        name_entropy,
        failed_names.min(1.0),
        group,
    ];
}

/// The products of the first eight.
#[inline(always)]
fn first_eight(values: &[f32; 12], factors: &[f32; 8]) -> [f32; 8] {
    let mut products = *factors;
    for (product, value) in products.iter_mut().zip(values) {
        *product *= value;
    }
    products
}

/// Means of what was counted: failures of handshakes; lengths, entropies of names; failed names.
/// They fade to zero once less than one event of weight is left.
#[inline(always)]
fn ratios(rare: &[f32; 12]) -> [f32; 4] {
    let weights = [
        rare[slow::ATTEMPTS],
        rare[slow::NAMES],
        rare[slow::NAMES],
        rare[slow::ANSWERS],
    ];
    let mut means = [
        rare[slow::FAILURES],
        rare[slow::NAME_LENGTH],
        rare[slow::NAME_ENTROPY],
        rare[slow::FAILED_NAMES],
    ];
    for (mean, weight) in means.iter_mut().zip(weights) {
        *mean /= weight.max(1.0);
    }
    means
}
