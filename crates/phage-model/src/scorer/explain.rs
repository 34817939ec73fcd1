//! Rows of a window: the most surprising packet of each device and what was unusual in it.

use super::peak::{FeatureRows, Peak};
use super::Scorer;
use crate::device::{place, Model, Row, Scaling, INPUTS};
use crate::network::Contribution;
use crate::rows::{ScoreRow, EXPLAINED};

/// Devices ahead that are asked for: all that spoke in a window are more than a cache holds.
const AHEAD: usize = 6;
/// No feature.
const NO_FEATURE: u16 = u16::MAX;

/// A feature that had a part in a surprise.
#[derive(Clone, Copy, Debug)]
struct Cause {
    feature: u16,
    weight: f32,
    /// Its place among the behaviour features, or among the network's contributions.
    from: usize,
}

impl Scorer {
    /// Appends the rows of the open window and opens the next.
    pub(super) fn explain(&mut self, rows: &mut Vec<ScoreRow>) {
        let mut contributions = Vec::new();
        let mut causes = Vec::new();
        let peaks = self.peaks.entries();
        rows.reserve(peaks.len());
        for (at, peak) in peaks.iter().enumerate() {
            if let Some(ahead) = peaks.get(at + AHEAD) {
                self.fetch(ahead);
            }
            let watched = self.store.profiles.get(peak.profile as usize);
            let mature = watched.is_some_and(|watched| watched.profile.mature);
            let identity = self.store.identity(peak.device);
            let mut row = ScoreRow {
                device_mac: identity.mac,
                device_address: identity.address,
                mature: u8::from(mature),
                features: [NO_FEATURE; EXPLAINED],
                ..peak.row()
            };
            if let Some(features) = self.peaks.features(peak) {
                let model = watched
                    .filter(|watched| watched.profile.mature)
                    .map_or(&self.prior.model, |watched| &watched.profile.model);
                causes.clear();
                let sum = (peak.own + peak.network).max(f32::MIN_POSITIVE);
                let scaled = self.scaling.apply(self.kernel, &features.behaviour);
                let shares = model.shares(self.kernel, &scaled);
                own_causes(&shares, peak.own / sum, &mut causes);
                self.network
                    .contributions(&features.damped, &mut contributions);
                network_causes(&contributions, peak.network / sum, &mut causes);
                for (place, cause) in strongest(&mut causes).iter().enumerate() {
                    let of_network = usize::from(cause.feature)
                        .checked_sub(INPUTS)
                        .and_then(|_| contributions.get(cause.from));
                    let (value, low, high) = match of_network {
                        Some(one) => (one.value, one.low, one.high),
                        None => own_range(features, model, &self.scaling, cause.from),
                    };
                    write(&mut row, place, cause, (value, low, high));
                }
            }
            rows.push(row);
        }
        self.peaks.clear();
    }

    /// Asks for what the row of a device reads.
    #[inline(always)]
    fn fetch(&self, peak: &Peak) {
        self.store.fetch_identity(peak.device);
        if let Some(watched) = self.store.profiles.get(peak.profile as usize) {
            watched.fetch();
            if self.peaks.features(peak).is_some() {
                watched.profile.model.fetch_for_score();
            }
        }
    }
}

/// The parts of the behaviour features in the score of a device's ensemble.
fn own_causes(shares: &Row, part: f32, causes: &mut Vec<Cause>) {
    causes.extend((0..INPUTS).map(|feature| Cause {
        feature: feature as u16,
        from: feature,
        weight: part * shares.get(place(feature)).copied().unwrap_or_default(),
    }));
}

/// The value of a behaviour feature and its normal range, in its unit.
fn own_range(
    features: &FeatureRows,
    model: &Model,
    scaling: &Scaling,
    feature: usize,
) -> (f32, f32, f32) {
    let place = place(feature);
    let at = |row: &Row| row.get(place).copied().unwrap_or_default();
    let low = at(&model.map.low);
    let high = low + at(&model.map.width);
    // The floor widens a range on both sides: a count would then begin below 0.
    let low = if at(&model.range.low) >= 0.0 {
        low.max(0.0)
    } else {
        low
    };
    (
        features.behaviour.get(feature).copied().unwrap_or_default(),
        scaling.value(place, low),
        scaling.value(place, high),
    )
}

fn network_causes(contributions: &[Contribution], part: f32, causes: &mut Vec<Cause>) {
    let sum: f32 = contributions
        .iter()
        .map(|contribution| contribution.weight)
        .sum();
    let sum = sum.max(f32::MIN_POSITIVE);
    causes.extend(contributions.iter().enumerate().map(|(from, one)| Cause {
        feature: INPUTS as u16 + one.feature,
        from,
        weight: part * one.weight / sum,
    }));
}

/// The causes that count most, strongest first; those without any weight are none.
fn strongest(causes: &mut [Cause]) -> &[Cause] {
    let stronger = |a: &Cause, b: &Cause| {
        b.weight
            .total_cmp(&a.weight)
            .then(a.feature.cmp(&b.feature))
    };
    if causes.len() > EXPLAINED {
        causes.select_nth_unstable_by(EXPLAINED, stronger);
    }
    let count = causes.len().min(EXPLAINED);
    let (first, _) = causes.split_at_mut(count);
    first.sort_unstable_by(stronger);
    let weightless = first.iter().position(|cause| cause.weight <= 0.0);
    first.split_at(weightless.unwrap_or(count)).0
}

/// Writes a cause into a row.
fn write(row: &mut ScoreRow, place: usize, cause: &Cause, (value, low, high): (f32, f32, f32)) {
    let fields = (
        row.features.get_mut(place),
        row.weights.get_mut(place),
        row.values.get_mut(place),
        row.low.get_mut(place),
        row.high.get_mut(place),
    );
    if let (Some(feature), Some(weight), Some(in_value), Some(in_low), Some(in_high)) = fields {
        *feature = cause.feature;
        *weight = cause.weight;
        *in_value = value;
        *in_low = low;
        *in_high = high;
    }
}
