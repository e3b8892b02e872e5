//! The losses of a point head. Each returns the loss and its slope by the forecast.

use gatecast_core::quantile_level;

use super::TargetScale;

/// The denominator of SMAPE is taken to be at least this share of the unit's factor: where value
/// and forecast are both near zero the loss would be steeper than any step can follow.
const SMAPE_FLOOR: f64 = 0.01;

pub(super) fn squared(forecast: f64, value: f64) -> (f64, f64) {
    let error = forecast - value;
    (error * error, 2.0 * error)
}

pub(super) fn absolute(forecast: f64, value: f64) -> (f64, f64) {
    let error = forecast - value;
    (error.abs(), sign(error))
}

/// Huber 1964.
pub(super) fn huber(delta: f64, forecast: f64, value: f64) -> (f64, f64) {
    let error = forecast - value;
    if error.abs() <= delta {
        (0.5 * error * error, error)
    } else {
        (delta * (error.abs() - 0.5 * delta), delta * sign(error))
    }
}

/// Makridakis 1993: 200 |y − ŷ| / (|y| + |ŷ|), in the data's units.
pub(super) fn smape(forecast: f64, value: f64, unit: TargetScale) -> (f64, f64) {
    let (value, forecast) = (unit.of(value), unit.of(forecast));
    let error = forecast - value;
    let size = forecast.abs() + value.abs();
    let floor = SMAPE_FLOOR * unit.factor;
    let (size, by_size) =
        if size < floor { (floor, 0.0) } else { (size, error.abs() * sign(forecast) / (size * size)) };
    (200.0 * error.abs() / size, 200.0 * (sign(error) / size - by_size) * unit.factor)
}

/// Hyndman and Koehler 2006: |y − ŷ| over the seasonal naive error, in the data's units. A series
/// whose seasonal naive error is 0 or unknown counts in the network's scale.
pub(super) fn mase(forecast: f64, value: f64, unit: TargetScale) -> (f64, f64) {
    let scale = if unit.seasonal > 0.0 { unit.factor / unit.seasonal } else { 1.0 };
    let (error, slope) = absolute(forecast, value);
    (scale * error, scale * slope)
}

/// Koenker and Bassett 1978: the pinball loss of one level, and its slope by the forecast.
pub(super) fn pinball(level: f64, forecast: f64, value: f64) -> (f64, f64) {
    let error = value - forecast;
    let slope = if error == 0.0 {
        0.0
    } else if error < 0.0 {
        1.0 - level
    } else {
        -level
    };
    (quantile_level::pinball(level, forecast, value), slope)
}

/// −1, 0 or 1; NaN for NaN.
fn sign(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x.signum() }
}
