use super::*;

/// Uniform numbers in 0 to 1, exclusive (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.next().ln()).sqrt() * (std::f64::consts::TAU * self.next()).cos()
    }
}

type Draw = fn(&mut Numbers) -> f64;

/// Shapes that scores of autoencoders take, and some that they should not.
const DISTRIBUTIONS: [(&str, Draw); 6] = [
    ("uniform", |n| n.next()),
    ("exponential", |n| -0.1 * n.next().ln()),
    ("log-normal", |n| (0.8 * n.normal() - 2.0).exp()),
    ("pareto", |n| 0.05 * n.next().powf(-0.5)),
    ("half normal", |n| 0.3 * n.normal().abs()),
    ("two modes", |n| {
        if n.next() < 0.01 {
            2.0 + 0.2 * n.next()
        } else {
            0.1 + 0.05 * n.normal().abs()
        }
    }),
];

fn histogram(draw: Draw, count: usize, numbers: &mut Numbers) -> Histogram {
    let mut histogram = Histogram::default();
    for _ in 0..count {
        histogram.add(position(draw(numbers) as f32), 1.0);
    }
    histogram
}

#[test]
fn fresh_scores_have_uniform_tail_probabilities() {
    for (name, draw) in DISTRIBUTIONS {
        let mut numbers = Numbers(42);
        let curve = Curve::fit(&histogram(draw, 20_000, &mut numbers), None);
        let count = 200_000;
        let surprises: Vec<f32> = (0..count)
            .map(|_| curve.surprise(position(draw(&mut numbers) as f32)))
            .collect();
        for (surprise, slack) in [
            (0.3_f32, 1.15),
            (0.7, 1.15),
            (1.0, 1.2),
            (2.0, 1.6),
            (3.0, 2.5),
        ] {
            let expected = 10_f64.powf(-f64::from(surprise));
            let above = surprises.iter().filter(|&&s| s >= surprise).count();
            let found = above as f64 / f64::from(count);
            // Never many more alarms than promised; on bounded distributions far fewer.
            assert!(
                found <= expected * slack,
                "{name}: {found} of the packets have a surprise of {surprise}"
            );
            let bounded = matches!(name, "uniform" | "half normal" | "two modes");
            if surprise <= 1.0 || !bounded && surprise <= 2.0 {
                assert!(
                    found >= expected / slack,
                    "{name}: only {found} of the packets have a surprise of {surprise}"
                );
            }
        }
    }
}

#[test]
fn surprise_grows_with_the_score_and_stays_in_its_range() {
    for (name, draw) in DISTRIBUTIONS {
        for count in [0, 1, 10, 1000] {
            let mut numbers = Numbers(7);
            let curve = Curve::fit(&histogram(draw, count, &mut numbers), None);
            let mut last = 0.0;
            for step in -2000..2000 {
                let surprise = curve.surprise(position((step as f32 * 0.01).exp2()));
                assert!(
                    surprise >= last,
                    "{name}, {count} packets, 2^{}",
                    step as f32 * 0.01
                );
                assert!((0.0..=HIGHEST_SURPRISE).contains(&surprise));
                last = surprise;
            }
        }
    }
}

#[test]
fn odd_scores_are_taken_as_the_lowest_or_the_highest() {
    assert!(position(f32::NAN).abs() < 1e-6);
    assert!(position(-1.0).abs() < 1e-6);
    assert!(position(0.0).abs() < 1e-6);
    assert!((position(f32::INFINITY) - BINS as f32).abs() < 1e-6);
    assert!((position(f32::MAX) - BINS as f32).abs() < 1e-6);
}

#[test]
fn a_young_histogram_speaks_with_the_pool() {
    let mut numbers = Numbers(3);
    let draw: Draw = |n| (0.5 * n.normal()).exp();
    let pool = histogram(draw, 10_000, &mut numbers);
    let pooled = Curve::fit(&pool, None);
    let young = Curve::fit(&histogram(draw, 5, &mut numbers), Some((&pool, &pooled)));
    for score in [1.0_f32, 2.0, 4.0, 8.0] {
        let difference = young.surprise(position(score)) - pooled.surprise(position(score));
        assert!(difference.abs() < 1.0, "score {score}: {difference} off");
    }
    assert!(young.surprise(position(8.0)) > 2.0);
}

#[test]
fn own_packets_outweigh_the_pool() {
    let mut numbers = Numbers(5);
    // The device's scores are ten times those of the others.
    let pool = histogram(|n| (0.5 * n.normal()).exp(), 10_000, &mut numbers);
    let pooled = Curve::fit(&pool, None);
    let own = histogram(|n| 10.0 * (0.5 * n.normal()).exp(), 5000, &mut numbers);
    let curve = Curve::fit(&own, Some((&pool, &pooled)));
    assert!(curve.surprise(position(10.0)) < 0.5);
    assert!(pooled.surprise(position(10.0)) > 3.0);
}

#[test]
fn counts_stay_bounded() {
    let mut histogram = Histogram::default();
    let mut pending = Histogram::default();
    for _ in 0..100_000 {
        pending.add(3.0, 1.0);
    }
    for _ in 0..10 {
        histogram.merge(&pending, 1.0);
    }
    assert!(histogram.total() <= 65_536.0);
    assert!(histogram.counts().iter().all(|count| count.is_finite()));
}

#[test]
fn parts_that_are_no_curve_are_refused() {
    let mut edges = [0.0; BINS + 1];
    assert!(Curve::from_parts(edges, 1.0).is_some());
    assert!(Curve::from_parts(edges, 0.0).is_none());
    assert!(Curve::from_parts(edges, f32::NAN).is_none());
    edges[3] = 1.0;
    assert!(Curve::from_parts(edges, 1.0).is_none());
    edges[BINS] = 13.0;
    assert!(Curve::from_parts(edges, 1.0).is_none());
}
