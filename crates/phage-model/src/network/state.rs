//! A network as bytes and back.
//!
//! Layout, all little-endian: magic `PHNW`, version (u32), hash of the catalog (u64), configuration, knowledge, hash of
//! everything before (u64, FNV-1a). Floats are their bits, so a network that was read scores as the one that was written.

use super::grouping::{LARGEST, MOST};
use super::scaling::Ranges;
use super::survey::{Random, Survey};
use super::weights::{Lanes, Weights};
use super::{Knowledge, Model, Network, NetworkConfig};
use crate::damped::{DAMPED, DAMPED_CATALOG, DAMPED_STRIDE};
use crate::fault::ModelFault;
use crate::simd::{Chosen, Kernel};

const MAGIC: [u8; 4] = *b"PHNW";
const VERSION: u32 = 1;

impl Network {
    /// Writes everything that the network knows, surveyed rows included.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 << 10);
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend(catalog_hash().to_le_bytes());
        for number in [self.config.survey, self.config.train, self.config.seed] {
            out.extend(number.to_le_bytes());
        }
        put(&mut out, &[self.config.rate]);
        match &self.knowledge {
            Knowledge::Survey(survey) => {
                out.push(0);
                out.extend(survey.seen.to_le_bytes());
                out.extend(survey.random.0.to_le_bytes());
                out.extend((survey.sample.len() as u32).to_le_bytes());
                survey.sample.iter().for_each(|row| put(&mut out, row));
            }
            Knowledge::Model(model) => {
                out.push(1);
                out.extend(model.trained.to_le_bytes());
                let groups = model.weights.groups();
                out.push(groups.len() as u8);
                for group in groups {
                    out.push(group.len() as u8);
                    out.extend(group.iter().map(|feature| *feature as u8));
                }
                let Ranges {
                    low,
                    high,
                    first_low,
                    first_high,
                    inverse,
                } = &model.ranges;
                // A kernel's reciprocal is not the division's to the last bit: it is kept too.
                for bounds in [low, high, first_low, first_high, inverse] {
                    put(&mut out, &bounds.0);
                }
                let mut weights = model.weights.clone();
                visit(&mut weights, |lanes| put(&mut out, &lanes.0));
            }
        }
        let hash = fnv(&out);
        out.extend(hash.to_le_bytes());
        out
    }

    /// Reads what [`Network::to_bytes`] wrote, for the best kernel of this CPU.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelFault> {
        Self::from_bytes_for(bytes, None)
    }

    /// The same for a wanted kernel. Takes over nothing of bytes that are cut, changed, or of another layout.
    pub fn from_bytes_for(bytes: &[u8], kernel: Option<Kernel>) -> Result<Self, ModelFault> {
        let mut reader = Reader(bytes);
        if reader.array::<4>()? != MAGIC {
            return Err(ModelFault::NotAModel);
        }
        let found = u32::from_le_bytes(reader.array()?);
        if found != VERSION {
            return Err(ModelFault::Version {
                found,
                expected: VERSION,
            });
        }
        let (body, hash) = bytes.split_at(bytes.len().saturating_sub(8));
        if hash != fnv(body).to_le_bytes() {
            return Err(ModelFault::Value("the checksum"));
        }
        if reader.u64()? != catalog_hash() {
            return Err(ModelFault::Catalog);
        }
        let (survey, train, seed) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let [rate] = reader.floats()?;
        let config = NetworkConfig {
            survey,
            train,
            seed,
            rate,
            kernel,
        };
        let knowledge = match reader.array()? {
            [0] => Knowledge::Survey(read_survey(&mut reader)?),
            [1] => Knowledge::Model(Box::new(read_model(&mut reader)?)),
            _ => return Err(ModelFault::Value("the phase")),
        };
        if reader.0.len() != 8 {
            return Err(ModelFault::Length);
        }
        Ok(Self {
            config,
            chosen: Chosen::new(kernel),
            knowledge,
        })
    }
}

fn read_survey(reader: &mut Reader<'_>) -> Result<Survey, ModelFault> {
    let (seen, random) = (reader.u64()?, Random(reader.u64()?));
    let rows = u32::from_le_bytes(reader.array()?) as usize;
    if rows > Survey::capacity() || rows as u64 > seen {
        return Err(ModelFault::Value("the size of the sample"));
    }
    let mut sample = Vec::new();
    for _ in 0..rows {
        sample.push(reader.floats::<DAMPED>()?);
    }
    Ok(Survey {
        sample,
        seen,
        random,
    })
}

fn read_model(reader: &mut Reader<'_>) -> Result<Model, ModelFault> {
    let trained = reader.u64()?;
    let [count] = reader.array()?;
    if !(1..=MOST).contains(&usize::from(count)) {
        return Err(ModelFault::Value("the number of groups"));
    }
    let mut groups = Vec::new();
    for _ in 0..count {
        let [size] = reader.array()?;
        if !(1..=LARGEST).contains(&usize::from(size)) {
            return Err(ModelFault::Value("the size of a group"));
        }
        let members = reader.take(usize::from(size))?;
        if members
            .iter()
            .any(|feature| usize::from(*feature) >= DAMPED)
        {
            return Err(ModelFault::Value("a feature of a group"));
        }
        groups.push(members.iter().map(|feature| u16::from(*feature)).collect());
    }
    let mut ranges = Ranges::new(&[(0.0, 1.0); DAMPED]);
    ranges.low.0 = reader.floats::<DAMPED_STRIDE>()?;
    ranges.high.0 = reader.floats()?;
    ranges.first_low.0 = reader.floats()?;
    ranges.first_high.0 = reader.floats()?;
    let mut bounds = ranges.low.0.iter().zip(&ranges.high.0);
    if bounds.any(|(low, high)| low >= high) {
        return Err(ModelFault::Value("a range"));
    }
    ranges.inverse.0 = reader.floats()?;
    let mut weights = Weights::empty(&groups);
    let mut fault = None;
    visit(&mut weights, |lanes| match reader.floats() {
        Ok(values) => lanes.0 = values,
        Err(found) => fault = Some(found),
    });
    fault.map_or(Ok(()), Err)?;
    Ok(Model {
        ranges,
        weights,
        prepared: None,
        trained,
    })
}

/// Goes over everything in the weights that is learned, in a fixed order.
fn visit(weights: &mut Weights, mut each: impl FnMut(&mut Lanes)) {
    let small = weights.tied.iter_mut().flatten();
    let biases = weights
        .hidden_bias
        .iter_mut()
        .chain(&mut weights.input_bias);
    small.chain(biases).for_each(&mut each);
    let outer = &mut weights.outer;
    let rows = outer.by_input.iter_mut().chain(&mut outer.by_hidden);
    rows.for_each(&mut each);
    each(&mut outer.hidden_bias);
    each(&mut outer.input_bias);
    each(&mut outer.mean);
    each(&mut outer.variance);
}

fn put(out: &mut Vec<u8>, values: &[f32]) {
    for x in values {
        out.extend(x.to_le_bytes());
    }
}

fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A hash of what the features are, so that a network learned from others is refused.
fn catalog_hash() -> u64 {
    let mut text = Vec::new();
    for feature in &DAMPED_CATALOG {
        text.extend(feature.name.bytes());
        text.extend(feature.unit.bytes());
        text.push(feature.scale as u8);
    }
    fnv(&text)
}

/// Takes pieces off the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], ModelFault> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(ModelFault::Length)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ModelFault> {
        self.take(N)?.try_into().map_err(|_| ModelFault::Length)
    }

    fn u64(&mut self) -> Result<u64, ModelFault> {
        self.array().map(u64::from_le_bytes)
    }

    fn floats<const N: usize>(&mut self) -> Result<[f32; N], ModelFault> {
        let mut values = [0.0; N];
        let (bytes, _) = self.take(4 * N)?.as_chunks::<4>();
        for (value, bytes) in values.iter_mut().zip(bytes) {
            *value = f32::from_le_bytes(*bytes);
            if !value.is_finite() {
                return Err(ModelFault::Value("a number"));
            }
        }
        Ok(values)
    }
}
