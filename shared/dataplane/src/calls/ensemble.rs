//! Several models at once, whose answers become one. Everyone who answers is paid; who is late is cancelled.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatInput, ChatMessage, ModelInput, model_input, model_output};
use orrery_providers::Answer;
use orrery_routing::catalogue::Capability;
use orrery_routing::catalogue::route::Combine;
use orrery_routing::decide::EnsemblePlan;
use orrery_routing::ensemble::{Progress, picked, progress, vote};
use tokio::time::Instant;

use super::attempt::{Missed, Run, caller_left};
use super::{Answered, Call};
use crate::DataPlane;

/// Once the answers suffice, the others are waited for as long again as these took, and for this long at least.
const GRACE_MIN: Duration = Duration::from_millis(20);

impl DataPlane {
    /// One answer from those of the members; where too many fail, that of whoever else may answer.
    pub(super) async fn ensemble(&self, run: &Run<'_>, plan: &EnsemblePlan) -> Result<Answered, Error> {
        if run.call.facts.capability != Capability::Chat {
            let taken = self.first_success::<Answer>(run, &[], None).await?;
            return Ok(self.pay_for(run, taken));
        }
        let answers = match self.gather(run, plan).await {
            Ok(answers) => answers,
            Err(missed) if missed.for_all() => return Err(missed.error),
            Err(missed) => {
                let members: Vec<&str> = plan.members.iter().map(String::as_str).collect();
                let taken = self.first_success::<Answer>(run, &members, Some(missed.error)).await?;
                return Ok(self.pay_for(run, taken));
            }
        };
        let answered = self.combine(run, plan, answers).await?;
        if let Some(model) = run.plan.snapshot.catalogue.models.get(&answered.model) {
            run.course.answered_by(model);
        }
        Ok(answered)
    }

    /// The answers that are needed and those that come soon after, in the order of the members. All of them are paid for.
    async fn gather(&self, run: &Run<'_>, plan: &EnsemblePlan) -> Result<Vec<Answered>, Missed> {
        let samples = usize::try_from(plan.ensemble.samples).unwrap_or(1);
        let asked = plan.members.iter().flat_map(|member| std::iter::repeat_n(member.as_str(), samples)).enumerate();
        let mut open: FuturesUnordered<_> = FuturesUnordered::new();
        for (place, member) in asked {
            open.push(async move { (place, member, self.one::<Answer>(run, member, true).await) });
        }
        let started = Instant::now();
        let (mut answers, mut failed) = (Vec::new(), Vec::new());
        let (mut last, mut until) = (None, None);
        loop {
            let names: Vec<&str> = answers.iter().map(|(_, it): &(usize, Answered)| it.model.as_str()).collect();
            match progress(plan, &names, &failed) {
                Progress::Wait => {}
                Progress::Enough => until = until.or_else(|| Some(Instant::now() + started.elapsed().max(GRACE_MIN))),
                Progress::Complete => break,
                Progress::Hopeless(why) => return Err(hopeless(&why, last)),
            }
            let next = tokio::select! {
                next = open.next() => next,
                () = sleep_until(until) => break,
            };
            match next {
                Some((place, _, Ok(taken))) => answers.push((place, self.pay_for(run, taken))),
                Some((_, _, Err(missed))) if missed.for_all() => return Err(missed),
                Some((_, member, Err(missed))) => {
                    failed.push(member);
                    last = Some(missed);
                }
                None => break,
            }
        }
        answers.sort_by_key(|(place, _)| *place);
        Ok(answers.into_iter().map(|(_, answered)| answered).collect())
    }

    /// Where a judge or an aggregator fails, the members vote.
    async fn combine(&self, run: &Run<'_>, plan: &EnsemblePlan, mut answers: Vec<Answered>) -> Result<Answered, Error> {
        let texts: Vec<&str> = answers.iter().map(|it| text(&it.answer)).collect();
        let voted = || vote(&texts).map_or(0, |(place, _)| place);
        let chosen = match (&plan.combiner, &plan.ensemble.combine) {
            (Some((model, _)), Combine::BestOfN(judge)) => {
                let verdict = self.ask_combiner(run, plan, model, &judge.prompt, &texts).await?;
                verdict.and_then(|verdict| picked(text(&verdict.answer), texts.len())).unwrap_or_else(voted)
            }
            (Some((model, _)), Combine::Mixture(aggregator)) => {
                match self.ask_combiner(run, plan, model, &aggregator.prompt, &texts).await? {
                    Some(written) => return Ok(written),
                    None => voted(),
                }
            }
            _ => voted(),
        };
        Ok(answers.swap_remove(chosen))
    }

    /// None when it does not answer.
    async fn ask_combiner(
        &self,
        run: &Run<'_>,
        plan: &EnsemblePlan,
        model: &str,
        prompt: &str,
        texts: &[&str],
    ) -> Result<Option<Answered>, Error> {
        let call = Call {
            facts: plan.combining(&run.call.facts),
            input: shown(&run.call.input, &plan.ensemble.combine, prompt, texts, plan.ensemble.answer_bytes_max),
            ..run.call.clone()
        };
        let run = Run { call: &call, ..*run };
        match self.one::<Answer>(&run, model, false).await {
            Ok(taken) => Ok(Some(self.pay_for(&run, taken))),
            Err(_) if run.left.is_cancelled() => Err(caller_left()),
            Err(missed) => {
                metrics::counter!("orrery.router.ensemble.not_combined", "gen_ai.request.model" => model.to_owned())
                    .increment(1);
                tracing::warn!(error = %missed.error, gen_ai.request.model = model, "answers are not combined; the vote counts");
                Ok(None)
            }
        }
    }
}

async fn sleep_until(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}

fn hopeless(why: &str, last: Option<Missed>) -> Missed {
    let (error, next) = match last {
        Some(Missed { error, next }) => (error, next),
        None => (Error::new(ErrorCode::ModelFailed, "no member answered"), orrery_routing::retry::Next::Fallback),
    };
    let message = format!("the ensemble did not come about: {why}; the last failure: {}", error.message);
    Missed { error: Error { message, ..error }, next }
}

fn text(answer: &Answer) -> &str {
    match &answer.output.kind {
        Some(model_output::Kind::Chat(chat)) => &chat.text,
        _ => "",
    }
}

/// What whoever combines is given: its task, the conversation, and the answers, numbered from 1.
fn shown(input: &ModelInput, combine: &Combine, prompt: &str, texts: &[&str], bytes_max: u64) -> ModelInput {
    let Some(model_input::Kind::Chat(chat)) = &input.kind else { return input.clone() };
    let message = |role: &str, content: String| ChatMessage { role: role.into(), content, ..ChatMessage::default() };
    let numbered =
        (1..).zip(texts).map(|(number, text)| cut(&format!("Answer {number}:\n{text}"), bytes_max).to_owned());
    let answers = numbered.collect::<Vec<_>>().join("\n\n");
    let mut messages = vec![message("system", prompt.to_owned())];
    messages.extend(chat.messages.iter().cloned());
    messages.push(message("user", answers));
    // A judge says a number, whatever shape the answer has; neither it nor an aggregator calls tools.
    let response_format = chat.response_format.clone().filter(|_| matches!(combine, Combine::Mixture(_)));
    let shown = ChatInput { messages, response_format, user: chat.user.clone(), ..ChatInput::default() };
    ModelInput { kind: Some(model_input::Kind::Chat(shown)) }
}

/// The longest beginning of so many bytes that cuts no character.
fn cut(text: &str, bytes_max: u64) -> &str {
    let end = usize::try_from(bytes_max).unwrap_or(usize::MAX).min(text.len());
    text.get(..text.floor_char_boundary(end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use orrery_routing::catalogue::route::{Aggregator, Judge};

    #[test]
    fn a_cut_spares_characters() {
        assert_eq!((cut("añb", 2), cut("añb", 3), cut("añb", 99)), ("a", "añ", "añb"));
    }

    #[test]
    fn whoever_combines_sees_the_conversation_and_the_answers() {
        let messages = vec![ChatMessage { role: "user".into(), content: "why?".into(), ..ChatMessage::default() }];
        let format = Some(orrery_proto::v1::ResponseFormat { kind: "json_object".into(), ..Default::default() });
        let chat = ChatInput { messages, response_format: format.clone(), n: 3, ..ChatInput::default() };
        let input = ModelInput { kind: Some(model_input::Kind::Chat(chat)) };
        let given = |combine: &Combine| match shown(&input, combine, "judge", &["because", "so"], 14).kind {
            Some(model_input::Kind::Chat(chat)) => chat,
            _ => panic!("no chat"),
        };
        let judge = given(&Combine::BestOfN(Judge { judge: "j".into(), prompt: "judge".into(), output_tokens: 8 }));
        let said: Vec<_> = judge.messages.iter().map(|it| (it.role.as_str(), it.content.as_str())).collect();
        assert_eq!(said, [("system", "judge"), ("user", "why?"), ("user", "Answer 1:\nbeca\n\nAnswer 2:\nso")]);
        assert_eq!((judge.response_format, judge.n), (None, 0));
        let mixture = Combine::Mixture(Aggregator { aggregator: "a".into(), prompt: "mix".into() });
        assert_eq!(given(&mixture).response_format, format);
    }
}
