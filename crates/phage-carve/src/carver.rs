//! All streams, within bounds.

use std::collections::HashMap;

use phage_decode::packet::{protocol, tcp};
use phage_decode::Packet;
use phage_flow::reassembly::Followed;

use crate::ftp::{Data, Expected, Transfer};
use crate::stream::{Application, Ends, Output, Stream};
use crate::CarvedFile;

/// Data connections of FTP that are awaited.
const AWAITED: usize = 1024;

/// Bounds of carving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarverLimits {
    /// Streams followed at a time.
    pub streams: usize,
    /// Octets that all streams may hold, and as many again in files that wait to be taken.
    pub memory: usize,
    /// Octets of the largest file.
    pub file: usize,
    /// Files that wait to be taken.
    pub files: usize,
}

impl Default for CarverLimits {
    fn default() -> Self {
        Self {
            streams: 2048,
            memory: 64 << 20,
            file: 16 << 20,
            files: 256,
        }
    }
}

/// What carving counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CarverCounters {
    /// Streams that were followed.
    pub streams: u64,
    /// Streams followed now.
    pub live: u64,
    /// Octets held now.
    pub held: u64,
    /// Files that were handed on.
    pub files: u64,
    /// Their octets.
    pub octets: u64,
    /// Files that are larger than the largest.
    pub too_large: u64,
    /// Files of which a part was not seen.
    pub incomplete: u64,
    /// Files dropped since nobody took those before them in time.
    pub dropped: u64,
    /// Streams dropped for want of room.
    pub evicted: u64,
    /// Streams lost by packets that were not seen.
    pub lost: u64,
    /// Streams that went on encrypted.
    pub encrypted: u64,
    /// Messages that made no sense.
    pub malformed: u64,
}

impl CarverCounters {
    /// Each with its name.
    pub fn named(&self) -> [(&'static str, u64); 12] {
        [
            ("streams", self.streams),
            ("live", self.live),
            ("held", self.held),
            ("files", self.files),
            ("octets", self.octets),
            ("too_large", self.too_large),
            ("incomplete", self.incomplete),
            ("dropped", self.dropped),
            ("evicted", self.evicted),
            ("lost", self.lost),
            ("encrypted", self.encrypted),
            ("malformed", self.malformed),
        ]
    }
}

/// The ends of a stream, the smaller first. The map's own hash is keyed: who chooses ports chooses
/// no collisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key([u8; 16], u16, [u8; 16], u16, u16);

impl Key {
    fn of(packet: &Packet) -> Self {
        let (src, dst) = ((packet.src, packet.src_port), (packet.dst, packet.dst_port));
        let (a, b) = if src <= dst { (src, dst) } else { (dst, src) };
        Self(a.0, a.1, b.0, b.1, packet.vlan)
    }
}

/// Follows streams and takes files out of them.
#[derive(Debug)]
pub struct Carver {
    limits: CarverLimits,
    places: HashMap<Key, usize>,
    streams: Vec<Option<(Key, Stream)>>,
    free: Vec<usize>,
    /// The hand of the clock that drops what was not used since it passed (second chance).
    hand: usize,
    held: usize,
    awaited: Vec<Expected>,
    expected: Vec<Expected>,
    files: Vec<CarvedFile>,
    counters: CarverCounters,
}

impl Carver {
    /// Makes an empty one.
    pub fn new(limits: &CarverLimits) -> Self {
        Self {
            limits: CarverLimits {
                streams: limits.streams.max(1),
                ..limits.clone()
            },
            places: HashMap::new(),
            streams: Vec::new(),
            free: Vec::new(),
            hand: 0,
            held: 0,
            awaited: Vec::new(),
            expected: Vec::new(),
            files: Vec::new(),
            counters: CarverCounters::default(),
        }
    }

    /// What was counted since it was made.
    pub fn counters(&self) -> CarverCounters {
        CarverCounters {
            live: self.places.len() as u64,
            held: self.held as u64,
            ..self.counters
        }
    }

    /// Takes the files that are whole.
    pub fn take(&mut self) -> Vec<CarvedFile> {
        std::mem::take(&mut self.files)
    }

    /// Looks at one packet and its TCP payload, as far as it was captured.
    #[inline]
    pub fn see(&mut self, packet: &Packet, payload: &[u8]) {
        if packet.protocol != protocol::TCP {
            return;
        }
        let flags = packet.tcp_flags;
        if flags & (tcp::SYN | tcp::ACK) == tcp::SYN | tcp::ACK {
            self.begin(packet);
        } else if !payload.is_empty() || flags & (tcp::FIN | tcp::RST) != 0 {
            self.follow(packet, payload);
        }
    }

    fn begin(&mut self, packet: &Packet) {
        let key = Key::of(packet);
        if self.places.contains_key(&key) {
            let is_same = self.places.get(&key).is_some_and(|&slot| {
                matches!(self.streams.get(slot), Some(Some((_, stream)))
                    if stream.directions[1].starts_at(packet.tcp_sequence.wrapping_add(1)))
            });
            if is_same {
                return; // The answer was sent again.
            }
            self.close(key);
        }
        if self.places.len() >= self.limits.streams {
            self.counters.evicted += 1;
            self.evict(None);
        }
        let ends = Ends::of(packet);
        let application = self.application(&ends, packet.src_port);
        self.counters.streams += 1;
        let stream = Stream::new(ends, packet, application, self.counters.streams);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.streams.push(None);
            self.streams.len() - 1
        });
        if let Some(place) = self.streams.get_mut(slot) {
            *place = Some((key, stream));
        }
        self.places.insert(key, slot);
    }

    /// What a new stream is: a data connection of FTP where one is awaited.
    fn application(&mut self, ends: &Ends, port: u16) -> Application {
        let awaited = self
            .awaited
            .iter()
            .position(|each| each.address == ends.responder && each.port == port);
        match awaited {
            Some(place) => {
                let control = self.awaited.remove(place).control;
                // The command may have come before the connection.
                let said = self
                    .streams
                    .iter()
                    .flatten()
                    .find_map(|(_, s)| match &s.application {
                        Application::Ftp(ftp) if ftp.number == control => {
                            Some(ftp.transfer.clone())
                        }
                        _ => None,
                    });
                Application::FtpData(Data::new(control, said.unwrap_or_default()))
            }
            None => Application::Unknown([Vec::new(), Vec::new()]),
        }
    }

    fn follow(&mut self, packet: &Packet, payload: &[u8]) {
        let key = Key::of(packet);
        let Some(&slot) = self.places.get(&key) else {
            return;
        };
        let Some(Some((_, stream))) = self.streams.get_mut(slot) else {
            return;
        };
        stream.used = true;
        let reverse = packet.src == stream.ends.responder
            && packet.dst == stream.ends.initiator
            && stream.is_from_responder(packet);
        let is_reset = packet.tcp_flags & tcp::RST != 0;
        let protocol = stream.protocol();
        let number = stream.number();
        let Stream {
            ends,
            directions,
            over,
            application,
            ..
        } = stream;
        let mut out = Output {
            limits: &self.limits,
            counters: &mut self.counters,
            files: &mut self.files,
            expected: &mut self.expected,
            transfer: None,
            ends,
            protocol,
            time: packet.time,
        };
        let [forward, backward] = directions;
        let direction = if reverse { backward } else { forward };
        let fin = packet.tcp_flags & tcp::FIN != 0;
        let outcome = direction.push(packet.tcp_sequence, payload, fin, &mut |data| {
            Stream::take(application, number, reverse, data, &mut out);
        });
        let [forward_over, backward_over] = over;
        let is_over = if reverse { backward_over } else { forward_over };
        if outcome == Followed::Over && !*is_over {
            *is_over = true;
            Stream::end(application, reverse, &mut out);
        }
        if outcome == Followed::Lost {
            out.counters.lost += 1;
            *application = Application::Other;
        } else if is_reset {
            Stream::end(application, false, &mut out);
            Stream::end(application, true, &mut out);
            *application = Application::Other;
        }
        let transfer = out.transfer.take();
        self.account(slot, key);
        self.expect();
        if let Some((control, name)) = transfer {
            self.name_transfer(control, &name);
        }
    }

    /// Counts what a stream holds now, and makes room.
    fn account(&mut self, slot: usize, key: Key) {
        let Some(Some((_, stream))) = self.streams.get_mut(slot) else {
            return;
        };
        let held = stream.count();
        self.held = self.held - stream.held + held;
        stream.held = held;
        if stream.is_done() {
            self.close(key);
            return;
        }
        while self.held > self.limits.memory {
            self.counters.evicted += 1;
            if !self.evict(Some(slot)) {
                self.close(key);
                return;
            }
        }
    }

    /// Awaits the data connections that were announced; the oldest are forgotten.
    fn expect(&mut self) {
        for each in self.expected.drain(..) {
            self.awaited
                .retain(|other| (other.address, other.port) != (each.address, each.port));
            if self.awaited.len() >= AWAITED {
                self.awaited.remove(0);
            }
            self.awaited.push(each);
        }
    }

    /// Tells the data connections of a control connection what they carry.
    fn name_transfer(&mut self, control: u64, what: &Transfer) {
        for (_, stream) in self.streams.iter_mut().flatten() {
            if let Application::FtpData(data) = &mut stream.application {
                if data.control == control {
                    data.call(what.clone());
                }
            }
        }
    }

    /// Drops a stream that was not used lately; answers whether there was another than `keep`.
    fn evict(&mut self, keep: Option<usize>) -> bool {
        for _ in 0..2 * self.streams.len() {
            let slot = self.hand;
            self.hand = (self.hand + 1) % self.streams.len().max(1);
            if Some(slot) == keep {
                continue;
            }
            if let Some(Some((key, stream))) = self.streams.get_mut(slot) {
                if !std::mem::take(&mut stream.used) {
                    let key = *key;
                    self.close(key);
                    return true;
                }
            }
        }
        false
    }

    fn close(&mut self, key: Key) {
        let Some(slot) = self.places.remove(&key) else {
            return;
        };
        if let Some(place) = self.streams.get_mut(slot) {
            if let Some((_, stream)) = place.take() {
                self.held -= stream.held;
                self.free.push(slot);
            }
        }
    }
}
