//! Heads and losses with the engines, the trainer, forecasts and the server.

use gatecast_core::order::{Head, Loss, ModelSpec};
use gatecast_core::trainer::TrainerEvent;
use gatecast_model::bundle;
use gatecast_nn::random::{Purpose, Random};
use serde_json::json;

use crate::forecast::House;
use crate::learn::{events, finished};
use crate::support::{TestServer, daily};
use crate::values::{frame, ordered};

fn quantiles(levels: &[f64]) -> Head {
    Head::Quantile { levels: levels.to_vec() }
}

/// A wave with mean 50 and noise with standard deviation 3.
fn noisy(points: usize) -> Vec<f64> {
    let mut random = Random::new(5, Purpose::Initialise, 0);
    (0..points).map(|step| 50.0 + 10.0 * (step as f64 / 4.0).sin() + 3.0 * random.normal()).collect()
}

/// Counts from a geometric distribution with mean 6, which is negative binomial with dispersion 1.
fn counts(points: usize) -> Vec<f64> {
    let mut random = Random::new(6, Purpose::Initialise, 0);
    // A chi-squared variable with two degrees of freedom is exponential; its integer part is geometric.
    let exponential = |random: &mut Random| 0.5 * (random.normal().powi(2) + random.normal().powi(2));
    (0..points).map(|_| (exponential(&mut random) / (7.0_f64 / 6.0).ln()).floor()).collect()
}

#[tokio::test]
async fn every_probabilistic_head_learns_the_spread_of_the_data() {
    let heads = [
        (quantiles(&[0.1, 0.5, 0.9]), noisy(500)),
        (Head::Normal {}, noisy(500)),
        (Head::StudentT {}, noisy(500)),
        (Head::NegativeBinomial {}, counts(500)),
    ];
    for (head, values) in heads {
        let house = House::new().await;
        let mut task = ordered(house.folder.path(), json!({}));
        task.order.model = ModelSpec { head: head.clone(), ..task.order.model };
        task.order.training.loss = head.default_loss();
        task.order.training.epochs = 15;
        let metrics = finished(&events(frame(&[("a", values.clone())]), &task));
        let test = metrics.model.test.unwrap();
        let naive = metrics.baselines.naive.test.unwrap();
        assert!(test.mae < naive.mae, "{head:?}: {test:?}, {naive:?}");
        assert!(test.pinball.is_some_and(|pinball| pinball > 0.0 && pinball < test.mae / 2.0), "{head:?}: {test:?}");
        let covered = test.coverage.iter().find(|coverage| coverage.level == 80.0).unwrap();
        assert!((0.6..=0.97).contains(&covered.share), "{head:?}: {test:?}");
        assert_eq!((naive.pinball, naive.coverage.len()), (None, 0));

        let bundle = bundle::read(&task.model).unwrap();
        assert_eq!(bundle.network.outputs, 3 * head.width());
        let id = house.keep(&bundle).await;
        let body = json!({"series": [{"id": "a", "values": values}], "horizon": 8, "levels": [80]});
        let forecast = house.ask(id, body).await.unwrap().remove(0);
        let [interval] = <[_; 1]>::try_from(forecast.intervals).unwrap();
        assert_eq!((forecast.mean.len(), interval.lower.len(), interval.upper.len()), (8, 8, 8));
        for (at, mean) in forecast.mean.iter().enumerate() {
            let (lower, upper) = (interval.lower[at], interval.upper[at]);
            assert!(lower <= *mean && *mean <= upper, "{head:?}: {lower} {mean} {upper}");
            // The central 80 % of a normal with deviation 3 is 7.7 wide; of the counts about 14.
            assert!((3.0..25.0).contains(&(upper - lower)), "{head:?}: {lower} {upper}");
            if head == (Head::NegativeBinomial {}) {
                assert!(lower >= 0.0 && lower.fract() == 0.0 && upper.fract() == 0.0);
            }
        }
        let trained_at: Vec<f64> = forecast.quantiles.iter().map(|quantile| quantile.level).collect();
        let ascending = |at: usize| forecast.quantiles.iter().map(|quantile| quantile.values[at]).collect::<Vec<_>>();
        match head {
            Head::Quantile { levels } => {
                assert_eq!(trained_at, levels);
                assert!((0..8).all(|at| ascending(at).is_sorted()));
                let wider = json!({"series": [{"values": values}], "levels": [80, 95]});
                let (pointer, detail) = house.refused(id, wider).await;
                assert_eq!(pointer, "/levels/1");
                assert!(detail.contains("the levels 80"), "{detail}");
            }
            _ => assert!(trained_at.is_empty()),
        }
    }
}

#[test]
fn the_negative_binomial_head_refuses_values_that_are_not_counts() {
    let folder = tempfile::tempdir().unwrap();
    let mut task = ordered(folder.path(), json!({}));
    task.order.model.head = Head::NegativeBinomial {};
    task.order.training.loss = Loss::Nll;
    match events(frame(&[("a", noisy(100))]), &task).last() {
        Some(TrainerEvent::Failed { code, detail, .. }) => {
            assert_eq!(code, "not_counts");
            assert!(detail.contains("`x` contains"), "{detail}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_probabilistic_model_returns_intervals() {
    let server = TestServer::start().await;
    let dataset = server.upload("?name=shops", daily(&["a", "b"], 120)).await.expect(201);
    let order = |model: serde_json::Value, training: serde_json::Value| json!({"kind": "train", "dataset": dataset["id"], "data": {"context": 14, "horizon": 7}, "model": model, "training": training});
    for (model, training, pointer) in [
        (json!({"head": "normal"}), json!({"loss": "mse"}), "/training/loss"),
        (json!({}), json!({"loss": "nll"}), "/training/loss"),
        (json!({}), json!({"loss": {"type": "huber", "delta": -1}}), "/training/loss"),
        (json!({"head": {"type": "quantile", "levels": [0.9, 0.1]}}), json!({}), "/model/head"),
        (json!({"head": {"type": "gauss"}}), json!({}), "/model/head"),
    ] {
        let answer = server.post("/v1/jobs", &order(model, training)).await;
        answer.expect_problem(422, "invalid_body");
        assert!(answer.json()["errors"][0]["pointer"].as_str().unwrap().starts_with(pointer), "{}", answer.text);
    }
    let wanted = order(json!({"layers": [4], "head": {"type": "student_t"}}), json!({"epochs": 2}));
    let job = server.post("/v1/jobs", &wanted).await.expect(202);
    assert_eq!(job["order"]["training"]["loss"], "nll");
    let job = server.ended(job["id"].as_str().unwrap()).await;
    assert_eq!(job["status"], "succeeded", "{job}\n{}", server.log());
    assert_eq!(job["metrics"]["validation"]["coverage"][0]["level"], 80.0);
    let body = json!({"dataset": job["dataset"], "series": ["a"], "horizon": 10, "levels": [80, 95]});
    let forecast = format!("/v1/models/{}/forecast", job["model"].as_str().unwrap());
    let answer = server.post(&forecast, &body).await.expect(200);
    let made = &answer["forecasts"][0];
    assert_eq!((&made["intervals"][0]["level"], &made["intervals"][1]["level"]), (&json!(80.0), &json!(95.0)));
    for at in 0..10 {
        let end = |level: usize, end: &str| made["intervals"][level][end][at].as_f64().unwrap();
        let row =
            [end(1, "lower"), end(0, "lower"), made["mean"][at].as_f64().unwrap(), end(0, "upper"), end(1, "upper")];
        assert!(row.is_sorted(), "{row:?}");
    }
    let refused = server.post(&forecast, &json!({"dataset": job["dataset"], "series": ["a"], "levels": [100]})).await;
    refused.expect_problem(422, "invalid_body");
}
