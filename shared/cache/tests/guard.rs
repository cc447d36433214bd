//! Pairs of questions that ask the same, and pairs that do not however alike they look.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use orrery_cache::guard::{Difference, same_question};
use proptest::prelude::*;

const SAME: &[(&str, &str)] = &[
    ("Is fire damage covered?", "is fire damage covered"),
    ("Is fire damage covered?", "Is the fire damage covered?"),
    ("Is fire damage covered?", "Please, is fire damage covered?"),
    ("Is fire damage covered?", "Can you tell me if fire damage is covered?"),
    ("Is fire damage covered?", "I would like to know whether fire damage is covered"),
    ("Is fire damage covered?", "I'd like to know whether fire damage is covered."),
    ("Is fire damage covered?", "Hello! Is fire damage covered? Thanks!"),
    ("Is fire damage covered?", "Does it cover fire damage?"),
    ("How do I cancel my policy?", "How can I cancel my policy?"),
    ("How do I cancel my policy?", "how to cancel my policy"),
    ("How do I cancel my policy?", "Could you tell me how to cancel the policy?"),
    ("How do I cancel my policies?", "How do I cancel my policy?"),
    ("How do I file a claim?", "How do I make a claim?"),
    ("How do I file a claim?", "How can I submit a claim?"),
    ("How do I file a claim?", "how to lodge a claim"),
    ("Can I cancel my policy?", "Is it possible to cancel my policy?"),
    ("Can I cancel my policy?", "Am I able to cancel my policy?"),
    ("Can I drive abroad?", "Could I drive abroad?"),
    ("May I drive abroad?", "Am I allowed to drive abroad?"),
    ("Do I have to pay a deposit?", "Do I need to pay a deposit?"),
    ("Must I pay a deposit?", "Do I have to pay a deposit?"),
    ("What is my deductible?", "what's my deductible"),
    ("What is my deductible?", "What is the deductible?"),
    ("What is a deductible?", "what's a deductible?"),
    ("Which documents do I need?", "What documents do I need?"),
    ("Which documents do I need?", "What document do I require?"),
    ("What is the limit for 2 cars?", "What is the limit for two cars?"),
    ("Is a claim of $1,000 paid?", "Is a claim of $1000 paid?"),
    ("Is a claim of $1,000 paid?", "Is a claim of 1000 dollars paid?"),
    ("Is a claim of $1,000 paid?", "Is a claim of USD 1,000.00 paid?"),
    ("Is a claim of $1,000 paid?", "is a claim of one thousand dollars paid"),
    ("Is a claim of $1.5 million paid?", "Is a claim of $1,500,000 paid?"),
    ("Can I cancel within 14 days?", "Can I cancel within fourteen days?"),
    ("Can I cancel within 250 days?", "Can I cancel within two hundred and fifty days?"),
    ("Is 25 % of the loss paid?", "Is twenty-five percent of the loss paid?"),
    ("Is a trip of 30km covered?", "Is a trip of 30 kilometres covered?"),
    ("Was the policy valid on 2024-01-05?", "Was the policy valid on January 5, 2024?"),
    ("Was the policy valid on 2024-01-05?", "Was the policy valid on 5 January 2024?"),
    ("Was the policy valid on 2024-01-05?", "Was the policy valid on the 5th of January 2024?"),
    ("Was the policy valid on 2024-01-05?", "Was the policy valid on 05.01.2024?"),
    ("Does the office open at 5 pm?", "Does the office open at 17:00?"),
    ("Is policy P-12345 active?", "Is policy p-12345 active?"),
    ("What does Allianz charge?", "What does allianz charge"),
    ("Isn't theft covered?", "Is not theft covered?"),
    ("Is theft not covered?", "is theft not covered"),
    ("Why can't I log in?", "Why can I not sign in?"),
    ("What isn't covered?", "What is not covered?"),
    ("Are all drivers covered?", "Is every driver covered?"),
    ("Is only theft covered?", "Is just theft covered?"),
    ("Can I claim more than 500 euros?", "Can I claim greater than €500?"),
    ("Can I claim at most 500 euros?", "Can I claim up to €500?"),
    ("Can I claim at least 500 euros?", "Can I claim no less than 500 €?"),
    ("Where can I buy a bike?", "Where can I purchase a bicycle?"),
    ("How much does a car cost?", "How much do cars cost?"),
    ("Is my car insured?", "Is the automobile insured?"),
    ("Is a deposit required?", "Does it require a deposit?"),
    ("What happens if I’m late?", "What happens if I'm late?"),
    ("Is cafe\u{301} damage covered?", "Is café damage covered?"),
    ("Ist Hagel versichert?", "ist hagel versichert"),
    ("Bitte, ist Hagel versichert?", "Können Sie mir sagen, ob Hagel versichert ist?"),
    ("Was kostet die Police?", "was kostet eine Police?"),
    ("Wie kann ich in 2 Wochen kündigen?", "wie kann ich in zwei Wochen kündigen"),
];

/// What makes them differ, and the two.
const DIFFERENT: &[(Difference, &str, &str)] = &[
    // Negation
    (Difference::Negation, "Is flood covered?", "Is flood not covered?"),
    (Difference::Negation, "Is flood covered?", "Isn't flood covered?"),
    (Difference::Negation, "Is flood covered?", "Is flood never covered?"),
    (Difference::Negation, "Why can I log in?", "Why can't I log in?"),
    (Difference::Negation, "Why can I log in?", "Why cannot I log in?"),
    (Difference::Negation, "What is covered?", "What is not covered?"),
    (Difference::Negation, "What is covered?", "What's not covered?"),
    (Difference::Negation, "Can I drive with a licence?", "Can I drive without a licence?"),
    (Difference::Negation, "Is everyone covered?", "Is everyone except drivers covered?"),
    (Difference::Negation, "Do drivers pay?", "Do no drivers pay?"),
    (Difference::Negation, "Will you pay if I call?", "Will you pay unless I call?"),
    (Difference::Negation, "Is theft covered but not fire?", "Is fire covered but not theft?"),
    (Difference::Negation, "Am I insured?", "Am I uninsured?"),
    (Difference::Negation, "Is the car registered?", "Is the car unregistered?"),
    (Difference::Negation, "Is my policy valid?", "Is my policy non-valid?"),
    (Difference::Negation, "Are direct losses paid?", "Are indirect losses paid?"),
    (Difference::Negation, "Are smokers accepted?", "Are non-smokers accepted?"),
    (Difference::Negation, "Won't it rain?", "Will it rain?"),
    (Difference::Negation, "Should I call the police?", "Shouldn't I call the police?"),
    (Difference::Negation, "Is all theft covered apart from fraud?", "Is all theft covered, fraud too?"),
    (Difference::Negation, "Ist Hagel versichert?", "Ist Hagel nicht versichert?"),
    (Difference::Negation, "Habe ich eine Police?", "Habe ich keine Police?"),
    (Difference::Negation, "Darf ich mit Anhänger fahren?", "Darf ich ohne Anhänger fahren?"),
    // Opposites
    (Difference::Opposite, "What is included?", "What is excluded?"),
    (Difference::Opposite, "Is theft covered?", "Is theft excluded?"),
    (Difference::Opposite, "How do I open an account?", "How do I close an account?"),
    (Difference::Opposite, "Can I increase my limit?", "Can I decrease my limit?"),
    (Difference::Opposite, "Was my claim approved?", "Was my claim denied?"),
    (Difference::Opposite, "How do I renew the policy?", "How do I cancel the policy?"),
    (Difference::Opposite, "What does the landlord pay?", "What does the tenant pay?"),
    (Difference::Opposite, "What does the insurer owe?", "What does the insured owe?"),
    (Difference::Opposite, "How do I enable alerts?", "How do I disable alerts?"),
    (Difference::Opposite, "What is the cheapest plan?", "What is the dearest plan?"),
    (Difference::Opposite, "Should I buy the shares?", "Should I sell the shares?"),
    (Difference::Opposite, "What is the gross salary?", "What is the net salary?"),
    (Difference::Opposite, "When does cover begin?", "When does cover end?"),
    (Difference::Opposite, "When does cover start?", "When does cover end?"),
    (Difference::Opposite, "Ist das erlaubt?", "Ist das verboten?"),
    (Difference::Opposite, "Is the fee mandatory?", "Is the fee optional?"),
    // Numbers, units, currencies
    (Difference::Number, "Is a claim of $500 paid?", "Is a claim of $5,000 paid?"),
    (Difference::Number, "Is a claim of $500 paid?", "Is a claim of €500 paid?"),
    (Difference::Number, "Is a claim of $500 paid?", "Is a claim of 500 paid?"),
    (Difference::Number, "Can I cancel within 14 days?", "Can I cancel within 14 weeks?"),
    (Difference::Number, "Can I cancel within 14 days?", "Can I cancel within 40 days?"),
    (Difference::Number, "Can I cancel within two days?", "Can I cancel within three days?"),
    (Difference::Number, "Is a trip of 30 km covered?", "Is a trip of 30 miles covered?"),
    (Difference::Number, "Is 5% paid?", "Is 50% paid?"),
    (Difference::Number, "Is 1.5 paid?", "Is 15 paid?"),
    (Difference::Number, "What is 5 minus -3?", "What is 5 minus 3?"),
    (Difference::Number, "Is a claim of $1 million paid?", "Is a claim of $1 billion paid?"),
    (Difference::Number, "Are two drivers covered?", "Are drivers covered?"),
    (Difference::Number, "Wie hoch ist die Rate bei 12 Monaten?", "Wie hoch ist die Rate bei 24 Monaten?"),
    // Names, identifiers, dates, times
    (Difference::Name, "Is policy P-12345 active?", "Is policy P-12346 active?"),
    (Difference::Name, "Is policy 00123 active?", "Is policy 0123 active?"),
    (Difference::Name, "Is claim AB12 open?", "Is claim AB21 open?"),
    (Difference::Name, "What does Allianz charge?", "What does Axa charge?"),
    (Difference::Name, "Is my house in Berlin insured?", "Is my house in Hamburg insured?"),
    (Difference::Name, "Does William owe rent?", "Does Williams owe rent?"),
    (Difference::Name, "Am I covered in the US?", "Am I covered in the UK?"),
    (Difference::Name, "Am I covered in the US?", "Am I covered?"),
    (Difference::Name, "Was it valid on 2024-01-05?", "Was it valid on 2024-05-01?"),
    (Difference::Name, "Was it valid on 5 January 2024?", "Was it valid on 6 January 2024?"),
    (Difference::Name, "Was it valid on 1/5/2024?", "Was it valid on 5/1/2024?"),
    (Difference::Name, "Is it valid on May 5?", "Is it valid on June 5?"),
    (Difference::Name, "Does it open at 5 am?", "Does it open at 5 pm?"),
    (Difference::Name, "Is version 1.2.3 safe?", "Is version 1.2.4 safe?"),
    (Difference::Name, "Can I mail a@example.org?", "Can I mail b@example.org?"),
    (Difference::Name, "Is C++ safe?", "Is C safe?"),
    (Difference::Number, "Is .5 percent paid?", "Is 5 percent paid?"),
    (Difference::Name, "What is 5!", "What is 5?"),
    (Difference::Name, "Is x < y true?", "Is x > y true?"),
    (Difference::Number, "Is 1/2 paid?", "Is 12 paid?"),
    (Difference::Number, "Is #5 paid?", "Is 5 paid?"),
    (Difference::Name, "¿Vale en Madrid?", "¿Vale en Sevilla?"),
    (Difference::Negation, "¿Vale en Madrid?", "¿No vale en Madrid?"),
    // What is asked for
    (Difference::Asked, "Who pays the claim?", "When pays the claim?"),
    (Difference::Asked, "When is the claim paid?", "Where is the claim paid?"),
    (Difference::Asked, "How much is paid?", "How is paid?"),
    (Difference::Asked, "How long is the trip?", "How far is the trip?"),
    (Difference::Asked, "How often do I pay?", "How long do I pay?"),
    (Difference::Asked, "Is theft covered?", "Why is theft covered?"),
    (Difference::Asked, "Is theft covered?", "When is theft covered?"),
    (Difference::Asked, "What is a premium?", "What is my premium?"),
    (Difference::Asked, "What is a premium?", "Why is a premium?"),
    (Difference::Asked, "Is the claim paid?", "Was the claim paid?"),
    (Difference::Asked, "Until when is it valid?", "Since when is it valid?"),
    (Difference::Asked, "Wer zahlt?", "Wann zahlt?"),
    (Difference::Asked, "Wo ist die Police?", "Was ist die Police?"),
    (Difference::Asked, "theft covered", "is theft covered"),
    // How many
    (Difference::Quantifier, "Are all losses covered?", "Are some losses covered?"),
    (Difference::Quantifier, "Are all losses covered?", "Are any losses covered?"),
    (Difference::Quantifier, "Is theft covered?", "Is only theft covered?"),
    (Difference::Quantifier, "Do I always pay?", "Do I sometimes pay?"),
    (Difference::Quantifier, "Is theft always covered?", "Is theft covered?"),
    (Difference::Quantifier, "Sind alle Fahrer versichert?", "Sind einige Fahrer versichert?"),
    // More and less
    (Difference::Comparison, "Can I claim more than $500?", "Can I claim less than $500?"),
    (Difference::Comparison, "Can I claim at least $500?", "Can I claim at most $500?"),
    (Difference::Comparison, "Can I claim up to $500?", "Can I claim $500?"),
    (Difference::Comparison, "Do young drivers pay more?", "Do young drivers pay less?"),
    (Difference::Comparison, "What costs most?", "What costs least?"),
    (Difference::Comparison, "Zahle ich mehr?", "Zahle ich weniger?"),
    // Direction, order in time, condition
    (Difference::Direction, "Can I cancel before renewal?", "Can I cancel after renewal?"),
    (Difference::Direction, "Is there a train from Rome to Paris?", "Is there a train from Paris to Rome?"),
    (Difference::Direction, "Is it valid until May 5?", "Is it valid since May 5?"),
    (Difference::Direction, "Does the landlord pay?", "Does he pay with the landlord?"),
    (Difference::Direction, "Are drivers under 25 covered?", "Are drivers over 25 covered?"),
    (Difference::Direction, "Is the tenant paid?", "Is it paid by the tenant?"),
    (Difference::Direction, "Is fire or theft covered?", "Is fire and theft covered?"),
    (Difference::Direction, "Am I covered while I drive?", "Am I covered if I drive?"),
    (Difference::Direction, "Zahle ich vor dem Unfall?", "Zahle ich nach dem Unfall?"),
    (Difference::Direction, "Sieht der Hund die Katze?", "Sieht den Hund die Katze?"),
    (Difference::Direction, "Kann der Mieter kündigen?", "Kann dem Mieter kündigen?"),
    // Whether it can, may, must, will
    (Difference::Modality, "Can I pay in cash?", "Must I pay in cash?"),
    (Difference::Modality, "Should I pay in cash?", "May I pay in cash?"),
    (Difference::Modality, "Can I pay in cash?", "Do I pay in cash?"),
    (Difference::Modality, "Will it be paid?", "Would it be paid?"),
    (Difference::Modality, "I paid. Is it enough?", "I pay. Is it enough?"),
    (Difference::Modality, "What did I pay?", "What do I pay?"),
    (Difference::Modality, "Kann ich kündigen?", "Muss ich kündigen?"),
    // Who
    (Difference::Person, "What do I owe?", "What do you owe?"),
    (Difference::Person, "Is my car insured?", "Is his car insured?"),
    (Difference::Person, "Is his car insured?", "Is her car insured?"),
    (Difference::Person, "Am I covered abroad?", "Is it covered abroad?"),
    (Difference::Person, "Does the landlord pay me?", "Does the landlord pay?"),
    (Difference::Person, "Do you sell my data?", "Do you sell data?"),
    (Difference::Person, "Is the dog mine?", "Is the dog?"),
    (Difference::Person, "Who covers it?", "Who does it cover?"),
    (Difference::Person, "Who pays him?", "Who does he pay?"),
    (Difference::Person, "Does he pay her?", "Does she pay him?"),
    (Difference::Person, "Is he paid?", "Does he pay?"),
    (Difference::Person, "Am I insured?", "Do I insure?"),
    (Difference::Person, "Is it covered?", "Does it cover?"),
    (Difference::Person, "Who is paid?", "Who pays?"),
    (Difference::Person, "Do they cover theft?", "Is theft covered?"),
    // Another thing
    (Difference::Subject, "Is fire damage covered?", "Is water damage covered?"),
    (Difference::Subject, "Is fire damage covered?", "Is fire damage in the garage covered?"),
    (Difference::Subject, "Is my wife covered?", "Is my daughter covered?"),
    (Difference::Subject, "Is my car covered?", "Is my care covered?"),
    (Difference::Subject, "How do I change the address?", "How do I change the beneficiary?"),
    (Difference::Subject, "Is theft still covered?", "Is theft covered?"),
    (Difference::Subject, "Is the news covered?", "Is the new covered?"),
    (Difference::Name, "What is an in-patient?", "What is a patient?"),
    (Difference::Subject, "Is surgery covered?", "Is cosmetic surgery covered?"),
    // The same words in another order
    (Difference::Order, "Does a landlord sue a plumber?", "Does a plumber sue a landlord?"),
    (Difference::Order, "Is a dog bigger than a cat?", "Is a cat bigger than a dog?"),
    (Difference::Order, "Does the tenant insure?", "Is the tenant insured?"),
    (Difference::Order, "Is A5 before noon B6?", "Is B6 before noon A5?"),
];

/// Each pair both ways, and where it was judged wrongly.
fn misjudged<'a>(pairs: impl Iterator<Item = (Result<(), Difference>, &'a str, &'a str)>) -> Vec<String> {
    let both = pairs.flat_map(|(expected, one, other)| [(expected, one, other), (expected, other, one)]);
    let judged = both.map(|(expected, one, other)| (expected, same_question(one, other), one, other));
    let wrong = judged.filter(|(expected, judged, ..)| expected != judged);
    wrong.map(|(expected, judged, one, other)| format!("{one} | {other}: {judged:?}, not {expected:?}")).collect()
}

#[test]
fn what_asks_the_same_is_the_same() {
    assert_eq!(misjudged(SAME.iter().map(|(one, other)| (Ok(()), *one, *other))), [""; 0]);
}

#[test]
fn what_asks_another_thing_is_not() {
    let expected = DIFFERENT.iter().map(|(difference, one, other)| (Err(*difference), *one, *other));
    assert_eq!(misjudged(expected), [""; 0]);
}

#[test]
fn each_of_the_many_is_told_from_each_other() {
    // One of each group that asks for a thing of its own.
    let groups = [
        "Is theft of a bicycle covered?",
        "Is theft of a bicycle not covered?",
        "Is theft of a bicycle excluded?",
        "Is only theft of a bicycle covered?",
        "Was theft of a bicycle covered?",
        "Is theft of a bicycle covered abroad?",
        "Is theft of two bicycles covered?",
        "Is theft of a bicycle covered up to $500?",
        "Is theft of a bicycle covered from $500?",
        "Is theft of a bicycle covered without a lock?",
        "Is theft of a bicycle covered with a lock?",
        "Is theft of a bicycle covered if I lock it?",
        "Is theft of a bicycle covered unless I lock it?",
        "Why is theft of a bicycle covered?",
        "When is theft of a bicycle covered?",
        "Is theft of your bicycle covered?",
    ];
    for (place, one) in groups.iter().enumerate() {
        for (other_place, other) in groups.iter().enumerate() {
            assert_eq!(same_question(one, other).is_ok(), place == other_place, "{one} | {other}");
        }
    }
}

#[test]
fn a_text_too_long_to_compare_is_in_doubt() {
    let long = "word ".repeat(2_000);
    assert_eq!(same_question(&long, &long), Ok(()));
    assert_eq!(same_question(&long, "word"), Err(Difference::Length));
}

proptest! {
    #[test]
    fn any_two_texts_can_be_compared_and_either_way(one in "\\PC{0,60}", other in "\\PC{0,60}") {
        prop_assert_eq!(same_question(&one, &other).is_ok(), same_question(&other, &one).is_ok());
        prop_assert_eq!(same_question(&one, &one), Ok(()));
    }

    #[test]
    fn a_negation_anywhere_is_seen(place in 0_usize..7, negation in prop::sample::select(vec!["not", "never", "no", "without"])) {
        let words = ["is", "storm", "damage", "to", "garden", "furniture", "covered"];
        let mut denied = words.to_vec();
        denied.insert(place, negation);
        prop_assert!(same_question(&words.join(" "), &denied.join(" ")).is_err());
    }

    #[test]
    fn another_number_is_seen(one in 0_u64..1_000_000, other in 0_u64..1_000_000) {
        let ask = |number: u64| format!("is a claim of {number} euros paid");
        prop_assert_eq!(same_question(&ask(one), &ask(other)).is_ok(), one == other);
    }
}
