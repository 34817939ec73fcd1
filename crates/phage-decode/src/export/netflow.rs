//! `NetFlow` version 9 and IPFIX messages: headers, sets, data.

use std::sync::Arc;

use super::copying::{number, Clock, Records};
use super::domain::Key;
use super::pending::Waiting;
use super::sampling::Rate;
use super::template::{self, Change, Dialect, Template};
use super::{
    sflow, ExportDecoder, ExportFault, FlowRecord, Origin, Sink, MOST_TEMPLATES_WEIGHT,
    MOST_WAITING,
};
use crate::app::reader::Reader;

/// The seconds that an exporter's clock may differ before its times are shifted.
const DRIFT: i64 = 5_000_000_000;

/// Where the sets of a message belong.
#[derive(Clone, Copy, Debug)]
struct Message {
    place: usize,
    serial: u32,
    port: u16,
    clock: Clock,
    dialect: Dialect,
}

/// What the data of a message came to: records, unless a part could not be counted.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    records: u32,
    unsure: bool,
}

impl ExportDecoder {
    /// Reads `NetFlow` version 9 (RFC 3954, 5).
    pub(super) fn netflow9(
        &mut self,
        datagram: &[u8],
        from: Origin,
        time: i64,
        sink: &mut dyn Sink,
    ) -> Result<(), ExportFault> {
        let mut reader = Reader::new(datagram);
        let mut next = || reader.u32();
        let fields = (|| Some([next()?, next()?, next()?, next()?, next()?]))();
        let [_, uptime, seconds, sequence, domain] = fields.ok_or(ExportFault::Header)?;
        let key = Key {
            address: from.address,
            domain,
            version: 9,
        };
        let place = self.heard(key, datagram, time);
        let export = i64::from(seconds) * 1_000_000_000;
        let clock = self.clock(place, export, Some(uptime), time);
        if let Some(domain) = self.domains.get_mut(place) {
            domain.sequence(sequence, Some(uptime), Some(1));
        }
        let message = self.message(place, from, clock, Dialect::NetFlow);
        self.sets(reader, message, sink);
        Ok(())
    }

    /// Reads an IPFIX message (RFC 7011, 3.1).
    pub(super) fn ipfix(
        &mut self,
        datagram: &[u8],
        from: Origin,
        time: i64,
        sink: &mut dyn Sink,
    ) -> Result<(), ExportFault> {
        let mut header = Reader::new(datagram);
        let mut next = || header.u32();
        let fields = (|| Some([next()?, next()?, next()?, next()?]))();
        let [start, seconds, sequence, domain] = fields.ok_or(ExportFault::Header)?;
        let length = (start & 0xffff) as usize;
        if length < 16 {
            return Err(ExportFault::Header);
        }
        let key = Key {
            address: from.address,
            domain,
            version: 10,
        };
        let place = self.heard(key, datagram, time);
        if length < datagram.len() {
            self.fault(place, ExportFault::Trailing);
        } else if length > datagram.len() {
            self.fault(place, ExportFault::Count);
        }
        let export = i64::from(seconds) * 1_000_000_000;
        let boot = self.domains.get_mut(place).and_then(|domain| domain.boot);
        let uptime = boot.map(|boot| (export / 1_000_000).wrapping_sub(boot) as u32);
        let clock = self.clock(place, export, uptime, time);
        let sets = datagram.get(16..length.min(datagram.len())).unwrap_or(&[]);
        let message = self.message(place, from, clock, Dialect::Ipfix);
        let tally = self.sets(Reader::new(sets), message, sink);
        if let Some(domain) = self.domains.get_mut(place) {
            domain.sequence(sequence, None, (!tally.unsure).then_some(tally.records));
        }
        Ok(())
    }

    fn message(&mut self, place: usize, from: Origin, clock: Clock, dialect: Dialect) -> Message {
        Message {
            place,
            serial: self
                .domains
                .get_mut(place)
                .map_or(0, |domain| domain.serial),
            port: from.port,
            clock,
            dialect,
        }
    }

    /// The clock of a message; notes how far it is from the time of arrival.
    pub(super) fn clock(
        &mut self,
        place: usize,
        export: i64,
        uptime: Option<u32>,
        arrival: i64,
    ) -> Clock {
        let drift = arrival.saturating_sub(export);
        if let Some(domain) = self.domains.get_mut(place) {
            domain.drift = drift;
        }
        if self.limits.correct_clocks && drift.abs() > DRIFT {
            self.shift = drift;
        }
        Clock { export, uptime }
    }

    /// Reads the sets of a message.
    fn sets(&mut self, mut rest: Reader<'_>, message: Message, sink: &mut dyn Sink) -> Tally {
        let mut tally = Tally::default();
        while let (true, Some(id), Some(length)) = (rest.len() >= 4, rest.u16(), rest.u16()) {
            let Some(wanted) = usize::from(length).checked_sub(4) else {
                // Some exporters pad a message with zeros; there is nothing behind them.
                if (id, length) != (0, 0) || rest.rest().iter().any(|octet| *octet != 0) {
                    self.fault(message.place, ExportFault::SetLength);
                }
                tally.unsure = true;
                break;
            };
            let whole = wanted <= rest.len();
            let set = rest.take(wanted.min(rest.len())).unwrap_or(&[]);
            if !whole {
                self.fault(message.place, ExportFault::SetLength);
                tally.unsure = true;
            }
            match (message.dialect, id) {
                (Dialect::NetFlow, 0) | (Dialect::Ipfix, 2) => {
                    self.templates(set, false, message, sink);
                }
                (Dialect::NetFlow, 1) | (Dialect::Ipfix, 3) => {
                    self.templates(set, true, message, sink);
                }
                (_, 256..) => self.data(id, set, whole, message, &mut tally, sink),
                _ => self.fault(message.place, ExportFault::TemplateNumber),
            }
        }
        tally
    }

    fn templates(&mut self, set: &[u8], options: bool, message: Message, sink: &mut dyn Sink) {
        let mut set = Reader::new(set);
        while let Some(change) = template::next(&mut set, message.dialect, options) {
            match change {
                Ok(Change::Learn(template)) => self.learn(template, message, sink),
                Ok(Change::Withdraw(id)) => {
                    if let Some(domain) = self.domains.get_mut(message.place) {
                        let lighter = domain.withdraw(id, message.port);
                        self.domains.weight -= lighter;
                    }
                }
                Err(fault) => {
                    self.fault(message.place, fault);
                    if fault == ExportFault::TemplateTruncated {
                        break;
                    }
                }
            }
        }
    }

    /// Takes a template where the bounds allow it; answers whether data waits for the domain's.
    pub(super) fn admit(&mut self, place: usize, port: u16, template: Template) -> bool {
        /// Turns at making room: in each some domains are looked at.
        const TURNS: usize = 64;
        let mut turns = TURNS;
        while self.domains.weight + template.weight() > self.limits.fields {
            if turns == 0 {
                self.refused += 1;
                return false;
            }
            turns -= 1;
            self.domains.relieve(place);
        }
        let Some(domain) = self.domains.get_mut(place) else {
            return false;
        };
        if domain.weight + template.weight() > MOST_TEMPLATES_WEIGHT {
            self.refused += 1;
            return false;
        }
        let heavier = domain.learn(port, template);
        let waits = domain.waiting > 0;
        self.domains.weight = self.domains.weight.saturating_add_signed(heavier);
        waits
    }

    /// Takes a template, and decodes what waited for it.
    fn learn(&mut self, template: Template, message: Message, sink: &mut dyn Sink) {
        let id = template.id;
        let waits = self.admit(message.place, message.port, template);
        if !waits {
            return;
        }
        for set in self.pending.take((message.place, message.serial), id) {
            if let Some(domain) = self.domains.get_mut(message.place) {
                domain.waiting -= 1;
            }
            let message = Message {
                port: set.port,
                clock: set.clock,
                ..message
            };
            self.data(id, &set.data, true, message, &mut Tally::default(), sink);
        }
    }

    /// Decodes a data set, or keeps it until its template comes.
    fn data(
        &mut self,
        id: u16,
        data: &[u8],
        whole: bool,
        message: Message,
        tally: &mut Tally,
        sink: &mut dyn Sink,
    ) {
        let Some(domain) = self.domains.get_mut(message.place) else {
            return;
        };
        let Some(template) = domain.template(id, message.port).map(Arc::clone) else {
            domain.counters.early += 1;
            tally.unsure = true;
            if whole {
                self.keep(id, data, message);
            }
            return;
        };
        if template.options {
            tally.records += self.options(&template, data, message, sink);
            return;
        }
        let mut starts = std::mem::take(&mut self.starts);
        let (records, end) = if template.variable {
            template.plan.bound(data, template.length, &mut starts)
        } else {
            let records = data.len() / template.length;
            (records, records * template.length)
        };
        tally.records += records as u32;
        let set = if template.variable {
            Records::Variable {
                data,
                starts: &starts,
                stride: template.plan.stride(),
            }
        } else {
            Records::Fixed {
                data,
                length: template.length,
            }
        };
        let mut clock = message.clock;
        let Some(domain) = self.domains.get_mut(message.place) else {
            return;
        };
        if template.plan.boot && records > 0 {
            let started = template
                .walk(set.record(0))
                .find(|(field, _)| field.number == 160);
            let boot = started.map(|(_, octets)| number(octets) as i64);
            let uptime = |boot| (clock.export / 1_000_000).wrapping_sub(boot) as u32;
            clock.uptime = boot.map(uptime).or(clock.uptime);
        }
        let prototype = FlowRecord {
            exporter: domain.serial,
            domain: domain.key.domain,
            version: domain.key.version,
            ..prototype(&template, clock)
        };
        let first = sink.rows().len();
        expand(&template, set, records, prototype, clock, sink.rows());
        if let Some(rows) = sink.rows().get_mut(first..) {
            domain.sampling.fill(&template, rows);
        }
        domain.counters.records += records as u64;
        // Records of variable length that end in the middle of one are not padding.
        if template.variable && data.len() - end >= template.length.max(4) {
            self.fault(message.place, ExportFault::RecordTruncated);
            tally.unsure = true;
        }
        sink.set(first, &template, set);
        self.starts = starts;
    }

    fn keep(&mut self, id: u16, data: &[u8], message: Message) {
        let Some(domain) = self.domains.get_mut(message.place) else {
            return;
        };
        if domain.waiting >= MOST_WAITING {
            self.pending.dropped += 1;
            return;
        }
        domain.waiting += 1;
        let gone = self.pending.keep(Waiting {
            domain: (message.place, message.serial),
            template: id,
            port: message.port,
            clock: message.clock,
            data: data.to_vec(),
        });
        for (place, serial) in gone {
            if let Some(domain) = self
                .domains
                .get_mut(place)
                .filter(|domain| domain.serial == serial)
            {
                domain.waiting -= 1;
            }
        }
    }

    /// Reads options: what they tell of sampling and of the exporter's start. Answers how many.
    fn options(
        &mut self,
        template: &Template,
        data: &[u8],
        message: Message,
        sink: &mut dyn Sink,
    ) -> u32 {
        let mut rest = data;
        let mut records = 0;
        while rest.len() >= template.length {
            let mut values = template.walk(rest);
            if values.by_ref().count() < template.fields.len() {
                self.fault(message.place, ExportFault::RecordTruncated);
                break;
            }
            let after = values.rest();
            let record = rest.get(..rest.len() - after.len()).unwrap_or(&[]);
            rest = after;
            records += 1;
            let Some(domain) = self.domains.get_mut(message.place) else {
                break;
            };
            domain.counters.options += 1;
            domain
                .sampling
                .learn(Rate::read(template.walk(record), template.scopes));
            let started = template
                .walk(record)
                .find(|(field, _)| (field.enterprise, field.number) == (0, 160));
            if let Some((_, octets)) = started {
                domain.boot = Some(number(octets) as i64);
            }
            sink.option(template, record, domain.key.domain);
        }
        records
    }
}

pub(super) fn words<const N: usize>(reader: &mut Reader<'_>) -> Option<[u16; N]> {
    let mut words = [0; N];
    for word in &mut words {
        *word = reader.u16()?;
    }
    Some(words)
}

pub(super) fn prototype(template: &Template, clock: Clock) -> FlowRecord {
    FlowRecord {
        start: clock.export,
        last: clock.export,
        template: template.id,
        present: template.plan.present,
        ..FlowRecord::default()
    }
}

pub(super) fn copy(
    template: &Template,
    set: Records<'_>,
    records: usize,
    prototype: FlowRecord,
    clock: Clock,
    sink: &mut dyn Sink,
) {
    let first = sink.rows().len();
    expand(template, set, records, prototype, clock, sink.rows());
    sink.set(first, template, set);
}

/// Appends the records of a set.
fn expand(
    template: &Template,
    set: Records<'_>,
    records: usize,
    prototype: FlowRecord,
    clock: Clock,
    rows: &mut Vec<FlowRecord>,
) {
    let first = rows.len();
    rows.resize(first + records, prototype);
    let rows = rows.get_mut(first..).unwrap_or(&mut []);
    template.plan.run(&set, clock, rows);
    if template.plan.rates || template.plan.frame {
        for (place, row) in rows.iter_mut().enumerate() {
            let record = set.record(place);
            if template.plan.rates {
                let rate = Rate::read(template.walk(record), 0).interval;
                row.sampling = rate.unwrap_or(row.sampling);
            }
            if template.plan.frame {
                sflow::section(template.walk(record), row);
            }
        }
    }
}
