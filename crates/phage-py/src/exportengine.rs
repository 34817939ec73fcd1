//! The engine of flow exports as Python sees it, and a sender of datagrams for tests.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use phage_capture::datagram::{DatagramSender, ListenConfig};
use phage_capture::FileSource;
use phage_decode::export::Origin;
use phage_engine::{EngineError, ExportConfig, ExportEngine, Progress, ToldFlows};
use phage_flow::volume::{TrafficRow, VolumeRow};
use phage_flow::UseRow;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};

use crate::engine::{raise, volumes_to_python, window_to_python};
use crate::export::exporters_to_python;
use crate::prefixes::PyPrefixSet;

/// What exporters told of flows, shared by engines.
#[pyclass(name = "ToldFlows", module = "phage._native", frozen)]
pub(crate) struct PyToldFlows(Arc<ToldFlows>);

#[pymethods]
impl PyToldFlows {
    #[new]
    fn new(seed: u64, room: usize) -> Self {
        Self(Arc::new(ToldFlows::new(seed, room)))
    }
}

/// One shard of the hot loop for flow exports.
#[pyclass(name = "ExportEngine", module = "phage._native")]
pub(crate) struct PyExportEngine {
    // Never contended: Python's own borrow check refuses a second user. It makes the class `Sync`.
    engine: Mutex<ExportEngine>,
    /// Rows of volumes, and traffic, of the window that was handed out last.
    volumes: (Vec<VolumeRow>, Vec<TrafficRow>),
    /// What devices did, of that window.
    uses: Vec<UseRow>,
}

impl PyExportEngine {
    fn engine(&mut self) -> &mut ExportEngine {
        self.engine
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn addresses(texts: &[String]) -> PyResult<Vec<SocketAddr>> {
    texts
        .iter()
        .map(|text| {
            text.parse()
                .map_err(|_| PyValueError::new_err(format!("{text:?} is no address with a port")))
        })
        .collect()
}

#[pymethods]
impl PyExportEngine {
    #[new]
    #[pyo3(signature = (config, told = None))]
    fn new(config: &str, told: Option<&PyToldFlows>) -> PyResult<Self> {
        let config: ExportConfig = serde_json::from_str(config)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        let told = told.map(|told| Arc::clone(&told.0));
        let engine = ExportEngine::beside(&config, told).map_err(|error| raise(&error))?;
        Ok(Self {
            engine: Mutex::new(engine),
            volumes: <(Vec<VolumeRow>, Vec<TrafficRow>)>::default(),
            uses: Vec::new(),
        })
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "Python's lists are converted to them"
    )]
    #[pyo3(signature = (udp, tcp, *, receive_buffer = None, shared_by = 1, connections = None))]
    fn listen(
        &mut self,
        udp: Vec<String>,
        tcp: Vec<String>,
        receive_buffer: Option<usize>,
        shared_by: u32,
        connections: Option<usize>,
    ) -> PyResult<(Vec<String>, Vec<String>)> {
        let usual = ListenConfig::default();
        let config = ListenConfig {
            udp: addresses(&udp)?,
            tcp: addresses(&tcp)?,
            receive_buffer: receive_buffer.unwrap_or(usual.receive_buffer),
            shared_by,
            connections: connections.unwrap_or(usual.connections),
            ..usual
        };
        let opened = self
            .engine()
            .listen(&config)
            .map_err(|error| raise(&error))?;
        let texts = |list: Vec<SocketAddr>| list.iter().map(ToString::to_string).collect();
        Ok((texts(opened.0), texts(opened.1)))
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "Python's list is converted to it"
    )]
    fn read_files(&mut self, paths: Vec<PathBuf>, exporter: [u8; 16]) -> PyResult<()> {
        let paths: Vec<_> = paths.iter().map(PathBuf::as_path).collect();
        let from = Origin {
            address: exporter,
            port: 0,
        };
        let read = self.engine().read_files(&paths, from);
        read.map_err(|error| raise(&error))
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "Python's list is converted to it"
    )]
    #[pyo3(signature = (paths, expression = None))]
    fn read_captures(&mut self, paths: Vec<PathBuf>, expression: Option<&str>) -> PyResult<()> {
        let source = FileSource::open(&paths, expression)
            .map_err(|error| raise(&EngineError::Capture(error)))?;
        self.engine().read_captures(source);
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
                self.uses = std::mem::take(&mut window.uses);
                self.volumes = (
                    std::mem::take(&mut window.volumes),
                    std::mem::take(&mut window.traffic),
                );
                window_to_python(py, *window).map(Some)
            }
            Progress::Waiting | Progress::Ended => Ok(None),
        }
    }

    #[pyo3(signature = (wait, *, options = false))]
    fn describe(&mut self, py: Python<'_>, wait: f64, options: bool) -> PyResult<Option<String>> {
        let wait = Duration::try_from_secs_f64(wait)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        let engine = self.engine();
        py.detach(|| engine.describe(wait, options))
            .map_err(|error| raise(&error))
    }

    fn take_uses<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, bytemuck::cast_slice(&std::mem::take(&mut self.uses)))
    }

    fn take_volumes<'py>(&mut self, py: Python<'py>) -> (Bound<'py, PyBytes>, Bound<'py, PyBytes>) {
        volumes_to_python(py, std::mem::take(&mut self.volumes))
    }

    fn finish(&mut self) {
        self.engine().finish();
    }

    fn ended(&mut self) -> bool {
        self.engine().has_ended()
    }

    fn counters<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counters = PyDict::new(py);
        for (name, value) in self.engine().counters() {
            counters.set_item(name, value)?;
        }
        Ok(counters)
    }

    fn exporters<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        exporters_to_python(py, self.engine().decoder())
    }

    fn faults(&mut self) -> Vec<String> {
        self.engine().faults()
    }

    fn replace_prefixes(&mut self, set: &PyPrefixSet) {
        self.engine().replace_prefixes(set.share());
    }

    fn save<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.engine().decoder().save())
    }

    fn load(&mut self, state: &[u8]) -> PyResult<()> {
        let loaded = self.engine().load(state);
        loaded.map_err(|fault| PyValueError::new_err(fault.to_string()))
    }

    fn close(&mut self) {
        self.engine().detach();
    }
}

/// Sends datagrams to a collector.
#[pyclass(name = "DatagramSender", module = "phage._native", frozen)]
pub(crate) struct PyDatagramSender(DatagramSender);

#[pymethods]
impl PyDatagramSender {
    #[new]
    fn new(to: &str) -> PyResult<Self> {
        let to = to
            .parse()
            .map_err(|_| PyValueError::new_err(format!("{to:?} is no address with a port")))?;
        DatagramSender::open(to)
            .map(Self)
            .map_err(|error| PyOSError::new_err(error.to_string()))
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "Python's list is converted to it"
    )]
    #[pyo3(signature = (datagrams, *, count, seconds, rate = 0.0))]
    fn send(
        &self,
        py: Python<'_>,
        datagrams: Vec<Vec<u8>>,
        count: u64,
        seconds: f64,
        rate: f64,
    ) -> PyResult<u64> {
        let duration = Duration::try_from_secs_f64(seconds)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        let rate = (rate > 0.0).then_some(rate);
        py.detach(|| self.0.send(&datagrams, count, duration, rate))
            .map_err(|error| PyOSError::new_err(error.to_string()))
    }
}
