"""Forecasts, the seasonal naive one, and what forecasts are scored by."""

import math
import statistics
from dataclasses import dataclass, field

DECILES = tuple(tenth / 10 for tenth in range(1, 10))
COVERAGES = (80, 95)


@dataclass
class Forecast:
    """One series, a number per step: points, the nine deciles or none of them, and intervals by coverage in per cent."""

    point: list
    deciles: list = None  # [decile][step]
    intervals: dict = field(default_factory=dict)  # {80: (lower, upper)}

    def usable(self, horizon):
        return len(self.point) == horizon and all(map(math.isfinite, self.point))


def from_levels(point, levels):
    """A forecast from its intervals by coverage in per cent: 20, 40, 60 and 80 % give the deciles, beside the point as
    the median. An interval with a number that is not finite is left out."""
    intervals = {level: pair for level, pair in levels.items() if all(map(math.isfinite, [*pair[0], *pair[1]]))}
    deciles = None
    if all(level in intervals for level in (20, 40, 60, 80)):
        lower = [intervals[level][0] for level in (80, 60, 40, 20)]
        deciles = [*lower, point, *(intervals[level][1] for level in (20, 40, 60, 80))]
    return Forecast(point, deciles, {level: intervals[level] for level in COVERAGES if level in intervals})


def mean(numbers):
    numbers = list(numbers)
    return sum(numbers) / len(numbers) if numbers else None


def seasonal_differences(values, season):
    pairs = zip(values, values[season:])
    return [after - before for before, after in pairs if not math.isnan(before) and not math.isnan(after)]


def seasonal_naive(values, season, horizon):
    """The last season repeated; where it has no value, the one before. A history shorter than a season repeats its last
    value. Intervals are those of normal errors whose variance grows with every repeated season (Hyndman and
    Athanasopoulos, Forecasting: Principles and Practice, 3rd edition, section 5.5)."""
    if len(values) < season:
        season = 1
    known = [value for value in values if not math.isnan(value)]
    last = known[-1] if known else 0.0

    def repeated(step):
        back = values[len(values) - season + step % season :: -season]
        return next((value for value in back if not math.isnan(value)), last)

    point = [repeated(step) for step in range(horizon)]
    errors = seasonal_differences(values, season)
    deviation = math.sqrt(mean(error * error for error in errors)) if errors else 0.0
    spread = [deviation * math.sqrt(step // season + 1) for step in range(horizon)]

    def quantile(level):
        z = statistics.NormalDist().inv_cdf(level)
        return [centre + z * width for centre, width in zip(point, spread)]

    intervals = {level: (quantile(0.5 - level / 200), quantile(0.5 + level / 200)) for level in COVERAGES}
    return Forecast(point, [quantile(level) for level in DECILES], intervals)


def smape(forecast, truth):
    """0 to 200. 0 where both are zero."""
    return mean(200 * abs(f - t) / (abs(f) + abs(t)) if f or t else 0.0 for f, t in zip(forecast, truth))


def scale(values, season):
    """The mean absolute seasonal naive error within the history, or None if it has none or is zero."""
    return mean(map(abs, seasonal_differences(values, season))) or None


def pinball(level, forecast, truth):
    return max(level * (truth - forecast), (level - 1) * (truth - forecast))


class Tally:
    """What a method's forecasts of one set amount to. Add every series; a missing forecast counts as the seasonal naive
    one, and so do missing deciles and intervals of a method that has them for other series of the set."""

    def __init__(self):
        self.smape, self.mase = [], []
        self.as_naive = self.zero_scale = self.answered = 0
        self.loss = self.size = 0.0
        self.with_deciles = 0
        self.with_interval = dict.fromkeys(COVERAGES, 0)
        self.inside = dict.fromkeys(COVERAGES, 0)
        self.points = 0

    def add(self, values, season, truth, forecast):
        naive = seasonal_naive(values, season, len(truth))
        if forecast is None or not forecast.usable(len(truth)):
            self.as_naive += 1
            forecast = naive
        else:
            self.answered += 1
            self.with_deciles += forecast.deciles is not None
            for level in COVERAGES:
                self.with_interval[level] += level in forecast.intervals
        known = [step for step, value in enumerate(truth) if not math.isnan(value)]
        if not known:
            return
        at = lambda numbers: [numbers[step] for step in known]  # noqa: E731
        truth, point = at(truth), at(forecast.point)
        self.smape.append(smape(point, truth))
        unit = scale(values, season)
        if unit is None:
            self.zero_scale += 1
        else:
            self.mase.append(mean(abs(f - t) for f, t in zip(point, truth)) / unit)
        for level, decile in zip(DECILES, map(at, forecast.deciles or naive.deciles)):
            self.loss += sum(pinball(level, f, t) for f, t in zip(decile, truth))
        self.size += sum(map(abs, truth))
        self.points += len(known)
        for level in COVERAGES:
            lower, upper = map(at, forecast.intervals.get(level, naive.intervals[level]))
            self.inside[level] += sum(low <= t <= high for low, t, high in zip(lower, truth, upper))

    def scores(self):
        """A method without deciles has no weighted quantile loss; one that forecast no series at all has the naive's."""
        none = self.answered == 0
        coverage = {
            str(level): self.inside[level] / self.points if self.points and (none or self.with_interval[level]) else None
            for level in COVERAGES
        }
        has_loss = self.size > 0 and (none or self.with_deciles)
        return {
            "mase": mean(self.mase), "smape": mean(self.smape),
            # 2 × pinball over the sum of absolute values, the mean over the deciles.
            "wql": 2 * self.loss / len(DECILES) / self.size if has_loss else None,
            "coverage": coverage, "answered": self.answered, "as_naive": self.as_naive, "zero_scale": self.zero_scale,
        }


def geometric_mean(ratios):
    if not ratios:
        return None
    return math.exp(mean(map(math.log, ratios))) if min(ratios) > 0 else 0.0


def relative(results, method, metric, naive="seasonal naive"):
    """The method's metric over the naive's, by set, where both exist and the naive's is not zero."""
    ratios = {}
    for name, of in results.items():
        ours, theirs = (of.get(who, {}).get(metric) for who in (method, naive))
        if ours is not None and theirs:
            ratios[name] = ours / theirs
    return ratios


def summary(results, method):
    """The scores of a method over all sets; `results` are those of Tally by set and method."""
    own = [of[method] for of in results.values() if method in of]
    ratios = {metric: relative(results, method, metric) for metric in ("mase", "smape", "wql")}
    if not any(of["answered"] and of["wql"] is not None for of in own):
        ratios["wql"] = {}  # no deciles anywhere: sets that count as naive do not give it any
    worst = max(ratios["mase"], key=ratios["mase"].get, default=None)
    coverage = {}
    for level in map(str, COVERAGES):
        has = any(of["answered"] and of["coverage"][level] is not None for of in own)
        coverage[level] = mean(of["coverage"][level] for of in own if of["coverage"][level] is not None) if has else None
    return {
        **{metric: geometric_mean(list(of.values())) for metric, of in ratios.items()},
        "sets": len(ratios["mase"]), "wql_sets": len(ratios["wql"]), "worst_set": worst, "worst": ratios["mase"].get(worst),
        "above_naive": sum(ratio > 1 for ratio in ratios["mase"].values()),
        "coverage": coverage, "as_naive": sum(of["as_naive"] for of in own),
    }
