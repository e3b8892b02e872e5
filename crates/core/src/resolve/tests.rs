use serde_json::{Value, json};

use super::*;
use crate::dataset::{Column, Format, Layout};
use crate::order::{Activation, Base, Cell, Loss, Missing, Optimizer, Output, merge_patch};

fn profile(points: u64) -> Profile {
    let column = |name: &str, kind| Column {
        name: name.into(),
        kind,
        missing: 0,
        last: None,
        numbers: None,
        categories: vec![],
    };
    Profile {
        format: Format::Csv,
        layout: Layout::Long,
        layout_reason: String::new(),
        time_column: Some("day".into()),
        series_column: None,
        rows: points,
        points,
        series: 1,
        shortest: points,
        longest: points,
        start: "2001-01-01T00:00:00Z".parse().ok(),
        end: "2019-12-31T00:00:00Z".parse().ok(),
        frequency: "P1D".parse().ok(),
        frequencies: vec![],
        seasons: vec![],
        season_reason: None,
        gaps: 0,
        first_gaps: Vec::new(),
        duplicates_dropped: 0,
        constant: vec![],
        columns: vec![
            column("rail", ColumnKind::Number),
            column("bus", ColumnKind::Number),
            column("day_type", ColumnKind::Category),
        ],
        warnings: vec![],
    }
}

fn order(fields: Value) -> TrainRequest {
    let mut order = json!({"dataset": "01920000-0000-7000-8000-000000000000"});
    for (key, value) in fields.as_object().unwrap() {
        order[key] = value.clone();
    }
    serde_json::from_value(order).unwrap()
}

/// Resolves a request that omits only fields that do not affect the network.
fn spec(order: TrainRequest) -> TrainSpec {
    train(order, "cta", &profile(2000)).unwrap()
}

fn pointers(fields: Value) -> Vec<String> {
    let errors = train(order(fields), "cta", &profile(2000)).unwrap_err();
    errors.into_iter().map(|error| error.pointer).collect()
}

#[test]
fn open_fields_are_filled_from_the_data() {
    let resolved = train(order(json!({"data": {"targets": ["rail"]}})), "cta", &profile(2000)).unwrap();
    assert_eq!(resolved.data.season, 7);
    assert_eq!(resolved.data.horizon, 7);
    assert_eq!(resolved.data.context, 14, "the horizon and a quarter of it, in whole seasons");
    assert_eq!(resolved.data.split, Split::Horizons { validation: 10, test: 1 }, "one series needs several windows");
    assert_eq!((resolved.data.base, resolved.data.missing), (Base::SeasonalNaive, Missing::Mask));
    assert_eq!(resolved.data.differences().and_then(|differences| differences.seasonal), Some(7));
    assert_eq!(resolved.name, "cta: lstm 64 with layer norm");
    assert_eq!(resolved.model.output, Output::LastStep);
    assert_eq!((resolved.training.loss, resolved.training.refit), (Loss::Mae, true));
    assert_eq!((resolved.training.epochs, resolved.training.batch_size), (29, 64));
    assert_eq!(
        train(resolved.clone().into(), "cta", &profile(2000)).unwrap(),
        resolved,
        "resolving again changes nothing"
    );
}

#[test]
fn short_series_get_a_context_that_fits() {
    for points in 4..80 {
        let resolved = train(order(json!({"data": {"targets": ["rail"]}})), "cta", &profile(points)).unwrap();
        let window = resolved.data.context + resolved.data.horizon;
        assert!(window as u64 <= points, "{window} of {points}");
    }
}

#[test]
fn a_number_of_epochs_keeps_keras_defaults() {
    let resolved = |training: Value| {
        train(order(json!({"data": {"targets": ["rail"]}, "training": training})), "cta", &profile(2000))
            .unwrap()
            .training
    };
    let own = resolved(json!({"epochs": 7}));
    assert_eq!((own.epochs, own.batch_size, own.schedule, own.clip), (7, 32, Schedule::Constant {}, None));
    assert_eq!(own.optimizer, Optimizer::default());
    let open = resolved(json!({"batch_size": 16}));
    assert_eq!((open.batch_size, open.schedule), (16, Schedule::one_cycle()));
}

#[test]
fn what_the_base_contradicts_is_refused_or_turns_it_off() {
    let resolved = |rest: Value| {
        let mut request = json!({"data": {"targets": ["rail"]}});
        merge_patch::merge(&mut request, &rest);
        train(order(request), "cta", &profile(2000))
    };
    let base = |rest: Value| resolved(rest).unwrap().data.base;
    assert_eq!(base(json!({"data": {"differencing": {"order": 1}}})), Base::None);
    assert_eq!(base(json!({"training": {"loss": "smape"}})), Base::None);
    assert_eq!(base(json!({"data": {"base": "last_value"}})), Base::LastValue);
    assert_eq!(
        pointers(json!({"data": {"targets": ["rail"], "base": "last_value", "differencing": {"order": 1}}})),
        ["/data/base"]
    );
}

#[test]
fn columns_are_checked_against_the_dataset() {
    assert_eq!(pointers(json!({})), ["/data/targets"], "two number columns: which one?");
    assert_eq!(pointers(json!({"data": {"targets": ["rial"]}})), ["/data/targets/0"]);
    assert_eq!(pointers(json!({"data": {"targets": ["day_type"]}})), ["/data/targets/0"]);
    assert_eq!(pointers(json!({"data": {"targets": ["rail", "rail"]}})), ["/data/targets/1"]);
    assert_eq!(
        pointers(json!({"data": {"targets": ["rail"], "covariates": {"past": ["bus", "rail"]}}})),
        ["/data/covariates/past/1"]
    );
    let errors = train(order(json!({"data": {"targets": ["rial"]}})), "cta", &profile(2000)).unwrap_err();
    assert_eq!(errors[0].detail, "the dataset has no column `rial`; did you mean `rail`?");
}

#[test]
fn covariates_and_the_calendar_are_checked_against_the_dataset() {
    let rail = |mut data: Value| {
        data["targets"] = json!(["rail"]);
        pointers(json!({ "data": data }))
    };
    let future = |window: usize| json!({"covariates": {"future": ["day_type"]}, "future_window": window, "horizon": 7});
    assert_eq!(rail(json!({"covariates": {"future": ["dya_type"]}})), ["/data/covariates/future/0"]);
    assert_eq!(rail(json!({"covariates": {"static": ["rail"]}})), ["/data/covariates/static/0"]);
    assert_eq!(
        rail(json!({"covariates": {"past": ["bus"], "future": ["bus"]}})),
        ["/data/covariates/future/0"],
        "known ahead or not?"
    );
    assert_eq!(rail(future(8)), ["/data/future_window"]);
    assert_eq!(rail(json!({"future_window": 1})), ["/data/future_window"], "of what?");
    assert_eq!(rail(json!({"calendar": ["month", "month"]})), ["/data/calendar/1"]);
    assert_eq!(rail(json!({"lags": [7, 14, 7]})), ["/data/lags/2"]);
    assert_eq!(rail(json!({"lags": [1990], "context": 20})), ["/data/lags"]);
    let resolved = |data: Value| train(order(json!({ "data": data })), "cta", &profile(2000)).unwrap().data;
    let data = json!({"targets": ["rail"], "horizon": 7, "covariates": {"future": ["day_type", "bus"]}});
    assert_eq!(resolved(data).future_window, 7);
    let data = json!({"targets": ["rail"], "horizon": 300, "covariates": {"future": ["day_type", "bus"]}});
    assert_eq!(resolved(data).future_window, 128, "256 values at most");
    let mut timeless = profile(2000);
    timeless.start = None;
    let month = json!({"data": {"targets": ["rail"], "calendar": ["month"]}});
    assert_eq!(train(order(month), "m4", &timeless).unwrap_err()[0].pointer, "/data/calendar/0");
}

#[test]
fn a_calendar_is_a_name_or_an_object() {
    let calendar = json!(["hour_of_day", {"feature": "month", "as": "category"}]);
    let order = order(json!({"data": {"calendar": calendar}}));
    assert_eq!(serde_json::to_value(&order.data.calendar).unwrap(), calendar);
    let old = serde_json::to_value(super::DataRequest::default()).unwrap();
    for field in ["calendar", "lags", "future_window"] {
        assert_eq!(old.get(field), None, "orders without it read as they always did");
    }
    assert_eq!(old["covariates"], json!({"past": []}));
}

#[test]
fn windows_and_splits_are_checked_against_the_dataset() {
    let rail = |data: Value| {
        let mut data = data;
        data["targets"] = json!(["rail"]);
        pointers(json!({ "data": data }))
    };
    assert_eq!(rail(json!({"context": 1995, "horizon": 14})), ["/data/context"]);
    assert_eq!(rail(json!({"split": {"by": "time", "validation": 0.6, "test": 0.4}})), ["/data/split"]);
    assert_eq!(rail(json!({"split": {"by": "time", "training": 0.9, "validation": 0.2}})), ["/data/split"]);
    assert_eq!(rail(json!({"split": {"by": "time", "training": 0.0}})), ["/data/split/training"]);
    let all = json!({"data": {"targets": ["rail"],
        "split": {"by": "time", "training": 0.7, "validation": 0.15, "test": 0.15}}});
    train(order(all), "cta", &profile(2000)).unwrap();
    assert_eq!(rail(json!({"split": {"by": "series", "validation": 0.2}})), ["/data/split/validation"]);
    let backwards = json!({"from": "2019-05-31", "to": "2019-01-01"});
    assert_eq!(rail(json!({"split": {"by": "time", "validation": backwards}})), ["/data/split/validation"]);
    let mut timeless = profile(2000);
    timeless.start = None;
    let range = json!({"data": {"targets": ["rail"], "split": {"by": "time", "test": {"from": "2019-01-01"}}}});
    assert_eq!(train(order(range), "m4", &timeless).unwrap_err()[0].pointer, "/data/split/test");
}

#[test]
fn the_default_season_is_the_main_one_of_the_profile() {
    let season =
        |profile: &Profile| train(order(json!({"data": {"targets": ["rail"]}})), "cta", profile).unwrap().data.season;
    let mut found = profile(2000);
    assert_eq!(season(&found), 7, "of the frequency, in profiles stored without seasons");
    found.seasons = vec![14, 364];
    assert_eq!(season(&found), 14);
    found.seasons.clear();
    found.frequency = None;
    assert_eq!(season(&found), 1);
}

#[test]
fn early_stopping_needs_a_validation_part() {
    let fields = json!({
        "data": {"targets": ["rail"], "split": {"by": "time"}},
        "training": {"early_stopping": {"patience": 5}},
    });
    assert_eq!(pointers(fields), ["/training/early_stopping"]);
}

#[test]
fn warm_up_must_be_shorter_than_the_training() {
    let fields = |warmup: f64| {
        let schedule = json!({"type": "cosine", "warmup_epochs": warmup});
        json!({"data": {"targets": ["rail"]}, "training": {"epochs": 3, "schedule": schedule}})
    };
    assert_eq!(pointers(fields(3.0)), ["/training/schedule/warmup_epochs"]);
    assert!(train(order(fields(2.5)), "cta", &profile(2000)).is_ok());
}

#[test]
fn the_fused_engine_rejects_gpus() {
    let fields = json!({"data": {"targets": ["rail"]}, "training": {"engine": "fused", "device": "cuda"}});
    assert_eq!(pointers(fields), ["/training/engine"]);
}

#[test]
fn networks_too_large_for_any_machine_are_refused() {
    let fields = json!({"data": {"targets": ["rail"]}, "model": {"layers": vec![8192; 32]}});
    assert_eq!(pointers(fields), ["/model/layers"]);
}

#[test]
fn dates_mean_whole_days() {
    let fields = json!({"data": {"targets": ["rail"],
        "split": {"by": "time", "validation": {"from": "2019-01-01", "to": "2019-05-31"}}}});
    let order = order(fields);
    let Some(Split::Time { validation: Some(Part::Range(range)), .. }) = order.data.split else { panic!("a range") };
    assert_eq!(range.from.unwrap().to_string(), "2019-01-01T00:00:00Z");
    assert_eq!(range.to.unwrap().to_string(), "2019-05-31T23:59:59.999999Z");
    let again: TrainRequest = serde_json::from_str(&serde_json::to_string(&order).unwrap()).unwrap();
    assert_eq!(again, order, "what is stored is what was ordered");
}

#[test]
fn values_out_of_range_are_refused_by_field() {
    let cases = [
        (json!({"training": {"epochs": 0}}), "/training/epochs"),
        (json!({"training": {"batch_size": 0}}), "/training/batch_size"),
        (json!({"training": {"optimizer": {"type": "adam", "learning_rate": 1e30}}}), "/training/optimizer"),
        (json!({"training": {"optimizer": {"type": "sgd", "learning_rate": 0}}}), "/training/optimizer"),
        (json!({"training": {"clip": {"norm": -1.0}}}), "/training/clip"),
        (json!({"training": {"early_stopping": {"patience": 0}}}), "/training/early_stopping"),
        (json!({"data": {"horizon": 0}}), "/data/horizon"),
        (json!({"data": {"horizon": 1_000_000}}), "/data/horizon"),
        (json!({"data": {"stride": 0}}), "/data/stride"),
        (json!({"data": {"lags": [1]}}), "/data/lags"),
        (json!({"data": {"future_window": 0}}), "/data/future_window"),
        (json!({"data": {"split": {"by": "time", "validation": -0.1}}}), "/data/split"),
        (json!({"model": {"layers": []}}), "/model/layers"),
        (json!({"model": {"layers": [0]}}), "/model/layers/0"),
        (json!({"model": {"layers": [{"units": 0}]}}), "/model/layers/0/units"),
        (json!({"model": {"layers": [8, {"units": 4, "dropout": 1}]}}), "/model/layers/1/dropout"),
        (json!({"model": {"dropout": 1.0}}), "/model/dropout"),
        (json!({"model": {"recurrent_dropout": -0.1}}), "/model/recurrent_dropout"),
        (json!({"model": {"dilations": [0, 1]}}), "/model/dilations/0"),
        (
            json!({"model": {"kernel_initializer": {"type": "random_normal", "stddev": -1}}}),
            "/model/kernel_initializer/stddev",
        ),
        (json!({"model": {"layers": vec![4; 1000]}}), "/model/layers"),
        (json!({"name": ""}), "/name"),
    ];
    for (fields, at) in cases {
        let errors = fields::check(order(fields.clone())).unwrap_err();
        let pointers: Vec<String> = errors.into_iter().map(|error| error.pointer).collect();
        assert!(pointers.len() == 1 && pointers[0].starts_with(at), "{fields}: {pointers:?}");
    }
    fields::check(order(json!({}))).unwrap();
}

#[test]
fn values_that_contradict_each_other_are_refused_by_field() {
    let model = |fields: Value| json!({"data": {"targets": ["rail"]}, "model": fields});
    for levels in [json!([0.5, 0.1]), json!([0.5, 0.5])] {
        let head = json!({"head": {"type": "quantile", "levels": levels}});
        assert_eq!(pointers(model(head)), ["/model/head/levels"]);
    }
    let uniform = json!({"kernel_initializer": {"type": "random_uniform", "minval": 1, "maxval": 0}});
    assert_eq!(pointers(model(uniform)), ["/model/kernel_initializer"]);
}

#[test]
fn unreadable_requests_are_rejected_with_a_reason() {
    let cases = [
        (json!({"training": {"seed": -1}}), "invalid value: integer `-1`, expected u64"),
        (json!({"training": {"epochs": 9_223_372_036_854_775_808_u64}}), "expected u32"),
        (json!({"training": {"device": "gpu"}}), "is not a device"),
        (json!({"training": {"epoch": 3}}), "unknown field `epoch`"),
        (json!({"model": {"cell": "rnn"}}), "unknown variant `rnn`"),
        (json!({"model": {"layers": ["32"]}}), "units such as 32, or a layer"),
        (json!({"model": {"layers": [-1]}}), "units such as 32, or a layer"),
        (json!({"model": {"layers": [{"dropout": 0.2}]}}), "missing field `units`"),
        (json!({"model": {"layers": [{"units": 4, "droput": 0.2}]}}), "unknown field `droput`"),
        (json!({"data": {"split": {"by": "time", "validation": {"form": "2019-01-01"}}}}), "unknown field `form`"),
        (json!({"data": {"split": {"by": "time", "validation": {"from": "2019-02-30"}}}}), "expected a date"),
        (json!({"data": {"split": {"by": "time", "validation": "15%"}}}), "a share such as 0.15"),
        (json!({"data": {"calendar": ["moon"]}}), "unknown variant `moon`"),
        (json!({"data": {"calendar": [{"feature": "month", "as": "text"}]}}), "unknown variant `text`"),
        (json!({"data": {"calendar": [7]}}), "a feature such as"),
    ];
    for (fields, reason) in cases {
        let mut body = json!({"dataset": "01920000-0000-7000-8000-000000000000"});
        for (key, value) in fields.as_object().unwrap() {
            body[key] = value.clone();
        }
        let error = serde_json::from_value::<TrainRequest>(body).unwrap_err().to_string();
        assert!(error.contains(reason), "{fields}: {error}");
    }
}

#[test]
fn cells_count_their_own_gates() {
    let count = |cell: Cell| {
        let mut order = order(json!({"data": {"targets": ["rail"], "horizon": 3}, "model": {"layers": [5, 4]}}));
        order.model.cell = cell;
        order.training.optimizer = Some(Optimizer::default());
        parameter_count(&spec(order))
    };
    let dense = 3 * (4 + 1);
    let weights = 5 * (1 + 5 + 1) + 4 * (5 + 4 + 1);
    assert_eq!(count(Cell::SimpleRnn), weights + dense);
    assert_eq!(count(Cell::Lstm), 4 * weights + dense);
    assert_eq!(count(Cell::Gru), 3 * weights + dense);
    let without_state = 5 * (1 + 1) + 4 * (5 + 1);
    assert_eq!(count(Cell::MinGru), 2 * without_state + dense);
    let both_ways = json!({"layers": [5, 4], "cell": "gru", "bidirectional": true, "output": "last_step"});
    let order = order(json!({"data": {"targets": ["rail"], "horizon": 3}, "model": both_ways}));
    let weights = 5 * (1 + 5 + 1) + 4 * (10 + 4 + 1);
    assert_eq!(parameter_count(&spec(order)), 2 * 3 * weights + 3 * (8 + 1));
}

#[test]
fn layer_settings_override_those_of_the_model() {
    let model = json!({"cell": "simple_rnn", "activation": "relu", "dropout": 0.1, "residual": true,
        "dilations": [1, 2, 4],
        "layers": [32, {"units": 32, "dropout": 0.3, "layer_norm": true}, {"units": 16, "cell": "gru", "dilation": 8}]});
    let order = order(json!({"data": {"targets": ["rail"]}, "model": model}));
    let order = fields::check(order).unwrap();
    let [first, second, third] = order.model.stack()[..] else { panic!("three layers") };
    assert_eq!((first.activation, first.dropout, first.residual), (Activation::Relu, 0.1, false));
    assert_eq!((second.dropout, second.layer_norm, second.residual, second.dilation), (0.3, true, true, 2));
    assert_eq!((third.cell, third.activation, third.residual), (Cell::Gru, Activation::Tanh, false));
    assert_eq!((third.dilation, third.dropout), (8, 0.1));
    assert_eq!(serde_json::to_value(&order).unwrap()["model"]["layers"], model_layers(&order), "kept as written");
    let resolved = train(order, "cta", &profile(2000)).unwrap();
    assert_eq!(resolved.name, "cta: simple_rnn 32+32+gru 16 with layer norm");
}

fn model_layers(order: &TrainRequest) -> Value {
    let [_, LayerSpec::Settings(second), _] = &order.model.layers[..] else { panic!("settings") };
    assert_eq!(second.units, 32);
    json!([32, {"units": 32, "dropout": 0.3, "layer_norm": true}, {"units": 16, "cell": "gru", "dilation": 8}])
}

#[test]
fn old_requests_keep_their_stored_form() {
    let model = json!({"cell": "lstm", "layer_norm": true, "layers": [8, 4], "output": "last_step"});
    let order = order(json!({"model": model}));
    assert_eq!(serde_json::to_value(&order.model).unwrap(), model);
}

#[test]
fn models_that_contradict_themselves_are_refused_by_field() {
    let cases = [
        (json!({"activation": "relu"}), vec!["/model/activation"]),
        (json!({"layers": [8, {"units": 4, "activation": "relu"}]}), vec!["/model/layers/1/activation"]),
        (json!({"cell": "gru", "unit_forget_bias": false}), vec!["/model/unit_forget_bias"]),
        (json!({"cell": "min_gru", "recurrent_dropout": 0.1}), vec!["/model/recurrent_dropout"]),
        (json!({"cell": "min_gru", "recurrent_initializer": "identity"}), vec!["/model/recurrent_initializer"]),
        (
            json!({"layers": [8, {"units": 4, "cell": "min_gru", "recurrent_dropout": 0.1}]}),
            vec!["/model/layers/1/recurrent_dropout"],
        ),
        (json!({"recurrent_dropout": 0.1, "layers": [8, {"units": 8, "cell": "min_gru"}]}), vec![]),
        (json!({"cell": "min_gru", "dropout": 0.1, "layer_norm": true}), vec![]),
        (json!({"bidirectional": true, "output": "every_step"}), vec!["/model/bidirectional"]),
        (
            json!({"layers": [{"units": 4, "bidirectional": true}], "output": "every_step"}),
            vec!["/model/layers/0/bidirectional"],
        ),
        (json!({"bidirectional": true, "output": "last_step"}), vec![]),
        (json!({"residual": true, "layers": [8, 4]}), vec!["/model/residual"]),
        (json!({"residual": true, "layers": [8, 8]}), vec![]),
        (json!({"layers": [{"units": 1, "residual": true}]}), vec!["/model/layers/0/residual"]),
        (json!({"dilations": [1, 2, 4]}), vec!["/model/dilations"]),
        (json!({"layers": [8, 8], "dilations": [1, 32]}), vec!["/model/dilations/1"]),
        (json!({"layers": [8, {"units": 4, "dilation": 40}]}), vec!["/model/layers/1/dilation"]),
        (json!({"recurrent_initializer": "identity"}), vec!["/model/recurrent_initializer"]),
        (json!({"recurrent_initializer": "identity", "cell": "simple_rnn"}), vec![]),
        (json!({"kernel_initializer": "identity"}), vec!["/model/kernel_initializer"]),
        (json!({"layers": [{"units": 4, "bias_initializer": "orthogonal"}]}), vec!["/model/layers/0/bias_initializer"]),
    ];
    for (model, expected) in cases {
        let order = order(json!({"data": {"targets": ["rail"]}, "model": model}));
        let errors = train(order, "cta", &profile(2000)).err().unwrap_or_default();
        let found: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(found, expected, "{model}");
    }
}

#[test]
fn value_changes_are_checked_against_the_dataset() {
    let data = |fields: Value| {
        let mut data = json!({"targets": ["rail"]});
        fields.as_object().unwrap().iter().for_each(|(key, value)| data[key] = value.clone());
        json!({"data": data})
    };
    assert_eq!(pointers(data(json!({"differencing": {}}))), ["/data/differencing"]);
    let far = json!({"context": 1000, "horizon": 7, "differencing": {"seasonal": 1000}});
    assert_eq!(pointers(data(far)), ["/data/differencing"]);
    let mut negative = profile(2000);
    negative.columns[0].numbers = Some(crate::dataset::NumberSummary { min: 0.0, mean: 1.0, max: 2.0, std: 1.0 });
    let resolved = |transform: &str| train(order(data(json!({"transform": transform}))), "cta", &negative);
    assert_eq!(resolved("log").unwrap_err()[0].pointer, "/data/transform");
    assert!(resolved("log1p").is_ok());
    let weekly = train(order(data(json!({"resample": {"every": "P7D"}}))), "cta", &profile(2000)).unwrap();
    assert_eq!(weekly.data.season, 52, "of the step it is brought to");
}
