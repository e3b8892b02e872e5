//! Checks that the trainings of a comparison are evaluated on the same points, so that their metrics
//! can be ranked.

use super::kinds::TrainSpec;
use super::metric_name::MetricName;
use super::order::Split;
use super::resolve::FieldError;

/// One of several trainings, and the pointer to the part of the request that distinguishes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Compared {
    pub(crate) pointer: String,
    pub(crate) train: TrainSpec,
}

/// Returns every reason why the trainings cannot be ranked by the metric.
pub(crate) fn check(compared: &[Compared], metric: &MetricName) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let Some((first, others)) = compared.split_first() else { return errors };
    let part = metric.part();
    if !first.train.data.split.has(part) {
        errors.push(FieldError::new("/metric", format!("the split has no {part} part to evaluate on")));
    }
    for other in others {
        for field in differences(&first.train, &other.train) {
            errors.push(FieldError::new(
                format!("{}{field}", other.pointer),
                "differs from the first variant's: they would not be evaluated on the same points",
            ));
        }
        let (ours, theirs) = (&first.train, &other.train);
        if matches!(theirs.data.split, Split::Series { .. }) && ours.data.context != theirs.data.context {
            errors.push(FieldError::new(
                format!("{}/data/context", other.pointer),
                "differs from the first variant's: split by series, their windows would not forecast the same points",
            ));
        }
        let same_scale = ours.training.loss == theirs.training.loss && ours.data.scaling == theirs.data.scaling;
        if metric.is_scaled() && !same_scale {
            errors.push(FieldError::new(
                "/metric",
                format!("{metric} is in the network's scale, and the variants differ in loss or scaling: use mae, rmse, smape or mase"),
            ));
        }
    }
    let levels = |one: &Compared| one.train.model.head.evaluated_levels().to_vec();
    if metric.is_of_quantiles() && compared.iter().any(|one| levels(one).is_empty() || levels(one) != levels(first)) {
        errors.push(FieldError::new(
            "/metric",
            format!("{metric} is a mean over quantile levels: every variant needs a head that gives quantiles, of the same levels"),
        ));
    }
    errors.dedup();
    errors
}

/// The fields that select or prepare the evaluated points and in which the two trainings differ.
fn differences(a: &TrainSpec, b: &TrainSpec) -> impl Iterator<Item = &'static str> {
    let same = [
        ("/dataset", a.dataset == b.dataset),
        ("/data/targets", a.data.targets == b.data.targets),
        ("/data/horizon", a.data.horizon == b.data.horizon),
        ("/data/split", a.data.split == b.data.split),
        ("/data/missing", a.data.missing == b.data.missing),
        ("/data/resample", a.data.resample == b.data.resample),
    ];
    same.into_iter().filter(|(_, same)| !same).map(|(field, _)| field)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::order::merge_patch;

    fn compared(changes: &[Value]) -> Vec<Compared> {
        let base = json!({"dataset": "01920000-0000-7000-8000-000000000000", "data": {"targets": ["x"], "context": 4, "horizon": 2, "season": 1}});
        let one = |(at, change): (usize, &Value)| {
            let mut order = base.clone();
            merge_patch::merge(&mut order, change);
            Compared { pointer: format!("/variants/{at}"), train: serde_json::from_value(order).unwrap() }
        };
        changes.iter().enumerate().map(one).collect()
    }

    fn pointers(changes: &[Value], metric: &str) -> Vec<String> {
        check(&compared(changes), &metric.parse().unwrap()).into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn differences_in_the_evaluated_points_are_rejected() {
        let free = json!({"data": {"context": 5, "stride": 3}, "model": {"cell": "gru"}, "training": {"loss": "mae"}});
        assert!(pointers(&[json!({}), free.clone()], "mae").is_empty());
        assert_eq!(pointers(&[json!({}), json!({"data": {"horizon": 3}})], "mae"), ["/variants/1/data/horizon"]);
        let split = json!({"data": {"split": {"by": "series", "validation": 0.2}}});
        assert_eq!(pointers(&[json!({}), split.clone()], "mae"), ["/variants/1/data/split"]);
        let mut longer = split.clone();
        merge_patch::merge(&mut longer, &json!({"data": {"context": 9}}));
        assert_eq!(pointers(&[split.clone(), longer], "mae"), ["/variants/1/data/context"]);
        assert_eq!(pointers(&[split], "test.mae"), ["/metric"]);
        assert_eq!(pointers(&[json!({}), free], "loss"), ["/metric"]);
        let head = |head: Value| json!({"model": {"head": head}});
        let (normal, student) = (head(json!("normal")), head(json!("student_t")));
        let quantile = head(json!({"type": "quantile", "levels": [0.1, 0.9]}));
        assert!(pointers(&[normal.clone(), student], "pinball").is_empty());
        assert_eq!(pointers(&[normal.clone(), quantile], "pinball"), ["/metric"]);
        assert_eq!(pointers(&[normal, json!({})], "pinball"), ["/metric"]);
    }
}
