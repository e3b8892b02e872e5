//! One forecast in process. Each line on stdin starts a round of forecasts; their median time in
//! seconds goes to stdout. `benches/peers/run.py` runs this program and its peers in turn.

use std::io::{BufRead, Write};
use std::time::Instant;

use gatecast_core::order::{Cell, Loss, Output};
use gatecast_nn::engine::{Inputs, Objective, Steps, Wanted, build};
use gatecast_nn::initialise;
use gatecast_nn::network::Network;

const STEPS: usize = 50;
const FORECASTS: usize = 2_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let network = Network::stack(Cell::Lstm, false, 1, &[20, 20], 10, Output::EveryStep);
    let mut engine = build(&network, Objective::of(Loss::Mse), Wanted::PROCESSOR)?.engine;
    let parameters = initialise(&network, 42);
    let history: Vec<f32> = (0..STEPS).map(|step| (0.3 * step as f32).sin()).collect();
    let inputs = Inputs { batch: 1, steps: STEPS, values: &history };
    let mut found = Vec::new();
    for line in std::io::stdin().lock().lines() {
        line?;
        let mut times = Vec::with_capacity(FORECASTS);
        for _ in 0..FORECASTS {
            let began = Instant::now();
            engine.predict(&parameters, inputs, Steps::Last, &mut found)?;
            times.push(began.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        let mut out = std::io::stdout().lock();
        writeln!(out, "{} {}", times[FORECASTS / 2], found[0])?;
        out.flush()?;
    }
    Ok(())
}
