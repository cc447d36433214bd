//! what is held for a call covers whatever an honest provider can charge for it.

use orrery_routing::catalogue::{Capability, Model, Price};
use orrery_routing::price::{self, Quantities};
use orrery_routing::request::{RequestFacts, Size};
use orrery_types::UnixMillis;
use proptest::prelude::*;

use crate::fixture;

/// A price that is dearer to read from a cache, to write to one or to think than to say is unusual and must not matter.
fn prices() -> impl Strategy<Value = Price> {
    let maybe = || prop::option::of(0u64..10_000);
    let each =
        (0u64..10_000, 0u64..10_000, 0u64..10_000, maybe(), maybe(), maybe(), 0u64..10_000, 0u64..10_000, 0u64..10_000);
    each.prop_map(|(request, input_token, output_token, cached, write, reasoning, page, image, audio_second)| Price {
        valid_from: UnixMillis(0),
        request,
        input_token,
        cached_input_token: cached,
        cache_write_token: write,
        output_token,
        reasoning_token: reasoning,
        page,
        image,
        audio_second,
    })
}

fn sizes() -> impl Strategy<Value = Size> {
    (0u64..100_000, 0u64..100, 0u64..4000, 0u64..1 << 24, 0u64..5, 0u64..5, 0u64..5).prop_map(
        |(text_bytes, items, output_tokens, blob_bytes, images, images_read, choices)| Size {
            text_bytes,
            items,
            output_tokens,
            blob_bytes,
            images,
            images_read,
            choices,
        },
    )
}

fn calls() -> impl Strategy<Value = (Capability, Option<&'static str>)> {
    prop_oneof![
        Just((Capability::Chat, None)),
        Just((Capability::Embed, None)),
        Just((Capability::Image, None)),
        Just((Capability::Read, Some("audio/wav"))),
        Just((Capability::Read, Some("image/png"))),
        Just((Capability::Read, Some("image/tiff"))),
        Just((Capability::Read, Some("application/pdf"))),
    ]
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
fn share(most: u64, part: f64) -> u64 {
    (most as f64 * part) as u64
}

fn model(price: Price) -> Model {
    let mut model = fixture::catalogue(fixture::THREE).models["mid"].clone();
    model.price = price.into();
    model.limits.output_tokens = 3000;
    model
}

fn facts(capability: Capability, media: Option<&str>, size: Size) -> RequestFacts {
    RequestFacts { capability, media_type: media.map(str::to_owned), size, ..fixture::facts("auto") }
}

proptest! {
    /// The worst tokenizer makes a token of every byte; parts of what is read come from a cache or go into one, parts of
    /// what is written are thought, every choice is as long as it may be, and images cost as many tokens as they can.
    #[test]
    fn the_ceiling_covers_every_honest_use(
        price in prices(), size in sizes(), (capability, media) in calls(),
        parts in prop::array::uniform8(0.0f64..=1.0),
    ) {
        let model = model(price);
        let facts = facts(capability, media, size);
        let [text, cached, written, said, thought, pages, images, sound] = parts;
        let choices = size.choices.max(1);
        let read = size.text_bytes + size.items * 8 + size.images_read * model.limits.image_tokens;
        let input_tokens = share(read, text);
        let cached_input_tokens = share(input_tokens, cached);
        let output_tokens = share(price::output_tokens_max(&facts, &model) * choices, said);
        let pages_max = match media {
            Some("image/png") => 1,
            Some(_) if media != Some("audio/wav") => model.limits.pages,
            _ => 0,
        };
        let seconds = (size.blob_bytes / 500 + 1).min(model.limits.audio_seconds);
        let used = Quantities {
            input_tokens,
            cached_input_tokens,
            cache_write_tokens: share(input_tokens - cached_input_tokens, written),
            output_tokens,
            reasoning_tokens: share(output_tokens, thought),
            pages: share(pages_max.max(if media.is_none() { size.images_read } else { 0 }), pages),
            images: share(size.images, images),
            audio_ms: if media == Some("audio/wav") { share(seconds * 1000, sound) } else { 0 },
        };
        let at = UnixMillis(0);
        let ceiling = price::ceiling_cost(&facts, &model, at);
        prop_assert!(used.cost(&model, at) <= ceiling, "{used:?}");
        prop_assert!(price::likely_cost(&facts, &model, at) <= ceiling);
    }

    /// Parts that a provider counts beyond their whole never make a call dearer than its tokens at their dearest.
    #[test]
    fn parts_beyond_their_whole_cost_no_more(price in prices(), whole in 0u64..1000, part in 0u64..10_000) {
        let model = model(price);
        let slip = Quantities {
            input_tokens: whole,
            cached_input_tokens: part,
            cache_write_tokens: part,
            output_tokens: whole,
            reasoning_tokens: part,
            ..Quantities::default()
        };
        let dearest = Quantities { input_tokens: whole, output_tokens: whole, ..Quantities::default() };
        let top = self::model(price.dearest());
        prop_assert!(slip.cost(&model, UnixMillis(0)) <= dearest.cost(&top, UnixMillis(0)));
    }
}

#[test]
fn each_quantity_has_its_price() {
    let price = Price {
        request: 1,
        input_token: 10,
        cached_input_token: Some(2),
        cache_write_token: Some(13),
        output_token: 100,
        reasoning_token: Some(150),
        page: 1_000,
        image: 10_000,
        audio_second: 100_000,
        ..Price::default()
    };
    let used = Quantities {
        input_tokens: 10,
        cached_input_tokens: 4,
        cache_write_tokens: 1,
        output_tokens: 5,
        reasoning_tokens: 2,
        pages: 2,
        images: 3,
        audio_ms: 1_001,
    };
    let expected = 1 + 5 * 10 + 4 * 2 + 13 + 3 * 100 + 2 * 150 + 2_000 + 30_000 + 200_000;
    assert_eq!(used.cost(&model(price), UnixMillis(0)).get(), expected);
    let overflow = Quantities { input_tokens: u64::MAX, output_tokens: u64::MAX, ..used };
    assert_eq!(overflow.cost(&model(price), UnixMillis(0)).get(), i64::MAX.unsigned_abs());
}

#[test]
fn the_price_is_that_of_the_time() {
    let text = fixture::THREE.replace(
        "price = { output_token = 100 }",
        "price = [{ output_token = 100 }, { valid_from = 1970-01-01T00:00:10Z, output_token = 50 }]",
    );
    let catalogue = fixture::catalogue(&text);
    let model = &catalogue.models["mid"];
    let used = Quantities { output_tokens: 3, ..Quantities::default() };
    assert_eq!([used.cost(model, UnixMillis(9_999)).get(), used.cost(model, UnixMillis(10_000)).get()], [300, 150]);
}
