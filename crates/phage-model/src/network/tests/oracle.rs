//! The published method in double precision: one autoencoder after another, no lanes.

use phage_decode::catalog::Scale;

use super::*;

/// One autoencoder with tied weights.
struct Autoencoder {
    weights: Vec<Vec<f64>>,
    hidden_bias: Vec<f64>,
    input_bias: Vec<f64>,
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

impl Autoencoder {
    fn forward(&self, x: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let y: Vec<f64> = (0..self.hidden_bias.len())
            .map(|j| {
                let sum: f64 = x.iter().zip(&self.weights).map(|(x, w)| x * w[j]).sum();
                logistic(sum + self.hidden_bias[j])
            })
            .collect();
        let e = x
            .iter()
            .zip(&self.weights)
            .zip(&self.input_bias)
            .map(|((x, w), b)| {
                let sum: f64 = w.iter().zip(&y).map(|(w, y)| w * y).sum();
                x - logistic(sum + b)
            })
            .collect();
        (y, e)
    }

    fn error(&self, x: &[f64]) -> f64 {
        let (_, e) = self.forward(x);
        (e.iter().map(|e| e * e).sum::<f64>() / e.len() as f64).sqrt()
    }

    fn train(&mut self, x: &[f64], rate: f64) {
        let (y, e) = self.forward(x);
        let g: Vec<f64> = y
            .iter()
            .enumerate()
            .map(|(j, y)| {
                let back: f64 = e.iter().zip(&self.weights).map(|(e, w)| e * w[j]).sum();
                back * y * (1.0 - y)
            })
            .collect();
        for (i, row) in self.weights.iter_mut().enumerate() {
            for (j, weight) in row.iter_mut().enumerate() {
                *weight += rate * (x[i] * g[j] + e[i] * y[j]);
            }
            self.input_bias[i] += rate * e[i];
        }
        for (bias, g) in self.hidden_bias.iter_mut().zip(&g) {
            *bias += rate * g;
        }
    }
}

struct Oracle {
    groups: Vec<Vec<u16>>,
    small: Vec<Autoencoder>,
    outer: Autoencoder,
    mean: Vec<f64>,
    variance: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
    first: (Vec<f64>, Vec<f64>),
    rows: u64,
}

fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|x| f64::from(*x)).collect()
}

impl Oracle {
    /// Takes over the first weights and the ranges of the survey.
    fn of(network: &Network) -> Self {
        let Model {
            weights, ranges, ..
        } = model(network);
        let groups = network.groups();
        let small = groups.iter().enumerate().map(|(lane, group)| {
            let hidden = (group.len() * 3).div_ceil(4);
            let row = |i: usize| {
                (0..hidden)
                    .map(|j| f64::from(weights.tied[i][j].0[lane]))
                    .collect()
            };
            Autoencoder {
                weights: (0..group.len()).map(row).collect(),
                hidden_bias: vec![0.0; hidden],
                input_bias: vec![0.0; group.len()],
            }
        });
        let hidden = (groups.len() * 3).div_ceil(4);
        let rows = weights.outer.by_input.iter().take(groups.len());
        Self {
            small: small.collect(),
            outer: Autoencoder {
                weights: rows.map(|row| widen(&row.0[..hidden])).collect(),
                hidden_bias: vec![0.0; hidden],
                input_bias: vec![0.0; groups.len()],
            },
            mean: vec![0.0; groups.len()],
            variance: vec![0.0; groups.len()],
            low: widen(&ranges.low.0),
            high: widen(&ranges.high.0),
            first: (widen(&ranges.first_low.0), widen(&ranges.first_high.0)),
            groups,
            rows: 0,
        }
    }

    fn lay(&self, row: &[f32]) -> Vec<f64> {
        (0..DAMPED)
            .map(|feature| {
                let x = f64::from(row[feature]);
                let x = match DAMPED_CATALOG[feature].scale {
                    Scale::Linear => x,
                    Scale::Logarithmic => x.signum() * (1.0 + x.abs()).ln(),
                };
                let (low, high) = (self.low[feature], self.high[feature]);
                ((x - low) / (high - low)).clamp(-1.0, 2.0)
            })
            .collect()
    }

    fn inputs<'a>(&'a self, laid: &'a [f64]) -> impl Iterator<Item = Vec<f64>> + 'a {
        let pick = |group: &Vec<u16>| group.iter().map(|f| laid[usize::from(*f)]).collect();
        self.groups.iter().map(pick)
    }

    fn outer_inputs(&self, errors: &[f64], highest: f64) -> Vec<f64> {
        errors
            .iter()
            .enumerate()
            .map(|(lane, error)| {
                let spread = self.variance[lane].sqrt().max(0.05);
                let x = (1.0 + 100.0 * error).ln() - (self.mean[lane] - 2.0 * spread);
                (x / (4.0 * spread)).clamp(-1.0, highest)
            })
            .collect()
    }

    fn score(&self, row: &[f32]) -> f64 {
        let laid = self.lay(row);
        let errors: Vec<f64> = self
            .small
            .iter()
            .zip(self.inputs(&laid))
            .map(|(a, x)| a.error(&x))
            .collect();
        self.outer.error(&self.outer_inputs(&errors, 8.0))
    }

    fn train(&mut self, row: &[f32], rate: f64) -> f64 {
        let laid = self.lay(row);
        if self.rows.is_multiple_of(8) {
            for feature in 0..DAMPED {
                let width = self.high[feature] - self.low[feature];
                let (over, under) = (laid[feature] - 1.0, -laid[feature]);
                let step = |beyond: f64| {
                    if beyond > 0.0 {
                        beyond.min(0.02 * 0.999)
                    } else {
                        -0.02 * 0.001
                    }
                };
                let high = self.high[feature] + width * step(over);
                let low = self.low[feature] - width * step(under);
                self.high[feature] = high.max(self.first.1[feature]);
                self.low[feature] = low.min(self.first.0[feature]);
            }
        }
        let inputs: Vec<Vec<f64>> = self.inputs(&laid).collect();
        let errors: Vec<f64> = self
            .small
            .iter()
            .zip(&inputs)
            .map(|(a, x)| a.error(x))
            .collect();
        for (autoencoder, x) in self.small.iter_mut().zip(&inputs) {
            autoencoder.train(x, rate);
        }
        let follow = (4.0 / (self.rows as f64 + 4.0)).max(1e-4);
        for (lane, error) in errors.iter().enumerate() {
            let scaled = (1.0 + 100.0 * error).ln();
            let off = scaled - self.mean[lane];
            self.mean[lane] += follow * off;
            let square = off * (scaled - self.mean[lane]);
            self.variance[lane] += follow * (square - self.variance[lane]);
        }
        self.rows += 1;
        let x = self.outer_inputs(&errors, 2.0);
        let error = self.outer.error(&x);
        self.outer.train(&x, rate);
        error
    }
}

#[test]
fn training_and_scores_agree_with_double_precision() {
    let mut traffic = Traffic::new(3);
    let survey = traffic.rows(1_000);
    let rows = traffic.rows(3_000);
    let tests = Traffic::new(8).rows(200);
    for kernel in kernels() {
        let mut network = Network::new(&config(Some(kernel)));
        network.learn(&survey, 1_000, &mut vec![0.0; 1_000]);
        let mut oracle = Oracle::of(&network);
        let mut errors = vec![0.0; 3_000];
        network.learn(&rows, 3_000, &mut errors);
        for (number, (error, row)) in errors.iter().zip(rows.chunks(DAMPED_STRIDE)).enumerate() {
            let right = oracle.train(row, f64::from(0.1_f32));
            let off = (f64::from(*error) - right).abs();
            // Rounding makes two runs of gradient descent drift apart slowly.
            assert!(
                off < 2e-3 * right.max(0.1),
                "{} row {number}: {error} {right}",
                kernel.name()
            );
        }
        for (score, row) in scores(&mut network, &tests)
            .iter()
            .zip(tests.chunks(DAMPED_STRIDE))
        {
            let right = oracle.score(row);
            let off = (f64::from(*score) - right).abs();
            assert!(
                off < 2e-3 * right.max(0.1),
                "{}: {score} {right}",
                kernel.name()
            );
        }
    }
}

/// The same trained network on every kernel: here nothing drifts.
#[test]
fn kernels_score_alike() {
    let bytes = trained(Some(Kernel::Portable)).to_bytes();
    let mut tests = Traffic::new(8).rows(199);
    // Some far off.
    for x in tests.iter_mut().step_by(701) {
        *x *= 1e4;
    }
    let right = scores(
        &mut Network::from_bytes_for(&bytes, Some(Kernel::Portable)).unwrap(),
        &tests,
    );
    for kernel in kernels() {
        let mut network = Network::from_bytes_for(&bytes, Some(kernel)).unwrap();
        assert_eq!(network.kernel(), kernel);
        for (score, right) in scores(&mut network, &tests).iter().zip(&right) {
            assert!(
                (score - right).abs() <= 1e-4 * right.max(0.1),
                "{} {score} {right}",
                kernel.name()
            );
        }
    }
}
