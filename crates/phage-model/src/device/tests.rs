#![expect(clippy::indexing_slicing, reason = "tests")]

use phage_decode::catalog::{Feature, Scale};

use super::lanes::NEURONS;
use super::*;

const fn feature(scale: Scale, floor: f32) -> Feature {
    Feature {
        name: "a",
        unit: "1",
        meaning: "a feature",
        scale,
        floor,
    }
}

static LINEAR: [Feature; INPUTS] = [feature(Scale::Linear, 0.01); INPUTS];
static MIXED: [Feature; INPUTS] = {
    let mut catalog = LINEAR;
    catalog[1] = feature(Scale::Logarithmic, 2.0);
    catalog[30] = feature(Scale::Logarithmic, 2.0);
    catalog
};

struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / 16_777_216.0
    }

    /// Eight features a group that follow two hidden causes.
    fn features(&mut self) -> [f32; INPUTS] {
        let causes = [self.next(), self.next()];
        let mut row = [0.0; INPUTS];
        for (index, value) in row.iter_mut().enumerate() {
            *value = causes[index % 2] * (1.0 + (index % 5) as f32) + 0.02 * self.next();
        }
        row
    }
}

fn trained(kernel: DeviceKernel, scaling: &Scaling, rows: usize) -> Model {
    let mut numbers = Numbers(1);
    let mut model = Prior::new(3, scaling).model;
    for _ in 0..rows / 4 {
        let row = scaling.apply(kernel, &numbers.features());
        model.survey(kernel, &row);
    }
    model.refresh(None, scaling);
    for _ in 0..rows {
        let row = scaling.apply(kernel, &numbers.features());
        model.train(kernel, &row, 0.0, 1.0);
    }
    model
}

/// The formulas in f64, a feature at a time, from the description alone.
fn reference(model: &Model, row: &Row) -> f64 {
    let input = |place: usize| {
        let x = f64::from(row[place]);
        ((x - f64::from(model.map.low[place])) / f64::from(model.map.width[place])).clamp(-7.0, 8.0)
    };
    let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
    let mut sum = 0.0;
    for group in 0..4 {
        let weight = |v: usize, h: usize| f64::from(model.ensemble.weights[v][h * 4 + group]);
        let hidden: Vec<f64> = (0..4)
            .map(|h| {
                let drive: f64 = (0..8)
                    .map(|v| weight(v, h) * input(v * 4 + group).clamp(-0.25, 1.25))
                    .sum();
                logistic(drive + f64::from(model.ensemble.hidden_bias[h * 4 + group]))
            })
            .collect();
        for v in 0..8 {
            let place = v * 4 + group;
            let drive: f64 = (0..4).map(|h| weight(v, h) * hidden[h]).sum();
            let output = logistic(drive + f64::from(model.ensemble.visible_bias[place]));
            let usual =
                f64::from(model.ensemble.spread[place]) + f64::from(model.map.resolution[place]);
            let deviation = ((input(place) - output).powi(2) / usual).min(400.0);
            sum += deviation;
        }
    }
    (sum / 32.0).sqrt()
}

#[test]
fn every_kernel_computes_the_formulas() {
    let scaling = Scaling::new(&LINEAR);
    for kernel in DeviceKernel::available() {
        let model = trained(kernel, &scaling, 2000);
        let mut numbers = Numbers(77);
        for step in 0..500 {
            let mut features = numbers.features();
            features[step % INPUTS] *= 1.0 + (step / 50) as f32;
            let row = scaling.apply(kernel, &features);
            let expected = crate::tail::position(reference(&model, &row) as f32);
            let found = model.position(kernel, &row);
            assert!(
                (found - expected).abs() < 2e-3,
                "{kernel:?}: {found} instead of {expected}"
            );
        }
    }
}

#[test]
fn kernels_agree_after_training() {
    let scaling = Scaling::new(&MIXED);
    let models: Vec<Model> = DeviceKernel::available()
        .into_iter()
        .map(|kernel| trained(kernel, &scaling, 4000))
        .collect();
    for model in &models {
        let pairs = models[0]
            .ensemble
            .weights
            .iter()
            .zip(&model.ensemble.weights);
        for (a, b) in pairs.flat_map(|(a, b)| a.iter().zip(b)) {
            assert!((a - b).abs() < 1e-2, "{a} and {b}");
        }
    }
}

#[test]
fn scales_follow_the_catalog() {
    let scaling = Scaling::new(&MIXED);
    for kernel in DeviceKernel::available() {
        let mut features = [0.5; INPUTS];
        features[1] = 1000.0;
        features[30] = -3.5;
        features[7] = f32::NAN;
        features[8] = f32::INFINITY;
        let row = scaling.apply(kernel, &features);
        assert!((row[place(0)] - 0.5).abs() < 1e-6);
        assert!((row[place(1)] - 1001.0_f32.ln()).abs() < 1e-4, "{kernel:?}");
        assert!((row[place(30)] + 4.5_f32.ln()).abs() < 1e-5, "{kernel:?}");
        assert!(row[place(7)].abs() < 1e-6);
        assert!(row.iter().all(|value| value.is_finite()));
        assert!((scaling.value(place(1), row[place(1)]) - 1000.0).abs() < 0.1);
        assert!((scaling.value(place(30), row[place(30)]) + 3.5).abs() < 1e-3);
    }
}

#[test]
fn logarithms_are_near_those_of_the_library() {
    let scaling = Scaling::new(&[feature(Scale::Logarithmic, 1.0); INPUTS]);
    for kernel in DeviceKernel::available() {
        for exponent in -30..90 {
            let x = (exponent as f32 * 0.7).exp2();
            let row = scaling.apply(kernel, &[x; INPUTS]);
            let expected = f64::from(x).ln_1p() as f32;
            assert!(
                (row[0] - expected).abs() <= 2e-6 * (1.0 + expected),
                "{kernel:?}: ln(1 + {x}) = {expected}, not {}",
                row[0]
            );
        }
    }
}

#[test]
fn training_learns_what_goes_together() {
    let kernel = DeviceKernel::best();
    let scaling = Scaling::new(&LINEAR);
    let model = trained(kernel, &scaling, 20_000);
    let mut numbers = Numbers(99);
    let (mut normal, mut odd) = (0.0, f32::INFINITY);
    for _ in 0..1000 {
        let features = numbers.features();
        normal += model.position(kernel, &scaling.apply(kernel, &features)) / 1000.0;
        // Each value alone is normal; only that one does not follow its cause is not.
        let mut broken = features;
        let middle = 0.5 * (1.0 + 3.0);
        broken[8] = if features[8] > middle { 0.05 } else { 3.9 };
        odd = odd.min(model.position(kernel, &scaling.apply(kernel, &broken)));
    }
    assert!(odd > normal, "{odd} against a mean of {normal}");
}

#[test]
fn scores_are_bounded_for_any_input() {
    let kernel = DeviceKernel::best();
    let scaling = Scaling::new(&MIXED);
    let model = trained(kernel, &scaling, 2000);
    for value in [
        0.0,
        1e30,
        -1e30,
        f32::MAX,
        f32::MIN,
        f32::INFINITY,
        f32::NAN,
        1e-40,
    ] {
        let row = scaling.apply(kernel, &[value; INPUTS]);
        let inputs = model.map.inputs_of(&row);
        assert!(inputs.iter().all(|input| (-7.0..=8.0).contains(input)));
        let score = model.ensemble.score(&inputs, &model.map.resolution);
        assert!((0.0..=20.01).contains(&score), "{value} scores {score}");
    }
}

#[test]
fn a_constant_feature_makes_no_great_score_of_a_small_change() {
    let kernel = DeviceKernel::best();
    let scaling = Scaling::new(&[feature(Scale::Logarithmic, 4.0); INPUTS]);
    let mut model = Prior::new(3, &scaling).model;
    for _ in 0..3000 {
        let row = scaling.apply(kernel, &[0.0; INPUTS]);
        model.survey(kernel, &row);
        if model.is_refresh_due() {
            model.refresh(None, &scaling);
        }
        model.train(kernel, &row, 0.0, 1.0);
    }
    let score = |value: f32| {
        let mut features = [0.0; INPUTS];
        features[5] = value;
        let row = scaling.apply(kernel, &features);
        model
            .ensemble
            .score(&model.map.inputs_of(&row), &model.map.resolution)
    };
    assert!(score(1.0) < 1.0, "below the floor: {}", score(1.0));
    assert!(score(1000.0) > 2.0 * score(1.0), "{}", score(1000.0));
}

#[test]
fn one_outlier_does_not_move_a_range() {
    let mut numbers = Numbers(4);
    let mut range = Range::default();
    for _ in 0..5000 {
        range.track(&numbers.features(), 1.0);
    }
    let before = range.high[0];
    range.track(&[1e6; INPUTS], 1.0);
    assert!(range.high[0] - before < 0.1 * (before - range.low[0]) + 0.1);
}

#[test]
fn ranges_hold_nearly_all_rows() {
    let mut numbers = Numbers(4);
    let mut range = Range::default();
    for _ in 0..20_000 {
        range.track(&numbers.features(), 1.0);
    }
    let mut outside = 0;
    for _ in 0..10_000 {
        let row = numbers.features();
        outside += usize::from(row[3] > range.high[3] || row[3] < range.low[3]);
    }
    assert!(outside < 200, "{outside} of 10000");
}

#[test]
fn a_new_device_starts_with_the_ranges_of_all() {
    let scaling = Scaling::new(&LINEAR);
    let kernel = DeviceKernel::best();
    let prior = Prior {
        model: trained(kernel, &scaling, 4000),
        ..Prior::new(3, &scaling)
    };
    let mut profile = Profile::new(
        Identity::default(),
        &prior,
        &crate::tail::Curve::default(),
        0,
    );
    profile.model.survey(kernel, &[0.5; INPUTS]);
    profile.model.refresh(Some(&prior.model.range), &scaling);
    for place in 0..INPUTS {
        let (own, all) = (profile.model.map.width[place], prior.model.map.width[place]);
        assert!((own - all).abs() < 0.05 * all, "{own} and {all}");
    }
}

#[test]
fn maps_without_width_are_refused() {
    let ones = [1.0; INPUTS];
    assert!(InputMap::new(ones, ones, ones).is_some());
    assert!(InputMap::new(ones, [0.0; INPUTS], ones).is_none());
    assert!(InputMap::new(ones, ones, [f32::NAN; INPUTS]).is_none());
    assert_eq!(NEURONS, 16);
}
