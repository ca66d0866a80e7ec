//! Rows that are found one after the other by keys: see [`Chain`].

use std::ops::ControlFlow;

use lightning_db_expression::Columns;
use lightning_db_types::ValueRef;

use super::access::{by_key, only_value};
use super::{MORE, Run, Sink, with_values};
use crate::error::Result;
use crate::program::{Chain, FRAME_MAX, Path};

impl Run<'_> {
    /// Gives the rows of a chain.
    pub(super) fn chain(
        &self,
        chain: &Chain,
        outer: &[ValueRef<'_>],
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>> {
        // A frame is copied for each row, so it is no longer than it must be.
        match chain.frame.len() {
            0..=4 => self.framed::<4>(chain, outer, sink),
            5..=8 => self.framed::<8>(chain, outer, sink),
            _ => self.framed::<FRAME_MAX>(chain, outer, sink),
        }
    }

    fn framed<const N: usize>(
        &self,
        chain: &Chain,
        outer: &[ValueRef<'_>],
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>> {
        let mut frame = [ValueRef::Null; N];
        for (place, value) in frame.iter_mut().zip(outer) {
            *place = *value;
        }
        self.link(chain, 0, &frame, sink)
    }

    /// Gives what follows from a frame up to a link.
    fn link<const N: usize>(
        &self,
        chain: &Chain,
        at: usize,
        frame: &[ValueRef<'_>; N],
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>> {
        let Some(link) = chain.links.get(at) else {
            return match &chain.span {
                Some(span) => sink(&frame[span.clone()]),
                None => with_values(chain.given.len(), |place| frame[chain.given[place]], sink),
            };
        };
        let (reader, outer) = (&self.readers[link.access.table], &frame[..link.from]);
        let mut any = false;
        let flow = if let Path::Keys { key, .. } = &link.access.path
            && let Some(only) = only_value(key)
        {
            // What most links are goes the shortest way.
            self.with_value(only, outer, |value| {
                by_key(reader, value, &mut |row| {
                    self.found(chain, at, frame, (row, &mut any), sink)
                })
            })?
        } else {
            self.path(reader, &link.access.path, outer, &mut |row| {
                self.found(chain, at, frame, (row, &mut any), sink)
            })?
        };
        if link.is_optional && !any { self.link(chain, at + 1, frame, sink) } else { Ok(flow) }
    }

    /// Goes on with a row of a link.
    #[inline]
    fn found<const N: usize>(
        &self,
        chain: &Chain,
        at: usize,
        frame: &[ValueRef<'_>; N],
        (row, any): (&dyn Columns, &mut bool),
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>> {
        let link = &chain.links[at];
        self.go_on_behind(1)?;
        if !self.holds(&link.access.filter, row, &frame[..link.from])? {
            return MORE;
        }
        *any = true;
        let mut frame: [ValueRef<'_>; N] = *frame;
        for (place, id) in frame[link.from..].iter_mut().zip(&link.access.columns) {
            *place = row.column(*id);
        }
        self.link(chain, at + 1, &frame, sink)
    }
}
