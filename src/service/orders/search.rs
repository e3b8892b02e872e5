//! A search's trials, drawn when it is ordered: they are part of the order from then on.

use serde_json::{Value, json};

use super::{NewChildJob, OrderError, dataset_of, find, queue, short, unfit, within};
use gatecast_core::comparability::{self, Rival};
use gatecast_core::job::Job;
use gatecast_core::order::{Draw, JobSpec, Range, SearchOrder, TrainSpec, merge_patch};
use gatecast_core::resolve::resolve;
use gatecast_nn::random::{Purpose, Random};
use gatecast_store::Store;

/// Trials have but one base: where two are at odds, a range made them so.
const RANGES: &str = "/ranges";

pub(super) async fn order(store: &Store, mut order: SearchOrder) -> Result<Job, OrderError> {
    let dataset = find(store, "/base/dataset", dataset_of(&order.base)?).await?;
    let base = read(order.base.clone(), "/base")?;
    order.rungs = order.rungs_for(base.training.epochs);
    order.trials = (0..order.budget.trials).map(|trial| draw(&order, trial)).collect::<Result<_, _>>()?;
    let name = order.name.get_or_insert_with(|| short(format!("{}: search", dataset.name))).clone();
    let mut rivals = Vec::with_capacity(order.trials.len());
    for (number, drawn) in order.trials.iter().enumerate() {
        let mut trial = order.base.clone();
        for (at, (range, value)) in order.ranges.iter().zip(drawn).enumerate() {
            if !merge_patch::put(&mut trial, &range.path, value.clone()) {
                return Err(unfit(&format!("{RANGES}/{at}/path"), "leads to no field of a training order"));
            }
        }
        let mut trial = read(trial, RANGES)?;
        trial.name = Some(short(format!("{name}: trial {number}")));
        if let Some(&epochs) = order.rungs.first() {
            trial.training.epochs = epochs;
        }
        let resolved = resolve(trial, &dataset.name, &dataset.profile);
        let order = resolved.map_err(|faults| OrderError::Unfit(within(RANGES, faults).collect()))?;
        rivals.push(Rival { pointer: RANGES.to_owned(), order });
    }
    let errors = comparability::check(&rivals, &order.metric);
    if !errors.is_empty() {
        return Err(OrderError::Unfit(errors));
    }
    let child = |(slot, rival): (u32, Rival)| NewChildJob {
        slot,
        name: rival.order.name.clone().unwrap_or_default(),
        order: rival.order.into(),
    };
    let children = (0..).zip(rivals).map(child).collect();
    queue(store, &dataset, "/base/dataset", name, JobSpec::Search(Box::new(order)), children).await
}

fn read(order: Value, pointer: &str) -> Result<TrainSpec, OrderError> {
    let order: TrainSpec = serde_json::from_value(order).map_err(|error| unfit(pointer, error.to_string()))?;
    garde::Validate::validate(&order).map_err(|report| unfit(pointer, report.to_string().trim()))?;
    Ok(order)
}

/// The values of one trial, each from a stream of its own: a range added behind the others changes
/// none of theirs.
fn draw(order: &SearchOrder, trial: u32) -> Result<Vec<Value>, OrderError> {
    let one = |(at, range): (usize, &Range)| {
        let sound = range.draw().map_err(|fault| unfit(&format!("{RANGES}/{at}"), fault))?;
        Ok(value(sound, &mut Random::at(order.seed, Purpose::Search, u64::from(trial), at as u64)))
    };
    order.ranges.iter().enumerate().map(one).collect()
}

fn value(draw: Draw<'_>, random: &mut Random) -> Value {
    match draw {
        Draw::Uniform(from, to) => json!(from + (to - from) * random.uniform()),
        Draw::LogUniform(from, to) => {
            // The rounding of the exponential may step over an end.
            let drawn = (from.ln() + (to.ln() - from.ln()) * random.uniform()).exp();
            json!(drawn.clamp(from, to))
        }
        Draw::Integer(from, to) => {
            let count = to.abs_diff(from).saturating_add(1);
            json!(from.saturating_add_unsigned(random.below(count)))
        }
        Draw::Choice(choices) => {
            let at = usize::try_from(random.below(choices.len() as u64)).unwrap_or_default();
            choices.get(at).cloned().unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(seed: u64, ranges: Value) -> SearchOrder {
        serde_json::from_value(json!({"base": {}, "seed": seed, "ranges": ranges})).unwrap()
    }

    fn trials(order: &SearchOrder) -> Vec<Vec<Value>> {
        (0..200).map(|trial| draw(order, trial).unwrap()).collect()
    }

    #[test]
    fn the_same_seed_draws_the_same_trials_and_every_value_lies_in_its_range() {
        let ranges = json!([{"path": "/a", "log_uniform": [1e-4, 1e-1]}, {"path": "/b", "integer": [-2, 2]},
                            {"path": "/c", "choice": ["x", [1]]}, {"path": "/d", "uniform": [5, 6]}]);
        let first = trials(&search(1, ranges.clone()));
        assert_eq!(first, trials(&search(1, ranges.clone())));
        assert_ne!(first, trials(&search(2, ranges.clone())));
        let shorter = json!([ranges[0], ranges[1]]);
        assert!(trials(&search(1, shorter)).iter().zip(&first).all(|(short, long)| short[..] == long[..2]));
        let (mut low, mut seen) = (0, std::collections::BTreeSet::new());
        for trial in &first {
            let rate = trial[0].as_f64().unwrap();
            assert!((1e-4..=1e-1).contains(&rate));
            low += i32::from(rate < 10_f64.powf(-2.5));
            seen.insert(trial[1].as_i64().unwrap());
            assert!(trial[2] == "x" || trial[2] == json!([1]));
            assert!((5.0..6.0).contains(&trial[3].as_f64().unwrap()));
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [-2, -1, 0, 1, 2]);
        // Half of 200 draws lie below the middle decade, give or take four deviations.
        assert!((72..=128).contains(&low), "{low}");
    }
}
