//! `NetFlow` versions 1, 5 and 7: a header that counts records of one layout.

use std::sync::OnceLock;

use super::copying::Records;
use super::domain::Key;
use super::netflow::{copy, prototype, words};
use super::plan::Plan;
use super::template::{Dialect, Field, Template};
use super::{ExportDecoder, ExportFault, FlowRecord, Origin, Sink};
use crate::app::reader::Reader;

impl ExportDecoder {
    /// Reads `NetFlow` version 1, 5 or 7: a header that counts records of one layout.
    pub(super) fn fixed(
        &mut self,
        datagram: &[u8],
        from: Origin,
        time: i64,
        sink: &mut dyn Sink,
    ) -> Result<(), ExportFault> {
        let mut header = Reader::new(datagram);
        let [version, count, boot_high, boot_low, seconds_high, seconds_low, nanos_high, nanos_low] =
            words(&mut header).ok_or(ExportFault::Header)?;
        let mut rest = [0; 4];
        if version != 1 {
            rest = words(&mut header).ok_or(ExportFault::Header)?;
        }
        let [sequence_high, sequence_low, engine, interval] = rest;
        let join = |high: u16, low: u16| u32::from(high) << 16 | u32::from(low);
        let version = version as u8;
        let key = Key {
            address: from.address,
            domain: if version == 5 { u32::from(engine) } else { 0 },
            version,
        };
        let template = layout(version);
        let data = header.rest();
        let held = data.len() / template.length;
        // Thirty fit into a datagram; a count beyond that which is a lie is no message at all.
        if usize::from(count) > held && count > 30 {
            return Err(ExportFault::Count);
        }
        let records = held.min(usize::from(count));
        let place = self.heard(key, datagram, time);
        if records < usize::from(count) {
            self.fault(place, ExportFault::Count);
        }
        let nanoseconds = i64::from(join(nanos_high, nanos_low).min(999_999_999));
        let export = i64::from(join(seconds_high, seconds_low)) * 1_000_000_000 + nanoseconds;
        let uptime = join(boot_high, boot_low);
        let clock = self.clock(place, export, Some(uptime), time);
        let Some(domain) = self.domains.get_mut(place) else {
            return Ok(());
        };
        if version != 1 {
            let sequence = join(sequence_high, sequence_low);
            domain.sequence(sequence, Some(uptime), Some(u32::from(count)));
        }
        domain.counters.records += records as u64;
        // The two highest bits are the mode.
        let sampling = if version == 5 {
            u32::from(interval & 0x3fff)
        } else {
            0
        };
        let prototype = FlowRecord {
            sampling,
            exporter: domain.serial,
            domain: key.domain,
            version,
            ..prototype(template, clock)
        };
        let data = data.get(..records * template.length).unwrap_or(&[]);
        let set = Records::Fixed {
            data,
            length: template.length,
        };
        copy(template, set, records, prototype, clock, sink);
        Ok(())
    }
}

/// The layout of the records of `NetFlow` version 1, 5 or 7, told as a template.
fn layout(version: u8) -> &'static Template {
    static LAYOUTS: OnceLock<[Template; 3]> = OnceLock::new();
    /// Octets without a meaning.
    const PADDING: u16 = 210;
    const HEAD: [(u16, u16); 11] = [
        (8, 4),
        (12, 4),
        (15, 4),
        (10, 2),
        (14, 2),
        (2, 4),
        (1, 4),
        (22, 4),
        (21, 4),
        (7, 2),
        (11, 2),
    ];
    const TAIL: [(u16, u16); 7] = [(6, 1), (4, 1), (5, 1), (16, 2), (17, 2), (9, 1), (13, 1)];
    let layouts = LAYOUTS.get_or_init(|| {
        let make = |tail: &[(u16, u16)]| {
            let fields = HEAD.iter().chain(tail);
            let fields = fields
                .map(|(number, length)| Field::iana(*number, *length))
                .collect();
            Template::new(0, fields, None, Dialect::NetFlow).unwrap_or_else(|_| empty())
        };
        let one = [(PADDING, 2), (4, 1), (5, 1), (6, 1), (PADDING, 11)];
        let five = [&[(PADDING, 1)], &TAIL[..], &[(PADDING, 2)]].concat();
        let seven = [&[(PADDING, 1)], &TAIL[..], &[(PADDING, 2), (PADDING, 4)]].concat();
        [make(&one), make(&five), make(&seven)]
    });
    let [one, five, seven] = layouts;
    match version {
        1 => one,
        7 => seven,
        _ => five,
    }
}

/// A layout of one octet: what stands in for a fixed layout that does not compile, which none is.
fn empty() -> Template {
    Template {
        id: 0,
        options: false,
        fields: Vec::new(),
        scopes: 0,
        length: 1,
        variable: false,
        plan: Plan::default(),
    }
}
