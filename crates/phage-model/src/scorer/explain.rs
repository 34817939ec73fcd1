//! Rows of a window: the most surprising packet of each device and what was unusual in it.

use super::peak::Peak;
use super::Scorer;
use crate::device::{place, DeviceKernel, Model, Scaling, INPUTS};
use crate::network::Contribution;
use crate::rows::{ScoreRow, EXPLAINED};

/// No feature.
const NO_FEATURE: u16 = u16::MAX;

/// A feature that had a part in a surprise.
#[derive(Clone, Copy, Debug)]
struct Cause {
    feature: u16,
    weight: f32,
    value: f32,
    low: f32,
    high: f32,
}

impl Scorer {
    /// Appends the rows of the open window and opens the next.
    pub(super) fn explain(&mut self, rows: &mut Vec<ScoreRow>) {
        let mut contributions = Vec::new();
        let mut causes = Vec::new();
        let mut peaks = std::mem::take(&mut self.peaks);
        for peak in peaks.take() {
            let watched = self.store.profiles.get(peak.profile as usize);
            let mature = watched.is_some_and(|watched| watched.profile.mature);
            peak.identify(&self.store.identity(peak.device), mature);
            peak.row.features = [NO_FEATURE; EXPLAINED];
            if peak.explained {
                let model = watched
                    .filter(|watched| watched.profile.mature)
                    .map_or(&self.prior.model, |watched| &watched.profile.model);
                causes.clear();
                let sum = (peak.row.own + peak.row.network).max(f32::MIN_POSITIVE);
                own_causes(
                    peak,
                    model,
                    (self.kernel, &self.scaling),
                    peak.row.own / sum,
                    &mut causes,
                );
                contributions.clear();
                self.network.contributions(&peak.damped, &mut contributions);
                network_causes(&contributions, peak.row.network / sum, &mut causes);
                strongest(&mut causes, &mut peak.row);
            }
            rows.push(peak.row);
        }
        self.peaks = peaks;
    }
}

/// The behaviour features and their parts in the score of a device's ensemble.
fn own_causes(
    peak: &Peak,
    model: &Model,
    (kernel, scaling): (DeviceKernel, &Scaling),
    part: f32,
    causes: &mut Vec<Cause>,
) {
    let row = scaling.apply(kernel, &peak.behaviour);
    let shares = model
        .ensemble
        .shares(&model.map.inputs_of(&row), &model.map.resolution);
    for (feature, &value) in peak.behaviour.iter().enumerate().take(INPUTS) {
        let place = place(feature);
        let at = |row: &[f32; INPUTS]| row.get(place).copied().unwrap_or_default();
        let low = at(&model.map.low);
        let high = low + at(&model.map.width);
        // The floor widens a range on both sides: a count would then begin below 0.
        let low = if at(&model.range.low) >= 0.0 {
            low.max(0.0)
        } else {
            low
        };
        causes.push(Cause {
            feature: feature as u16,
            weight: part * at(&shares),
            value,
            low: scaling.value(place, low),
            high: scaling.value(place, high),
        });
    }
}

fn network_causes(contributions: &[Contribution], part: f32, causes: &mut Vec<Cause>) {
    let sum: f32 = contributions
        .iter()
        .map(|contribution| contribution.weight)
        .sum();
    for contribution in contributions {
        causes.push(Cause {
            feature: INPUTS as u16 + contribution.feature,
            weight: part * contribution.weight / sum.max(f32::MIN_POSITIVE),
            value: contribution.value,
            low: contribution.low,
            high: contribution.high,
        });
    }
}

/// Writes the strongest causes into a row.
fn strongest(causes: &mut [Cause], row: &mut ScoreRow) {
    causes.sort_by(|a, b| {
        b.weight
            .total_cmp(&a.weight)
            .then(a.feature.cmp(&b.feature))
    });
    for (index, cause) in causes.iter().take(EXPLAINED).enumerate() {
        if cause.weight <= 0.0 {
            break;
        }
        let fields = (
            row.features.get_mut(index),
            row.weights.get_mut(index),
            row.values.get_mut(index),
            row.low.get_mut(index),
            row.high.get_mut(index),
        );
        if let (Some(feature), Some(weight), Some(value), Some(low), Some(high)) = fields {
            *feature = cause.feature;
            *weight = cause.weight;
            *value = cause.value;
            *low = cause.low;
            *high = cause.high;
        }
    }
}
