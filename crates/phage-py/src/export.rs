//! The decoder of flow exports as Python feeds it.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use phage_capture::{FileSource, Source};
use phage_decode::export::{ExportDecoder, ExportLimits, FlowRecord, JsonLines, Origin};
use phage_decode::packet::{marks, protocol};
use phage_decode::{decode, Packet};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

/// Records that are handed over at once: an exporter's datagram has some thirty.
const ROOM: usize = 4_096;

/// Frames of a capture file that are described at once.
const FRAMES: usize = 256;

/// What one decoder works with.
struct Inner {
    decoder: ExportDecoder,
    rows: Vec<FlowRecord>,
    lines: JsonLines,
    capture: Option<FileSource>,
}

/// Decodes the datagrams of flow exporters.
#[pyclass(name = "ExportDecoder", module = "phage._native")]
pub(crate) struct PyExportDecoder {
    // Never contended: Python's own borrow check refuses a second user. It makes the class `Sync`.
    inner: Mutex<Inner>,
}

impl PyExportDecoder {
    fn inner(&mut self) -> &mut Inner {
        self.inner.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decodes a datagram for another part of the core.
    pub(crate) fn decode(
        &mut self,
        datagram: &[u8],
        from: Origin,
        time: i64,
        rows: &mut Vec<FlowRecord>,
    ) {
        self.inner().decoder.feed(datagram, from, time, rows);
    }
}

#[pymethods]
impl PyExportDecoder {
    #[classattr]
    const ROW_SIZE: usize = size_of::<FlowRecord>();

    #[new]
    #[pyo3(signature = (*, domains = None, fields = None, pending = None, correct_clocks = false, options = false))]
    fn new(
        domains: Option<usize>,
        fields: Option<usize>,
        pending: Option<usize>,
        correct_clocks: bool,
        options: bool,
    ) -> Self {
        let usual = ExportLimits::default();
        let limits = ExportLimits {
            domains: domains.unwrap_or(usual.domains),
            fields: fields.unwrap_or(usual.fields),
            pending: pending.unwrap_or(usual.pending),
            correct_clocks,
        };
        Self {
            inner: Mutex::new(Inner {
                decoder: ExportDecoder::new(limits),
                rows: Vec::with_capacity(ROOM),
                lines: JsonLines::new(options),
                capture: None,
            }),
        }
    }

    #[pyo3(signature = (datagram, address, time, port = 0))]
    fn feed<'py>(
        &mut self,
        py: Python<'py>,
        datagram: &[u8],
        address: [u8; 16],
        time: i64,
        port: u16,
    ) -> Bound<'py, PyBytes> {
        let Inner { decoder, rows, .. } = self.inner();
        rows.clear();
        decoder.feed(datagram, Origin { address, port }, time, rows);
        PyBytes::new(py, bytemuck::cast_slice(rows))
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "Python's list is converted to it"
    )]
    #[pyo3(signature = (datagrams, address, time, port = 0))]
    fn feed_many<'py>(
        &mut self,
        py: Python<'py>,
        datagrams: Vec<Bound<'py, PyBytes>>,
        address: [u8; 16],
        time: i64,
        port: u16,
    ) -> Bound<'py, PyBytes> {
        let Inner { decoder, rows, .. } = self.inner();
        rows.clear();
        for datagram in &datagrams {
            decoder.feed(datagram.as_bytes(), Origin { address, port }, time, rows);
        }
        PyBytes::new(py, bytemuck::cast_slice(rows))
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "Python's list is converted to it"
    )]
    #[pyo3(signature = (datagrams, address, time, port = 0))]
    fn count(
        &mut self,
        datagrams: Vec<Bound<'_, PyBytes>>,
        address: [u8; 16],
        time: i64,
        port: u16,
    ) -> usize {
        let Inner { decoder, rows, .. } = self.inner();
        let mut records = 0;
        for datagram in &datagrams {
            rows.clear();
            decoder.feed(datagram.as_bytes(), Origin { address, port }, time, rows);
            records += rows.len();
        }
        records
    }

    #[pyo3(signature = (datagram, address, time, port = 0))]
    fn describe(&mut self, datagram: &[u8], address: [u8; 16], time: i64, port: u16) -> String {
        let Inner { decoder, lines, .. } = self.inner();
        decoder.feed(datagram, Origin { address, port }, time, lines);
        lines.take()
    }

    #[pyo3(signature = (path, expression = None))]
    fn open_file(&mut self, path: PathBuf, expression: Option<&str>) -> PyResult<()> {
        let source = FileSource::open(&[path], expression)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        self.inner().capture = Some(source);
        Ok(())
    }

    fn describe_next(&mut self) -> PyResult<Option<String>> {
        let Inner {
            decoder,
            lines,
            capture: Some(source),
            ..
        } = self.inner()
        else {
            return Ok(None);
        };
        let batch = source
            .next(FRAMES, Duration::ZERO)
            .map_err(|error| PyOSError::new_err(error.to_string()))?;
        let Some(batch) = batch else {
            return Ok(None);
        };
        let mut packet = Packet::default();
        for frame in batch.frames {
            let bytes = batch.bytes(frame);
            decode(bytes, frame, &mut packet);
            // A fragment of a datagram is none; no exporter sends them.
            if packet.protocol != protocol::UDP || packet.has(marks::FRAGMENT) {
                continue;
            }
            let start = packet.payload_offset as usize;
            let end = start + packet.payload_captured as usize;
            let from = Origin {
                address: packet.src,
                port: packet.src_port,
            };
            decoder.feed(
                bytes.get(start..end).unwrap_or(&[]),
                from,
                packet.time,
                lines,
            );
        }
        Ok(Some(lines.take()))
    }

    fn save<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.inner().decoder.save())
    }

    fn load(&mut self, state: &[u8]) -> PyResult<()> {
        let loaded = self.inner().decoder.load(state);
        loaded.map_err(|fault| PyValueError::new_err(fault.to_string()))
    }

    fn counters<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let Inner { decoder, .. } = self.inner();
        let counters = PyDict::new(py);
        for (name, value) in decoder.counters() {
            counters.set_item(name, value)?;
        }
        counters.set_item("sets_waiting", decoder.waiting())?;
        for (name, value) in decoder.faults().iter() {
            counters.set_item(format!("malformed.{name}"), value)?;
        }
        Ok(counters)
    }

    fn exporters<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        exporters_to_python(py, &self.inner().decoder)
    }
}

/// What is known of each exporter, as a list of dictionaries.
pub(crate) fn exporters_to_python<'py>(
    py: Python<'py>,
    decoder: &ExportDecoder,
) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for exporter in decoder.exporters() {
        let facts = PyDict::new(py);
        facts.set_item("number", exporter.number)?;
        facts.set_item("address", PyBytes::new(py, &exporter.address))?;
        facts.set_item("domain", exporter.domain)?;
        facts.set_item("version", exporter.version)?;
        facts.set_item("heard", exporter.heard)?;
        facts.set_item("sampling", exporter.sampling)?;
        facts.set_item("drift", exporter.drift)?;
        let counters = exporter.counters;
        for (name, value) in [
            ("datagrams", counters.datagrams),
            ("octets", counters.octets),
            ("records", counters.records),
            ("options", counters.options),
            ("templates", counters.templates),
            ("withdrawn", counters.withdrawn),
            ("early", counters.early),
            ("lost", counters.lost),
            ("reordered", counters.reordered),
            ("restarts", counters.restarts),
            ("unknown_elements", counters.unknown_elements),
            ("duplicates", counters.duplicates),
            ("duplicate_packets", counters.duplicate_packets),
            ("malformed", counters.faults.total()),
        ] {
            facts.set_item(name, value)?;
        }
        list.append(facts)?;
    }
    Ok(list)
}
