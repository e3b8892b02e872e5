//! The progress of a training, and the events it reports.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use gatecast_core::trainer::TrainerEvent;
use gatecast_model::error::LearnError;

/// Receives the events of a training, and breaks once the server no longer listens.
pub type EventSink<'e> = dyn FnMut(TrainerEvent) -> ControlFlow<()> + 'e;

/// Why a training ended early.
#[derive(Debug)]
pub enum Interrupted {
    /// The server no longer listens.
    Stopped,
    Failed(LearnError),
}

impl<E: Into<LearnError>> From<E> for Interrupted {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Reports an event.
pub fn emit(sink: &mut EventSink<'_>, event: TrainerEvent) -> Result<(), Interrupted> {
    match sink(event) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Interrupted::Stopped),
    }
}

/// Reports a warning.
pub fn warn(code: &str, detail: String, sink: &mut EventSink<'_>) -> Result<(), Interrupted> {
    emit(sink, TrainerEvent::Warning { code: code.to_owned(), detail })
}

/// The minimum time between two progress events.
const EVERY: Duration = Duration::from_millis(250);

/// A forward pass costs about a third of a forward pass with gradient.
const EVALUATION_COST: f64 = 1.0 / 3.0;

/// The maximum amount of work.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    pub training_windows: u64,
    pub evaluated_windows: u64,
    /// May be fractional, because `max_steps` can end within an epoch.
    pub epochs: f64,
    /// The time that the request's time limit leaves.
    pub seconds: Option<f64>,
}

/// Counts windows and reports progress at most four times a second.
///
/// The estimated time left is an upper bound: all epochs, or what the limits on steps and time leave of them. Early
/// stopping cannot be predicted.
#[derive(Debug)]
pub struct Progress {
    of_epoch: f64,
    total: f64,
    done: f64,
    began: Instant,
    /// The work done by earlier attempts.
    before: f64,
    seconds: Option<f64>,
    told: Instant,
}

impl Progress {
    pub fn new(extent: Extent, epochs_done: u32) -> Self {
        let evaluation = extent.evaluated_windows as f64 * EVALUATION_COST;
        let of_epoch = extent.training_windows as f64 + evaluation;
        // The whole validation part is evaluated even if the last epoch is short.
        let total = extent.training_windows as f64 * extent.epochs + evaluation * extent.epochs.ceil();
        let before = of_epoch * f64::from(epochs_done);
        let now = Instant::now();
        Self { of_epoch, total, done: before, began: now, before, seconds: extent.seconds, told: now }
    }

    /// Records the end of an epoch.
    pub fn reach(&mut self, epochs: u32) {
        self.done = (self.of_epoch * f64::from(epochs)).min(self.total);
    }

    pub fn trained(&mut self, windows: usize, sink: &mut EventSink<'_>) -> Result<(), Interrupted> {
        self.advance(windows as f64, sink)
    }

    pub fn evaluated(&mut self, windows: u64, sink: &mut EventSink<'_>) -> Result<(), Interrupted> {
        self.advance(windows as f64 * EVALUATION_COST, sink)
    }

    fn advance(&mut self, work: f64, sink: &mut EventSink<'_>) -> Result<(), Interrupted> {
        self.done = (self.done + work).min(self.total);
        if self.told.elapsed() < EVERY {
            return Ok(());
        }
        self.told = Instant::now();
        emit(sink, self.so_far(self.began.elapsed().as_secs_f64()))
    }

    /// The progress `elapsed` seconds after the start of this attempt.
    fn so_far(&self, elapsed: f64) -> TrainerEvent {
        let eta = elapsed * (self.total - self.done) / (self.done - self.before);
        let eta = self.seconds.map_or(eta, |seconds| eta.min((seconds - elapsed).max(0.0)));
        // If the time limit will end the training, the progress is that of the time.
        let of_work = if self.total > 0.0 { self.done / self.total } else { 0.0 };
        let of_time = self.seconds.map_or(0.0, |seconds| elapsed / seconds.max(elapsed));
        TrainerEvent::Progress { fraction: of_work.max(of_time).min(1.0), eta_seconds: eta.is_finite().then_some(eta) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(extent: Extent, epochs_before: u32, epochs_done: u32, elapsed: f64) -> (f64, f64) {
        let mut progress = Progress::new(extent, epochs_before);
        progress.reach(epochs_done);
        match progress.so_far(elapsed) {
            TrainerEvent::Progress { fraction, eta_seconds } => (fraction, eta_seconds.unwrap()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_time_left_is_an_upper_bound() {
        let extent = Extent { training_windows: 100, evaluated_windows: 0, epochs: 10.0, seconds: None };
        assert_eq!(after(extent, 0, 5, 20.0), (0.5, 20.0));
        assert_eq!(after(extent, 4, 5, 2.0), (0.5, 10.0), "the work of earlier attempts does not affect the rate");
        assert_eq!(after(Extent { seconds: Some(25.0), ..extent }, 0, 5, 20.0), (0.8, 5.0));
        assert_eq!(after(Extent { epochs: 7.5, ..extent }, 0, 5, 20.0).1, 10.0);
    }
}
