//! How far a training is, and whom it tells.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::error::LearnError;
use crate::domain::trainer::TrainerEvent;

/// Hears a training's events; breaks where nobody waits for the rest.
pub type Emit<'e> = dyn FnMut(TrainerEvent) -> ControlFlow<()> + 'e;

/// Why a training does not go on.
#[derive(Debug)]
pub enum Halt {
    /// Nobody waits for it.
    Stopped,
    Failed(LearnError),
}

impl<E: Into<LearnError>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Tells an event.
pub fn tell(emit: &mut Emit<'_>, event: TrainerEvent) -> Result<(), Halt> {
    match emit(event) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Halt::Stopped),
    }
}

/// Tells of something that a person would want to know.
pub fn warn(code: &str, detail: String, emit: &mut Emit<'_>) -> Result<(), Halt> {
    tell(emit, TrainerEvent::Warning { code: code.to_owned(), detail })
}

/// The time between two progress events.
const EVERY: Duration = Duration::from_millis(250);

/// A forward pass alone costs about a third of one with its gradient.
const JUDGING: f64 = 1.0 / 3.0;

/// Counts windows; at most four times a second it says how far they bring the training.
#[derive(Debug)]
pub struct Progress {
    of_epoch: f64,
    total: f64,
    done: f64,
    began: Instant,
    /// What was done before this attempt.
    before: f64,
    told: Instant,
}

impl Progress {
    pub fn new(training_windows: u64, judged_windows: u64, epochs: u32, epochs_done: u32) -> Self {
        let of_epoch = training_windows as f64 + judged_windows as f64 * JUDGING;
        let before = of_epoch * f64::from(epochs_done);
        let now = Instant::now();
        Self { of_epoch, total: of_epoch * f64::from(epochs), done: before, began: now, before, told: now }
    }

    /// An epoch has ended.
    pub fn reach(&mut self, epochs: u32) {
        self.done = self.of_epoch * f64::from(epochs);
    }

    pub fn trained(&mut self, windows: usize, emit: &mut Emit<'_>) -> Result<(), Halt> {
        self.advance(windows as f64, emit)
    }

    pub fn judged(&mut self, windows: u64, emit: &mut Emit<'_>) -> Result<(), Halt> {
        self.advance(windows as f64 * JUDGING, emit)
    }

    fn advance(&mut self, work: f64, emit: &mut Emit<'_>) -> Result<(), Halt> {
        self.done = (self.done + work).min(self.total);
        if self.told.elapsed() < EVERY {
            return Ok(());
        }
        self.told = Instant::now();
        let here = self.done - self.before;
        let eta = self.began.elapsed().as_secs_f64() * (self.total - self.done) / here;
        tell(
            emit,
            TrainerEvent::Progress {
                fraction: if self.total > 0.0 { self.done / self.total } else { 0.0 },
                eta_seconds: eta.is_finite().then_some(eta),
            },
        )
    }
}
