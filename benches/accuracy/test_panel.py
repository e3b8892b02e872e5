"""Tests of the panel's scores and of what it does with a server. Expected numbers are worked out by hand.

    python3 benches/accuracy/test_panel.py
"""

import json
import math
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True

import panel_gatecast  # noqa: E402
import panel_page  # noqa: E402
import panel_peers  # noqa: E402
import panel_sets  # noqa: E402
from panel_scores import DECILES, Forecast, Tally, from_levels, relative, scale, seasonal_naive, smape, summary  # noqa: E402

NAN = math.nan


def scores(values, season, truth, *forecasts):
    tally = Tally()
    for forecast in forecasts:
        tally.add(values, season, truth, forecast)
    return tally.scores()


class Scores(unittest.TestCase):
    def test_seasonal_naive_repeats_the_last_season(self):
        self.assertEqual(seasonal_naive([1, 2, 3, 4, 5, 6], 4, 6).point, [3, 4, 5, 6, 3, 4])
        self.assertEqual(seasonal_naive([1, 2, 3], 1, 2).point, [3, 3])

    def test_seasonal_naive_skips_unknown_values(self):
        self.assertEqual(seasonal_naive([1, 2, 3, NAN, 5, NAN], 2, 2).point, [5, 2])

    def test_seasonal_naive_of_less_than_a_season_repeats_the_last_value(self):
        self.assertEqual(seasonal_naive([4, 7], 12, 2).point, [7, 7])

    def test_intervals_of_seasonal_naive_widen_with_every_season(self):
        # statsforecast 2.1.1: SeasonalNaive(3).forecast(y, h=4, level=[80, 95]).
        naive = seasonal_naive([2, 5, 1, 4, 4, 3, 3, 8, 2], 3, 4)
        expected = {80: (0.28141859268953073, -0.8446546966338011), 95: (-1.1577114730490328, -2.879891953620162)}
        for level, (first, fourth) in expected.items():
            lower, upper = naive.intervals[level]
            self.assertAlmostEqual(lower[0], first)
            self.assertAlmostEqual(lower[3], fourth)
            self.assertAlmostEqual(upper[3] - 3, 3 - lower[3])
        self.assertEqual([naive.deciles[0], naive.deciles[4]], [naive.intervals[80][0], naive.point])

    def test_mase_and_smape(self):
        # Scale: |2 - 1| and |4 - 3|, so 1. Errors 1 and 0. sMAPE: 200 / (2 + 3) and 0.
        found = scores([1, 3, 2, 4], 2, [3, 4], Forecast([2, 4]))
        self.assertAlmostEqual(found["mase"], 0.5)
        self.assertAlmostEqual(found["smape"], 20)

    def test_smape_where_both_are_zero_is_zero(self):
        self.assertEqual(smape([0, 1], [0, 0]), 100)

    def test_scale_takes_pairs_of_known_values(self):
        self.assertEqual(scale([1, NAN, 4, 8], 1), 4)
        self.assertIsNone(scale([5, 5, 5], 1))
        self.assertIsNone(scale([5], 1))

    def test_weighted_quantile_loss(self):
        # Value 10, every decile at 8: pinball q · 2, their sum 9; 2 · 9 / 9 / 10. With the value 6 it is (1 - q) · 2.
        forecast = Forecast([8], [[8]] * 9)
        self.assertAlmostEqual(scores([1, 2], 1, [10], forecast)["wql"], 0.2)
        self.assertAlmostEqual(scores([1, 2], 1, [6], forecast)["wql"], 2 / 6)

    def test_weighted_quantile_loss_sums_over_the_set_before_it_divides(self):
        tally = Tally()
        tally.add([1, 2], 1, [10], Forecast([8], [[8]] * 9))
        tally.add([1, 2], 1, [30], Forecast([30], [[30]] * 9))
        self.assertAlmostEqual(tally.scores()["wql"], 2 / 40)

    def test_coverage_counts_points_within_the_bounds(self):
        forecast = Forecast([2, 2, 2, 2], None, {80: ([1] * 4, [3] * 4)})
        found = scores([1, 2], 1, [1, 2, 3, 4], forecast)
        self.assertEqual(found["coverage"], {"80": 0.75, "95": None})
        self.assertIsNone(found["wql"])

    def test_a_series_without_scale_counts_in_all_but_mase(self):
        found = scores([5, 5, 5], 1, [10], Forecast([10]))
        self.assertEqual((found["mase"], found["smape"], found["zero_scale"]), (None, 0, 1))

    def test_a_missing_forecast_counts_as_seasonal_naive(self):
        values, truth = [1, 3, 2, 4], [3, 4]
        naive = scores(values, 2, truth, seasonal_naive(values, 2, 2))
        for unusable in (None, Forecast([3]), Forecast([3, NAN])):
            found = scores(values, 2, truth, unusable)
            self.assertEqual((found["mase"], found["wql"]), (naive["mase"], naive["wql"]))
            self.assertEqual((found["as_naive"], found["answered"]), (1, 0))

    def test_unknown_test_values_are_left_out(self):
        found = scores([1, 2], 1, [NAN, 4], Forecast([100, 3]))
        self.assertAlmostEqual(found["mase"], 1)

    def test_summary_is_a_geometric_mean_over_sets(self):
        def result(mase, wql, answered=1):
            coverage = {"80": 0.8, "95": None}
            return {"mase": mase, "smape": 1.0, "wql": wql, "coverage": coverage, "as_naive": 0, "answered": answered}

        results = {
            "a": {"seasonal naive": result(2.0, 1.0), "m": result(1.0, 0.5)},
            "b": {"seasonal naive": result(1.0, 1.0), "m": result(8.0, None)},
        }
        found = summary(results, "m")
        self.assertAlmostEqual(found["mase"], 2)
        self.assertEqual((found["worst_set"], found["worst"], found["above_naive"]), ("b", 8, 1))
        self.assertAlmostEqual(found["wql"], 0.5)
        self.assertEqual(relative(results, "m", "mase"), {"a": 0.5, "b": 8})

    def test_deciles_come_from_the_intervals(self):
        levels = {level: ([float(-level)], [float(level)]) for level in (20, 40, 60, 80)}
        found = from_levels([0.0], levels)
        self.assertEqual(found.deciles, [[-80], [-60], [-40], [-20], [0], [20], [40], [60], [80]])
        self.assertEqual(list(found.intervals), [80])
        del levels[40]
        self.assertIsNone(from_levels([0.0], levels).deciles)


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def add(self, name, lengths, horizon):
        rows = [(key, step) for key, length in lengths.items() for step in range(1, length + horizon + 1)]
        for part, wanted in (("train", lambda key, step: step <= lengths[key]), ("test", lambda key, step: step > lengths[key])):
            lines = [f"{key},{step},{step}" for key, step in rows if wanted(key, step)]
            (self.folder / f"{name}_{part}.csv").write_text("\n".join(["unique_id,ds,y", *lines]) + "\n")


class Sets(Folder):
    def test_windows_end_a_horizon_apart_and_leave_short_series_out(self):
        self.add("yearly_x", {"long": 8, "short": 4}, 2)
        one = panel_sets.panel(self.folder)[0]
        last, before = one.window(0), one.window(1)
        self.assertEqual(last.truth, {"long": [7, 8], "short": [3, 4]})
        self.assertEqual((last.values("long"), last.values("short")), ([1, 2, 3, 4, 5, 6], [1, 2]))
        self.assertEqual((before.truth, before.short), ({"long": [5, 6]}, 1))
        self.assertEqual(one.test_task().truth["long"], [9, 10])

    def test_an_upload_has_the_history_as_it_is_written(self):
        self.add("yearly_x", {"a": 4}, 2)
        task = panel_sets.panel(self.folder)[0].window(0)
        self.assertEqual(task.csv(), b"unique_id,ds,y\na,1,1\na,2,2\n")

    def test_a_season_is_told_or_found(self):
        for name in ("halfhourly_a", "weekly_a", "daily_d", "daily_e", "other_a"):
            self.add(name, {"a": 4}, 1)
        (self.folder / "README.md").write_text("| name | m |\n|---|---|\n| daily_d | 1 |\n| daily_e | 1 |\n")
        (self.folder / "panel.json").write_text('{"daily_e": {"season": 5}}')
        found = {one.name: one.season for one in panel_sets.panel(self.folder, "", {"other_a": 3})}
        self.assertEqual(found, {"halfhourly_a": 48, "weekly_a": 52, "daily_d": 1, "daily_e": 5, "other_a": 3})

    def test_unknown_values_are_filled_for_the_peers(self):
        self.assertEqual(panel_peers.filled([NAN, 1, NAN, NAN, 4, NAN]), [1, 1, 2, 3, 4, 4])

    def test_tables_replace_what_is_between_the_markers(self):
        page = self.folder / "page.md"
        page.write_text("a\n<!-- panel test: begin -->\nold\n<!-- panel test: end -->\nb\n")
        panel_page.write(page, "test", "new")
        self.assertEqual(page.read_text(), "a\n<!-- panel test: begin -->\n\nnew\n\n<!-- panel test: end -->\nb\n")
        with self.assertRaises(SystemExit):
            panel_page.write(page, "windows", "new")


# A program whose server knows `train` jobs and `auto` jobs of a second, forecasts the series `a` alone, and refuses data with a series `refused`.
SERVER = """#!{python}
import http.server, json, sys

if sys.argv[1:] == ["--version"]:
    print("gatecast 0")
    sys.exit()

class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(*self.reply(body))

    def reply(self, body):
        if self.path.startswith("/v1/datasets"):
            return (422, {{"detail": "no"}}) if b"refused" in body else (201, {{"id": "d"}})
        body = json.loads(body)
        if self.path == "/v1/jobs":
            train = {{"kind": "train", "dataset": "d", "data": {{"horizon": 2}}}}
            known = body in (train, {{"kind": "auto", "dataset": "d", "horizon": 2, "budget": {{"seconds": 1}}}})
            return (202, {{"id": "j", "status": "succeeded", "model": "m"}}) if known else (422, {{"detail": "no"}})
        if self.path != "/v1/models/m/forecast" or body["horizon"] != 2:
            return 404, {{"detail": "no such model"}}
        if body.get("levels", [80]) != [80]:
            return 422, {{"detail": "/levels"}}
        interval = {{"level": 80, "lower": [0, 0], "upper": [99, 99]}}
        forecast = {{"series": "a", "target": "y", "mean": [7, 8], "intervals": [interval]}}
        return 200, {{"forecasts": [forecast], "errors": [{{"series": "b", "detail": "too short"}}]}}

    def answer(self, status, content):
        content = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"listening on http://127.0.0.1:{{server.server_port}}", flush=True)
server.serve_forever()
"""


class Driver(Folder):
    def run_panel(self, *options):
        program = self.folder / "program"
        program.write_text(SERVER.format(python=sys.executable))
        program.chmod(0o755)
        report = self.folder / "report.json"
        run = subprocess.run(
            [sys.executable, "-B", Path(__file__).parent / "panel.py", self.folder, "--program", program, "--json", report, *options],
            capture_output=True, text=True, check=True, env={**os.environ, "no_proxy": "*"},
        )
        return json.loads(report.read_text()), run

    def test_what_the_server_refuses_counts_as_naive_or_is_left_out(self):
        self.add("yearly_a", {"a": 8, "b": 8}, 2)
        self.add("weekly_b", {"refused": 8}, 2)
        report, run = self.run_panel(
            "--windows", "1", "--methods", "default,auto,base", "--seconds", "1,2", "--season", "weekly_b=2"
        )
        self.assertEqual(list(report["summary"]), ["seasonal naive", "default", "auto, 1 s"])
        self.assertIn("auto, 2 s: not offered", run.stderr)
        self.assertIn("base: not offered", run.stderr)
        found = report["sets"]["yearly_a"]["methods"]
        # The naive forecast of both series is 6 for 7 and 8; `a` is exact and `b` is counted as naive.
        self.assertAlmostEqual(found["seasonal naive"]["mase"], 1.5)
        self.assertAlmostEqual(found["default"]["mase"], 0.75)
        self.assertEqual(found["auto, 1 s"]["mase"], found["default"]["mase"])
        self.assertEqual((found["default"]["answered"], found["default"]["as_naive"]), (1, 1))
        self.assertIsNone(found["default"]["wql"])
        self.assertEqual(report["sets"]["weekly_b"]["methods"]["default"]["as_naive"], 1)
        self.assertEqual(report["summary"]["default"]["as_naive"], 2)
        self.assertAlmostEqual(report["summary"]["default"]["mase"], math.sqrt(0.5))

    def test_the_test_files_are_scored_only_when_asked_for(self):
        self.add("yearly_a", {"a": 8}, 2)
        with self.assertRaises(subprocess.CalledProcessError):
            self.run_panel("--methods", "")
        report, _ = self.run_panel("--test", "--methods", "")
        self.assertAlmostEqual(report["sets"]["yearly_a"]["methods"]["seasonal naive"]["mase"], 1.5)


class Responses(unittest.TestCase):
    def test_quantiles_of_the_response_are_the_deciles(self):
        quantiles = [{"level": level, "values": [level]} for level in DECILES]
        answer = {"series": "a", "mean": [0.4], "quantiles": quantiles}
        self.assertEqual(panel_gatecast.read(answer).deciles, [[level] for level in DECILES])
        self.assertIsNone(panel_gatecast.read({**answer, "quantiles": quantiles[1:]}).deciles)


if __name__ == "__main__":
    unittest.main()
