//! The state of a scorer as bytes: everything that a later score depends on.
//!
//! Devices are stored by identity, not by index. The open window is not stored. A checksum is the
//! business of whoever writes the file; lengths, versions and ranges are checked here.

use super::codec::{Reader, Writer};
use super::config::ScorerConfig;
use super::quarantine::{Quarantine, Sample};
use super::schedule::{Phase, Schedule};
use super::store::{Store, Watched};
use super::watch::Watch;
use super::Scorer;
use crate::device::{
    Calibration, Ensemble, Identity, InputMap, Model, Prior, Profile, Range, INPUTS,
};
use crate::fault::ModelFault;
use crate::network::Network;
use crate::tail::{Curve, Histogram, Tally};

const MAGIC: [u8; 8] = *b"phagescr";
/// Grows with every change of the layout.
const VERSION: u32 = 1;
/// No profile and no sample is smaller than this; bounds what a lying count can reserve.
const SMALLEST: usize = 512;

impl Scorer {
    /// Writes the state.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.raw(&MAGIC);
        out.u32(VERSION);
        out.u64(fingerprint(&self.config));
        write_schedule(&mut out, &self.schedule);
        out.i64(self.now);
        out.i64(self.pooled);
        for counter in [
            self.counters.learned,
            self.counters.scored,
            self.counters.faulty,
            self.counters.unowned,
            self.counters.updates,
            self.counters.quarantined,
            self.counters.dropped,
            self.counters.drifts,
            self.store.unprofiled,
        ] {
            out.u64(counter);
        }
        write_model(&mut out, &self.prior.model);
        out.u64(self.prior.rows);
        write_calibration(&mut out, &self.prior.calibration);
        write_calibration(&mut out, &self.own_pool);
        write_calibration(&mut out, &self.network_pool);
        out.block(&self.network.to_bytes());
        out.u32(self.store.profiles.len() as u32);
        for watched in &self.store.profiles {
            write_profile(&mut out, &watched.profile);
            write_watch(&mut out, &watched.watch);
        }
        for samples in [&self.quarantine.waiting, &self.quarantine.kept] {
            out.u32(samples.len() as u32);
            for sample in samples {
                out.i64(sample.time);
                out.u32(sample.profile);
                out.f32(sample.network);
                out.floats(&sample.behaviour);
                out.floats(sample.damped.as_slice());
            }
        }
        out.into_bytes()
    }

    /// Reads a state that [`Scorer::to_bytes`] wrote; settings come from `config`.
    ///
    /// # Errors
    /// A [`ModelFault`] when the bytes are no state, damaged, of another version, or learned from
    /// other features than the catalog of `config` names.
    pub fn from_bytes(bytes: &[u8], config: &ScorerConfig) -> Result<Self, ModelFault> {
        let mut input = Reader::new(bytes);
        if input.raw()? != MAGIC {
            return Err(ModelFault::NotAModel);
        }
        let found = input.u32()?;
        if found != VERSION {
            return Err(ModelFault::Version {
                found,
                expected: VERSION,
            });
        }
        if input.u64()? != fingerprint(config) {
            return Err(ModelFault::Catalog);
        }
        let mut scorer = Self::new(config);
        scorer.schedule = read_schedule(&mut input)?;
        scorer.now = input.i64()?;
        scorer.pooled = input.i64()?;
        for counter in [
            &mut scorer.counters.learned,
            &mut scorer.counters.scored,
            &mut scorer.counters.faulty,
            &mut scorer.counters.unowned,
            &mut scorer.counters.updates,
            &mut scorer.counters.quarantined,
            &mut scorer.counters.dropped,
            &mut scorer.counters.drifts,
            &mut scorer.store.unprofiled,
        ] {
            *counter = input.u64()?;
        }
        scorer.prior = Prior {
            model: read_model(&mut input)?,
            rows: input.u64()?,
            calibration: read_calibration(&mut input)?,
        };
        scorer.own_pool = read_calibration(&mut input)?;
        scorer.network_pool = read_calibration(&mut input)?;
        scorer.network = Network::from_bytes(input.block()?)?;
        read_store(&mut input, &mut scorer.store)?;
        scorer.quarantine = read_quarantine(&mut input)?;
        input.end()?;
        Ok(scorer)
    }
}

/// A hash of the names and scales that the state depends on (FNV-1a, 64 bits).
fn fingerprint(config: &ScorerConfig) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut take = |bytes: &[u8]| {
        for &byte in bytes {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for feature in config.behaviour {
        take(feature.name.as_bytes());
        take(&[0, feature.scale as u8]);
        take(&feature.floor.to_bits().to_le_bytes());
    }
    hash
}

fn write_schedule(out: &mut Writer, schedule: &Schedule) {
    out.u8(schedule.phase as u8);
    out.u64(schedule.seen);
    for end in schedule.ends {
        out.u64(end);
    }
    out.i64(schedule.phase_start);
    out.i64(schedule.training_time);
    out.u64(schedule.training_start);
    out.f64(schedule.sum);
    out.u64(schedule.count);
    out.f64(schedule.last_mean);
    out.u32(schedule.flat);
    out.u64(schedule.devices);
}

fn read_schedule(input: &mut Reader<'_>) -> Result<Schedule, ModelFault> {
    Ok(Schedule {
        phase: match input.u8()? {
            0 => Phase::Surveying,
            1 => Phase::Training,
            2 => Phase::Calibrating,
            3 => Phase::Watching,
            _ => return Err(ModelFault::Value("the phase")),
        },
        seen: input.u64()?,
        ends: [input.u64()?, input.u64()?, input.u64()?],
        phase_start: input.i64()?,
        training_time: input.i64()?,
        training_start: input.u64()?,
        sum: input.f64()?,
        count: input.u64()?,
        last_mean: input.f64()?,
        flat: input.u32()?,
        devices: input.u64()?,
    })
}

fn write_model(out: &mut Writer, model: &Model) {
    let ensemble = &model.ensemble;
    for weights in &ensemble.weights {
        out.floats(weights);
    }
    out.floats(&ensemble.hidden_bias);
    out.floats(&ensemble.visible_bias);
    out.floats(&ensemble.spread);
    out.f32(ensemble.typical);
    out.u32(ensemble.rows);
    out.floats(&model.range.low);
    out.floats(&model.range.high);
    out.u32(model.range.rows);
    out.floats(&model.map.low);
    out.floats(&model.map.width);
    out.floats(&model.map.resolution);
}

fn read_model(input: &mut Reader<'_>) -> Result<Model, ModelFault> {
    let mut ensemble = Ensemble::new(0);
    for weights in &mut ensemble.weights {
        *weights = input.floats()?;
    }
    ensemble.hidden_bias = input.floats()?;
    ensemble.visible_bias = input.floats()?;
    ensemble.spread = input.floats()?;
    ensemble.typical = input.f32()?;
    ensemble.rows = input.u32()?;
    if !ensemble.is_sound() {
        return Err(ModelFault::Value("a weight"));
    }
    let range = Range {
        low: input.floats()?,
        high: input.floats()?,
        rows: input.u32()?,
    };
    let map = InputMap::new(input.floats()?, input.floats()?, input.floats()?)
        .ok_or(ModelFault::Value("a range"))?;
    Ok(Model {
        map,
        ensemble,
        range,
    })
}

/// The curve is stored beside its histogram: it was read at another time, with another pool.
fn write_calibration(out: &mut Writer, calibration: &Calibration) {
    out.floats(calibration.histogram.counts());
    out.floats(calibration.curve.edges());
    out.f32(calibration.curve.slope());
}

fn read_calibration(input: &mut Reader<'_>) -> Result<Calibration, ModelFault> {
    let histogram = Histogram::from_counts(input.floats()?);
    let curve = Curve::from_parts(input.floats()?, input.f32()?)
        .ok_or(ModelFault::Value("a calibration"))?;
    Ok(Calibration { histogram, curve })
}

fn write_profile(out: &mut Writer, profile: &Profile) {
    out.u64(profile.identity.mac);
    out.raw(&profile.identity.address);
    out.i64(profile.first);
    out.i64(profile.last);
    write_model(out, &profile.model);
    write_calibration(out, &profile.own);
    write_calibration(out, &profile.network);
    out.u64(profile.lent);
    out.u8(u8::from(profile.mature));
}

fn read_profile(input: &mut Reader<'_>) -> Result<Profile, ModelFault> {
    Ok(Profile {
        identity: Identity {
            mac: input.u64()?,
            address: input.raw()?,
            generation: 0,
        },
        first: input.i64()?,
        last: input.i64()?,
        model: read_model(input)?,
        own: read_calibration(input)?,
        network: read_calibration(input)?,
        lent: input.u64()?,
        mature: input.u8()? == 1,
    })
}

fn write_watch(out: &mut Writer, watch: &Watch) {
    for time in [
        watch.start,
        watch.noisy_since,
        watch.hold_until,
        watch.drift_until,
        watch.sampled,
        watch.kept,
        watch.day,
    ] {
        out.i64(time);
    }
    for count in [watch.packets, watch.surprising, watch.quiet, watch.updates] {
        out.u32(count);
    }
    out.f32(watch.sum);
    out.f32(watch.page_hinkley);
    out.floats(watch.own.counts());
    out.floats(watch.network.counts());
}

fn read_watch(input: &mut Reader<'_>) -> Result<Watch, ModelFault> {
    Ok(Watch {
        start: input.i64()?,
        noisy_since: input.i64()?,
        hold_until: input.i64()?,
        drift_until: input.i64()?,
        sampled: input.i64()?,
        kept: input.i64()?,
        day: input.i64()?,
        packets: input.u32()?,
        surprising: input.u32()?,
        quiet: input.u32()?,
        updates: input.u32()?,
        sum: input.f32()?,
        page_hinkley: input.f32()?,
        own: Tally::from_counts(&input.floats()?),
        network: Tally::from_counts(&input.floats()?),
    })
}

fn read_store(input: &mut Reader<'_>, store: &mut Store) -> Result<(), ModelFault> {
    for number in 0..input.count(SMALLEST)? {
        let watched = Watched {
            profile: read_profile(input)?,
            watch: read_watch(input)?,
        };
        let key = watched.profile.identity.key();
        if store.index.insert(key, number as u32).is_some() {
            return Err(ModelFault::Value("a device's identity"));
        }
        store.profiles.push(watched);
    }
    Ok(())
}

fn read_quarantine(input: &mut Reader<'_>) -> Result<Quarantine, ModelFault> {
    let mut quarantine = Quarantine::default();
    for samples in [&mut quarantine.waiting, &mut quarantine.kept] {
        for _ in 0..input.count(SMALLEST)? {
            samples.push_back(Sample {
                time: input.i64()?,
                profile: input.u32()?,
                network: input.f32()?,
                behaviour: input.floats::<INPUTS>()?,
                damped: Box::new(input.floats()?),
            });
        }
    }
    Ok(quarantine)
}
