//! Scoring: what the ensembles say of packets, and what that means for their devices.

use super::learn;
use super::peak::Scored;
use super::quarantine::Sample;
use super::store::NONE;
use super::watch::SURPRISING;
use super::{part, ScoreInput, Scorer, NO_SUBJECT};
use crate::device::{Model, INPUTS};
use crate::tail::position;
use crate::DAMPED_STRIDE;

/// Kept samples of one device are at least this far apart, in nanoseconds.
const KEPT_APART: i64 = 100_000_000;

/// Packets that are scored before the first of them is judged: what the judgement reads is on its
/// way meanwhile, and has not left the first-level cache when its turn comes.
const RUN: usize = 16;
/// Packets of a run that devices' models score side by side.
const ABREAST: usize = 4;
/// Packets ahead for which a device's model is asked for, and whether it is mature before that.
pub(super) const MODEL_AHEAD: usize = 4;
const PROFILE_AHEAD: usize = 12;

/// What a device's own ensemble says of a packet.
#[derive(Clone, Copy, Debug, Default)]
struct Opinion {
    /// Whether its own ensemble spoke, and not the prior's.
    mature: bool,
    /// Where the scores of the two ensembles lie on the axis of the histograms.
    own: f32,
    network: f32,
}

impl Scorer {
    /// Scores the packets of a batch.
    pub(super) fn watch(&mut self, input: &ScoreInput<'_>, surprises: &mut [f32]) {
        let count = input.packets.len();
        let mut errors = std::mem::take(&mut self.errors);
        let mut numbers = std::mem::take(&mut self.numbers);
        errors.clear();
        errors.resize(count, 0.0);
        self.resolve(input, &mut numbers);
        let (store, peaks) = (&self.store, &self.peaks);
        // Into the second-level cache: a batch is more than the first one holds.
        let beside = |packet: usize| {
            if let Some(watched) = numbers.get(packet).and_then(|&number| store.get(number)) {
                watched.fetch();
                watched.profile.model.fetch_for_score();
            }
            if let Some(&subject) = input.subjects.get(packet) {
                peaks.fetch(subject as usize);
            }
        };
        self.network
            .score_beside(input.damped, count, &mut errors, beside);
        let mut start = 0;
        for (errors, surprises) in errors.chunks(RUN).zip(surprises.chunks_mut(RUN)) {
            let end = start + errors.len();
            if let (Some(run), Some(numbers)) = (part(input, start, end), numbers.get(start..)) {
                let opinions = self.ask(&run, numbers, errors);
                self.judge(&run, numbers, &opinions, surprises);
            }
            start = end;
        }
        self.errors = errors;
        self.numbers = numbers;
    }

    /// Finds the profile of each packet.
    fn resolve(&mut self, input: &ScoreInput<'_>, numbers: &mut Vec<u32>) {
        numbers.clear();
        let beginning = (&self.prior, &self.network_pool.curve);
        for (packet, &subject) in input.packets.iter().zip(input.subjects) {
            numbers.push(if subject == NO_SUBJECT || !packet.is_sound() {
                NONE
            } else {
                let (batch, time) = (self.batch, packet.time);
                self.store
                    .resolve(subject, batch, time, input.identities, beginning)
            });
        }
    }

    #[inline(always)]
    fn fetch_profile(&self, number: u32) {
        if let Some(watched) = self.store.get(number) {
            watched.fetch();
        }
    }

    #[inline(always)]
    fn fetch_model(&self, number: u32) {
        if let Some(watched) = self.store.get(number) {
            if watched.profile.mature {
                watched.profile.model.fetch_for_score();
            }
        }
    }

    /// The model that speaks for a device, and whether it is its own.
    #[inline(always)]
    fn speaker(&self, number: u32) -> (&Model, bool) {
        match self.store.get(number) {
            Some(watched) if watched.profile.mature => (&watched.profile.model, true),
            _ => (&self.prior.model, false),
        }
    }

    /// Scores a run of packets, and asks for what `judge` will read: the profiles of many devices lie
    /// beyond the second-level cache. `numbers` go on after the run.
    fn ask(&self, run: &ScoreInput<'_>, numbers: &[u32], errors: &[f32]) -> [Opinion; RUN] {
        let mut opinions = [Opinion::default(); RUN];
        let rows = run.behaviour.as_chunks::<INPUTS>().0;
        let packets = run.subjects.chunks(ABREAST).zip(rows.chunks(ABREAST));
        let packets = packets.zip(errors.chunks(ABREAST));
        for (group, (opinions, ((subjects, rows), errors))) in
            opinions.chunks_mut(ABREAST).zip(packets).enumerate()
        {
            let numbers = numbers.get(group * ABREAST..).unwrap_or(&[]);
            for &ahead in numbers.iter().skip(PROFILE_AHEAD).take(ABREAST) {
                self.fetch_profile(ahead);
            }
            for &ahead in numbers.iter().skip(MODEL_AHEAD).take(ABREAST) {
                self.fetch_model(ahead);
            }
            for (opinion, &error) in opinions.iter_mut().zip(errors) {
                opinion.network = position(error);
            }
            if subjects.iter().any(|&subject| subject != NO_SUBJECT) {
                self.ask_devices(opinions, numbers, rows);
            }
        }
        opinions
    }

    /// Scores packets that stand next to each other by their devices' models.
    fn ask_devices(&self, opinions: &mut [Opinion], numbers: &[u32], rows: &[[f32; INPUTS]]) {
        // What is missing of a group is scored by the prior, and forgotten.
        let mut models = [&self.prior.model; ABREAST];
        let mut features = [&[0.0; INPUTS]; ABREAST];
        let places = models.iter_mut().zip(&mut features);
        let packets = opinions.iter_mut().zip(numbers).zip(rows);
        for ((model, features), ((opinion, &number), row)) in places.zip(packets) {
            (*model, opinion.mature) = self.speaker(number);
            *features = row;
        }
        let positions = Model::positions_of(self.kernel, &self.scaling, models, features);
        for ((opinion, own), &number) in opinions.iter_mut().zip(positions).zip(numbers) {
            opinion.own = own;
            if let Some(watched) = self.store.get(number) {
                let profile = &watched.profile;
                profile.network.curve.fetch(opinion.network);
                profile.own.curve.fetch(opinion.own);
                watched.watch.fetch_tallies(opinion.own, opinion.network);
            }
        }
    }

    /// Turns the scores of a run of packets into surprises, and notes them.
    fn judge(
        &mut self,
        run: &ScoreInput<'_>,
        numbers: &[u32],
        opinions: &[Opinion; RUN],
        surprises: &mut [f32],
    ) {
        let rows = run.behaviour.as_chunks::<INPUTS>().0.iter();
        let damped = run.damped.as_chunks::<DAMPED_STRIDE>().0.iter();
        let packets = run.packets.iter().zip(run.subjects).zip(rows).zip(damped);
        let outputs = surprises.iter_mut().zip(numbers.iter().zip(opinions));
        for (
            number,
            ((((packet, &subject), behaviour), damped), (surprise, (&profile, opinion))),
        ) in (run.first_packet..).zip(packets.zip(outputs))
        {
            *surprise = 0.0;
            if !packet.is_sound() {
                self.counters.faulty += 1;
                continue;
            }
            self.counters.scored += 1;
            self.now = packet.time;
            let mut scored = Scored {
                device: subject,
                profile,
                mature: false,
                number,
                packet,
                surprise: 0.0,
                network: 0.0,
                own: 0.0,
                behaviour,
                damped,
            };
            self.score(&mut scored, *opinion);
            *surprise = scored.surprise;
            if subject != NO_SUBJECT {
                self.peaks.add(subject as usize, &scored);
            }
        }
    }

    /// Judges one packet and notes what it means for its device.
    #[inline]
    fn score(&mut self, scored: &mut Scored<'_>, mut opinion: Opinion) {
        if scored.device == NO_SUBJECT {
            self.counters.unowned += 1;
            scored.network = self.network_pool.curve.surprise(opinion.network);
            scored.surprise = scored.network;
            return;
        }
        let time = scored.packet.time;
        let Some(watched) = self.store.get_mut(scored.profile) else {
            scored.network = self.network_pool.curve.surprise(opinion.network);
            scored.own = self.prior.calibration.curve.surprise(opinion.own);
            scored.surprise = join(scored.network, scored.own);
            return;
        };
        let profile = &mut watched.profile;
        profile.last = time;
        scored.mature = profile.mature;
        if profile.mature != opinion.mature {
            // It came of age with an earlier packet of the run.
            let (kernel, model) = (self.kernel, &profile.model);
            opinion.own = model.position_of(kernel, &self.scaling, scored.behaviour);
        }
        scored.network = profile.network.curve.surprise(opinion.network);
        scored.own = profile.own.curve.surprise(opinion.own);
        scored.surprise = join(scored.network, scored.own);
        if !self.config.adapt {
            return;
        }
        if watched.watch.is_over(time) {
            self.close_epoch(scored.profile, time);
        }
        self.note(scored, opinion);
    }

    /// Notes a scored packet in its device's open epoch, and sets samples aside.
    #[inline]
    fn note(&mut self, scored: &Scored<'_>, opinion: Opinion) {
        let time = scored.packet.time;
        let Some(watched) = self.store.get_mut(scored.profile) else {
            return;
        };
        let watch = &mut watched.watch;
        watch.note(scored.surprise, opinion.own, opinion.network);
        let sample = || {
            let row = self.scaling.apply(self.kernel, scored.behaviour);
            Sample::new(time, scored.profile, opinion.network, &row, scored.damped)
        };
        if scored.surprise >= SURPRISING {
            if time.saturating_sub(watch.kept) >= KEPT_APART {
                watch.kept = time;
                self.quarantine.keep(sample());
            }
        } else if time.saturating_sub(watch.sampled)
            >= learn::apart(watch.is_drifting(time), watched.profile.mature)
        {
            watch.sampled = time;
            if self.quarantine.has_room() {
                self.quarantine.hold(sample());
            } else {
                self.counters.dropped += 1;
            }
        }
    }
}

/// Chance that is given to the device's ensemble; the network's has the rest.
///
/// Its features say what a packet means (a new peer, an unanswered connection), those of the
/// network's only what it looks like, which is odd for harmless reasons more often.
const OWN_PART: f32 = 0.9;

/// Joins the surprises of two models into one that is again a tail probability's.
///
/// Weighted Bonferroni: `P(p1 <= w1 p or p2 <= w2 p) <= p` for weights that sum to 1, whatever the
/// dependence of the two (Genovese, Roeder, Wasserman, Biometrika 93(3), 2006).
#[inline]
fn join(network: f32, own: f32) -> f32 {
    let network = network + (1.0 - OWN_PART).log10();
    let own = own + OWN_PART.log10();
    network.max(own).max(0.0)
}
