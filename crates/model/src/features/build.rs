//! Builds a layout slot by slot.

use super::{Coded, Layout, Slot, Source};
use gatecast_core::order::{CalendarFeature, CalendarForm};
use gatecast_nn::network::Embedding;

pub(super) struct Builder {
    layout: Layout,
}

impl Builder {
    pub(super) fn new(columns: usize) -> Self {
        let (slots, coded, embeddings) = (Vec::new(), Vec::new(), Vec::new());
        Self { layout: Layout { slots, width: 0, columns, plain: false, coded, embeddings } }
    }

    pub(super) fn number(&mut self, column: usize, shift: isize, rows: usize) {
        self.push(Source::Number(column), shift, rows, 1);
    }

    pub(super) fn constant(&mut self, constant: usize) {
        self.push(Source::Constant(constant), 0, 1, 1);
    }

    /// Adds one-hot blocks over `known` categories and the unknown category, with their own embedding table.
    pub(super) fn category(&mut self, coded: Coded, name: &str, known: usize, shift: isize, rows: usize) {
        self.table(coded, name, known + 1, known, shift, rows);
    }

    pub(super) fn calendar(&mut self, feature: CalendarFeature, form: CalendarForm) {
        let (coded, count) = (self.layout.coded.len(), feature.count());
        match (form, feature) {
            (CalendarForm::Category, _) => {
                let name = format!("calendar.{}", feature.name());
                self.table(Coded::Calendar(feature), &name, count, count, 1, 1);
                return;
            }
            (CalendarForm::SineCosine, CalendarFeature::IsWeekend) => self.push(Source::Flag(coded), 1, 1, 1),
            (CalendarForm::SineCosine, _) => {
                let at = |code: usize| std::f64::consts::TAU * code as f64 / count as f64;
                let turn = (0..count).map(|code| [at(code).sin() as f32, at(code).cos() as f32]).collect();
                self.push(Source::Cycle { coded, turn }, 1, 1, 2);
            }
        }
        self.layout.coded.push(Coded::Calendar(feature));
    }

    pub(super) fn finish(mut self) -> Layout {
        let plain = |(at, slot): (usize, &Slot)| slot.source == Source::Number(at) && (slot.shift, slot.rows) == (0, 1);
        self.layout.plain = self.layout.width == self.layout.columns && self.layout.slots.iter().enumerate().all(plain);
        self.layout
    }

    fn table(&mut self, coded: Coded, name: &str, count: usize, categories: usize, shift: isize, rows: usize) {
        self.layout.embeddings.push(Embedding {
            name: name.to_owned(),
            rows: count,
            dimension: dimension(categories),
            places: (0..rows).map(|row| self.layout.width + row * count).collect(),
        });
        self.push(Source::OneHot { coded: self.layout.coded.len(), count }, shift, rows, count);
        self.layout.coded.push(coded);
    }

    fn push(&mut self, source: Source, shift: isize, rows: usize, width: usize) {
        self.layout.slots.push(Slot { at: self.layout.width, shift, rows, source });
        self.layout.width = self.layout.width.saturating_add(rows.saturating_mul(width));
    }
}

/// The embedding's width for a number of categories: half of that number, at most 50 (the rule of fastai's tabular
/// models before it became 1.6 · n^0.56).
fn dimension(categories: usize) -> usize {
    categories.div_ceil(2).clamp(1, 50)
}
