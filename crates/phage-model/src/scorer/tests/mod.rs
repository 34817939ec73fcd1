#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::unnecessary_wraps,
    clippy::float_cmp,
    reason = "tests"
)]

mod phases;
mod slow;
mod states;
mod windows;

use phage_decode::catalog::{Feature, Scale};
use phage_decode::{Fault, Packet};

use super::*;

pub(super) const SECOND: i64 = 1_000_000_000;

static CATALOG: [Feature; INPUTS] = [Feature {
    name: "rate",
    unit: "packets/s",
    meaning: "packets a second",
    scale: Scale::Logarithmic,
    floor: 0.5,
}; INPUTS];

/// Made-up traffic: each device has its own level of each feature, and two moods.
pub(super) struct Traffic {
    state: u64,
    pub(super) time: i64,
    number: u64,
}

#[derive(Clone)]
pub(super) struct One {
    pub(super) subject: u32,
    pub(super) behaviour: [f32; INPUTS],
    pub(super) damped: [f32; DAMPED_STRIDE],
    pub(super) packet: Packet,
}

impl Traffic {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            state: seed | 1,
            time: 1_700_000_000 * SECOND,
            number: 0,
        }
    }

    pub(super) fn next(&mut self) -> f32 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 40) as f32 / 16_777_216.0
    }

    /// A normal packet of a device.
    pub(super) fn normal(&mut self, subject: u32) -> One {
        self.number += 1;
        let mood = if self.next() < 0.3 { 3.0 } else { 1.0 };
        let mut behaviour = [0.0; INPUTS];
        for (index, value) in behaviour.iter_mut().enumerate() {
            let level = ((subject as usize * 7 + index * 3) % 11) as f32;
            *value = level * mood * (0.8 + 0.4 * self.next());
        }
        let mut damped = [0.0; DAMPED_STRIDE];
        let length = if mood > 2.0 { 900.0 } else { 90.0 };
        for (index, value) in damped.iter_mut().take(crate::DAMPED).enumerate() {
            *value = length * (0.9 + 0.2 * self.next()) / (1.0 + (index % 7) as f32);
        }
        One {
            subject,
            behaviour,
            damped,
            packet: Packet {
                time: self.time,
                length: length as u32,
                src_port: 1000 + subject as u16,
                ..Packet::default()
            },
        }
    }

    /// A packet of an attack: eight features far beyond normal.
    pub(super) fn attack(&mut self, subject: u32) -> One {
        let mut one = self.normal(subject);
        for value in &mut one.behaviour[8..16] {
            *value = 400.0 + 100.0 * self.next();
        }
        one
    }

    /// Normal packets of several devices, `apart` seconds from each other.
    pub(super) fn mixed(&mut self, count: usize, devices: u32, apart: f32) -> Vec<One> {
        (0..count)
            .map(|index| {
                self.time += (apart * 1e9) as i64;
                self.normal(index as u32 % devices)
            })
            .collect()
    }
}

pub(super) fn config(train: Option<u64>) -> ScorerConfig {
    ScorerConfig {
        train,
        behaviour: &CATALOG,
        ..ScorerConfig::default()
    }
}

pub(super) fn identity(subject: u32) -> Option<Identity> {
    Some(Identity {
        mac: 0x0200_0000_0000 + u64::from(subject),
        address: [0; 16],
        generation: 0,
    })
}

/// Processes packets in batches; answers their surprises.
pub(super) fn feed(scorer: &mut Scorer, packets: &[One]) -> Vec<f32> {
    feed_as(scorer, packets, &identity)
}

pub(super) fn feed_as(
    scorer: &mut Scorer,
    packets: &[One],
    identities: &dyn Fn(u32) -> Option<Identity>,
) -> Vec<f32> {
    let mut all = Vec::new();
    for batch in packets.chunks(100) {
        let column: Vec<Packet> = batch.iter().map(|one| one.packet).collect();
        let keys = vec![Keys::default(); batch.len()];
        let subjects: Vec<u32> = batch.iter().map(|one| one.subject).collect();
        let damped: Vec<f32> = batch.iter().flat_map(|one| one.damped).collect();
        let behaviour: Vec<f32> = batch.iter().flat_map(|one| one.behaviour).collect();
        let mut surprise = vec![-1.0; batch.len()];
        scorer.process(
            &ScoreInput {
                packets: &column,
                keys: &keys,
                subjects: &subjects,
                identities,
                damped: &damped,
                behaviour: &behaviour,
                first_packet: all.len() as u64,
            },
            &mut surprise,
        );
        all.extend(surprise);
        // As at the end of a window, whose rows are left for tests to ask for.
        scorer.release();
    }
    all
}

/// A scorer that has learned four devices.
pub(super) fn watching(traffic: &mut Traffic) -> Scorer {
    let mut scorer = Scorer::new(&config(Some(20_000)));
    feed(&mut scorer, &traffic.mixed(20_000, 4, 0.5));
    assert_eq!(scorer.phase(), Phase::Watching);
    scorer
}

pub(super) fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len() as f32
}

pub(super) fn share_above(values: &[f32], limit: f32) -> f32 {
    values.iter().filter(|&&value| value >= limit).count() as f32 / values.len() as f32
}

pub(super) fn faulty(mut one: One) -> One {
    one.packet.fault = Fault::TcpMalformed;
    one
}
