//! Copy plans: what a template's records are copied by, field by field over a whole set.
//!
//! A set has some thirty records of one layout. Going through them once for each field keeps each
//! inner loop a load, a byte swap and a store; the choice of what to do is made once a set.

use super::copying::{Clock, Records, Step};
use super::meaning::{self, Target, Time};
use super::record::FlowRecord;
use super::template::{Field, VARIABLE};

/// What a template's records are copied by.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts about a template that are independent"
)]
pub(super) struct Plan {
    steps: Vec<Step>,
    /// Bits of [`present`] that every record has.
    pub(super) present: u32,
    /// Octets of each run of fixed fields, the variable field behind it left out.
    runs: Vec<u32>,
    /// Whether records hold what is read one by one: a frame, or a sampler's own figures.
    pub(super) frame: bool,
    /// Whether records tell intervals or populations of samplers.
    pub(super) rates: bool,
    /// Whether records name a sampler.
    pub(super) sampler: bool,
    /// Whether records name the interface that they came in by.
    pub(super) interface: bool,
    /// Whether records tell when the exporter started.
    pub(super) boot: bool,
    /// Fields that have no name here.
    pub(super) unknown: u64,
}

impl Plan {
    /// Decides what goes where. Of counts that mean the same the best is taken; of other fields that
    /// are repeated the first (what follows describes an inner header), of addresses the last that
    /// is not zero.
    pub(super) fn compile(fields: &[Field], variable: bool) -> Self {
        let mut plan = Self {
            runs: vec![0],
            ..Self::default()
        };
        let ranked = |rank: fn(Field) -> Option<usize>| {
            let best = fields
                .iter()
                .enumerate()
                .filter_map(|(place, field)| Some((rank(*field)?, place)));
            best.min().map(|(_, place)| place)
        };
        let counts = [
            (ranked(meaning::packets), Target::Packets),
            (ranked(meaning::octets), Target::Octets),
            (ranked(meaning::reverse_packets), Target::ReversePackets),
            (ranked(meaning::reverse_octets), Target::ReverseOctets),
        ];
        let times = [
            (ranked(meaning::start), true),
            (ranked(meaning::end), false),
        ];
        let uptime = fields
            .iter()
            .any(|field| matches!((field.enterprise, field.number), (0, 21 | 22)));
        let (mut run, mut offset) = (0_u32, 0_u32);
        for (place, field) in fields.iter().enumerate() {
            let count = counts.iter().find(|(at, _)| *at == Some(place));
            let time = times.iter().find(|(at, _)| *at == Some(place));
            let target = match (count, time) {
                (Some((_, target)), _) => Some(*target),
                (None, Some((_, begin))) => meaning::timed(*field, *begin),
                (None, None) => plan.other(*field, uptime),
            };
            let is_variable = variable && field.length == VARIABLE;
            if let (Some(target), false) = (target, is_variable) {
                plan.add(target, run, offset, field.length);
            }
            if is_variable {
                run += 1;
                offset = 0;
                plan.runs.push(0);
            } else {
                offset += u32::from(field.length);
                if let Some(length) = plan.runs.last_mut() {
                    *length = offset;
                }
            }
        }
        plan
    }

    /// Notes what a field that is no count and no time tells.
    fn other(&mut self, field: Field, uptime: bool) -> Option<Target> {
        match (field.enterprise, field.number) {
            (0, 104 | 313 | 315) => self.frame = true,
            (0, 50 | 305 | 306 | 309 | 310 | 311) => self.rates = true,
            (0, 160) => self.boot |= uptime,
            _ => {}
        }
        if super::element::lookup(field.enterprise, field.number).is_none() {
            self.unknown += 1;
        }
        meaning::target(field)
    }

    fn add(&mut self, target: Target, run: u32, offset: u32, length: u16) {
        let side = |target| match target {
            Target::Src4 | Target::Src6 => Some(true),
            Target::Dst4 | Target::Dst6 => Some(false),
            _ => None,
        };
        let fits = match target {
            Target::Src4 | Target::Dst4 => length == 4,
            Target::Src6 | Target::Dst6 => length == 16,
            Target::Start(Time::Ntp) | Target::End(Time::Ntp) => length == 8,
            _ => true,
        };
        let seen = self.steps.iter().any(|step| step.target == target);
        let spare = side(target).is_some()
            && self
                .steps
                .iter()
                .any(|step| side(step.target) == side(target));
        if !fits || seen && side(target).is_none() {
            return;
        }
        self.present |= meaning::bits(target);
        self.sampler |= target == Target::Sampler;
        self.interface |= target == Target::InInterface;
        self.steps.push(Step {
            target,
            run,
            offset,
            length,
            spare,
        });
    }

    /// How many numbers describe a record of variable length: where each of its runs starts, and
    /// where the record ends.
    pub(super) fn stride(&self) -> usize {
        self.runs.len() + 1
    }

    /// Notes where the runs of each record start; answers how many records there are and where
    /// the last ends. At most `limit` records are read.
    #[inline]
    pub(super) fn bound(&self, data: &[u8], least: usize, starts: &mut Vec<u32>) -> (usize, usize) {
        let mut at = 0_usize;
        let mut records = 0;
        starts.clear();
        let Some((last, runs)) = self.runs.split_last() else {
            return (0, 0);
        };
        'records: while data.len() - at >= least {
            let begin = starts.len();
            let mut next = at;
            for run in runs {
                starts.push(next as u32);
                next += *run as usize;
                let length = match data.get(next) {
                    Some(&u8::MAX) => match (data.get(next + 1), data.get(next + 2)) {
                        (Some(&high), Some(&low)) => {
                            3 + usize::from(u16::from_be_bytes([high, low]))
                        }
                        _ => usize::MAX,
                    },
                    Some(&short) => 1 + usize::from(short),
                    None => usize::MAX,
                };
                next = next.saturating_add(length);
                if next > data.len() {
                    starts.truncate(begin);
                    break 'records;
                }
            }
            starts.push(next as u32);
            next += *last as usize;
            if next > data.len() {
                starts.truncate(begin);
                break;
            }
            starts.push(next as u32);
            at = next;
            records += 1;
        }
        (records, at)
    }

    /// Copies all records of a set.
    pub(super) fn run(&self, set: &Records<'_>, clock: Clock, rows: &mut [FlowRecord]) {
        for step in &self.steps {
            step.run(set, clock, rows);
        }
    }
}
