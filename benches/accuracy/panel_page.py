"""The tables of a panel's results, and where docs/accuracy.md has them."""

from panel_scores import COVERAGES

NAIVE = "seasonal naive"


def cell(number, digits=3):
    return "–" if number is None else f"{number:.{digits}f}"


def table(header, rows):
    yield "| " + " | ".join(header) + " |"
    yield "|" + "---|" * len(header)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def percents(coverage):
    return [cell(None if coverage[str(level)] is None else 100 * coverage[str(level)], 1) for level in COVERAGES]


def memory(peak_bytes):
    return "–" if peak_bytes is None else f"{peak_bytes / 1e6:.0f}"


def overview(summaries, seconds, peaks):
    header = ["method", "MASE", "worst set", "sets above 1", "sMAPE", "WQL", *(f"{level} %" for level in COVERAGES)]
    header += ["as naive", "seconds", "memory, MB"]

    def row(method, of):
        worst = "–" if of["worst"] is None or method == NAIVE else f"{of['worst']:.3f} ({of['worst_set']})"
        above = "–" if method == NAIVE else f"{of['above_naive']} of {of['sets']}"
        loss = cell(of["wql"]) + (f" ({of['wql_sets']} sets)" if 0 < of["wql_sets"] < of["sets"] else "")
        figures = [cell(of["mase"]), worst, above, cell(of["smape"]), loss, *percents(of["coverage"])]
        return [method, *figures, str(of["as_naive"]), cell(seconds[method], 1), memory(peaks[method])]

    return table(header, [row(method, of) for method, of in summaries.items()])


def by_set(sets, methods, show):
    header = ["set", "m", "horizon", "series", *methods]
    rows = []
    for name, one in sets.items():
        counts = str(one["series"]) + (f" ({one['zero_scale']} flat)" if one["zero_scale"] else "")
        cells = [show(one["methods"][method]) if method in one["methods"] else "–" for method in methods]
        rows.append([name, str(one["season"]), str(one["horizon"]), counts, *cells])
    return table(header, rows)


def cost(of):
    return f"{cell(of['seconds'], 1)} / {memory(of['peak_bytes'])}" + (f", {of['as_naive']} as naive" if of["as_naive"] else "")


def markdown(report):
    """All tables of a report, as panel.py's `--json` has it."""
    sets, summaries = report["sets"], report["summary"]
    methods = list(summaries)
    others = [method for method in methods if method != NAIVE]
    seconds = {method: total(sets, method, "seconds", sum) for method in methods}
    peaks = {method: total(sets, method, "peak_bytes", max) for method in methods}
    return "\n".join([
        f"{report['date']}, {report['machine']}. {report['versions']}.",
        f"{report['protocol']} `{report['command']}`",
        "",
        "Over all sets; MASE, sMAPE and WQL relative to the seasonal naive forecast:",
        "",
        *overview(summaries, seconds, peaks),
        "",
        "MASE by set:",
        "",
        *by_set(sets, methods, lambda of: cell(of["mase"])),
        "",
        "sMAPE by set:",
        "",
        *by_set(sets, methods, lambda of: cell(of["smape"])),
        "",
        "Weighted quantile loss by set:",
        "",
        *by_set(sets, methods, lambda of: cell(of["wql"], 4)),
        "",
        "Coverage by set, of intervals of 80 and 95 %:",
        "",
        *by_set(sets, methods, lambda of: " / ".join(percents(of["coverage"]))),
        "",
        "Seconds and peak memory (MB) by set:",
        "",
        *by_set(sets, others, cost),
    ])


def total(sets, method, name, of):
    numbers = [one["methods"][method][name] for one in sets.values() if method in one["methods"]]
    numbers = [number for number in numbers if number is not None]
    return of(numbers) if numbers else None


def write(path, part, text):
    """Replaces what is between the markers of a part, `windows` or `test`."""
    begin, end = f"<!-- panel {part}: begin -->", f"<!-- panel {part}: end -->"
    page = path.read_text(encoding="utf-8")
    before, found, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise SystemExit(f"{path}: the markers `{begin}` and `{end}` are missing")
    path.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")
