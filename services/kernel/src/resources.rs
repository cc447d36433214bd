//! Gets what a definition takes from elsewhere, before it is compiled.

use async_trait::async_trait;

use crate::domain::definition::{self, Definition, External, Problem, Problems, Source};

/// Things that one definition may take from elsewhere, those that these take included.
const EXTERNALS_MAX: usize = 64;

/// Gets what lies elsewhere.
#[async_trait]
pub trait Fetch: Send + Sync {
    /// The text at a URI, or why it cannot be had.
    async fn fetch(&self, uri: &str) -> Result<String, String>;
}

/// A definition that holds all that it takes from elsewhere.
#[derive(Debug)]
pub struct Complete {
    /// Compiled.
    pub definition: Definition,
    /// As text: the one that was given, unless something was brought in.
    pub text: String,
}

/// Compiles a text, with all that it takes from elsewhere brought in.
pub async fn complete(text: String, fetch: &dyn Fetch) -> Result<Complete, Problems> {
    let (text, mut source) = off_thread(move || definition::read(&text).map(|source| (text, source))).await?;
    let mut brought = 0;
    loop {
        let wanted = definition::wanted(&source).map_err(Problems)?;
        if wanted.is_empty() {
            break;
        }
        for external in wanted {
            brought += 1;
            bring_in(&mut source, &external, fetch, brought).await.map_err(|reason| {
                let reason = format!("{} cannot be brought in: {reason}", external.uri);
                Problems(vec![source.problem(&external.pointer, reason)])
            })?;
        }
    }
    let text = if brought > 0 { source.value.to_string() } else { text };
    let definition = off_thread(move || definition::compile(&source)).await?;
    Ok(Complete { definition, text })
}

/// Reading and compiling take milliseconds.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problems> + Send + 'static,
) -> Result<T, Problems> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        let reason = format!("the compiler failed on it: {error}");
        Err(Problems(vec![Problem { line: 1, column: 1, pointer: String::new(), reason }]))
    })
}

async fn bring_in(source: &mut Source, external: &External, fetch: &dyn Fetch, brought: usize) -> Result<(), String> {
    if brought > EXTERNALS_MAX {
        return Err(format!("a definition may take {EXTERNALS_MAX} things from elsewhere"));
    }
    let text = fetch.fetch(&external.uri).await?;
    let content = definition::read(&text).map_err(|problems| format!("it is neither JSON nor YAML: {problems}"))?;
    definition::put(&mut source.value, external, content.value);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
    use super::*;

    struct Shelf;

    #[async_trait]
    impl Fetch for Shelf {
        async fn fetch(&self, uri: &str) -> Result<String, String> {
            match uri {
                "https://e.com/outer" => Ok("call: https://e.com/inner\n".to_owned()),
                "https://e.com/inner" => Ok("{\"set\": {\"x\": 1}}".to_owned()),
                "https://e.com/broken" => Ok("a: [".to_owned()),
                uri if uri.starts_with("https://e.com/endless/") => Ok(format!("call: {uri}1\n")),
                _ => Err("nothing is there".to_owned()),
            }
        }
    }

    fn text(function: &str) -> String {
        format!("document: {{dsl: 1.0.0, namespace: t, name: s, version: 1.0.0}}\ndo:\n  - a: {{call: '{function}'}}\n")
    }

    #[tokio::test]
    async fn what_is_brought_in_may_bring_in_more_and_the_text_then_holds_all() {
        let complete = super::complete(text("https://e.com/outer"), &Shelf).await.unwrap();
        let again = super::complete(complete.text.clone(), &Shelf).await.unwrap();
        assert_eq!((again.definition.hash, again.text), (complete.definition.hash, complete.text));
    }

    #[tokio::test]
    async fn what_cannot_be_brought_in_is_said_where_it_is_named() {
        for (function, reason) in [
            ("https://e.com/none", "nothing is there"),
            ("https://e.com/broken", "neither JSON nor YAML"),
            ("https://e.com/endless/", "64 things"),
        ] {
            let Problems(problems) = super::complete(text(function), &Shelf).await.unwrap_err();
            let [problem] = problems.as_slice() else { panic!("{problems:?}") };
            assert!(problem.reason.contains(reason), "{problem}");
        }
        let Problems(problems) = super::complete(text("https://e.com/none"), &Shelf).await.unwrap_err();
        assert_eq!((problems[0].line, problems[0].pointer.as_str()), (3, "/do/0/a/call"));
    }
}
