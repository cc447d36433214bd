"""What forms and bills say in how many ways: names, labels, dates, amounts; written without the workflow's own lists."""

FIRST = (
    "Ada Bruno Carla Dmitri Elena Farid Greta Hugo Ines Jonas Klara Liam Mirela Nils Olga Pavel Quentin Rosa Sven Tara Uwe Vera "
    "Zoe José Zoë Jürgen Søren Łukasz Renée François Ağça Mária Åsa Siobhán"
).split()
LAST = (
    "Abel Brandt Castro Dubois Ericsson Ferrari Gruber Holt Ivanov Jensen Kowalski Lopez Moreau Novak O'Hara Petrov Quist Ramirez "
    "Schmidt Turner Zeman Muñoz Weiß Ødegård Lefèvre Šimek Gonçalves Müller Nagy-Kovács van_Dijk"
).split()
STREETS = ["Mill Lane", "Park View", "Orchard Close", "Kings Avenue", "High Street", "Station Road", "Rue du Port", "Harbour Walk"]
TOWNS = ["Dunmore", "Fairview", "Carlisle", "Ashford", "Glenrock", "Malmö", "Saint-Denis", "Kirkby"]
VENDORS = [
    "Harbour Works", "Quick Fix & Sons", "Fairview Repairs Ltd", "Oakfield Garage", "Miller Brothers", "Alpine Glass GmbH",
    "Castle Roofing Services", "Bright & Holt", "Nordic Plumbing Co", "The Corner Workshop", "Lindqvist Trading",
]

TITLES = {
    "motor": ["MOTOR CLAIM FORM", "Motor insurance claim", "Vehicle claim form", "Car insurance claim"],
    "home": ["HOME CLAIM FORM", "Household insurance claim form", "Home insurance: notice of a claim", "Household claim"],
    "travel": ["TRAVEL CLAIM FORM", "Travel insurance claim", "Claim under your travel insurance", "Travel claim"],
}
# The first of each is what the insurer's own form says.
LABELS = {
    "policy_number": ["Policy number", "Policy No.", "Number of your policy", "Policy #", "Insurance policy", "Policy held"],
    "claimant_name": ["Claimant name", "Name of person claiming", "Your full name", "Policy holder's name", "Claimed by", "Person making this claim"],
    "incident_date": ["Date of incident", "On what date did this happen?", "Day of the incident", "Date of the event", "Date when loss occurred", "Incident occurred on"],
    "incident_type": ["Type of incident", "What sort of incident was it?", "Nature of claim", "Kind of damage", "Reason for your claim", "Type of event"],
    "location": ["Location", "Where did this take place?", "Address of the incident", "Site of the loss", "Place where it happened", "Incident address"],
    "registration": ["Vehicle registration", "Registration mark", "Vehicle reg. no.", "Car number plate", "Registration of your car"],
    "telephone": ["Telephone", "Phone no.", "Your telephone", "Best number to reach you", "Call back number", "Daytime tel."],
    "amount_claimed": ["Amount claimed (EUR)", "How much do you claim?", "Sum you are claiming", "Total of your claim", "Claim value", "Amount you wish to claim"],
    "what_happened": ["Description", "Tell us in your own words what happened", "Course of events", "What took place?", "Report of the incident", "Please explain what happened"],
}
# Lines that a form may have beside those that matter.
OTHERS = [
    ("Email", "someone@example.org"), ("Occupation", "Teacher"), ("Postcode", "DN4 7QR"), ("Email", ""), ("Sort code", "20-11-42"),
    ("Date of birth", "04/09/1981"), ("Policy start date", "01/02/2025"), ("Police reference", "CR/2231/26"), ("Witness", "none"),
]
FOOTERS = ["Signature: ____________   Date signed: 14/11/2026", "Page 1 of 1   Northgate Mutual, registered office 1 Mill Street", "I declare that the above is true."]

NUMBER_LINES = ["Estimate No. {}", "Estimate number: {}", "Quotation no. {}", "Our reference: {}", "Estimate #{}", "Offer no. {}", "Est. no.: {}", "Quote: {}"]
CUSTOMER_LINES = ["Customer: {}", "Prepared for: {}", "Client: {}", "To: {}", "Attention: {}"]
TOTALS = ["Total", "TOTAL", "Grand total", "Amount payable", "Total price", "To pay", "Total amount", "Sum total"]
TOTALS_WITH_TAX = ["Total incl. VAT", "Total gross", "Total including tax", "Gross amount"]
SUBTOTALS = ["Subtotal", "Net total", "Sub-total", "Total excl. VAT", "Net amount", "Total before tax"]
TAXES = ["VAT 20%", "VAT (20%)", "VAT @ 20%", "Value added tax 20 %", "plus 20% VAT"]

MONTHS = "January February March April May June July August September October November December".split()
DATES = ["{d:02}/{m:02}/{y}", "{y}-{m:02}-{d:02}", "{d} {month} {y}", "{d:02}.{m:02}.{y}", "{mon} {d}, {y}", "{d:02}-{m:02}-{y}", "{d}{th} of {month} {y}", "{d}/{m}/{y}"]
PHONES = ["+44 20 7946 0{:03}", "020 7946 0{:03}", "(020) 7946 0{:03}", "07700 900{:03}", "+353 20 915 0{:03}", "+49 30 2345 0{:03}"]

NOTES = [
    "Hello, this is a claim about my {product} policy. {what} Please call me back as soon as you can. Thank you.",
    "Good morning. I am calling about my {product} insurance. {what} I have sent you the form and an estimate.",
    "Hi, my name is {name}. {what} Could somebody please get in touch with me?",
]
MAILS = [
    "Subject: Claim on {policy}\n\nDear team,\n\n{what} I attach the form, an estimate from {vendor} and a voice note. You can reach me on {phone}.\n\nRegards,\n{name}\n",
    "Subject: {kind}\n\nDear Sir or Madam,\n\nplease find attached my claim under policy {policy}. {what}\n\nYours faithfully,\n{name}\nTel. {phone}\n",
    "Subject: new claim\n\nHello,\n\nform, estimate and a voice message are attached. My policy is {policy}, my number {phone}.\n\nBest wishes\n{name}\n",
]


def date(style, y, m, d):
    th = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}.get(d, "th")
    return style.format(y=y, m=m, d=d, th=th, month=MONTHS[m - 1], mon=MONTHS[m - 1][:3])


def money(style, amount):
    """As people write it: `1,234.50`, `1234.50`, `EUR 1,234.50`, `1.234,50`, `€1,234.50`, `1,234.50 EUR`."""
    text = f"{amount:,.2f}"
    if "continental" in style:
        text = text.replace(",", "_").replace(".", ",").replace("_", ".")
    if "plain" in style:
        text = text.replace(",", "")
    return {"before": "EUR ", "sign": "€"}.get(style.split("-")[0], "") + text + (" EUR" if style.startswith("after") else "")


MONEY = ["-plain", "-grouped", "before-grouped", "-continental", "sign-grouped", "after-grouped"]
