//! What retrieval asks of models, through inference: embeddings of texts, and the lines of documents that have pages.

use orrery_bus::{Bus, CallContext, verbs};
use orrery_proto::v1::model_input::Kind as InputKind;
use orrery_proto::v1::model_output::Kind as OutputKind;
use orrery_proto::v1::{BlobRef, EmbedInput, InferenceReply, InferenceRequest, ModelInput, ReadInput};
use serde::Deserialize;

use crate::domain::index::Model;
use crate::domain::parse::Line;
use crate::error::RetrievalError;

/// Texts in one call; a batch takes a model about a second on a processor.
const BATCH: usize = 64;
/// Height of a line that came without its place on the page.
const LINE_HEIGHT: f32 = 10.0;

/// Texts as vectors of unit length, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded<V = Vec<f32>> {
    /// One for each text.
    pub vectors: Vec<V>,
    /// Which model made them.
    pub model: Model,
}

/// Calls to inference. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Models {
    bus: Bus,
}

impl Models {
    /// Asks over `bus`.
    pub fn new(bus: Bus) -> Self {
        Self { bus }
    }

    /// Embeds texts, all by the same model.
    pub async fn embed(&self, context: &CallContext, texts: &[String]) -> Result<Embedded, RetrievalError> {
        let mut embedded: Option<Embedded> = None;
        for batch in texts.chunks(BATCH) {
            let input = InputKind::Embed(EmbedInput { texts: batch.to_vec(), ..EmbedInput::default() });
            let next = embedding(self.infer(context, input).await?, batch.len())?;
            match &mut embedded {
                Some(whole) if whole.model != next.model => {
                    let reason = "vectors of another model in the middle of a document; try again";
                    return Err(RetrievalError::Embedding(reason.to_owned()));
                }
                Some(whole) => whole.vectors.extend(next.vectors),
                None => embedded = Some(next),
            }
        }
        embedded.ok_or_else(|| RetrievalError::Embedding("nothing, for it was asked nothing".to_owned()))
    }

    /// The lines of a document's pages.
    pub async fn read(&self, context: &CallContext, blob: &BlobRef) -> Result<Vec<Line>, RetrievalError> {
        let input = InputKind::Read(ReadInput { blob: Some(blob.clone()), ..ReadInput::default() });
        match self.infer(context, input).await?.output.and_then(|output| output.kind) {
            Some(OutputKind::ContentJson(content)) => lines(&content),
            _ => Err(RetrievalError::Reading("something else than content".to_owned())),
        }
    }

    async fn infer(&self, context: &CallContext, input: InputKind) -> Result<InferenceReply, RetrievalError> {
        let request = InferenceRequest { input: Some(ModelInput { kind: Some(input) }), ..InferenceRequest::default() };
        Ok(self.bus.call(verbs::inference::INVOKE, &context.onward(), &request).await?)
    }
}

fn embedding(reply: InferenceReply, texts: usize) -> Result<Embedded, RetrievalError> {
    let wrong = |reason: String| RetrievalError::Embedding(reason);
    let Some(OutputKind::Embed(output)) = reply.output.and_then(|output| output.kind) else {
        return Err(wrong("something else than an embedding".to_owned()));
    };
    let dimensions = usize::try_from(output.dimensions).unwrap_or_default();
    if dimensions == 0 || output.values.len() != texts.saturating_mul(dimensions) {
        let found = output.values.len();
        return Err(wrong(format!("{found} numbers for {texts} texts of {dimensions} dimensions")));
    }
    if !output.values.iter().all(|value| value.is_finite()) {
        return Err(wrong("values that are no numbers".to_owned()));
    }
    let model = reply.models.into_iter().next().ok_or_else(|| wrong("no model's identity".to_owned()))?;
    let model = Model { name: model.name, version: model.version, digest: model.digest, provider: model.provider };
    Ok(Embedded { vectors: output.values.chunks(dimensions).map(<[f32]>::to_vec).collect(), model })
}

/// The part of a content document that lines are made of.
#[derive(Deserialize)]
struct Content {
    segments: Vec<Segment>,
}

#[derive(Deserialize)]
struct Segment {
    text: String,
    /// From 0.
    #[serde(default)]
    page: Option<u32>,
    #[serde(default)]
    quad: Option<[Point; 4]>,
}

#[derive(Deserialize)]
struct Point {
    y: f32,
}

fn lines(content: &str) -> Result<Vec<Line>, RetrievalError> {
    let content: Content =
        serde_json::from_str(content).map_err(|error| RetrievalError::Reading(format!("odd content: {error}")))?;
    let mut below = 0.0;
    let line = |segment: Segment| {
        let (top, bottom) = match &segment.quad {
            Some(quad) => {
                quad.iter().fold((f32::MAX, f32::MIN), |(top, bottom), point| (top.min(point.y), bottom.max(point.y)))
            }
            None => (below, below + LINE_HEIGHT),
        };
        below = bottom;
        Line { text: segment.text, page: segment.page.map_or(0, |page| page.saturating_add(1)), top, bottom }
    };
    Ok(content.segments.into_iter().map(line).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn segments_become_lines_with_and_without_their_places() {
        let content = r#"{"modality":"document","segments":[
            {"text":"a","confidence":1,"page":1,"quad":[{"x":0,"y":8},{"x":9,"y":7},{"x":9,"y":20},{"x":0,"y":21}]},
            {"text":"b","confidence":1}]}"#;
        let places: Vec<_> = lines(content).unwrap().iter().map(|line| (line.page, line.top, line.bottom)).collect();
        assert_eq!(places, [(2, 7.0, 21.0), (0, 21.0, 31.0)]);
        assert!(matches!(lines("{}"), Err(RetrievalError::Reading(_))));
    }

    #[test]
    fn an_answer_that_does_not_add_up_is_refused() {
        let reply = |values: Vec<f32>| InferenceReply {
            output: Some(orrery_proto::v1::ModelOutput {
                kind: Some(OutputKind::Embed(orrery_proto::v1::EmbedOutput { dimensions: 2, values })),
            }),
            models: vec![orrery_proto::v1::ModelIdentity::default()],
            ..InferenceReply::default()
        };
        assert_eq!(embedding(reply(vec![1.0, 0.0, 0.0, 1.0]), 2).unwrap().vectors, [[1.0, 0.0], [0.0, 1.0]]);
        assert!(embedding(reply(vec![1.0, 0.0, 0.0]), 2).is_err());
        assert!(embedding(reply(vec![1.0, f32::NAN]), 1).is_err());
        assert!(embedding(InferenceReply::default(), 0).is_err());
    }
}
