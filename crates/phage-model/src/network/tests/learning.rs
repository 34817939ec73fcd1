//! What a network learns.

use super::*;

#[test]
fn what_was_never_seen_scores_higher_than_what_was() {
    for kernel in kernels() {
        let mut network = trained(Some(kernel));
        let normal = scores(&mut network, &Traffic::new(77).rows(500));
        let mut odd = Traffic::new(78).rows(500);
        for row in odd.chunks_mut(DAMPED_STRIDE) {
            // Values that are each normal, but not together.
            row[3..60].reverse();
        }
        let mut sorted = normal.clone();
        sorted.sort_by(f32::total_cmp);
        let odd = scores(&mut network, &odd);
        let above = odd.iter().filter(|score| **score > sorted[495]).count();
        assert!(
            above > 450,
            "{} {above} {:?} {:?}",
            kernel.name(),
            mean(&normal),
            mean(&odd)
        );
    }
}

#[test]
fn training_lowers_the_error() {
    for kernel in kernels() {
        let mut network = Network::new(&config(Some(kernel)));
        let rows = Traffic::new(3).rows(7_000);
        let mut errors = vec![f32::NAN; 7_000];
        network.learn(&rows, 7_000, &mut errors);
        assert!(
            errors[..1_000].iter().all(|error| *error == 0.0),
            "surveying"
        );
        assert!(mean(&errors[6_000..]) < 0.7 * mean(&errors[1_000..1_200]));
        assert_eq!(network.learned(), (1_000, 6_000));
        assert!((12..=16).contains(&network.groups().len()));
    }
}

#[test]
fn the_same_rows_and_seed_give_the_same_network_in_any_batches() {
    for kernel in kernels() {
        let rows = Traffic::new(5).rows(3_000);
        let mut whole = Network::new(&config(Some(kernel)));
        whole.learn(&rows, 3_000, &mut vec![0.0; 3_000]);
        let mut parts = Network::new(&config(Some(kernel)));
        for rows in rows.chunks(37 * DAMPED_STRIDE) {
            parts.learn(rows, usize::MAX, &mut [0.0; 37]);
        }
        assert!(whole.to_bytes() == parts.to_bytes());
        let mut other = Network::new(&NetworkConfig {
            seed: 12,
            ..config(Some(kernel))
        });
        other.learn(&rows, 3_000, &mut vec![0.0; 3_000]);
        assert!(whole.to_bytes() != other.to_bytes());
    }
}

#[test]
fn a_long_training_takes_every_second_row_in_any_batches() {
    let rows = Traffic::new(8).rows(4_000);
    let many = |chunk: usize| {
        let mut network = Network::new(&config(None));
        let mut errors = vec![0.0; chunk];
        let mut skipped = 0;
        for _ in 0..35 {
            for rows in rows.chunks(chunk * DAMPED_STRIDE) {
                let count = rows.len() / DAMPED_STRIDE;
                network.learn(rows, count, &mut errors);
                skipped += errors[..count]
                    .iter()
                    .filter(|error| error.is_nan())
                    .count();
            }
        }
        (network.to_bytes(), skipped)
    };
    let (whole, skipped) = many(4_000);
    // 1,000 rows of survey and 131,072 that are all trained on.
    assert_eq!(skipped, (35 * 4_000 - 1_000 - 131_072) / 2);
    assert!((whole, skipped) == many(33));
}

#[test]
fn scoring_leaves_the_network_as_it_is() {
    let mut network = trained(None);
    let before = network.to_bytes();
    let rows = Traffic::new(6).rows(100);
    let first = scores(&mut network, &rows);
    let again = scores(&mut network, &rows);
    assert_eq!(first, again);
    assert!(network.to_bytes() == before);
    // One row at a time as in a block.
    for (row, score) in rows.chunks(DAMPED_STRIDE).zip(&first) {
        assert_eq!(scores(&mut network, row), [*score]);
    }
}

#[test]
fn slow_learning_follows_a_drift() {
    let drift = |seed| {
        let mut rows = Traffic::new(seed).rows(2_000);
        for row in rows.chunks_mut(DAMPED_STRIDE) {
            for x in &mut row[..70] {
                *x *= 3.0;
            }
        }
        rows
    };
    for kernel in kernels() {
        let mut network = trained(Some(kernel));
        let before = mean(&scores(&mut network, &drift(21)));
        for seed in 0..20 {
            network.learn_slowly(&drift(30 + seed), 2_000, 0.02);
        }
        let after = mean(&scores(&mut network, &drift(21)));
        assert!(after < 0.8 * before, "{} {before} {after}", kernel.name());
    }
}

#[test]
fn slow_learning_waits_for_training() {
    let mut network = Network::new(&config(None));
    let rows = Traffic::new(1).rows(100);
    network.learn(&rows, 100, &mut [0.0; 100]);
    let before = network.to_bytes();
    network.learn_slowly(&rows, 100, 0.01);
    assert!(network.to_bytes() == before);
    let mut network = trained(None);
    let before = network.to_bytes();
    for rate in [0.0, -1.0, f32::NAN] {
        network.learn_slowly(&rows, 100, rate);
    }
    assert!(network.to_bytes() == before);
}

#[test]
fn contributions_name_what_is_off() {
    let network = trained(None);
    let mut row = Traffic::new(55).row();
    row[40] = 1e9;
    let found = network.contributions::<DAMPED>(&row);
    assert_eq!(found[0].feature, 40);
    assert!(found[0].weight > 0.3, "{:?}", found[0]);
    assert!(found[0].value == 1e9 && found[0].high < 2e3 && found[0].low > 0.0);
    assert!((found.iter().map(|c| c.weight).sum::<f32>() - 1.0).abs() < 1e-4);
    assert!(found
        .windows(2)
        .all(|pair| pair[0].weight >= pair[1].weight));
    // The range in units is the one that the values lie in.
    for one in found.iter().filter(|one| one.weight > 0.0) {
        assert!(one.low < one.high, "{one:?}");
        if !(75..85).contains(&one.feature) && one.feature < 97 {
            assert!(
                one.low < 6.0 && one.high > 600.0 && one.high < 1_500.0,
                "{one:?}"
            );
        }
    }
}
