//! What outlives a restart: templates and rates of sampling, as octets.
//!
//! Exporters send templates again after minutes, some after half an hour; until then their data
//! could not be read.

use super::domain::Key;
use super::sampling::Rate;
use super::template::{Dialect, Field, Template};
use super::ExportDecoder;
use crate::app::reader::Reader;

/// The first octets, with the version of the layout.
const MAGIC: &[u8; 8] = b"phagexp1";

/// Kinds of entries.
const TEMPLATE: u8 = 0;
const RATE: u8 = 1;

/// A saved state is damaged or of another version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateFault;

impl std::fmt::Display for StateFault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the saved templates are damaged or of another version")
    }
}

impl std::error::Error for StateFault {}

impl ExportDecoder {
    /// Returns templates and rates of sampling.
    pub fn save(&self) -> Vec<u8> {
        let mut state = MAGIC.to_vec();
        for domain in self.domains.iter() {
            for (port, template) in domain.templates() {
                begin(&mut state, TEMPLATE, domain.key);
                let scopes = if template.options {
                    template.scopes as u16
                } else {
                    u16::MAX
                };
                for number in [port, template.id, scopes, template.fields.len() as u16] {
                    state.extend(number.to_be_bytes());
                }
                for field in &template.fields {
                    state.extend(field.enterprise.to_be_bytes());
                    state.extend(field.number.to_be_bytes());
                    state.extend(field.length.to_be_bytes());
                }
            }
            for rate in domain.sampling.rates() {
                begin(&mut state, RATE, domain.key);
                for number in [rate.interval, rate.sampler, rate.interface] {
                    state.push(u8::from(number.is_some()));
                    state.extend(number.unwrap_or(0).to_be_bytes());
                }
            }
        }
        state
    }

    /// Takes over a saved state; what is known already gives way to it. Of a damaged one nothing
    /// behind the damage.
    pub fn load(&mut self, state: &[u8]) -> Result<(), StateFault> {
        let mut rest = Reader::new(state.strip_prefix(MAGIC).ok_or(StateFault)?);
        while let Some(kind) = rest.u8() {
            self.entry(kind, &mut rest).ok_or(StateFault)?;
        }
        Ok(())
    }

    fn entry(&mut self, kind: u8, rest: &mut Reader<'_>) -> Option<()> {
        let key = Key {
            address: rest.array()?,
            domain: rest.u32()?,
            version: rest.u8()?,
        };
        match kind {
            TEMPLATE => {
                let (port, template) = template(key, rest)?;
                let place = self.domains.place(key);
                self.admit(place, port, template);
            }
            RATE => {
                let mut rate = Rate::default();
                for into in [&mut rate.interval, &mut rate.sampler, &mut rate.interface] {
                    optional(rest, into)?;
                }
                let place = self.domains.place(key);
                self.domains.get_mut(place)?.sampling.learn(rate);
            }
            _ => return None,
        }
        Some(())
    }
}

fn begin(state: &mut Vec<u8>, kind: u8, key: Key) {
    state.push(kind);
    state.extend(key.address);
    state.extend(key.domain.to_be_bytes());
    state.push(key.version);
}

/// Reads a number that may not be known; ends where the octets do.
fn optional(rest: &mut Reader<'_>, into: &mut Option<u32>) -> Option<()> {
    let given = rest.u8()? == 1;
    let value = rest.u32()?;
    *into = given.then_some(value);
    Some(())
}

fn template(key: Key, rest: &mut Reader<'_>) -> Option<(u16, Template)> {
    let (port, id, scopes, count) = (rest.u16()?, rest.u16()?, rest.u16()?, rest.u16()?);
    let mut fields = Vec::new();
    for _ in 0..count {
        fields.push(Field {
            enterprise: rest.u32()?,
            number: rest.u16()?,
            length: rest.u16()?,
        });
    }
    let dialect = if key.version == 10 {
        Dialect::Ipfix
    } else {
        Dialect::NetFlow
    };
    let scopes = (scopes != u16::MAX).then_some(usize::from(scopes));
    let template = Template::new(id, fields, scopes, dialect).ok()?;
    Some((port, template))
}
