"""Losses as claimants tell of them, under the clause of examples/claims/knowledge that a person chose for each."""

# clause: (kind of incident, what happened, what the estimate lists)
LOSSES = {
    "M-2.1": [
        ("Collision", "A delivery van pulled out of a side road and drove into my door.", "Door panel; Door mirror; Paint and labour"),
        ("Road traffic accident", "I braked too late at the roundabout and went into the back of a taxi.", "Front bumper; Radiator grille; Labour"),
        ("Bump in car park", "While I was shopping somebody hit my parked car and left no note.", "Rear wing; Paint; Labour"),
        ("Hit an animal", "A fox jumped in front of the car at night and the bumper broke when I hit it.", "Front bumper; Number plate holder"),
        ("Accident", "On a narrow bridge I scraped the side of the car along the stone wall.", "Door skin; Sill panel; Paint and labour"),
    ],
    "M-2.2": [
        ("Fire", "Smoke came out of the dashboard and within minutes the inside of the car was on fire.", "Dashboard; Wiring loom; Seats"),
        ("Vehicle fire", "A wheelie bin was set alight next to my car and the flames melted the bumper and lamp.", "Rear bumper; Rear lamp; Paint"),
        ("Lightning strike", "During a thunderstorm lightning hit the car and nothing electrical works any more.", "Control unit; Wiring loom; Diagnosis"),
        ("Engine fire", "The engine bay ignited by itself when I parked after a long drive.", "Engine harness; Bonnet; Labour"),
    ],
    "M-2.3": [
        ("Theft", "When I came out in the morning my car had been stolen from outside the house.", "Replacement value; Key set"),
        ("Attempted theft", "The door lock was forced with a screwdriver but the thief ran off when the alarm sounded.", "Door lock; Door handle; Labour"),
        ("Theft from vehicle", "Thieves smashed the rear quarter window and tore out the navigation system.", "Quarter window; Navigation unit; Fitting labour"),
        ("Stolen parts", "Someone stole the catalytic converter from under my car during the night.", "Catalytic converter; Exhaust pipe; Labour"),
    ],
    "M-2.4": [
        ("Windscreen", "A stone thrown up by a truck left a long crack in the windscreen.", "Windscreen glass; Sealant kit; Fitting labour"),
        ("Glass damage", "Loose chippings on a new road surface chipped the windscreen in front of the driver.", "Resin repair; Call-out"),
        ("Chipped windscreen", "A pebble hit the glass on the motorway and made a chip as big as a coin.", "Chip repair"),
        ("Broken window", "A stone from a lawn mower hit the passenger window and it cracked from side to side.", "Side window; Seal; Fitting labour"),
    ],
    "M-2.5": [
        ("Courtesy car", "My car is at the approved repairer and I need a small car until it is ready.", "Small car hire 6 days; Insurance"),
        ("Hire car", "I rented a car for nine days while the garage had mine for the repair.", "Car hire; Delivery"),
        ("Replacement car", "The workshop kept my vehicle for a week and gave me no courtesy car.", "Hire car 7 days"),
    ],
    "M-3.1": [
        ("Unnamed driver", "My neighbour drove the car to the shops and hit a post; he is not named in the schedule.", "Front bumper; Wing panel; Paint"),
        ("Collision, other driver", "My brother was at the wheel when it happened and he is not on my policy as a driver.", "Headlamp unit; Bonnet; Labour"),
        ("Driver not insured", "I lent the car to a friend who isn't a named driver and she damaged the door.", "Door panel; Paint and labour"),
        ("Borrowed vehicle", "The person driving was my daughter's boyfriend, who is not listed in the schedule.", "Rear bumper; Labour"),
    ],
    "M-3.2": [
        ("Wear and tear", "The brake discs and pads have worn down and the garage says they must be changed.", "Brake discs; Brake pads; Labour"),
        ("Worn clutch", "After ninety thousand kilometres the clutch no longer grips.", "Clutch kit; Labour"),
        ("Breakdown", "The starter motor gave up and the car would not start any more.", "Starter motor; Labour"),
        ("Worn tyres", "All four tyres have lost their tread with use.", "Tyre; Balancing; Disposal"),
        ("Mechanical breakdown", "The gearbox jumped out of third gear and then failed completely.", "Gearbox; Gear oil; Labour"),
        ("Wiper blades", "The wiper blades are worn and smear the screen.", "Wiper blades; Fitting"),
    ],
    "M-3.3": [
        ("Loss of value", "Since the accident repair nobody wants to pay the former price for my car.", "Valuation report; Loss of value"),
        ("Reduced resale value", "The dealer deducts two thousand because the car was repaired, and I claim that difference.", "Difference in value"),
        ("Depreciation", "After being repaired my car has a lower market value than before.", "Loss of value"),
    ],
    "M-3.4": [
        ("Racing", "I lost control in the last lap of a club race and hit the tyre wall.", "Front bumper; Wheel; Suspension arm"),
        ("Rally damage", "The sump was torn open on a gravel stage of the rally I entered.", "Sump; Engine oil; Labour"),
        ("Track racing", "I was racing a friend round the circuit and slid into the barrier.", "Wing panel; Headlamp unit; Paint"),
    ],
    "H-2.1": [
        ("Storm", "High winds lifted the ridge tiles and rain soaked the loft.", "Ridge tiles; Felt; Scaffold hire"),
        ("Storm damage", "In last night's gale the chimney pot fell through the roof.", "Chimney pot; Roof tiles; Labour"),
        ("Flood", "After days of rain the brook overflowed and our cellar stood under water.", "Pumping out; Plaster; Electrical work"),
        ("Hail damage", "Hailstones as big as walnuts smashed the skylights.", "Skylight; Fitting; Scaffold hire"),
        ("Heavy snow", "The snow on the shed was so heavy that the roof of the outbuilding caved in.", "Roof timbers; Roofing felt; Labour"),
    ],
    "H-2.2": [
        ("Escape of water", "A pipe burst behind the shower and water ran through the ceiling below.", "Pipe repair; Ceiling plaster; Redecoration"),
        ("Burst pipe", "The pipe in the loft froze and burst and the bedrooms were soaked.", "Pipe repair; Drying; Carpet"),
        ("Water damage", "The hose of the dishwasher came loose and flooded the kitchen in an hour.", "Floor covering; Drying equipment hire"),
        ("Leaking tank", "The cold water tank suddenly split and emptied itself over the stairs.", "Water tank; Plaster; Paint"),
    ],
    "H-2.3": [
        ("Fire", "A tea towel left on the hob set the kitchen on fire.", "Kitchen units; Cooker hood; Paint"),
        ("Smoke damage", "Smoke from the neighbour's burning garage blackened our bedroom walls.", "Cleaning; Paint; Curtains"),
        ("Lightning", "Lightning went into the aerial and burned out the wiring of the house.", "Rewiring; Fuse box; Labour"),
        ("Explosion", "A gas bottle exploded in the utility room and blew the windows out.", "Window frame; Glazing; Plaster"),
    ],
    "H-2.4": [
        ("Burglary", "Burglars forced the patio door and stole two watches and a camera.", "Watch; Camera; Patio door lock"),
        ("Break-in", "We came back from dinner and found the back door kicked in and the computer gone.", "Desktop computer; Door frame"),
        ("Theft", "Someone broke the bathroom window, climbed in and took my wife's rings.", "Gold ring; Window glass"),
        ("Housebreaking", "The lock was drilled out and the television and the bicycles were stolen.", "Television; Bicycle; Lock cylinder"),
    ],
    "H-3.1": [
        ("Gradual damp", "Damp has been creeping up the living room wall for years.", "Damp proofing; Plaster; Paint"),
        ("Mould", "Mould keeps growing round the windows in the back bedroom.", "Mould treatment; Paint"),
        ("Rotten floor", "The floor joists have slowly rotted and the boards are soft now.", "Floor joists; Floor boards; Labour"),
        ("Rust", "The iron balcony has rusted over time and is no longer safe.", "Iron work; Paint; Labour"),
        ("Cracks", "Cracks have appeared over many months as the house settles.", "Crack repair; Render; Paint"),
    ],
    "H-3.2": [
        ("Empty house", "The house had been empty for three months when somebody broke the windows.", "Glazing; Window frame"),
        ("Unoccupied building", "Nobody has lived in the building since January and the ceiling came down in May.", "Ceiling plaster; Labour"),
        ("Damage while empty", "We moved out in spring, the flat stood empty for half a year and was damaged meanwhile.", "Door; Floor covering; Paint"),
    ],
    "H-3.3": [
        ("Bad workmanship", "The tiler did a bad job and the bathroom tiles fall off the wall.", "Wall tiles; Adhesive; Labour"),
        ("Faulty design", "The architect's design of the balcony was wrong and the water cannot run off.", "Balcony sealing; Engineer; Labour"),
        ("Poor workmanship", "The builder laid the new patio so badly that the slabs rock.", "Paving slabs; Sand; Labour"),
        ("Defective work", "The kitchen fitters hung the cupboards wrongly and they do not close.", "Cupboard doors; Fitting labour"),
    ],
    "H-3.4": [
        ("Fence", "The wind broke three panels of the garden fence.", "Fence panels; Posts; Labour"),
        ("Storm", "The storm blew the fence between us and the neighbours over.", "Fence panels; Concrete; Labour"),
        ("Garden gate", "A strong gust ripped the side gate off its hinges.", "Gate; Hinges; Labour"),
    ],
    "T-2.1": [
        ("Cancellation", "I had to cancel the trip because I broke my ankle a week before.", "Flight; Hotel; Airport transfer"),
        ("Cancelled trip", "I lost my job through redundancy and we called the holiday off.", "Package holiday"),
        ("Trip cancellation", "The court summoned me for jury service in the very week of our journey.", "Ferry; Cottage rent"),
        ("Cancelled holiday", "My husband was taken ill two days before departure and we stayed at home.", "Flight; Hotel; Car hire"),
    ],
    "T-2.2": [
        ("Lost baggage", "My suitcase was not on the belt and the airline has not found it since.", "Suitcase; Clothing; Toiletries"),
        ("Lost luggage", "The airline sent my bag to another country and it never turned up.", "Travel bag; Clothing; Shoes"),
        ("Damaged baggage", "The carrier handed me back a suitcase crushed flat with everything in it broken.", "Suitcase; Perfume; Camera lens"),
        ("Stolen baggage", "My checked bag was opened and emptied while the airline had it.", "Jacket; Shoes; Electric razor"),
    ],
    "T-2.3": [
        ("Delay", "Our flight home left nineteen hours late.", "Delay benefit; Meals"),
        ("Delayed departure", "The plane was cancelled for fog and we sat at the airport until the next evening.", "Hotel night; Meals"),
        ("Flight delay", "Because of a strike the train arrived a day and a half later than planned.", "Delay benefit"),
    ],
    "T-2.4": [
        ("Medical", "I slipped at the pool in Greece and the clinic had to set my wrist.", "Clinic fee; X-ray; Plaster cast"),
        ("Emergency treatment", "An ambulance took me to a hospital in Rome with a bad allergic reaction.", "Ambulance; Hospital treatment; Medicine"),
        ("Illness abroad", "On the second day of the holiday I got a high fever and a doctor came to the hotel.", "Doctor's visit; Medicine"),
        ("Dentist abroad", "A tooth broke in Lisbon and I needed emergency dental treatment.", "Dental treatment; X-ray"),
    ],
    "T-3.1": [
        ("Travel advice", "We flew although the foreign ministry advised against all travel there and had to come back early.", "Flight; Hotel"),
        ("Against official advice", "There was an official warning not to travel to the region, I went anyway and lost my booking.", "Tour; Hotel nights"),
        ("Evacuation", "Despite the government's advice not to go I travelled and had to be flown out.", "Flight home"),
    ],
    "T-3.2": [
        ("Lost cash", "I lost an envelope with 700 euros in cash.", "Cash"),
        ("Stolen money", "900 euros in notes were taken from my wallet at the hotel.", "Cash"),
        ("Cash", "My purse with 450 euros of cash in it is gone.", "Cash; Purse"),
    ],
    "T-3.3": [
        ("Unattended property", "I left my rucksack on a park bench for ten minutes and it was gone.", "Rucksack; Tablet computer"),
        ("Stolen from beach", "While we were swimming our bag disappeared from the beach.", "Beach bag; Sunglasses; Telephone"),
        ("Stolen bag", "I hung my bag over the chair in a restaurant, went to pay and it was gone.", "Handbag; Purse"),
        ("Theft", "I put my laptop on a table in the cafe and left it there while I fetched a drink.", "Laptop computer"),
    ],
    "T-3.4": [
        ("Sports equipment", "My snowboard broke on the slope while I was riding it.", "Snowboard; Binding"),
        ("Broken skis", "One of my skis snapped during a run.", "Skis"),
        ("Surfboard", "A wave broke my surfboard while I was surfing.", "Surfboard; Fin set"),
        ("Tennis racket", "The frame of my racket cracked in the middle of a match.", "Tennis racket; Strings"),
    ],
}
