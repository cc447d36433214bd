"""Draws claim forms and estimates on white paper, in the insurer's own layout or in any other."""

from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

import wording

FONTS = Path("/usr/share/fonts/truetype")
SANS = ("liberation/LiberationSans-Regular.ttf", "liberation/LiberationSans-Bold.ttf")
FAMILIES = [
    SANS,
    ("liberation/LiberationSerif-Regular.ttf", "liberation/LiberationSerif-Bold.ttf"),
    ("liberation/LiberationSansNarrow-Regular.ttf", "liberation/LiberationSansNarrow-Bold.ttf"),
    ("dejavu/DejaVuSans.ttf", "dejavu/DejaVuSans-Bold.ttf"),
    ("dejavu/DejaVuSerif.ttf", "dejavu/DejaVuSerif-Bold.ttf"),
    ("open-sans/OpenSans-Regular.ttf", "open-sans/OpenSans-Bold.ttf"),
    ("noto/NotoSerif-Regular.ttf", "noto/NotoSerif-Bold.ttf"),
]
HANDS = ["liberation/LiberationMono-Regular.ttf", "open-sans/OpenSans-Regular.ttf", "dejavu/DejaVuSans.ttf", "noto/NotoSans-Regular.ttf"]
INK, LABEL, LINE = (20, 20, 70), (40, 40, 40), (130, 130, 130)


@lru_cache(maxsize=256)
def font(name, size):
    return ImageFont.truetype(str(FONTS / name), size)


class Sheet:
    """White paper, written on from the top."""

    def __init__(self, width, height):
        self.image = Image.new("RGB", (width, height), (252, 252, 250))
        self.draw = ImageDraw.Draw(self.image)
        self.width, self.height, self.y = width, height, 0

    def text(self, x, y, text, face, fill=(20, 20, 20)):
        self.draw.text((x, y), text, font=face, fill=fill)

    def right(self, x, y, text, face):
        self.text(x - self.draw.textlength(text, font=face), y, text, face)

    def box(self, left, top, right, bottom):
        self.draw.rectangle((left, top, right, bottom), outline=LINE, width=2)

    def rule(self, left, right):
        self.draw.line((left, self.y, right, self.y), fill=(20, 30, 70), width=3)

    def lines(self, text, face, width):
        """The text broken into lines that fit the width."""
        lines = [""]
        for word in text.split():
            longer = (lines[-1] + " " + word).strip()
            if self.draw.textlength(longer, font=face) > width and lines[-1]:
                lines.append(word)
            else:
                lines[-1] = longer
        return lines


def spoil(rng, sheet, how, x, y, text, face):
    """A value that a person would not read with certainty: struck out, or smeared."""
    width, height = int(sheet.draw.textlength(text, font=face)), face.size
    if how == "struck":
        for _ in range(3):
            a, b = rng.uniform(0.2, 0.8), rng.uniform(0.3, 0.9)
            sheet.draw.line((x - 6, y + height * a, x + width + 6, y + height * b), fill=INK, width=5)
    elif how == "smeared":
        part = (x, y, x + max(width // 2, 10), y + int(height * 1.3))
        small = sheet.image.crop(part).resize((max(1, width // 24), 3)).resize((part[2] - part[0], part[3] - part[1]))
        sheet.image.paste(small, part[:2])


def own_form(rng, product, cells, story, fault):
    """The insurer's own form: labels left, values in boxes."""
    sheet = Sheet(1000, 1320)
    regular, bold = SANS
    hand = font(rng.choice(HANDS), 27)
    left, at, right = 60, rng.choice([380, 400, 420]), 940
    sheet.text(left, 56, "NORTHGATE MUTUAL", font(bold, 40), (20, 30, 70))
    sheet.text(left, 108, wording.TITLES[product][0], font(bold, 31), (20, 30, 70))
    sheet.y = 158
    sheet.rule(left, right)
    y, pitch = 190, rng.choice([86, 91, 95])
    for key, label, value in cells:
        sheet.text(left, y, label + ":", font(bold, 22), LABEL)
        sheet.box(at - 10, y - 8, right, y + 46)
        write(rng, sheet, key, at, y, value, hand, fault)
        y += pitch
    label, text = story
    sheet.text(left, y, label + ":", font(bold, 22), LABEL)
    sheet.box(left - 5, y + 34, right, y + 34 + 150)
    paragraph(rng, sheet, left + 10, y + 44, text, hand, right - left - 40, 42, fault)
    return sheet.image


def write(rng, sheet, key, x, y, value, face, fault):
    """A value, spoiled where the fault says so."""
    sheet.text(x, y, value, face, INK)
    if fault and fault[0] == key:
        spoil(rng, sheet, fault[1], x, y, value, face)


def paragraph(rng, sheet, x, y, text, face, width, pitch, fault):
    for line in sheet.lines(text, face, width):
        write(rng, sheet, "what_happened", x, y, line, face, fault)
        y += pitch
    return y


def free_form(rng, product, cells, story, fault):
    """Any other form: one column or two, labels beside or above, with boxes or a table or neither."""
    width, height = 1080, 1500
    sheet = Sheet(width, height)
    regular, bold = rng.choice(FAMILIES)
    weight = bold if rng.random() < 0.5 else regular
    small, size = rng.choice([19, 21, 24]), rng.choice([22, 25, 28])
    label_face, hand = font(weight, small), font(rng.choice(HANDS + [regular]), size)
    colon = rng.choice([":", "", ":"])
    named = lambda label: label if label.endswith("?") else label + colon
    y = 60
    if rng.random() < 0.8:
        sheet.text(70, y, rng.choice(["NORTHGATE MUTUAL", "Northgate Mutual Insurance"]), font(bold, rng.choice([32, 38])), (20, 30, 70))
        y += 56
    sheet.text(70, y, rng.choice(wording.TITLES[product]), font(bold, rng.choice([28, 34])), (20, 30, 70))
    y += 58
    if rng.random() < 0.3:
        sheet.text(70, y, "Please fill in every box and return the form within thirty days.", font(regular, 18), LABEL)
        y += 40
    layout = rng.choice(["beside", "table", "above", "two above", "two beside", "inline"])
    boxed, pitch = rng.random() < 0.6, rng.choice([70, 80, 88])
    if layout in ("beside", "table"):
        at = rng.choice([430, 470, 500])
        step = int(pitch * 0.75) if layout == "table" else pitch
        for key, label, value in cells:
            sheet.text(72, y + 3, named(label), label_face, LABEL)
            if layout == "table":
                sheet.box(60, y - 9, width - 60, y - 9 + step)
                sheet.draw.line((at - 16, y - 9, at - 16, y - 9 + step), fill=LINE, width=2)
            elif boxed:
                sheet.box(at - 12, y - 10, width - 60, y + size + 14)
            write(rng, sheet, key, at, y, value, hand, fault)
            y += step
    elif layout == "inline":
        for key, label, value in cells:
            label = label if label.endswith("?") else label + ":"
            sheet.text(72, y + 2, label, label_face, LABEL)
            x = 72 + sheet.draw.textlength(label + " ", font=label_face) + 8
            write(rng, sheet, key, int(x), y, value, hand, fault)
            y += int(pitch * 0.72)
    else:
        columns = 1 if layout == "above" else 2
        beside = layout == "two beside"
        column = (width - 130) // columns
        for start in range(0, len(cells), columns):
            for place, (key, label, value) in enumerate(cells[start : start + columns]):
                x = 66 + place * (column + 10)
                if beside:
                    # Narrow columns: a long label takes a line of its own above its value.
                    face, value_face = font(weight, 18), font(HANDS[1], 21)
                    sheet.text(x, y, named(label), face, LABEL)
                    wide = sheet.draw.textlength(value, font=value_face) > column - 230
                    long = wide or sheet.draw.textlength(named(label), font=face) > 195
                    write(rng, sheet, key, x + (8 if long else 218), y + (26 if long else -3), value, value_face, fault)
                else:
                    sheet.text(x, y, named(label), label_face, LABEL)
                    if boxed:
                        sheet.box(x - 4, y + small + 8, x + column - 14, y + small + size + 24)
                    write(rng, sheet, key, x + 8, y + small + 12, value, hand, fault)
            y += pitch if beside else small + size + 44
    label, text = story
    y += 12
    sheet.text(70, y, named(label), label_face, LABEL)
    y = paragraph(rng, sheet, 80, y + small + 16, text, hand, rng.choice([640, 880]), int(size * 1.45), fault)
    if rng.random() < 0.4:
        sheet.text(70, min(max(y + 60, 1200), height - 60), rng.choice(wording.FOOTERS), font(regular, 18), LABEL)
    return sheet.image


def own_estimate(rng, bill):
    """The estimate of the given packets: a name, a number, a customer, lines and a total."""
    sheet = Sheet(900, 1020)
    regular, bold = SANS
    face = font(regular, 27)
    sheet.text(66, 50, bill["vendor"], font(bold, 34), (15, 15, 15))
    sheet.text(66, 106, f"Estimate No. {bill['number']}", face)
    sheet.text(66, 146, f"Customer: {bill['customer']}", face)
    sheet.y = 194
    sheet.rule(66, 840)
    y = 222
    for name, _, _, amount in bill["lines"]:
        sheet.text(66, y, name, face)
        sheet.right(840, y, f"{amount:.2f}", face)
        y += 52
    sheet.y = y
    sheet.rule(66, 840)
    sheet.text(66, y + 22, "TOTAL EUR", font(bold, 30))
    sheet.right(840, y + 22, f"{bill['total']:.2f}", font(bold, 30))
    return sheet.image


def free_estimate(rng, bill):
    """Any other bill: quantities or not, subtotal and tax or not, a letterhead, remarks."""
    sheet = Sheet(1000, 1260)
    regular, bold = rng.choice(FAMILIES)
    size = rng.choice([22, 25, 28])
    face, strong, fine = font(regular, size), font(bold, size), font(regular, 18)
    style = rng.choice([style for style in wording.MONEY if not style.startswith("before")])
    amount_of = lambda amount: wording.money(style, amount)
    left, right, y = 70, 930, 50
    if rng.random() < 0.3:
        sheet.text(left, y, rng.choice(["ESTIMATE", "QUOTATION", "Repair estimate"]), font(bold, rng.choice([28, 36])))
        y += 60
    sheet.text(left if rng.random() < 0.8 else 480, y, bill["vendor"], font(bold, rng.choice([32, 38])))
    y += 54
    if rng.random() < 0.5:
        sheet.text(left, y, f"{rng.randint(1, 99)} {rng.choice(wording.STREETS)}, {rng.choice(wording.TOWNS)}   Tel 020 7946 {rng.randint(1000, 9999)}", fine, (90, 90, 90))
        y += 42
    heads = [rng.choice(wording.NUMBER_LINES).format(bill["number"]), rng.choice(wording.CUSTOMER_LINES).format(bill["customer"])]
    heads += ["Date: 21/10/2026"] if rng.random() < 0.5 else []
    rng.shuffle(heads)
    for head in heads:
        sheet.text(left, y, head, face)
        y += int(size * 1.7)
    y += 22
    if bill["quantities"] or rng.random() < 0.4:
        sheet.text(left, y, rng.choice(["Description", "Item", "Details"]), strong)
        sheet.right(right, y, rng.choice(["Amount", "Total", "Price"]), strong)
        if bill["quantities"]:
            sheet.right(580, y, "Qty", strong)
            sheet.right(760, y, "Unit price", strong)
        y += int(size * 1.9)
    numbered, pitch = rng.random() < 0.2, int(size * rng.choice([1.6, 1.9, 2.1]))
    for index, (name, quantity, unit, amount) in enumerate(bill["lines"]):
        sheet.text(left, y, (f"{index + 1}. " if numbered else "") + name, face)
        sheet.right(right, y, amount_of(amount), face)
        if bill["quantities"]:
            sheet.right(580, y, str(quantity), face)
            sheet.right(760, y, amount_of(unit), face)
        y += pitch
    sheet.y = y + 10
    sheet.rule(left, right)
    y += 24
    at = left if rng.random() < 0.6 else 520
    for label, amount in bill["sums"]:
        sheet.text(at, y, label, face)
        sheet.right(right, y, amount_of(amount), face)
        y += pitch
    big = font(bold, size + 2)
    sheet.text(at, y, rng.choice(wording.TOTALS_WITH_TAX if bill["sums"] and rng.random() < 0.5 else wording.TOTALS), big)
    sheet.right(right, y, amount_of(bill["total"]), big)
    if rng.random() < 0.4:
        sheet.text(left, y + 110, rng.choice(["This estimate is valid for 30 days.", "Thank you for your custom. VAT number GB 123 4567 89"]), fine, (80, 80, 80))
    return sheet.image
