//! Rows of a window, which Python reads where they are.
#![expect(
    unsafe_code,
    reason = "the buffer protocol hands out a pointer; the rows stay as long as anybody reads them"
)]

use std::ffi::c_int;

use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyMemoryView;

/// What can be read as octets.
trait Octets: Send + Sync {
    fn octets(&self) -> &[u8];
}

impl<T: bytemuck::NoUninit + Send + Sync> Octets for Vec<T> {
    fn octets(&self) -> &[u8] {
        bytemuck::cast_slice(self)
    }
}

/// Rows that are handed to Python without a copy: a window of a busy network has half a megabyte.
#[pyclass(name = "Rows", module = "phage._native", frozen)]
pub(crate) struct PyRows(Box<dyn Octets>);

impl PyRows {
    /// A view of rows, which owns them.
    pub(crate) fn view<T>(py: Python<'_>, mut rows: Vec<T>) -> PyResult<Bound<'_, PyMemoryView>>
    where
        T: bytemuck::NoUninit + Send + Sync,
    {
        // Python may keep them long; what was set aside for more of them is given back.
        rows.shrink_to_fit();
        PyMemoryView::from(Bound::new(py, Self(Box::new(rows)))?.as_any())
    }
}

#[pymethods]
impl PyRows {
    /// Lets the octets be read (PEP 3118); they cannot be written.
    ///
    /// # Safety
    ///
    /// Called by Python, with a view to fill.
    unsafe fn __getbuffer__(
        slf: &Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let octets = slf.get().0.octets();
        let length = ffi::Py_ssize_t::try_from(octets.len())
            .map_err(|error| PyBufferError::new_err(error.to_string()))?;
        let start = octets.as_ptr().cast_mut().cast();
        // SAFETY: the view is Python's to fill. It gets a reference to this object, which is frozen:
        // its rows stay where they are until the last view is given back, and are read only.
        let filled = unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), start, length, 1, flags) };
        if filled == 0 {
            Ok(())
        } else {
            Err(PyErr::fetch(slf.py()))
        }
    }
}
