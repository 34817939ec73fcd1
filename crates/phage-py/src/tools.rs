//! The packet filter and the sender, for tests, benchmarks and checks of settings.

use std::time::Duration;

use phage_capture::{Filter, TransmitPlan, Transmitter};
use phage_decode::LinkType;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;

/// A compiled packet filter in the pcap filter language.
#[pyclass(name = "Filter", module = "phage._native", frozen)]
pub(crate) struct PyFilter(Filter);

#[pymethods]
impl PyFilter {
    #[new]
    #[pyo3(signature = (expression, link = 1))]
    fn new(expression: &str, link: u16) -> PyResult<Self> {
        Filter::compile(expression, LinkType(link))
            .map(Self)
            .map_err(|error| PyValueError::new_err(error.to_string()))
    }

    fn matches(&self, frame: &[u8]) -> bool {
        self.0.matches(frame, frame.len() as u32)
    }
}

/// Sends prepared frames on an interface.
#[pyclass(name = "Transmitter", module = "phage._native")]
pub(crate) struct PyTransmitter(Transmitter);

#[pymethods]
impl PyTransmitter {
    #[new]
    fn new(interface: &str) -> PyResult<Self> {
        Transmitter::open(interface)
            .map(Self)
            .map_err(|error| PyOSError::new_err(error.to_string()))
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "Python's list is converted to it"
    )]
    #[pyo3(signature = (frames, *, count, seconds, rate = 0.0))]
    fn send(
        &mut self,
        py: Python<'_>,
        frames: Vec<Vec<u8>>,
        count: u64,
        seconds: f64,
        rate: f64,
    ) -> PyResult<u64> {
        let duration = Duration::try_from_secs_f64(seconds)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        let plan = TransmitPlan {
            count,
            duration,
            rate: (rate > 0.0).then_some(rate),
        };
        py.detach(|| self.0.send(&frames, plan))
            .map(|sent| sent.packets)
            .map_err(|error| PyOSError::new_err(error.to_string()))
    }
}
