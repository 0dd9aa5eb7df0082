"""From records of compare.py to Markdown tables and one plot."""
import collections, json, statistics

LINEAR, ATTENTION = 212.3e6, 69120  # FLOP a token; attention: times (T + 1) / 2 for a sequence of T


def read(path):
    return [json.loads(line) for line in open(path)] if path.exists() else []


def tokens(record):
    return sum(record["lengths"])


def flop(record):
    return LINEAR * tokens(record) + sum(ATTENTION * t * (t + 1) / 2 for t in record["lengths"])


def row_of(engine, runs):
    rates = [tokens(r) / r["seconds"] for r in runs]
    per = [rate / r["calibration"] for rate, r in zip(rates, runs)]
    middle = statistics.median(per)
    return {"engine": engine, "median": statistics.median(rates), "best": max(rates), "n": len(runs),
            "calibration": statistics.median(r["calibration"] for r in runs), "per": middle,
            "percent": 100 * middle * flop(runs[0]) / tokens(runs[0]) / 1e9, "others": statistics.median(r["others"] for r in runs),
            "mark": " (*)" if statistics.median(r["others"] + r["threads"] - r["cores"] for r in runs) > 0.25 else "",
            "peak": max(r["peak_mb"] for r in runs), "cosine": min(r["cosine"] for r in runs), "of": runs[0]["of"]}


def groups(records):
    """(section, threads, workload) -> engine -> its runs."""
    out = collections.defaultdict(lambda: collections.defaultdict(list))
    for r in records:
        if "workload" in r:
            out[r["section"], r["threads"], r["workload"]][r["engine"]].append(r)
    return out


def failures(records, args):
    """(section, threads, engine) -> why a requested row has no figure."""
    ran = {(r["section"], r["threads"], r["engine"], r["workload"]) for r in records if "workload" in r}
    why = {(r["section"], r["threads"], r["engine"]): r["failed"] for r in records if "failed" in r}
    out = {}
    for section in args.sections:
        for threads in args.threads:
            for engine in args.asked[section]:
                missing = [w for w in args.workloads if (section, threads, engine, w) not in ran]
                if missing:
                    out[section, threads, engine] = why.get((section, threads, engine), "never run") + f" ({', '.join(missing)})"
    return out


def table(records, args):
    lines = []
    for (section, threads, workload), engines in groups(records).items():
        rows = sorted((row_of(e, runs) for e, runs in engines.items()), key=lambda r: -r["per"])
        work = flop(next(iter(engines.values()))[0]) / tokens(next(iter(engines.values()))[0]) / 1e6
        lines += [f"### {section}, {threads} thread{'s' * (threads > 1)}, {workload} ({work:.1f} MFLOP/token)", "",
                  "| engine | tok/s, median (best) | n | GFLOP/s beside | tok/s per GFLOP/s | % of peak | others' cores | peak MB | cosine |",
                  "|---|---|---|---|---|---|---|---|---|"]
        for r in rows:
            lines.append(f"| {r['engine']} | {r['median']:.0f} ({r['best']:.0f}){r['mark']} | {r['n']} | {r['calibration']:.0f} | {r['per']:.2f} | "
                         f"{r['percent']:.0f} | {r['others']:.2f} | {r['peak']:.0f} | {r['cosine']:.5f} ({r['of']}) |")
        lines.append("")
    bad = failures(records, args)
    lines += [f"No figure: {engine}, {section}, {threads} thread{'s' * (threads > 1)}: {why}" for (section, threads, engine), why in bad.items()]
    versions = sorted({f"{r['version']}" for r in records if "version" in r})
    return "\n".join([*lines, "", "Versions: " + "; ".join(versions)])


def plot(records):
    """SVG: tokens/s per calibrated GFLOP/s over cosine, one panel per section, for the first workload with the fewest threads. The cosine's axis is
    -log10(1 - cosine), cut at 6."""
    import math
    fewest, first = min(threads for _, threads, _ in groups(records)), next(iter(groups(records)))[2]
    panels = [(section, {e: row_of(e, runs) for e, runs in engines.items()})
              for (section, threads, workload), engines in groups(records).items() if (threads, workload) == (fewest, first)]
    width, height, pad = 420, 360, 50
    top = max(r["per"] for _, rows in panels for r in rows.values()) * 1.1
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width * len(panels)}" height="{height}" font-family="sans-serif" font-size="10">',
           f'<rect width="{width * len(panels)}" height="{height}" fill="white"/>']
    for i, (section, rows) in enumerate(panels):
        x = lambda cosine: i * width + pad + min(6, -math.log10(max(1e-6, 1 - cosine))) / 6 * (width - 2 * pad)
        y = lambda per: height - pad - per / top * (height - 2 * pad)
        out.append(f'<text x="{i * width + pad}" y="20" font-size="13">{section}, {fewest} thread{"s" * (fewest > 1)}, {first}</text>')
        for n in range(7):
            label = ["0", ".9", ".99", ".999", ".9999", ".99999", "1"][n]
            at = i * width + pad + n / 6 * (width - 2 * pad)
            out.append(f'<path d="M{at:.0f} {y(0):.0f}V{y(top):.0f}" stroke="#ddd"/><text x="{at:.0f}" y="{height - pad + 14}" text-anchor="middle">{label}</text>')
        step = max(1, round(top / 6))
        for n in range(0, int(top) + 1, step):
            out.append(f'<path d="M{x(0):.0f} {y(n):.0f}H{x(1):.0f}" stroke="#ddd"/><text x="{x(0) - 6:.0f}" y="{y(n) + 3:.0f}" text-anchor="end">{n}</text>')
        out.append(f'<text x="{i * width + width / 2:.0f}" y="{height - 12}" text-anchor="middle">cosine; upwards: tokens/s per GFLOP/s of SGEMM</text>')
        labels = []
        for engine, r in sorted(rows.items(), key=lambda row: -row[1]["per"]):
            at, low = x(r["cosine"]), y(r["per"])
            label = max([low, *(b + 11 for a, b in labels if abs(a - at) < 60)])
            labels.append((at, label))
            out.append(f'<circle cx="{at:.1f}" cy="{low:.1f}" r="4" fill="{"#c33" if engine.startswith("preferd") else "#357"}"/>'
                       f'<text x="{at - 8:.1f}" y="{label + 3:.1f}" text-anchor="end">{engine}</text>')
    return "\n".join([*out, "</svg>", ""])
