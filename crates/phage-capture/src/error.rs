//! What goes wrong when capturing, worded for the person who can do something about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use phage_decode::{pcap::CaptureFaultKind, CaptureFault};

use crate::filter::FilterError;

/// Why a source cannot be opened or go on.
#[derive(Debug)]
#[non_exhaustive]
pub enum CaptureError {
    /// There is no such file.
    NotFound(PathBuf),
    /// The file may not be read.
    Unreadable(PathBuf),
    /// The process lacks a capability.
    PermissionMissing {
        /// Its name, such as `CAP_NET_RAW`.
        capability: &'static str,
        /// A command that grants it.
        command: String,
    },
    /// The file is neither pcap nor pcapng, compressed or not.
    NotACapture(PathBuf),
    /// There is no such interface.
    NoSuchInterface {
        /// The name that was asked for.
        name: String,
        /// The interfaces that there are.
        known: Vec<String>,
    },
    /// This system or this interface cannot do what was asked.
    Unsupported(String),
    /// The filter expression is wrong, or does not go with the link type.
    Filter(FilterError),
    /// The system failed.
    Io {
        /// The file or interface.
        path: PathBuf,
        /// Bytes that were read before.
        offset: u64,
        /// What the system said.
        error: io::Error,
    },
}

impl CaptureError {
    /// The error of opening or reading a file.
    pub(crate) fn of_file(path: &Path, offset: u64, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound(path.to_owned()),
            io::ErrorKind::PermissionDenied => Self::Unreadable(path.to_owned()),
            _ => Self::Io {
                path: path.to_owned(),
                offset,
                error,
            },
        }
    }

    /// The error of a system call on an interface's socket.
    pub(crate) fn of_socket(interface: &str, error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => Self::PermissionMissing {
                capability: "CAP_NET_RAW",
                command: grant("cap_net_raw"),
            },
            Some(libc::ENODEV | libc::ENXIO) => Self::NoSuchInterface {
                name: interface.to_owned(),
                known: crate::interface::names(),
            },
            Some(libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT) => {
                Self::Unsupported("this kernel has no packet sockets (CONFIG_PACKET)".to_owned())
            }
            _ => Self::Io {
                path: PathBuf::from(interface),
                offset: 0,
                error,
            },
        }
    }
}

/// The command that grants a capability to the program that runs.
fn grant(capability: &str) -> String {
    // The link's target is the interpreter where the program is a script, which is what needs it.
    let program = std::env::current_exe()
        .map_or_else(|_| "PROGRAM".to_owned(), |path| path.display().to_string());
    format!("sudo setcap {capability}+ep {program}")
}

impl fmt::Display for CaptureError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(path) => write!(formatter, "{}: no such file", path.display()),
            Self::Unreadable(path) => write!(
                formatter,
                "{}: the file may not be read by this user",
                path.display()
            ),
            Self::PermissionMissing {
                capability,
                command,
            } => write!(
                formatter,
                "capturing needs the capability {capability}; run as root, or grant it: {command}"
            ),
            Self::NotACapture(path) => write!(
                formatter,
                "{}: not a capture file (pcap or pcapng, plain, gz or zst)",
                path.display()
            ),
            Self::NoSuchInterface { name, known } => write!(
                formatter,
                "there is no interface {name}; there are: {}",
                known.join(", ")
            ),
            Self::Unsupported(what) => formatter.write_str(what),
            Self::Filter(error) => write!(formatter, "filter: {error}"),
            Self::Io {
                path,
                offset,
                error,
            } => write!(formatter, "{}: {error} (at byte {offset})", path.display()),
        }
    }
}

impl std::error::Error for CaptureError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { error, .. } => Some(error),
            Self::Filter(error) => Some(error),
            _ => None,
        }
    }
}

impl From<FilterError> for CaptureError {
    fn from(error: FilterError) -> Self {
        Self::Filter(error)
    }
}

/// Where reading a file stopped early; what stood before was handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFault {
    /// The file; `-` is standard input.
    pub path: PathBuf,
    /// Offset in the capture, after decompression.
    pub offset: u64,
    /// What was wrong.
    pub kind: SourceFaultKind,
}

/// What was wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceFaultKind {
    /// The capture is damaged, cut short or not a capture.
    Capture(CaptureFault),
    /// The compressed stream is damaged or cut short.
    Compression(String),
    /// The file could not be read on.
    Read(String),
    /// The file could not be opened; says which file.
    Unopened(String),
}

impl fmt::Display for SourceFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.kind {
            SourceFaultKind::Unopened(what) => return formatter.write_str(what),
            SourceFaultKind::Capture(fault) if fault.kind == CaptureFaultKind::NotACapture => {
                return CaptureError::NotACapture(self.path.clone()).fmt(formatter);
            }
            SourceFaultKind::Capture(fault) => {
                write!(formatter, "{path}: {}", meaning(fault.kind))?;
            }
            SourceFaultKind::Compression(what) => {
                write!(formatter, "{path}: the compressed data is damaged ({what})")?;
            }
            SourceFaultKind::Read(what) => write!(formatter, "{path}: {what}")?,
        }
        write!(formatter, " at byte {}", self.offset)
    }
}

/// What is wrong with a capture, in words.
fn meaning(kind: CaptureFaultKind) -> &'static str {
    match kind {
        CaptureFaultKind::NotACapture => "not a capture",
        CaptureFaultKind::VersionUnknown => "a version of the format that cannot be read",
        CaptureFaultKind::Truncated => "cut short",
        CaptureFaultKind::RecordTooLong => "a record claims more bytes than a frame can have",
        CaptureFaultKind::BlockMalformed => "the lengths of a block contradict each other",
        CaptureFaultKind::InterfaceUnknown => "a block names an interface that was not described",
    }
}
