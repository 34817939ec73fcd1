//! Which packets are requests, and how many each source makes.

use phage_capture::{CaptureError, Filter};
use phage_decode::{Batch, FrameHeader, Keys, LinkType, Packet};
use phage_flow::requests::{RequestRow, Requests};

use crate::config::EngineConfig;
use crate::engine::EngineError;

/// Counts the packets that a filter takes, by source.
pub(crate) struct RequestStage {
    expression: String,
    /// The filter as compiled for the link type of the last frame; none takes every packet.
    filter: Option<(LinkType, Filter)>,
    pub(crate) table: Requests,
}

impl RequestStage {
    /// Makes the stage, if it is wanted.
    pub(crate) fn new(config: &EngineConfig) -> Result<Option<Self>, EngineError> {
        let Some(expression) = &config.requests else {
            return Ok(None);
        };
        let mut stage = Self {
            expression: expression.trim().to_owned(),
            filter: None,
            table: Requests::new(config.request_sources, config.request_rows),
        };
        stage.compile(LinkType::ETHERNET)?;
        Ok(Some(stage))
    }

    fn compile(&mut self, link: LinkType) -> Result<(), EngineError> {
        if !self.expression.is_empty() {
            let filter = Filter::compile(&self.expression, link).map_err(CaptureError::from)?;
            self.filter = Some((link, filter));
        }
        Ok(())
    }

    /// Counts the packets that are requests.
    pub(crate) fn see(
        &mut self,
        packets: &[Packet],
        keys: &[Keys],
        frames: &[FrameHeader],
        batch: &Batch<'_>,
    ) {
        for ((packet, key), frame) in packets.iter().zip(keys).zip(frames) {
            if packet.ip_version != 0 && self.takes(frame, batch) {
                self.table.add(packet, key.src);
            }
        }
    }

    #[inline]
    fn takes(&mut self, frame: &FrameHeader, batch: &Batch<'_>) -> bool {
        if self
            .filter
            .as_ref()
            .is_some_and(|(link, _)| *link != frame.link)
        {
            // What cannot be told on a link is no request there.
            if self.compile(frame.link).is_err() {
                return false;
            }
        }
        self.filter
            .as_ref()
            .is_none_or(|(_, filter)| filter.matches(batch.bytes(frame), frame.length))
    }

    /// Takes the rows of the window.
    pub(crate) fn take(&mut self) -> Vec<RequestRow> {
        let mut rows = Vec::new();
        self.table.window(&mut rows);
        rows
    }
}
