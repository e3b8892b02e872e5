//! Optimisers over the flat parameter buffer, step for step what Keras 3 does.
//!
//! One loop an optimiser, free of branches, for the compiler to vectorise. The factors of a step
//! are taken in single precision where Keras does so: 1 − 0.999 is off by 5e-5 of itself there,
//! and the difference shows in the weights.

use gatecast_core::order::Optimizer;

/// An optimiser and what it remembers from step to step.
#[derive(Debug, Clone, PartialEq)]
pub struct OptimizerState {
    optimizer: Optimizer,
    steps: u64,
    /// Nadam's product of all momenta so far: a function of `steps`.
    momenta: f32,
    /// As [`slot_names`] names them; empty where the optimiser has none.
    slots: [Vec<f32>; 2],
}

/// A stored state does not belong to this optimiser or network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the optimiser's state lacks `{0}`, or has another length of it")]
pub struct InvalidState(&'static str);

/// One vector as long as the parameters by each name.
fn slot_names(optimizer: &Optimizer) -> &'static [&'static str] {
    match optimizer {
        Optimizer::Adam { .. } | Optimizer::Adamw { .. } | Optimizer::Nadam { .. } => {
            &["first_moment", "second_moment"]
        }
        Optimizer::Rmsprop { momentum: 0.0, .. } => &["mean_square"],
        Optimizer::Rmsprop { .. } => &["mean_square", "momentum"],
        Optimizer::Sgd { momentum: 0.0, .. } => &[],
        Optimizer::Sgd { .. } => &["momentum"],
    }
}

impl OptimizerState {
    /// Before the first step over `parameters` numbers.
    pub fn new(optimizer: Optimizer, parameters: usize) -> Self {
        let used = slot_names(&optimizer).len();
        let slot = |at| vec![0.0; if at < used { parameters } else { 0 }];
        Self { optimizer, steps: 0, momenta: 1.0, slots: [slot(0), slot(1)] }
    }

    /// After `steps` steps; `stored` gives a slot's values by its name.
    pub fn restore(
        optimizer: Optimizer,
        parameters: usize,
        steps: u64,
        mut stored: impl FnMut(&str) -> Option<Vec<f32>>,
    ) -> Result<Self, InvalidState> {
        let mut state = Self::new(optimizer, parameters);
        for (slot, name) in state.slots.iter_mut().zip(slot_names(&optimizer)) {
            *slot = stored(name).filter(|values| values.len() == parameters).ok_or(InvalidState(name))?;
        }
        if let Optimizer::Nadam { beta_1, .. } = optimizer {
            // The same products in the same order as step by step, so the same number.
            state.momenta = (1..=steps).fold(1.0, |product, step| product * nadam_momentum(beta_1, step));
        }
        state.steps = steps;
        Ok(state)
    }

    /// Steps made.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// All that must be stored beside the count of steps, by name, always in one order.
    pub fn slots(&self) -> impl Iterator<Item = (&'static str, &[f32])> {
        slot_names(&self.optimizer).iter().copied().zip(self.slots.iter().map(Vec::as_slice))
    }

    /// Moves `parameters` against `gradient`, both as long as the state was made for, at a learning
    /// rate: the configured one, as the schedule has changed it.
    pub fn step(&mut self, parameters: &mut [f32], gradient: &[f32], learning_rate: f64) {
        self.steps += 1;
        let decay = self.optimizer.weight_decay() as f32;
        if decay > 0.0 {
            let rate = learning_rate as f32;
            parameters.iter_mut().for_each(|p| *p -= *p * decay * rate);
        }
        let [first, second] = &mut self.slots;
        match self.optimizer {
            Optimizer::Adam { beta_1, beta_2, epsilon, .. } | Optimizer::Adamw { beta_1, beta_2, epsilon, .. } => {
                let steps = self.steps;
                let unbias = (1.0 - power(beta_2 as f32, steps)).sqrt() / (1.0 - power(beta_1 as f32, steps));
                let rate = learning_rate as f32 * unbias;
                let (one_less_1, one_less_2, epsilon) = ((1.0 - beta_1) as f32, (1.0 - beta_2) as f32, epsilon as f32);
                let moments = first.iter_mut().zip(second);
                for ((p, &g), (m, v)) in parameters.iter_mut().zip(gradient).zip(moments) {
                    *m += (g - *m) * one_less_1;
                    *v += (g * g - *v) * one_less_2;
                    *p -= *m * rate / (v.sqrt() + epsilon);
                }
            }
            Optimizer::Nadam { beta_1, beta_2, epsilon, .. } => {
                let (now, next) = (nadam_momentum(beta_1, self.steps), nadam_momentum(beta_1, self.steps + 1));
                self.momenta *= now;
                let of_moment = next / (1.0 - self.momenta * next);
                let of_gradient = (1.0 - now) / (1.0 - self.momenta);
                let rate = learning_rate as f32;
                let (beta_1, beta_2, epsilon) = (beta_1 as f32, beta_2 as f32, epsilon as f32);
                let unbias = 1.0 / (1.0 - power(beta_2, self.steps));
                let moments = first.iter_mut().zip(second);
                for ((p, &g), (m, v)) in parameters.iter_mut().zip(gradient).zip(moments) {
                    *m += (g - *m) * (1.0 - beta_1);
                    *v += (g * g - *v) * (1.0 - beta_2);
                    *p -= (*m * of_moment + g * of_gradient) * rate / ((*v * unbias).sqrt() + epsilon);
                }
            }
            Optimizer::Rmsprop { rho, momentum, epsilon, .. } => {
                let (rate, rho, epsilon) = (learning_rate as f32, rho as f32, epsilon as f32);
                let mean_squares = first.iter_mut();
                if momentum == 0.0 {
                    for ((p, &g), v) in parameters.iter_mut().zip(gradient).zip(mean_squares) {
                        *v = rho * *v + (1.0 - rho) * g * g;
                        *p -= rate * g / (*v + epsilon).sqrt();
                    }
                } else {
                    let momentum = momentum as f32;
                    for ((p, &g), (v, m)) in parameters.iter_mut().zip(gradient).zip(mean_squares.zip(second)) {
                        *v = rho * *v + (1.0 - rho) * g * g;
                        *m = momentum * *m + rate * g / (*v + epsilon).sqrt();
                        *p -= *m;
                    }
                }
            }
            Optimizer::Sgd { momentum, nesterov, .. } => {
                let (rate, momentum) = (learning_rate as f32, momentum as f32);
                let both = parameters.iter_mut().zip(gradient);
                if momentum == 0.0 {
                    both.for_each(|(p, &g)| *p -= rate * g);
                } else if nesterov {
                    for ((p, &g), m) in both.zip(first) {
                        *m = momentum * *m - rate * g;
                        *p += momentum * *m - rate * g;
                    }
                } else {
                    for ((p, &g), m) in both.zip(first) {
                        *m = momentum * *m - rate * g;
                        *p += *m;
                    }
                }
            }
        }
    }
}

fn power(base: f32, steps: u64) -> f32 {
    base.powf(steps as f32)
}

/// Dozat 2016: the momentum grows towards β₁ with the steps.
fn nadam_momentum(beta_1: f64, step: u64) -> f32 {
    beta_1 as f32 * (1.0 - 0.5 * power(0.96, step))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of each kind, with and without its options; the rate is the caller's.
    fn all() -> Vec<Optimizer> {
        let kinds = [
            r#"{"type": "adam"}"#,
            r#"{"type": "adamw"}"#,
            r#"{"type": "nadam", "weight_decay": 0.1}"#,
            r#"{"type": "rmsprop"}"#,
            r#"{"type": "rmsprop", "momentum": 0.9}"#,
            r#"{"type": "sgd", "weight_decay": 0.01}"#,
            r#"{"type": "sgd", "momentum": 0.9, "nesterov": true}"#,
        ];
        kinds.into_iter().map(|kind| serde_json::from_str(kind).unwrap()).collect()
    }

    /// The gradient of |p|² by p.
    fn descend(state: &mut OptimizerState, parameters: &mut [f32], steps: usize) {
        for _ in 0..steps {
            let gradient: Vec<f32> = parameters.iter().map(|p| 2.0 * p).collect();
            state.step(parameters, &gradient, 0.01);
        }
    }

    #[test]
    fn every_optimiser_descends() {
        for optimizer in all() {
            let mut parameters = vec![1.0, -2.0, 0.5];
            descend(&mut OptimizerState::new(optimizer, 3), &mut parameters, 500);
            assert!(parameters.iter().all(|p| p.abs() < 0.1), "{optimizer:?}: {parameters:?}");
        }
    }

    #[test]
    fn a_restored_state_goes_on_to_the_byte() {
        for optimizer in all() {
            let mut straight = vec![1.0, -2.0, 0.5];
            let mut state = OptimizerState::new(optimizer, 3);
            descend(&mut state, &mut straight, 5);
            let mut resumed = straight.clone();
            let stored: Vec<(&str, Vec<f32>)> = state.slots().map(|(name, values)| (name, values.to_vec())).collect();
            let find = |name: &str| stored.iter().find(|(n, _)| *n == name).map(|(_, values)| values.clone());
            let mut again = OptimizerState::restore(optimizer, 3, state.steps(), find).unwrap();
            assert_eq!(again, state);
            descend(&mut state, &mut straight, 5);
            descend(&mut again, &mut resumed, 5);
            assert_eq!(straight, resumed, "{optimizer:?}");
        }
    }

    #[test]
    fn a_state_of_another_network_is_refused() {
        let error = OptimizerState::restore(Optimizer::default(), 3, 1, |_| Some(vec![0.0; 4])).unwrap_err();
        assert!(error.to_string().contains("first_moment"));
        assert!(OptimizerState::restore(Optimizer::default(), 3, 1, |_| None).is_err());
    }

    /// Decay by itself: (1 − ηλ) of each weight remains, and then the step is as without.
    #[test]
    fn decay_shrinks_before_the_step_and_leaves_the_moments_alone() {
        for optimizer in all() {
            let mut text = serde_json::to_value(optimizer).unwrap();
            text["weight_decay"] = 0.0.into();
            let without: Optimizer = serde_json::from_value(text.clone()).unwrap();
            text["weight_decay"] = 0.25.into();
            let with: Optimizer = serde_json::from_value(text).unwrap();
            let gradient = [0.3, -0.2, 0.0];
            let (mut plain, mut decayed) = ([1.0_f32, -2.0, 0.5], [1.0_f32, -2.0, 0.5]);
            let (mut one, mut other) = (OptimizerState::new(without, 3), OptimizerState::new(with, 3));
            for _ in 0..4 {
                let expected: Vec<f32> = decayed.iter().map(|p| p * (1.0 - 0.25 * 0.1)).collect();
                let before = plain;
                one.step(&mut plain, &gradient, 0.1);
                other.step(&mut decayed, &gradient, 0.1);
                for at in 0..3 {
                    let step = plain[at] - before[at];
                    // Two roundings of numbers of about 2.
                    assert!((decayed[at] - (expected[at] + step)).abs() < 1e-6, "{optimizer:?}");
                }
            }
            let slots = |state: &OptimizerState| state.slots().map(|(_, slot)| slot.to_vec()).collect::<Vec<_>>();
            assert_eq!(slots(&one), slots(&other), "{optimizer:?}");
        }
    }

    /// AdamW by Loshchilov and Hutter's algorithm 2, in double precision.
    #[test]
    fn adamw_follows_its_paper() {
        let (rate, decay, beta_1, beta_2, epsilon) = (0.01, 0.004, 0.9, 0.999, 1e-7);
        let mut state = OptimizerState::new(serde_json::from_str(r#"{"type": "adamw"}"#).unwrap(), 2);
        let mut got = [0.7_f32, -1.3];
        let mut expected = [0.7_f64, -1.3];
        let (mut m, mut v) = ([0.0; 2], [0.0; 2]);
        for step in 1..=5 {
            let gradient = [0.1 * f64::from(step), 0.5 - 0.2 * f64::from(step)];
            state.step(&mut got, &gradient.map(|g| g as f32), rate);
            for at in 0..2 {
                m[at] = beta_1 * m[at] + (1.0 - beta_1) * gradient[at];
                v[at] = beta_2 * v[at] + (1.0 - beta_2) * gradient[at] * gradient[at];
                let (m_hat, v_hat): (f64, f64) = (m[at] / (1.0 - beta_1.powi(step)), v[at] / (1.0 - beta_2.powi(step)));
                expected[at] -= rate * m_hat / (v_hat.sqrt() + epsilon) + rate * decay * expected[at];
            }
        }
        for at in 0..2 {
            // 1 − 0.999 is off by 5e-5 of itself in single precision, and so is half of each step.
            assert!((f64::from(got[at]) - expected[at]).abs() < 5e-6, "{got:?} {expected:?}");
        }
    }
}
