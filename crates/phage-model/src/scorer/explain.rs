//! Rows of a window: the most surprising packet of each device and what was unusual in it.

use super::peak::{FeatureRows, Peak};
use super::watch::SURPRISING;
use super::Scorer;
use crate::device::{place, Identity, Model, Row, INPUTS};
use crate::rows::{ScoreRow, EXPLAINED, NETWORK_EXPLAINED, OWN_EXPLAINED};

/// Devices ahead that are asked for: all that spoke in a window are more than a cache holds.
const AHEAD: usize = 6;
/// No feature.
const NO_FEATURE: u16 = u16::MAX;

/// A feature that had a part in a surprise, with its normal range.
#[derive(Clone, Copy, Debug, Default)]
struct Cause {
    feature: u16,
    weight: f32,
    value: f32,
    low: f32,
    high: f32,
}

impl Scorer {
    /// Appends the rows of the open window and opens the next.
    pub(super) fn explain(
        &mut self,
        identities: &dyn Fn(u32) -> Option<Identity>,
        rows: &mut Vec<ScoreRow>,
    ) {
        let peaks = self.peaks.entries();
        rows.reserve(peaks.len());
        for (at, peak) in peaks.iter().enumerate() {
            if let Some(ahead) = peaks.get(at + AHEAD) {
                self.fetch(ahead);
            }
            let identity = self.store.identity(peak.device, identities);
            rows.push(ScoreRow {
                device_mac: identity.mac,
                device_address: identity.address,
                mature: u8::from(peak.mature),
                features: [NO_FEATURE; EXPLAINED],
                ..peak.row()
            });
            if let (Some(features), Some(row)) = (self.peaks.features(peak), rows.last_mut()) {
                let watched = self.store.get(peak.profile);
                let model = watched
                    .filter(|watched| watched.profile.mature)
                    .map_or(&self.prior.model, |watched| &watched.profile.model);
                write(row, &self.causes(peak, features, model));
            }
        }
        self.peaks.clear();
    }

    /// Asks for what the row of a device reads; of few devices that is their model.
    #[inline(always)]
    fn fetch(&self, peak: &Peak) {
        self.store.fetch_identity(peak.device);
        if self.peaks.features(peak).is_some() {
            if let Some(watched) = self.store.get(peak.profile) {
                watched.fetch();
                watched.profile.model.fetch_for_score();
            }
        }
    }
}

impl Scorer {
    /// The features that had most part in a surprise, strongest first.
    ///
    /// Those of the network's ensemble are named where it was surprised itself.
    fn causes(&self, peak: &Peak, features: &FeatureRows, model: &Model) -> [Cause; EXPLAINED] {
        let mut causes = [Cause::default(); EXPLAINED];
        let (own, network) = causes.split_at_mut(OWN_EXPLAINED);
        let sum = (peak.own + peak.network).max(f32::MIN_POSITIVE);
        let scaled = self.scaling.apply(self.kernel, &features.behaviour);
        let shares = model.shares(self.kernel, &scaled);
        for (cause, feature) in own.iter_mut().zip(strongest(&shares)) {
            *cause = self.own_cause(features, model, feature, &shares);
            cause.weight *= peak.own / sum;
        }
        if peak.network >= SURPRISING {
            let found = self
                .network
                .contributions::<NETWORK_EXPLAINED>(&features.damped);
            for (cause, found) in network.iter_mut().zip(found) {
                *cause = Cause {
                    feature: INPUTS as u16 + found.feature,
                    weight: found.weight * peak.network / sum,
                    value: found.value,
                    low: found.low,
                    high: found.high,
                };
            }
        }
        causes.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        causes
    }

    /// A behaviour feature with its value and its normal range in its unit; the weight is its share.
    fn own_cause(
        &self,
        features: &FeatureRows,
        model: &Model,
        feature: usize,
        shares: &Row,
    ) -> Cause {
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
        Cause {
            feature: feature as u16,
            weight: at(shares),
            value: features.behaviour.get(feature).copied().unwrap_or_default(),
            low: self.scaling.value(place, low),
            high: self.scaling.value(place, high),
        }
    }
}

/// The behaviour features with the largest shares, largest first; of equal ones the first.
fn strongest(shares: &Row) -> [usize; OWN_EXPLAINED] {
    let share = |feature: usize| shares.get(place(feature)).copied().unwrap_or_default();
    // A share in the order of `f32::total_cmp`, above what is left to features after it.
    let mut keys: [i64; INPUTS] = std::array::from_fn(|feature| {
        let bits = share(feature).to_bits().cast_signed();
        let ordered = bits ^ (bits >> 31).cast_unsigned().wrapping_shr(1).cast_signed();
        i64::from(ordered) << 32 | (INPUTS - feature) as i64
    });
    std::array::from_fn(|_| {
        let largest = keys.iter().copied().max().unwrap_or(i64::MIN);
        let feature = INPUTS.saturating_sub(largest as u32 as usize);
        if let Some(key) = keys.get_mut(feature) {
            *key = i64::MIN;
        }
        feature
    })
}

/// Writes causes into a row; one without weight is none.
fn write(row: &mut ScoreRow, causes: &[Cause; EXPLAINED]) {
    let ranges = row.low.iter_mut().zip(&mut row.high);
    let values = row.weights.iter_mut().zip(&mut row.values);
    let places = row.features.iter_mut().zip(values.zip(ranges));
    for ((feature, ((weight, value), (low, high))), cause) in places.zip(causes) {
        if cause.weight > 0.0 {
            *feature = cause.feature;
            *weight = cause.weight;
            *value = cause.value;
            *low = cause.low;
            *high = cause.high;
        }
    }
}
