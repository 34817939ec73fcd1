//! The shares of features against a computation in double precision.

use super::super::outer::HIDDEN as OUTER_HIDDEN;
use super::super::scaling::{from_scale, to_scale, CLIP};
use super::super::weights::{Weights, HIDDEN};
use super::*;

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The square error of each input of an autoencoder.
fn squares(w: &Weights, row: &[f64], lane: usize) -> Vec<f64> {
    let inputs = 0..w.sizes[lane];
    let x = |input: usize| row[w.map[input][lane] as usize];
    let weight = |i: usize, j: usize| f64::from(w.tied[i][j].0[lane]);
    let y: [f64; HIDDEN] = std::array::from_fn(|j| {
        let sum: f64 = inputs.clone().map(|i| weight(i, j) * x(i)).sum();
        logistic(sum + f64::from(w.hidden_bias[j].0[lane])) * f64::from(w.hidden_mask[j].0[lane])
    });
    let off = |i: usize| {
        let sum: f64 = y.iter().enumerate().map(|(j, y)| weight(i, j) * y).sum();
        x(i) - logistic(sum + f64::from(w.input_bias[i].0[lane]))
    };
    inputs.clone().map(|i| off(i).powi(2)).collect()
}

/// How far the error of each autoencoder lies above what the others lead to expect.
fn unexpected(w: &Weights, totals: &[f64]) -> Vec<f64> {
    let outer = &w.outer;
    let x = |lane: usize| {
        let (low, inverse) = outer.range(lane);
        let error = (totals[lane] / w.sizes[lane] as f64).sqrt();
        let x = ((100.0 * error).ln_1p() - f64::from(low)) * f64::from(inverse);
        x.clamp(-1.0, 8.0)
    };
    let inputs: Vec<f64> = (0..w.count).map(x).collect();
    let y: [f64; OUTER_HIDDEN] = std::array::from_fn(|j| {
        let weights = outer.by_input.iter().map(|row| f64::from(row.0[j]));
        let sum: f64 = inputs.iter().zip(weights).map(|(x, w)| x * w).sum();
        logistic(sum + f64::from(outer.hidden_bias.0[j])) * f64::from(outer.hidden_mask.0[j])
    });
    let decoded = |lane: usize| {
        let weights = outer.by_hidden.iter().map(|row| f64::from(row.0[lane]));
        let sum: f64 = y.iter().zip(weights).map(|(y, w)| y * w).sum();
        logistic(sum + f64::from(outer.input_bias.0[lane]))
    };
    (0..w.count)
        .map(|lane| inputs[lane] - decoded(lane))
        .collect()
}

/// The share of each feature of the catalog.
fn shares(network: &Network, row: &[f32; DAMPED_STRIDE]) -> Vec<f64> {
    let Model {
        weights, ranges, ..
    } = model(network);
    let laid: Vec<f64> = (0..DAMPED)
        .map(|feature| {
            let x = to_scale(feature, f64::from(row[feature])) - f64::from(ranges.low.0[feature]);
            let width = f64::from(ranges.high.0[feature]) - f64::from(ranges.low.0[feature]);
            (x / width).clamp(f64::from(CLIP.0), f64::from(CLIP.1))
        })
        .collect();
    let parts: Vec<Vec<f64>> = (0..weights.count)
        .map(|lane| squares(weights, &laid, lane))
        .collect();
    let totals: Vec<f64> = parts.iter().map(|part| part.iter().sum()).collect();
    let off = unexpected(weights, &totals);
    let above = off.iter().any(|off| *off > 0.0);
    let counted = |off: f64| {
        if off > 0.0 || !above {
            off * off
        } else {
            0.0
        }
    };
    let all: f64 = off.iter().map(|off| counted(*off)).sum();
    let mut shares = vec![0.0; DAMPED];
    for lane in 0..weights.count {
        for (input, square) in parts[lane].iter().enumerate() {
            let feature = weights.map[input][lane] as usize;
            shares[feature] = counted(off[lane]) / all * square / totals[lane];
        }
    }
    shares
}

#[test]
fn every_kernel_shares_an_error_as_double_precision_does() {
    for kernel in kernels() {
        let network = trained(Some(kernel));
        let mut traffic = Traffic::new(91);
        for odd in 0..DAMPED {
            let mut row = traffic.row();
            row[odd] *= 50.0;
            let expected = shares(&network, &row);
            let found = network.contributions::<DAMPED>(&row);
            assert!(found.is_sorted_by(|a, b| a.weight >= b.weight));
            let sum: f32 = found.iter().map(|one| one.weight).sum();
            assert!((sum - 1.0).abs() < 1e-4, "{}: {sum}", kernel.name());
            for one in found.iter().filter(|one| one.weight > 0.0) {
                let feature = usize::from(one.feature);
                let off = (f64::from(one.weight) - expected[feature]).abs();
                // Where the whole error is small, shares are quotients of small differences.
                assert!(
                    off < 1e-2,
                    "{} {one:?} {}",
                    kernel.name(),
                    expected[feature]
                );
                assert_eq!(one.value, row[feature]);
                let low = from_scale(feature, f64::from(model(&network).ranges.low.0[feature]));
                assert!((f64::from(one.low) - low).abs() <= 1e-5 * low.abs());
            }
            let two = network.contributions::<2>(&row);
            assert_eq!(two, found[..2], "the strongest of all are the strongest");
        }
    }
}

#[test]
fn a_network_that_surveys_explains_nothing() {
    let network = Network::new(&config(None));
    let found = network.contributions::<3>(&Traffic::new(1).row());
    assert_eq!(found, [Contribution::default(); 3]);
}
