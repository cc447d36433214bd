"""Makes claim packets with their truth. See README.md."""

import argparse
import json
import random
import runpy
import subprocess
from pathlib import Path

import paper
import wording
from losses import LOSSES
from photo import photograph

PRODUCTS = {"M": "motor", "H": "home", "T": "travel"}
VOICES = ["en-gb", "en-us", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan"]
FAULTS = ["blank", "struck", "smeared"]
FAULTY = ["policy_number", "claimant_name", "incident_date", "telephone", "amount_claimed", "location"]


def review(covered, matches, amount, doubtful):
    """Handling guide G-1: who decides. What cannot be read is nobody's to settle alone."""
    if covered and amount > 5000:
        return "senior"
    if covered and matches and amount <= 500 and not doubtful:
        return "none"
    return "adjuster"


def bill(rng, items, free, customer):
    """An estimate over these items, for a sum drawn from below 500 to well above 5000."""
    target = rng.choice([rng.uniform(60, 499), rng.uniform(60, 499), rng.uniform(510, 4900), rng.uniform(510, 4900), rng.uniform(5200, 14000)])
    taxed = free and rng.random() < 0.4
    net = target / 1.2 if taxed else target
    weights = [rng.uniform(0.5, 1.5) for _ in items]
    quantities = free and rng.random() < 0.4
    lines = []
    for name, weight in zip(items, weights):
        quantity = rng.choice([1, 1, 2, 3, 4]) if quantities else 1
        unit = round(net * weight / sum(weights) / quantity, 2)
        lines.append((name, quantity, unit, round(unit * quantity, 2)))
    whole = round(sum(amount for *_, amount in lines), 2)
    sums, total = [], whole
    if taxed:
        tax = round(whole * 0.2, 2)
        sums, total = [(rng.choice(wording.SUBTOTALS), whole), (rng.choice(wording.TAXES), tax)], round(whole + tax, 2)
    number = rng.choice([str(rng.randint(1000, 9999))] + ([f"Q-{rng.randint(1000, 9999)}", f"2026/{rng.randint(100, 999)}", f"E{rng.randint(10000, 99999)}"] if free else []))
    return {"vendor": rng.choice(wording.VENDORS), "number": number, "customer": customer, "lines": lines, "sums": sums, "total": total, "quantities": quantities}


def claimed(rng, total):
    """What is claimed for an estimate: mostly its total, sometimes a little off, sometimes far more or less."""
    kind = rng.random()
    if kind < 0.68:
        return total
    if kind < 0.74:
        return round(total + rng.choice([-0.8, -0.4, 0.5, 0.9]), 2)
    return round(total * rng.choice([0.8, 0.93, 1.05, 1.09, 1.3, 1.5]), 2)


def signals(rng, product, clause, registration):
    if product != "motor":
        return {"type": "weather.report", "wind_kmh": rng.randint(76, 120) if clause == "H-2.1" else rng.randint(30, 120), "rain_mm": rng.randint(0, 45)}
    return {"type": "telematics.impact", "vehicle": registration, "peak_g": round(rng.uniform(0.8, 6), 2), "speed_kmh": rng.randint(3, 90)}


def person(rng, plain):
    names = [name.replace("_", " ") for name in (rng.choice(wording.FIRST), rng.choice(wording.LAST))]
    return person(rng, plain) if plain and not " ".join(names).isascii() else " ".join(names)


def packet(folder, identity, rng, clause, loss, faults):
    free = rng.random() < 0.5
    kind, what, items = loss
    product = PRODUCTS[clause[0]]
    name = person(rng, not free)
    estimate = bill(rng, [item.strip() for item in items.split(";")], free, name)
    letters = "ABCDEFGHJKLMNPRSTUVWXY"
    plate = lambda count: "".join(rng.choice(letters) for _ in range(count))
    truth = {
        "id": identity,
        "product": product,
        "policy_number": f"NM-{clause[0]}-{rng.randint(100000, 999999)}",
        "claimant_name": name,
        "incident_date": f"2026-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}",
        "incident_type": kind,
        "registration": f"{plate(2)}{rng.randint(10, 79)} {plate(3)}" if product == "motor" else "",
        "location": f"{rng.randint(1, 199)} {rng.choice(wording.STREETS if free else wording.STREETS[:6])}, {rng.choice(wording.TOWNS if free else wording.TOWNS[:5])}",
        "telephone": (rng.choice(wording.PHONES) if free else wording.PHONES[0]).format(rng.randint(0, 999)),
        "amount_claimed": claimed(rng, estimate["total"]),
        "estimate_total": estimate["total"],
        "estimate_lines": [[line, amount] for line, _, _, amount in estimate["lines"]],
        "vendor": estimate["vendor"],
        "estimate_number": estimate["number"],
        "what_happened": what,
    }
    fault = (rng.choice(FAULTY), rng.choice(FAULTS)) if rng.random() < faults else None
    covered, amount = clause[2] == "2", truth["amount_claimed"]
    matches = round(abs(amount - truth["estimate_total"]), 2) <= 1.0
    truth["expected"] = {"covered": covered, "clause": clause, "amount_matches_estimate": matches, "review": review(covered, matches, amount, fault is not None)}

    year, month, day = map(int, truth["incident_date"].split("-"))
    written = {
        **truth,
        "incident_date": wording.date(rng.choice(wording.DATES) if free else wording.DATES[0], year, month, day),
        "amount_claimed": wording.money(rng.choice(wording.MONEY) if free else wording.MONEY[0], amount),
    }
    if fault:
        truth["fault"] = list(fault)
        if fault[1] == "blank":
            written[fault[0]] = ""
    keys = [key for key in wording.LABELS if key != "what_happened" and (key != "registration" or product == "motor")]
    label = lambda key: rng.choice(wording.LABELS[key]) if free else wording.LABELS[key][0]
    cells = [(key, label(key), written[key]) for key in keys]
    if free:
        rng.shuffle(cells)
        if rng.random() < 0.4:
            cells.insert(rng.randint(0, len(cells)), ("other", *rng.choice(wording.OTHERS)))
    story = (label("what_happened"), what)
    folder.mkdir(parents=True)
    form = (paper.free_form if free else paper.own_form)(rng, product, cells, story, fault)
    photograph(rng, form, folder / "form.jpg", free)
    photograph(rng, (paper.free_estimate if free else paper.own_estimate)(rng, estimate), folder / "estimate.jpg", free)

    mail = (rng.choice(wording.MAILS) if free else wording.MAILS[0]).format(
        policy=truth["policy_number"], what=what, vendor=truth["vendor"], phone=truth["telephone"], name=name, kind=kind)
    note = (rng.choice(wording.NOTES) if free else wording.NOTES[0]).format(product=product, what=what, name=name)
    (folder / "email.txt").write_text(mail)
    (folder / "note.txt").write_text(note + "\n")
    (folder / "signals.json").write_text(json.dumps(signals(rng, product, clause, truth["registration"]), indent=2) + "\n")
    (folder / "truth.json").write_text(json.dumps(truth, indent=2, ensure_ascii=False) + "\n")
    speak(rng, note, folder / "note.wav", free)


def speak(rng, note, path, free):
    voice = rng.choice(VOICES) if free else "en-gb"
    speed, pitch = (rng.randint(135, 185), rng.randint(35, 65)) if free else (150, 50)
    subprocess.run(["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "-w", str(path), note], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=float, default=0.0, help="share of packets with one value left blank, struck out or smeared")
    parser.add_argument("--losses", type=Path, help="another file of losses, in the form of losses.py")
    options = parser.parse_args()
    losses = runpy.run_path(str(options.losses))["LOSSES"] if options.losses else LOSSES
    rng = random.Random(options.seed)
    # Every clause in turn, so that a small set still has most of them; within a clause its losses in turn.
    order = list(losses)
    rng.shuffle(order)
    for index in range(options.count):
        clause = order[index % len(order)]
        loss = losses[clause][(options.seed + index // len(order)) % len(losses[clause])]
        identity = f"P{options.seed:02}{index + 1:03}"
        packet(options.out / identity, identity, random.Random(f"{options.seed}/{index}"), clause, loss, options.faults)


if __name__ == "__main__":
    main()
