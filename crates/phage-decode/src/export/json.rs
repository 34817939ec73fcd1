//! Records as lines of JSON: every element under its name, and the normalised fields.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::copying::{number, of_ntp, Records};
use super::element::{self, Kind, REVERSE};
use super::record::{present, FlowRecord};
use super::sflow::Sample;
use super::template::{Template, Values};
use super::Sink;

/// Writes a line for each record that is decoded.
#[derive(Debug, Default)]
pub struct JsonLines {
    rows: Vec<FlowRecord>,
    text: String,
    options: bool,
    exporter: Option<[u8; 16]>,
}

impl JsonLines {
    /// Begins with no line; `options` also writes options records.
    pub fn new(options: bool) -> Self {
        Self {
            options,
            ..Self::default()
        }
    }

    /// Writes who exported into the lines from now on.
    pub fn exported_by(&mut self, address: [u8; 16]) {
        self.exporter = Some(address);
    }

    /// Hands out the lines since the last call.
    pub fn take(&mut self) -> String {
        self.rows.clear();
        std::mem::take(&mut self.text)
    }
}

impl Sink for JsonLines {
    fn rows(&mut self) -> &mut Vec<FlowRecord> {
        &mut self.rows
    }

    fn set(&mut self, first: usize, template: &Template, records: Records<'_>) {
        let rows = self.rows.get(first..).unwrap_or(&[]);
        for (place, row) in rows.iter().enumerate() {
            let mut line = Line::begin(&mut self.text);
            line.exporter(self.exporter);
            line.elements(template.walk(records.record(place)));
            line.normalised(row, template, records.record(place));
            line.end();
        }
        // Records are only needed until they are written.
        self.rows.truncate(first);
    }

    fn option(&mut self, template: &Template, record: &[u8], domain: u32) {
        if !self.options {
            return;
        }
        let mut line = Line::begin(&mut self.text);
        line.exporter(self.exporter);
        line.elements(template.walk(record));
        line.flag("options", true);
        line.number("tpl", u64::from(template.id));
        line.number("odid", u64::from(domain));
        line.end();
    }

    fn sample(&mut self, sample: &Sample<'_>) {
        let Some(row) = self.rows.pop() else {
            return;
        };
        let mut line = Line::begin(&mut self.text);
        line.exporter(self.exporter);
        line.text("agent", &address(&sample.agent));
        line.number("sampling", u64::from(row.sampling));
        line.number("in_if", u64::from(row.in_interface));
        line.number("out_if", u64::from(row.out_interface));
        line.number("packets", 1);
        if row.has(present::OCTETS) {
            line.number("bytes", row.octets[0]);
        }
        let parts = [
            ("stripped", sample.stripped),
            ("hdr_proto", sample.header_protocol),
        ];
        for (name, value) in parts {
            if let Some(value) = value {
                line.number(name, u64::from(value));
            }
        }
        line.packet(&row);
        if row.has(present::PROTOCOL) {
            line.number("ip_bytes", sample.ip_octets);
        }
        let more = [
            ("src_as", row.src_as),
            ("dst_as", row.dst_as),
            ("src_mask", u32::from(row.src_mask)),
            ("dst_mask", u32::from(row.dst_mask)),
        ];
        for (name, value) in more {
            if value != 0 {
                line.number(name, u64::from(value));
            }
        }
        line.number("odid", u64::from(row.domain));
        line.end();
    }
}

/// One line that is being written.
struct Line<'a> {
    text: &'a mut String,
    first: bool,
}

impl<'a> Line<'a> {
    fn begin(text: &'a mut String) -> Self {
        text.push('{');
        Self { text, first: true }
    }

    fn exporter(&mut self, exporter: Option<[u8; 16]>) {
        if let Some(exporter) = exporter {
            self.text("exporter", &address(&exporter));
        }
    }

    fn end(self) {
        self.text.push_str("}\n");
    }

    fn key(&mut self, name: &str) {
        if !std::mem::take(&mut self.first) {
            self.text.push_str(", ");
        }
        quote(self.text, name);
        self.text.push_str(": ");
    }

    fn number(&mut self, name: &str, value: u64) {
        self.key(name);
        let _ = write!(self.text, "{value}");
    }

    fn text(&mut self, name: &str, value: &str) {
        self.key(name);
        quote(self.text, value);
    }

    fn flag(&mut self, name: &str, value: bool) {
        self.key(name);
        self.text.push_str(if value { "true" } else { "false" });
    }

    /// Writes every element; one that is repeated as a list.
    fn elements(&mut self, values: Values<'_>) {
        let all: Vec<_> = values.collect();
        for (place, (field, octets)) in all.iter().enumerate() {
            let same = |other: &&(&super::template::Field, &[u8])| {
                (other.0.enterprise, other.0.number) == (field.enterprise, field.number)
            };
            if all.iter().take(place).any(|other| same(&other)) {
                continue;
            }
            self.key(&element::name(field.enterprise, field.number));
            let kind = element::lookup(field.enterprise, field.number)
                .map_or(Kind::Octets, |element| element.kind);
            let more = all.iter().skip(place + 1).filter(same);
            let repeated = more.clone().next().is_some();
            if repeated {
                self.text.push('[');
            }
            value(self.text, kind, octets);
            for (_, octets) in more {
                self.text.push_str(", ");
                value(self.text, kind, octets);
            }
            if repeated {
                self.text.push(']');
            }
        }
    }

    /// Writes what is the same for every version.
    fn normalised(&mut self, row: &FlowRecord, template: &Template, record: &[u8]) {
        if row.has(present::SRC) {
            self.text("src", &address(&row.src));
        }
        if row.has(present::DST) {
            self.text("dst", &address(&row.dst));
        }
        if row.has(present::START) {
            self.milliseconds("start_ms", row.start);
        }
        if row.has(present::END) {
            self.milliseconds("end_ms", row.last);
        }
        let mut written: Vec<&str> = Vec::new();
        for (field, octets) in template.walk(record) {
            let Some(name) = plain(field.enterprise, field.number) else {
                continue;
            };
            if written.contains(&name) {
                continue;
            }
            written.push(name);
            match name {
                "nexthop" => match <[u8; 4]>::try_from(octets) {
                    Ok(octets) => self.text(name, &Ipv4Addr::from(octets).to_string()),
                    Err(_) => self.text(name, &hex(octets)),
                },
                "frame" => self.frame(row, octets),
                _ => self.number(name, number(octets)),
            }
        }
        if row.vlan != 0 && !written.contains(&"frame") {
            self.number("vlan", u64::from(row.vlan));
        }
        if row.template != 0 {
            self.number("tpl", u64::from(row.template));
        }
        self.number("odid", u64::from(row.domain));
        self.key("sampling");
        match row.sampling {
            0 => self.text.push_str("null"),
            rate => {
                let _ = write!(self.text, "{rate}");
            }
        }
    }

    /// Writes a section of a frame with what was found in it.
    fn frame(&mut self, row: &FlowRecord, octets: &[u8]) {
        self.text("frame", &hex(octets));
        if row.has(present::SAMPLE) {
            self.number("bytes", row.octets[0]);
            self.fields(row);
        }
    }

    /// Writes what a sampled packet tells.
    fn packet(&mut self, row: &FlowRecord) {
        if row.has(present::SRC) {
            self.text("src", &address(&row.src));
            self.text("dst", &address(&row.dst));
        }
        self.fields(row);
    }

    fn fields(&mut self, row: &FlowRecord) {
        if row.vlan != 0 {
            self.number("vlan", u64::from(row.vlan));
        }
        if !row.has(present::PROTOCOL) {
            return;
        }
        self.number("proto", u64::from(row.protocol));
        self.number("tos", u64::from(row.tos));
        if row.ip_version == 4 {
            self.flag("frag", row.has(present::FRAGMENT));
        }
        if !row.has(present::PORTS) {
            return;
        }
        match row.protocol {
            1 | 58 => {
                self.number("icmp_type", u64::from(row.dst_port >> 8));
                self.number("icmp_code", u64::from(row.dst_port & 0xff));
            }
            6 | 17 | 132 | 136 => {
                self.number("sport", u64::from(row.src_port));
                self.number("dport", u64::from(row.dst_port));
            }
            _ => {}
        }
        if row.protocol == 6 {
            self.number("tcp_flags", u64::from(row.flags[0]));
        }
    }

    fn milliseconds(&mut self, name: &str, nanoseconds: i64) {
        self.key(name);
        let _ = write!(self.text, "{}", nanoseconds.div_euclid(1_000_000));
    }
}

/// The normalised name of an element that is a plain number, or told as it is.
fn plain(enterprise: u32, number: u16) -> Option<&'static str> {
    Some(match (enterprise, number) {
        (0, 1) => "bytes",
        (0, 2) => "packets",
        (0, 4) => "proto",
        (0, 5) => "tos",
        (0, 6) => "tcp_flags",
        (0, 7 | 180 | 182) => "sport",
        (0, 11 | 181 | 183) => "dport",
        (0, 9 | 29) => "src_mask",
        (0, 13 | 30) => "dst_mask",
        (0, 10 | 252) => "in_if",
        (0, 14 | 253) => "out_if",
        (0, 15) => "nexthop",
        (0, 16) => "src_as",
        (0, 17) => "dst_as",
        (0, 23) => "out_bytes",
        (0, 24) => "out_packets",
        (0, 32 | 139) => "icmp_type_code",
        (0, 48 | 302) => "sampler_id",
        (0, 61) => "direction",
        (0, 85) => "bytes_total",
        (0, 86) => "packets_total",
        (0, 89) => "fwd_status",
        (0, 176 | 178) => "icmp_type",
        (0, 177 | 179) => "icmp_code",
        (0, 231) => "init_bytes",
        (0, 232) => "resp_bytes",
        (0, 298) => "init_packets",
        (0, 299) => "resp_packets",
        (0, 104 | 313 | 315) => "frame",
        (REVERSE, 1 | 85) => "rev_bytes",
        (REVERSE, 2 | 86) => "rev_packets",
        (REVERSE, 6) => "rev_tcp_flags",
        _ => return None,
    })
}

/// Writes the value of an element as its type says; as octets where their count does not fit.
fn value(text: &mut String, kind: Kind, octets: &[u8]) {
    let _ = match (kind, octets) {
        (Kind::Unsigned | Kind::Seconds | Kind::Milliseconds, [_, ..]) if octets.len() <= 8 => {
            write!(text, "{}", number(octets))
        }
        (Kind::Signed, [first, ..]) if octets.len() <= 8 => {
            let unused = 64 - 8 * octets.len() as u32;
            let extended = if first & 0x80 == 0 {
                number(octets) as i64
            } else {
                (number(octets) << unused) as i64 >> unused
            };
            write!(text, "{extended}")
        }
        (Kind::Boolean, [value]) => write!(text, "{}", *value == 1),
        (Kind::Float, _) => return float(text, octets),
        (Kind::Ipv4, &[a, b, c, d]) => write!(text, "\"{}\"", Ipv4Addr::new(a, b, c, d)),
        (Kind::Ipv6, _) if octets.len() == 16 => {
            let address = <[u8; 16]>::try_from(octets).unwrap_or_default();
            write!(text, "\"{}\"", Ipv6Addr::from(address))
        }
        (Kind::Mac, &[a, b, c, d, e, f]) => {
            write!(text, "\"{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}\"")
        }
        (Kind::Ntp, _) if octets.len() == 8 => {
            write!(text, "{}", of_ntp(number(octets)).div_euclid(1_000))
        }
        (Kind::Text, _) => {
            let end = octets
                .iter()
                .rposition(|octet| *octet != 0)
                .map_or(0, |last| last + 1);
            let words = String::from_utf8_lossy(octets.get(..end).unwrap_or(&[]));
            quote(text, &words);
            Ok(())
        }
        _ => write!(text, "\"{}\"", hex(octets)),
    };
}

fn float(text: &mut String, octets: &[u8]) {
    let value = match octets.len() {
        4 => f64::from(f32::from_bits(number(octets) as u32)),
        8 => f64::from_bits(number(octets)),
        _ => f64::NAN,
    };
    // JSON has no name for what is no number.
    if value.is_finite() {
        let _ = write!(text, "{value}");
    } else {
        text.push_str("null");
    }
}

fn address(octets: &[u8; 16]) -> String {
    let address = Ipv6Addr::from(*octets);
    match address.to_ipv4_mapped() {
        Some(short) => short.to_string(),
        None => address.to_string(),
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(
        String::with_capacity(2 * octets.len()),
        |mut text, octet| {
            let _ = write!(text, "{octet:02x}");
            text
        },
    )
}

/// Writes text in quotes (RFC 8259, 7).
fn quote(text: &mut String, words: &str) {
    text.push('"');
    for letter in words.chars() {
        match letter {
            '"' | '\\' => {
                text.push('\\');
                text.push(letter);
            }
            control if control.is_control() => {
                let _ = write!(text, "\\u{:04x}", u32::from(control));
            }
            plain => text.push(plain),
        }
    }
    text.push('"');
}
