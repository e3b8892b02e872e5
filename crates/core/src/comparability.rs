//! Trainings that shall be ranked against each other must be judged on the same windows.

use serde_json::{Value, json};

use super::metric_name::MetricName;
use super::order::{Split, TrainSpec};
use super::resolve::FieldError;

/// What says which points are forecast, and what they are held against.
const SAME: [&str; 6] =
    ["/dataset", "/data/targets", "/data/horizon", "/data/split", "/data/missing", "/data/resample"];

/// One of several resolved orders, and where the caller wrote what sets it apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Rival {
    pub pointer: String,
    pub order: TrainSpec,
}

/// All that keeps the orders from being ranked by the metric.
pub fn check(rivals: &[Rival], metric: &MetricName) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let Some(first) = rivals.first() else { return errors };
    if !first.order.data.split.has(metric.part()) {
        let part = metric.part();
        errors.push(FieldError::new("/metric", format!("the split has no {part} part to judge on")));
    }
    let base = json!(first.order);
    let same = |pointer: &str, order: &Value| order.pointer(pointer) == base.pointer(pointer);
    for rival in rivals.iter().skip(1) {
        let order = json!(rival.order);
        for pointer in SAME.into_iter().filter(|pointer| !same(pointer, &order)) {
            errors.push(FieldError::new(
                format!("{}{pointer}", rival.pointer),
                "differs from the first variant's: they would not be judged on the same points",
            ));
        }
        let by_series = matches!(rival.order.data.split, Split::Series { .. });
        if by_series && !same("/data/context", &order) {
            errors.push(FieldError::new(
                format!("{}/data/context", rival.pointer),
                "differs from the first variant's: split by series, their windows would not forecast the same points",
            ));
        }
        if metric.is_scaled() && !["/training/loss", "/data/scaling"].iter().all(|field| same(field, &order)) {
            errors.push(FieldError::new(
                "/metric",
                format!("{metric} is in the network's scale, and the variants differ in loss or scaling: take mae, rmse, smape or mase"),
            ));
        }
    }
    let levels = |rival: &Rival| rival.order.model.head.evaluated_levels().to_vec();
    if metric.is_of_quantiles() && rivals.iter().any(|rival| levels(rival).is_empty() || levels(rival) != levels(first))
    {
        errors.push(FieldError::new(
            "/metric",
            format!("{metric} is a mean over quantile levels: every variant needs a head that gives quantiles, of the same levels"),
        ));
    }
    errors.dedup();
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::merge_patch;

    fn rivals(changes: &[Value]) -> Vec<Rival> {
        let base = json!({"dataset": "01920000-0000-7000-8000-000000000000", "data": {"targets": ["x"], "horizon": 2}});
        let rival = |(at, change): (usize, &Value)| {
            let mut order = base.clone();
            merge_patch::merge(&mut order, change);
            Rival { pointer: format!("/variants/{at}"), order: serde_json::from_value(order).unwrap() }
        };
        changes.iter().enumerate().map(rival).collect()
    }

    fn pointers(changes: &[Value], metric: &str) -> Vec<String> {
        check(&rivals(changes), &metric.parse().unwrap()).into_iter().map(|error| error.pointer).collect()
    }

    #[test]
    fn what_changes_the_judged_points_is_named() {
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
