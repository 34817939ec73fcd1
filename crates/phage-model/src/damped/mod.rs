//! The 100 damped statistics of a packet (`AfterImage`'s kind; Mirsky et al., NDSS 2018, section IV).
//!
//! Three streams a packet: its source (MAC, address, VLAN), its channel (the unordered pair of addresses) and
//! its socket (the unordered pair of endpoints, and the protocol), each under five rates of decay.
//! One look-up and one update a stream and packet, whatever the tables hold.

mod catalog;
mod clock;
pub(crate) mod record;
mod step;

pub use catalog::DAMPED_CATALOG;

use phage_decode::{Keys, Packet};

use crate::simd::{Chosen, Kernel, Simd, Task};
use crate::table::{First, Moment, Place, Record, Table, TableCounters};
use clock::{gap, Clock};
use record::{Channel, Socket, Source};
use step::{first_row, step, Arrival};

/// Features of a row.
pub const DAMPED: usize = 100;
/// Floats from row to row: whole registers of 16; those after the features are 0.
pub const DAMPED_STRIDE: usize = 112;
/// The rates of decay, 1/s: a weight halves in 0.2, 0.33, 1, 10 and 100 seconds.
pub const RATES: [f32; 5] = [5.0, 3.0, 1.0, 0.1, 0.01];

/// Packets ahead of which a record's lines are asked for, and twice that for its set.
const AHEAD: usize = 8;

/// What the tables may take.
///
/// A way takes 144 octets of memory for a source, 528 for a channel, 336 for a socket; the
/// default is 65,536 of each: 66 MB, of which only what is used is ever committed.
#[derive(Clone, Copy, Debug)]
pub struct DampedConfig {
    /// The most sources. Capacities are rounded down to a power of two, 8 to 33,554,432.
    pub sources: usize,
    /// The most channels.
    pub channels: usize,
    /// The most sockets.
    pub sockets: usize,
    /// The kernel to use; the best that the CPU has where it is `None` or not available.
    pub kernel: Option<Kernel>,
}

impl Default for DampedConfig {
    fn default() -> Self {
        Self {
            sources: 65_536,
            channels: 65_536,
            sockets: 65_536,
            kernel: None,
        }
    }
}

/// What happened in the tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DampedCounters {
    /// Of the sources.
    pub sources: TableCounters,
    /// Of the channels.
    pub channels: TableCounters,
    /// Of the sockets.
    pub sockets: TableCounters,
    /// Times that all scores were laid on a new base: the clock stepped, or two weeks passed.
    pub shifts: u64,
}

/// The three tables.
pub struct Damped {
    chosen: Chosen,
    tables: Tables,
}

struct Tables {
    sources: Table<Source>,
    channels: Table<Channel>,
    sockets: Table<Socket>,
    clock: Clock,
    shifts: u64,
}

impl Damped {
    /// Makes empty tables.
    pub fn new(config: &DampedConfig) -> Self {
        Self {
            chosen: Chosen::new(config.kernel),
            tables: Tables {
                sources: Table::new(config.sources),
                channels: Table::new(config.channels),
                sockets: Table::new(config.sockets),
                clock: Clock::default(),
                shifts: 0,
            },
        }
    }

    /// Adds packets to their streams, in order, and writes the row of each as it stands after it:
    /// `rows` has [`DAMPED_STRIDE`] floats a packet, in the order of [`DAMPED_CATALOG`].
    ///
    /// Stops at the shortest of the three. All values are finite, whatever times and lengths are.
    /// Lengths count up to 1 MiB. A packet that is late by less than a minute counts as simultaneous with
    /// the last one of its stream; a clock that was set back further is followed.
    pub fn extract(&mut self, packets: &[Packet], keys: &[Keys], rows: &mut [f32]) {
        let count = packets
            .len()
            .min(keys.len())
            .min(rows.len() / DAMPED_STRIDE);
        let (packets, _) = packets.split_at(count);
        let (keys, _) = keys.split_at(count);
        let (rows, _) = rows.as_chunks_mut::<DAMPED_STRIDE>();
        self.chosen.run(Extract {
            tables: &mut self.tables,
            packets,
            keys,
            rows,
        });
    }

    /// Goes one step towards huge pages; called once in a while.
    pub fn settle(&mut self) {
        self.tables.sources.settle();
        self.tables.channels.settle();
        self.tables.sockets.settle();
    }

    /// What happened so far.
    pub fn counters(&self) -> DampedCounters {
        DampedCounters {
            sources: self.tables.sources.counters(),
            channels: self.tables.channels.counters(),
            sockets: self.tables.sockets.counters(),
            shifts: self.tables.shifts,
        }
    }

    /// The kernel in use.
    pub fn kernel(&self) -> Kernel {
        self.chosen.kernel()
    }

    /// The most memory that the tables can ever take, in octets.
    pub fn memory_limit(&self) -> usize {
        let counters = self.counters();
        counters.sources.capacity as usize * Table::<Source>::WAY
            + counters.channels.capacity as usize * Table::<Channel>::WAY
            + counters.sockets.capacity as usize * Table::<Socket>::WAY
    }
}

/// The work of [`Damped::extract`].
struct Extract<'a> {
    tables: &'a mut Tables,
    packets: &'a [Packet],
    keys: &'a [Keys],
    rows: &'a mut [[f32; DAMPED_STRIDE]],
}

impl Task for Extract<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self {
            tables,
            packets,
            keys,
            rows,
        } = self;
        for key in keys.iter().take(2 * AHEAD) {
            tables.fetch_sets(key);
        }
        for key in keys.iter().take(AHEAD) {
            tables.fetch_records(simd, key);
        }
        for (number, ((packet, key), row)) in packets.iter().zip(keys).zip(rows).enumerate() {
            if let Some(key) = keys.get(number + 2 * AHEAD) {
                tables.fetch_sets(key);
            }
            if let Some(key) = keys.get(number + AHEAD) {
                tables.fetch_records(simd, key);
            }
            tables.add(simd, packet, key, row);
        }
    }
}

impl Tables {
    #[inline(always)]
    fn fetch_sets(&self, key: &Keys) {
        self.sources.fetch_set(key.source);
        self.channels.fetch_set(key.channel);
        self.sockets.fetch_set(key.socket);
    }

    #[inline(always)]
    fn fetch_records<S: Simd>(&self, simd: S, key: &Keys) {
        self.sources.fetch_record(simd, key.source, 0);
        self.channels
            .fetch_record(simd, key.channel, usize::from(key.channel_reverse));
        self.sockets
            .fetch_record(simd, key.socket, usize::from(key.socket_reverse));
    }

    /// Adds a packet.
    #[inline(always)]
    fn add<S: Simd>(
        &mut self,
        simd: S,
        packet: &Packet,
        key: &Keys,
        row: &mut [f32; DAMPED_STRIDE],
    ) {
        let (moment, shift) = self.clock.advance(packet.time);
        if let Some(shift) = shift {
            self.shift(shift);
        }
        let first = |reverse| First {
            time: packet.time,
            length: packet.length.min(First::LONGEST),
            side: usize::from(reverse),
        };
        let (channel_first, socket_first) = (first(key.channel_reverse), first(key.socket_reverse));
        let source = self.sources.touch(simd, key.source, first(false), &moment);
        let channel = self
            .channels
            .touch(simd, key.channel, channel_first, &moment);
        let socket = self.sockets.touch(simd, key.socket, socket_first, &moment);
        let length = channel_first.length as f32;
        if (source, channel, socket) == (Place::New, Place::New, Place::New) {
            first_row(length, row);
            return;
        }
        let source_gap = match source {
            Place::New => 0.0,
            Place::Known(stream) => {
                let last = self.sources.time(stream);
                let (passed, kept) = gap(packet.time, *last);
                *last = kept;
                passed
            }
        };
        let arrival = Arrival {
            time: packet.time,
            length,
            source_gap,
            channel_side: channel_first.side,
            socket_side: socket_first.side,
        };
        // A stream that begins is computed in an empty record, which is thrown away: what it leaves
        // is what its first packet tells.
        let (mut new_source, mut new_channel, mut new_socket);
        let source_record = match source {
            Place::Known(stream) => self.sources.record(stream),
            Place::New => {
                new_source = Source::default();
                &mut new_source
            }
        };
        let channel_record = match channel {
            Place::Known(stream) => self.channels.record(stream),
            Place::New => {
                new_channel = Channel::default();
                &mut new_channel
            }
        };
        let socket_record = match socket {
            Place::Known(stream) => self.sockets.record(stream),
            Place::New => {
                new_socket = Socket::default();
                &mut new_socket
            }
        };
        let streams = simd.streams();
        let [source_weight, channel_weight, socket_weight] = step(
            streams,
            source_record,
            channel_record,
            socket_record,
            &arrival,
            row,
        );
        rate(&mut self.sources, source, source_weight, &moment);
        rate(&mut self.channels, channel, channel_weight, &moment);
        rate(&mut self.sockets, socket, socket_weight, &moment);
    }

    #[cold]
    fn shift(&mut self, by: clock::Shift) {
        self.sources.shift(by.base, by.lower, by.dead, by.latest);
        self.channels.shift(by.base, by.lower, by.dead, by.latest);
        self.sockets.shift(by.base, by.lower, by.dead, by.latest);
        self.shifts += 1;
    }
}

/// Sets the score of a stream: `log2(w) + 0.1 t`, whose order does not change as time passes, in units in which a
/// doubling of the weight is worth the ten seconds that it takes to decay again.
#[inline(always)]
fn rate<R: Record>(table: &mut Table<R>, place: Place, weight: f32, moment: &Moment) {
    // 10 s in units of 2^20 ns.
    const DOUBLING: i64 = 9_537;
    if let Place::Known(stream) = place {
        // The bits of a float are its logarithm, linear between powers of two.
        let log2 = i64::from(weight.to_bits()) - i64::from(1_f32.to_bits());
        let score = i64::from(moment.now) + ((log2 * DOUBLING) >> 23);
        table.rate(stream, score as i32);
    }
}

#[cfg(test)]
mod tests;
