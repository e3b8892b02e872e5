use super::Ces;
use super::filter::Form;
use crate::air_passengers::{self, PASSENGERS};
use crate::{Method, series::Series};

/// statsforecast 2.1.1: `AutoCES(season_length=12).forecast(y=AirPassengers, h=12)["mean"]`. It chooses the full form, and holds its
/// states in single precision.
#[test]
fn the_forecast_is_that_of_statsforecast() {
    let expected =
        [453.018, 429.323, 488.628, 500.276, 519.783, 586.456, 677.021, 676.168, 563.638, 501.250, 435.947, 481.609];
    let fitted = Method::Ces.fit(&PASSENGERS, 12);
    assert_eq!(fitted.form(), "CES(full)");
    for (mean, expected) in fitted.forecast(12).mean.into_iter().zip(expected) {
        assert!((mean / expected - 1.0).abs() < 4e-3, "{mean}, not {expected}");
    }
}

/// statsforecast 2.1.1: `auto_ces(AirPassengers, 12, model="N")["par"]` has 1.8 and 0.9839; `model="S"` 1.8 and 1.1939.
#[test]
fn the_weights_are_those_of_statsforecast() {
    let series = air_passengers::series();
    for (form, imaginary) in [(Form::None, 0.9839), (Form::Simple, 1.1939)] {
        let start = super::start(form, &series.values, 12);
        let (weights, _) = super::search(form, &series, &start, 144, 0.1);
        let [real, found] = weights.alpha;
        assert!((real - 1.8).abs() < 1e-3 && (found - imaginary).abs() < 5e-3, "{form}: {weights:?}");
    }
}

#[test]
fn a_short_rise_does_not_explode() {
    let rise: Vec<f64> = (0..14).map(|at| 1.6_f64.powi(at)).collect();
    let series = Series::latest(&rise, 12).unwrap();
    let ces = Ces::fit(&series).unwrap();
    let last = rise[13];
    let far = ces.forecast(24).mean[23] * series.scale;
    // The level grows by a sixtieth a step at most (a fifth over the season).
    assert!(far < 3.0 * last, "{far} after {last}");
}

/// The variance of a linear model: the sum of the squared answers to a unit error, each the difference of two forecasts.
#[test]
fn the_deviation_follows_from_the_answers_to_an_error() {
    let fitted = Ces::fit(&air_passengers::series()).unwrap();
    let values = air_passengers::series().values;
    let at_end = |last: f64| {
        let mut longer = air_passengers::series();
        longer.values = values.iter().copied().chain([last]).collect();
        fitted.refilter(&longer).unwrap().forecast(6).mean
    };
    let answers: Vec<f64> = at_end(2.0).iter().zip(at_end(1.0)).map(|(with, without)| with - without).collect();
    let sigma = fitted.forecast(7).sigma;
    let mut total = 1.0;
    for (answer, sigma_ahead) in answers.iter().zip(&sigma[1..]) {
        total += answer * answer;
        assert!((sigma_ahead / sigma[0] - f64::sqrt(total)).abs() < 1e-9, "{sigma:?}");
    }
}
