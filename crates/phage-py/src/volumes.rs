//! The counters of volumes as Python feeds them: for replays of flow files, and for tests.

use std::sync::{Mutex, PoisonError};

use phage_decode::export::{FlowRecord, Origin};
use phage_decode::Secret;
use phage_flow::volume::{Class, TrafficRow, VolumeRow};
use phage_flow::{Home, Volume, VolumeLimits};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use crate::export::PyExportDecoder;

struct Inner {
    volume: Volume,
    rows: Vec<FlowRecord>,
}

/// Counts what hosts and prefixes receive and send.
#[pyclass(name = "Volumes", module = "phage._native")]
pub(crate) struct PyVolumes {
    // Never contended: Python's own borrow check refuses a second user. It makes the class `Sync`.
    inner: Mutex<Inner>,
}

impl PyVolumes {
    fn inner(&mut self) -> &mut Inner {
        self.inner.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl PyVolumes {
    #[classattr]
    const ROW_SIZE: usize = size_of::<VolumeRow>();

    #[classattr]
    const TRAFFIC_SIZE: usize = size_of::<TrafficRow>();

    #[classattr]
    const CLASSES: [&'static str; phage_flow::volume::CLASSES] = Class::NAMES;

    #[expect(
        clippy::needless_pass_by_value,
        reason = "Python's list is converted to it"
    )]
    #[new]
    #[pyo3(signature = (home, seed, *, hosts = None, rows = None))]
    fn new(
        home: Vec<String>,
        seed: u64,
        hosts: Option<usize>,
        rows: Option<usize>,
    ) -> PyResult<Self> {
        let home = Home::new(&home).map_err(|fault| PyValueError::new_err(fault.to_string()))?;
        let usual = VolumeLimits::default();
        let limits = VolumeLimits {
            hosts: hosts.unwrap_or(usual.hosts),
            rows: rows.unwrap_or(usual.rows),
            ..usual
        };
        Ok(Self {
            inner: Mutex::new(Inner {
                volume: Volume::new(limits, &home, Secret::from_seed(seed)),
                rows: Vec::new(),
            }),
        })
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "Python's list is converted to it"
    )]
    #[pyo3(signature = (decoder, datagrams, address, time, port = 0))]
    fn feed(
        &mut self,
        decoder: &mut PyExportDecoder,
        datagrams: Vec<Bound<'_, PyBytes>>,
        address: [u8; 16],
        time: i64,
        port: u16,
    ) -> usize {
        let Inner { volume, rows } = self.inner();
        let from = Origin { address, port };
        let mut records = 0;
        for datagram in &datagrams {
            rows.clear();
            decoder.decode(datagram.as_bytes(), from, time, rows);
            volume.records(rows, time);
            records += rows.len();
        }
        records
    }

    fn advance(&mut self, time: i64) {
        self.inner().volume.advance(time);
    }

    fn finish(&mut self) {
        self.inner().volume.finish();
    }

    fn take<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let Some(slot) = self.inner().volume.take() else {
            return Ok(None);
        };
        (
            slot.time,
            PyBytes::new(py, bytemuck::cast_slice(&slot.rows)),
            PyBytes::new(py, bytemuck::cast_slice(&slot.traffic)),
        )
            .into_pyobject(py)
            .map(Some)
    }

    fn counters<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let volume = &self.inner().volume;
        let counters = PyDict::new(py);
        for (name, value) in volume.counters().named() {
            counters.set_item(name, value)?;
        }
        counters.set_item("hosts", volume.hosts())?;
        Ok(counters)
    }
}
