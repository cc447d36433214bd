//! The canonical form of what a model is asked: two inputs have the same form when nothing in which they differ can change
//! the answer. Pure.
//!
//! Left out: `user`, where a payload lies in the object store (its digest stands for it), the order of keys and the white
//! space of JSON texts, and the two spellings of one default (`n` 0 and 1, no response format and `text`, no tool choice and
//! `auto`, one part of text and `content`). Text is in normal form C. Everything else is part of the form; the messages are
//! taken apart field by field, so that a new field does not compile until it is placed here.

mod chat;
mod json;

use orrery_proto::v1::{
    BlobRef, ClassifyInput, EmbedInput, ExtractInput, ImageInput, Label, ModelInput, ModerateInput, ReadInput,
    RerankInput, model_input::Kind,
};
use orrery_types::Sha256Digest;
use unicode_normalization::UnicodeNormalization as _;

pub(crate) use chat::with_last_turn_left_out;

/// Bytes in which no two different sequences of fields are written alike: each field has a name and a length.
#[derive(Debug, Default)]
pub(crate) struct Form(Vec<u8>);

impl Form {
    pub fn bytes(&mut self, name: &str, value: &[u8]) -> &mut Self {
        for part in [name.as_bytes(), value] {
            self.0.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            self.0.extend_from_slice(part);
        }
        self
    }

    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        let normal: String = value.nfc().collect();
        self.bytes(name, normal.as_bytes())
    }

    pub fn json(&mut self, name: &str, value: &str) -> &mut Self {
        let canonical = json::canonical(value);
        self.bytes(name, canonical.as_bytes())
    }

    pub fn number(&mut self, name: &str, value: u64) -> &mut Self {
        self.bytes(name, &value.to_le_bytes())
    }

    pub fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        self.bytes(name, &[u8::from(value)])
    }

    pub fn float(&mut self, name: &str, value: Option<f32>) -> &mut Self {
        match value {
            None => self,
            // Both zeros are greedy.
            Some(value) => self.bytes(name, &(value + 0.0).to_bits().to_le_bytes()),
        }
    }

    pub fn optional(&mut self, name: &str, value: Option<u64>) -> &mut Self {
        match value {
            None => self,
            Some(value) => self.number(name, value),
        }
    }

    pub fn list<T>(&mut self, name: &str, values: &[T], mut write: impl FnMut(&mut Self, &T)) -> &mut Self {
        self.number(name, u64::try_from(values.len()).unwrap_or(u64::MAX));
        for value in values {
            self.inner(name, |form| write(form, value));
        }
        self
    }

    pub fn texts(&mut self, name: &str, values: &[String]) -> &mut Self {
        self.list(name, values, |form, value| {
            form.text("", value);
        })
    }

    pub fn inner(&mut self, name: &str, write: impl FnOnce(&mut Self)) -> &mut Self {
        let mut form = Self::default();
        write(&mut form);
        self.bytes(name, &form.0)
    }

    pub fn digest(&self) -> Sha256Digest {
        Sha256Digest::of(&self.0)
    }
}

/// Writes the canonical form of `input`.
pub(crate) fn input(form: &mut Form, input: &ModelInput) {
    let ModelInput { kind } = input;
    match kind {
        None => form,
        Some(Kind::Chat(input)) => form.inner("chat", |form| chat::input(form, input)),
        Some(Kind::Embed(EmbedInput { texts, dimensions, input_type })) => form.inner("embed", |form| {
            form.texts("texts", texts);
            form.number("dimensions", u64::from(*dimensions)).text("input_type", input_type);
        }),
        Some(Kind::Read(ReadInput { blob, schema_json, language, translate, prompt })) => form.inner("read", |form| {
            if let Some(blob) = blob {
                form.inner("blob", |form| self::blob(form, blob));
            }
            form.json("schema", schema_json).text("language", language);
            form.flag("translate", *translate).text("prompt", prompt);
        }),
        Some(Kind::Extract(ExtractInput { contents_json, schema_json })) => form.inner("extract", |form| {
            form.list("contents", contents_json, |form, content| {
                form.json("", content);
            });
            form.json("schema", schema_json);
        }),
        Some(Kind::Classify(ClassifyInput { text, labels })) => form.inner("classify", |form| {
            form.text("text", text).list("labels", labels, |form, Label { name, description }| {
                form.text("name", name).text("description", description);
            });
        }),
        Some(Kind::Rerank(RerankInput { query, documents, top_n })) => form.inner("rerank", |form| {
            form.text("query", query).texts("documents", documents);
            form.number("top_n", u64::from(*top_n));
        }),
        Some(Kind::Moderate(ModerateInput { texts })) => form.inner("moderate", |form| {
            form.texts("texts", texts);
        }),
        Some(Kind::Image(input)) => form.inner("image", |form| image(form, input)),
    };
}

fn image(form: &mut Form, input: &ImageInput) {
    let ImageInput { operation, prompt, images, mask, n, size, quality, style, background, output_format, user: _ } =
        input;
    form.text("operation", operation).text("prompt", prompt).list("images", images, blob);
    if let Some(mask) = mask {
        form.inner("mask", |form| blob(form, mask));
    }
    form.number("n", u64::from(*n).max(1)).text("size", size).text("quality", quality).text("style", style);
    form.text("background", background).text("output_format", output_format);
}

fn blob(form: &mut Form, blob: &BlobRef) {
    let BlobRef { key, sha256, size_bytes, media_type, name } = blob;
    // Where the bytes lie says nothing of them, where the digest does.
    if sha256.is_empty() {
        form.text("key", key);
    } else {
        form.text("sha256", sha256);
    }
    form.number("size", *size_bytes).text("media_type", media_type).text("name", name);
}
