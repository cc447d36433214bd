//! The tokenizer inside a GGUF file: byte-level BPE with digits split one by one (`tokenizer.ggml.pre = smollm`).

use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::{AddedToken, Tokenizer};

use super::super::ModelError;
use super::super::byte_level::ByteVocabulary;
use super::gguf::{Gguf, Value};

/// ggml's number for tokens that steer the model and are never written out.
const CONTROL_TOKEN: i64 = 3;

pub(super) struct TextTokenizer {
    tokenizer: Tokenizer,
    vocabulary: ByteVocabulary,
    control: Vec<bool>,
    end_of_turn: u32,
}

impl TextTokenizer {
    pub(super) fn from_gguf(file: &Gguf) -> Result<Self, ModelError> {
        let model = file.text("tokenizer.ggml.model")?;
        let splitter = file.text("tokenizer.ggml.pre")?;
        if (model, splitter) != ("gpt2", "smollm") {
            let what = format!("the tokenizer {model} with splitting {splitter}");
            return Err(ModelError::unsupported(file.path(), what));
        }
        let tokens = file.texts("tokenizer.ggml.tokens")?;
        let control: Vec<bool> = file
            .array("tokenizer.ggml.token_type")?
            .iter()
            .map(|kind| matches!(kind, Value::Signed(CONTROL_TOKEN)))
            .collect();
        let end_of_turn = u32::try_from(file.unsigned("tokenizer.ggml.eos_token_id")?).unwrap_or(u32::MAX);
        if control.len() != tokens.len() || tokens.get(end_of_turn as usize).is_none() {
            return Err(file.corrupt("its token lists do not fit together"));
        }
        Ok(Self {
            tokenizer: build(file, &tokens, &control)?,
            vocabulary: ByteVocabulary::new(tokens),
            control,
            end_of_turn,
        })
    }

    pub(super) fn encode(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        self.tokenizer
            .encode_fast(text, false)
            .map(|encoding| encoding.get_ids().to_vec())
            .map_err(|error| ModelError::Tokenizer(error.to_string()))
    }

    /// The bytes that a token adds to the text; none for a control token.
    pub(super) fn bytes(&self, token: u32) -> &[u8] {
        if self.is_control(token) {
            return &[];
        }
        self.vocabulary.bytes(token)
    }

    /// Whether the model ends its turn with this token.
    pub(super) fn ends_turn(&self, token: u32) -> bool {
        // Token 0 ends a document, which ends a turn as well.
        token == self.end_of_turn || token == 0
    }

    /// The tokens that end a turn.
    pub(super) fn ends(&self) -> [u32; 2] {
        [self.end_of_turn, 0]
    }

    /// The bytes of each token in id order; those of control tokens begin with `marker`, which no text holds.
    pub(super) fn marked_tokens(&self, marker: u8) -> Vec<Vec<u8>> {
        let ids = 0..u32::try_from(self.vocabulary.len()).unwrap_or(u32::MAX);
        ids.map(|id| {
            let bytes = self.vocabulary.bytes(id);
            if self.is_control(id) { [&[marker], bytes].concat() } else { bytes.to_vec() }
        })
        .collect()
    }

    pub(super) fn vocabulary_size(&self) -> usize {
        self.vocabulary.len()
    }

    fn is_control(&self, token: u32) -> bool {
        usize::try_from(token).ok().and_then(|token| self.control.get(token)).is_none_or(|&control| control)
    }
}

fn build(file: &Gguf, tokens: &[&str], control: &[bool]) -> Result<Tokenizer, ModelError> {
    let vocabulary: Vocab = tokens.iter().zip(0_u32..).map(|(&token, id)| (token.to_owned(), id)).collect();
    let merges = file
        .texts("tokenizer.ggml.merges")?
        .into_iter()
        .map(|merge| {
            merge
                .split_once(' ')
                .map(|(left, right)| (left.to_owned(), right.to_owned()))
                .ok_or_else(|| file.corrupt(format!("the merge {merge:?} has no space")))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let model = BPE::builder()
        .vocab_and_merges(vocabulary, merges)
        .build()
        .map_err(|error| file.corrupt(format!("its merges do not fit its tokens: {error}")))?;
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(Sequence::new(vec![
        Digits::new(true).into(),
        ByteLevel::new(false, true, true).into(),
    ])));
    let special =
        tokens.iter().zip(control).filter(|(_, control)| **control).map(|(&token, _)| AddedToken::from(token, true));
    tokenizer.add_special_tokens(special).map_err(|error| ModelError::Tokenizer(error.to_string()))?;
    Ok(tokenizer)
}
