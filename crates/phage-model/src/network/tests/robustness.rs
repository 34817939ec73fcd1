//! What holds for any rows.

use proptest::prelude::*;

use super::*;

fn any_bits() -> impl Strategy<Value = f32> {
    prop_oneof![
        any::<u32>().prop_map(f32::from_bits),
        Just(f32::NAN),
        Just(f32::INFINITY),
        Just(f32::NEG_INFINITY),
        Just(f32::MAX),
        Just(f32::MIN_POSITIVE),
        -10.0..2_000.0_f32,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_rows_give_scores_in_range(bits in prop::collection::vec(any_bits(), DAMPED_STRIDE * 40)) {
        for kernel in kernels() {
            // Learned from the same, scored, learned slowly, explained.
            let quick = NetworkConfig { survey: 10, train: 10, ..config(Some(kernel)) };
            let mut network = Network::new(&quick);
            let mut errors = vec![0.0; 40];
            network.learn(&bits, 40, &mut errors);
            prop_assert!(errors.iter().all(|e| (0.0..=HIGHEST_SCORE).contains(e)), "{errors:?}");
            network.learn_slowly(&bits, 40, 0.01);
            for network in [&mut network, &mut trained(Some(kernel))] {
                network.score(&bits, 40, &mut errors);
                prop_assert!(errors.iter().all(|e| (0.0..=HIGHEST_SCORE).contains(e)), "{errors:?}");
                let found = network.contributions::<6>(bits[..DAMPED_STRIDE].first_chunk().unwrap());
                prop_assert!(found.iter().all(|one| one.weight.is_finite() && one.low.is_finite() && one.high.is_finite()));
            }
            let bytes = network.to_bytes();
            prop_assert!(Network::from_bytes(&bytes).is_ok());
        }
    }
}

/// One outlier moves no range by more than 2 %, and a constant feature that changes does not blow the score up.
#[test]
fn outliers_and_constants_are_harmless() {
    for kernel in kernels() {
        let mut network = trained(Some(kernel));
        let before = model(&network).ranges.clone();
        let mut row = Traffic::new(9).row();
        for x in &mut row[..DAMPED] {
            *x = 1e30;
        }
        for _ in 0..8 {
            network.learn(&row, 1, &mut [0.0]);
        }
        let after = &model(&network).ranges;
        for feature in 0..DAMPED {
            let width = before.high.0[feature] - before.low.0[feature];
            let moved = after.high.0[feature] - before.high.0[feature];
            assert!(
                (0.0..=0.021 * width).contains(&moved),
                "feature {feature}: {moved} of {width}"
            );
        }
        // The constant ones, at 5, in either direction.
        let mut row = Traffic::new(10).row();
        let normal = scores(&mut network, &row)[0];
        for constant in [5.01, 0.0, 1e20] {
            row[97..DAMPED].fill(constant);
            let score = scores(&mut network, &row)[0];
            assert!(score <= HIGHEST_SCORE);
            if constant < 6.0 && constant > 4.0 {
                assert!((score - normal).abs() < 0.05, "{score} {normal}");
            }
        }
    }
}

#[test]
fn short_rows_and_counts_are_cut() {
    let mut network = trained(None);
    let rows = Traffic::new(1).rows(3);
    let mut errors = [9.0; 5];
    network.score(&rows, 5, &mut errors);
    assert!(errors[..3].iter().all(|e| *e < 8.5) && errors[3..] == [9.0, 9.0]);
    network.score(&rows[..DAMPED_STRIDE + 7], 2, &mut errors[3..]);
    assert_eq!(errors[4], 9.0);
    network.score(&[], 1, &mut errors);
}
