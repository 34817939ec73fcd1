//! Measures what learning and scoring cost a packet: `cargo run --release --example scorer_speed`.

use std::time::Instant;

use phage_decode::catalog::{Feature, Scale};
use phage_decode::{Keys, Packet};
use phage_model::device::{DeviceKernel, Prior, Scaling, INPUTS};
use phage_model::{
    Identity, Network, NetworkConfig, ScoreInput, Scorer, ScorerConfig, DAMPED_STRIDE,
};

const BATCH: usize = 512;
const TRAIN: u64 = 100_000;

static CATALOG: [Feature; INPUTS] = [Feature {
    name: "rate",
    unit: "packets/s",
    meaning: "packets a second",
    scale: Scale::Logarithmic,
    floor: 0.5,
}; INPUTS];

/// Numbers that look random.
fn noise(state: &mut u64) -> f32 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 40) as f32 / 16_777_216.0
}

/// Best time for a packet of several passes, in nanoseconds.
fn best(passes: usize, packets: usize, mut work: impl FnMut()) -> f64 {
    (0..passes)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_nanos() as f64 / packets as f64
        })
        .fold(f64::INFINITY, f64::min)
}

fn main() {
    let mut state = 7;
    let devices = 200;
    let behaviour: Vec<f32> = (0..BATCH * INPUTS)
        .map(|_| 50.0 * noise(&mut state))
        .collect();
    let damped: Vec<f32> = (0..BATCH * DAMPED_STRIDE)
        .map(|_| 500.0 * noise(&mut state))
        .collect();
    let subjects: Vec<u32> = (0..BATCH)
        .map(|_| (noise(&mut state) * devices as f32) as u32)
        .collect();
    let keys = vec![Keys::default(); BATCH];
    let identities = |index| {
        Some(Identity {
            mac: 1 + u64::from(index),
            ..Identity::default()
        })
    };
    let mut scorer = Scorer::new(&ScorerConfig {
        train: Some(TRAIN),
        behaviour: &CATALOG,
        ..ScorerConfig::default()
    });
    let mut surprise = vec![0.0; BATCH];
    let mut rows = Vec::new();
    let mut number = 0;
    let mut pass = |scorer: &mut Scorer, batches: u64| {
        for _ in 0..batches {
            // A million packets a second.
            let packets: Vec<Packet> = (0..BATCH as i64)
                .map(|index| Packet {
                    time: (number as i64 + index) * 1000,
                    ..Packet::default()
                })
                .collect();
            scorer.process(
                &ScoreInput {
                    packets: &packets,
                    keys: &keys,
                    subjects: &subjects,
                    identities: &identities,
                    damped: &damped,
                    behaviour: &behaviour,
                    first_packet: number,
                },
                &mut surprise,
            );
            number += BATCH as u64;
        }
        rows.clear();
        scorer.window(&identities, &mut rows);
    };
    let learning = TRAIN / BATCH as u64;
    pass(&mut scorer, learning / 5);
    println!(
        "train      {:6.1} ns",
        best(5, 20 * BATCH, || pass(&mut scorer, 20))
    );
    pass(&mut scorer, learning);
    println!(
        "score      {:6.1} ns",
        best(20, 100 * BATCH, || pass(&mut scorer, 100))
    );

    let mut network = Network::new(&NetworkConfig {
        survey: 1000,
        ..NetworkConfig::default()
    });
    let mut errors = vec![0.0; BATCH];
    for _ in 0..20 {
        network.learn(&damped, BATCH, &mut errors);
    }
    println!(
        "  network  {:6.1} ns",
        best(100, BATCH, || network.score(&damped, BATCH, &mut errors))
    );
    let scaling = Scaling::new(&CATALOG);
    let prior = Prior::new(1, &scaling);
    for kernel in DeviceKernel::available() {
        let mut sum = 0.0;
        let time = best(100, BATCH, || {
            for features in behaviour.as_chunks::<INPUTS>().0 {
                sum += prior
                    .model
                    .position(kernel, &scaling.apply(kernel, features));
            }
        });
        println!("  device   {time:6.1} ns with {kernel:?} ({sum:.0})");
    }
}
