//! The engine as Python sees it: windows as rows and tuples, errors as Python's own.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use phage_capture::{CaptureError, FileSource, RingConfig, RingSource};
use phage_carve::CarvedFile;
use phage_decode::app::Value;
use phage_decode::pcap::CaptureWriter;
use phage_engine::{Engine, EngineConfig, EngineError, Observation, Progress, Selection, Window};
use phage_flow::requests::RequestRow;
use phage_flow::volume::{TrafficRow, VolumeRow};
use phage_flow::UseRow;
use pyo3::exceptions::{PyOSError, PyPermissionError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};

use crate::prefixes::PyPrefixSet;
use crate::rows::PyRows;

/// Bytes of a block of a live ring. A block goes to the reader after 10 ms even if it is not full, so it is
/// their number that a reader who is kept waiting depends on: 8 MiB bear 0.6 s.
const BLOCK: usize = 1 << 17;

/// One shard of the hot loop.
#[pyclass(name = "Engine", module = "phage._native")]
pub(crate) struct PyEngine {
    // Never contended: Python's own borrow check refuses a second user. It makes the class `Sync`.
    engine: Mutex<Engine>,
    /// Rows of volumes, and traffic, of the window that was handed out last.
    volumes: (Vec<VolumeRow>, Vec<TrafficRow>),
    /// Sources of requests of that window.
    requests: Vec<RequestRow>,
    /// What devices did, of that window.
    uses: Vec<UseRow>,
    /// Files of the windows that were handed out and not taken yet.
    files: Vec<CarvedFile>,
}

impl PyEngine {
    fn engine(&mut self) -> &mut Engine {
        self.engine
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn raise(error: &EngineError) -> PyErr {
    match error {
        EngineError::Capture(CaptureError::PermissionMissing { .. }) => {
            PyPermissionError::new_err(error.to_string())
        }
        EngineError::Capture(CaptureError::Filter(fault)) => {
            PyValueError::new_err(fault.to_string())
        }
        EngineError::Setting(what) => PyValueError::new_err(what.clone()),
        _ => PyOSError::new_err(error.to_string()),
    }
}

fn capture(error: CaptureError) -> PyErr {
    raise(&EngineError::Capture(error))
}

#[pymethods]
impl PyEngine {
    #[new]
    fn new(config: &str) -> PyResult<Self> {
        let config: EngineConfig = serde_json::from_str(config)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        let engine = Engine::new(config).map_err(|error| raise(&error))?;
        Ok(Self {
            engine: Mutex::new(engine),
            volumes: <(Vec<VolumeRow>, Vec<TrafficRow>)>::default(),
            requests: Vec::new(),
            uses: Vec::new(),
            files: Vec::new(),
        })
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "Python's list is converted to it"
    )]
    #[pyo3(signature = (paths, expression = None))]
    fn open_files(&mut self, paths: Vec<PathBuf>, expression: Option<&str>) -> PyResult<()> {
        let source = FileSource::open(&paths, expression).map_err(capture)?;
        self.engine().attach(Box::new(source));
        Ok(())
    }

    #[pyo3(signature = (name, *, expression = None, ring_mib = 64, promiscuous = true, fanout_group = None))]
    fn open_interface(
        &mut self,
        name: &str,
        expression: Option<&str>,
        ring_mib: usize,
        promiscuous: bool,
        fanout_group: Option<u16>,
    ) -> PyResult<()> {
        let source = RingSource::open(RingConfig {
            block_size: BLOCK,
            blocks: ring_mib.saturating_mul((1 << 20) / BLOCK),
            promiscuous,
            fanout: fanout_group,
            filter: expression.map(ToOwned::to_owned),
            ..RingConfig::new(name)
        })
        .map_err(capture)?;
        self.engine().attach(Box::new(source));
        Ok(())
    }

    fn next<'py>(&mut self, py: Python<'py>, wait: f64) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let wait = Duration::try_from_secs_f64(wait)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        let engine = self.engine();
        let progress = py
            .detach(|| engine.next(wait))
            .map_err(|error| raise(&error))?;
        match progress {
            Progress::Window(mut window) => {
                self.volumes = (
                    std::mem::take(&mut window.volumes),
                    std::mem::take(&mut window.traffic),
                );
                self.requests = std::mem::take(&mut window.requests);
                self.uses = std::mem::take(&mut window.uses);
                self.files = std::mem::take(&mut window.files);
                window_to_python(py, *window).map(Some)
            }
            Progress::Waiting | Progress::Ended => Ok(None),
        }
    }

    fn finish(&mut self) {
        self.engine().finish();
    }

    fn ended(&mut self) -> bool {
        self.engine().has_ended()
    }

    fn take_scores<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let scores = self.engine().take_scores();
        PyBytes::new(py, bytemuck::cast_slice(&scores))
    }

    fn take_requests<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(
            py,
            bytemuck::cast_slice(&std::mem::take(&mut self.requests)),
        )
    }

    fn take_uses<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, bytemuck::cast_slice(&std::mem::take(&mut self.uses)))
    }

    fn take_files<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let files = PyList::empty(py);
        for file in std::mem::take(&mut self.files) {
            files.append((
                file.time,
                PyBytes::new(py, &file.src),
                PyBytes::new(py, &file.dst),
                file.src_mac,
                file.dst_mac,
                file.port,
                file.protocol.name(),
                file.name,
                PyBytes::new(py, &file.data),
            ))?;
        }
        Ok(files)
    }

    fn take_volumes<'py>(&mut self, py: Python<'py>) -> (Bound<'py, PyBytes>, Bound<'py, PyBytes>) {
        volumes_to_python(py, std::mem::take(&mut self.volumes))
    }

    fn frames<'py>(
        &mut self,
        py: Python<'py>,
        since: i64,
        until: i64,
        addresses: Vec<[u8; 16]>,
        macs: Vec<u64>,
        limit: usize,
    ) -> Bound<'py, PyBytes> {
        let frames = self.engine().frames(&Selection {
            since,
            until,
            addresses,
            macs,
            limit,
        });
        let Some(first) = frames.first() else {
            return PyBytes::new(py, &[]);
        };
        // One pcap file has one link type: frames of another interface kind are left out.
        let writer = CaptureWriter::new(first.link);
        let mut file = writer.header().to_vec();
        for frame in frames.iter().filter(|frame| frame.link == first.link) {
            writer.append(&frame.header(), &frame.bytes, &mut file);
        }
        PyBytes::new(py, &file)
    }

    fn counters<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counters = PyDict::new(py);
        for (name, value) in self.engine().counters() {
            counters.set_item(name, value)?;
        }
        Ok(counters)
    }

    fn faults(&mut self) -> Vec<String> {
        self.engine().faults()
    }

    fn replace_prefixes(&mut self, set: &PyPrefixSet) {
        self.engine().replace_prefixes(set.share());
    }

    fn phase(&mut self) -> &'static str {
        self.engine().phase().name()
    }

    fn save_model<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.engine().save_model())
    }

    fn load_model(&mut self, state: &[u8]) -> PyResult<()> {
        self.engine()
            .load_model(state)
            .map_err(|fault| PyValueError::new_err(fault.to_string()))
    }

    fn excuse(&mut self, mac: u64, address: [u8; 16], since: i64, until: i64) {
        self.engine().excuse(mac, address, since, until);
    }

    fn distrust(&mut self, mac: u64, address: [u8; 16], since: i64, until: i64) {
        self.engine().distrust(mac, address, since, until);
    }

    fn close(&mut self) {
        self.engine().detach();
    }
}

pub(crate) fn volumes_to_python(
    py: Python<'_>,
    (rows, traffic): (Vec<VolumeRow>, Vec<TrafficRow>),
) -> (Bound<'_, PyBytes>, Bound<'_, PyBytes>) {
    (
        PyBytes::new(py, bytemuck::cast_slice(&rows)),
        PyBytes::new(py, bytemuck::cast_slice(&traffic)),
    )
}

pub(crate) fn window_to_python(py: Python<'_>, window: Window) -> PyResult<Bound<'_, PyTuple>> {
    let observations = PyList::empty(py);
    for observation in &window.observations {
        observations.append(observation_to_python(py, observation)?)?;
    }
    (
        window.start,
        window.end,
        window.packets,
        window.octets,
        PyRows::view(py, window.flows)?,
        PyRows::view(py, window.hosts)?,
        PyRows::view(py, window.scores)?,
        PyBytes::new(py, bytemuck::cast_slice(&window.matches)),
        observations,
        window.learning,
    )
        .into_pyobject(py)
}

fn observation_to_python<'py>(
    py: Python<'py>,
    observation: &Observation,
) -> PyResult<Bound<'py, PyTuple>> {
    let fields = PyList::empty(py);
    for (name, value) in &observation.message.fields {
        let value = match value {
            Value::Text(text) => text.into_pyobject(py)?.into_any(),
            Value::Integer(number) => number.into_pyobject(py)?.into_any(),
            Value::Real(number) => number.into_pyobject(py)?.into_any(),
            Value::Flag(flag) => flag.into_pyobject(py)?.to_owned().into_any(),
            Value::List(items) => PyTuple::new(py, items)?.into_any(),
        };
        fields.append((*name, value))?;
    }
    PyTuple::new(
        py,
        [
            observation
                .message
                .kind
                .name()
                .into_pyobject(py)?
                .into_any(),
            observation.time.into_pyobject(py)?.into_any(),
            observation.packet.into_pyobject(py)?.into_any(),
            PyBytes::new(py, &observation.src).into_any(),
            PyBytes::new(py, &observation.dst).into_any(),
            observation.src_mac.into_pyobject(py)?.into_any(),
            observation.dst_mac.into_pyobject(py)?.into_any(),
            observation.src_port.into_pyobject(py)?.into_any(),
            observation.dst_port.into_pyobject(py)?.into_any(),
            observation.vlan.into_pyobject(py)?.into_any(),
            observation.protocol.into_pyobject(py)?.into_any(),
            observation.device.into_pyobject(py)?.into_any(),
            observation.flow.into_pyobject(py)?.into_any(),
            fields.into_any(),
        ],
    )
}
