//! The index of one collection in memory, and the search over it. The filter comes first: only chunks that the caller may
//! see and asked for are ranked, and among those the scan is exact, so that a narrow filter never costs a result.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::lexical::{Terms, bm25};
use super::vector::{centred_cosine, dot, mean};

/// Share of the dense score where the caller names none. A title and a body say more by their sense than by their words;
/// the words break ties and find names and numbers.
pub const DENSE_WEIGHT: f32 = 0.83;

/// A chunk with what searching needs.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Unique and stable for the same text at the same place.
    pub id: String,
    /// Digest of the text.
    pub digest: String,
    /// The document that it is from.
    pub document: Arc<DocumentInfo>,
    /// Headings from the top.
    pub section_path: Vec<String>,
    /// Clause number; may be empty.
    pub clause: String,
    /// Its text.
    pub text: String,
    /// First character in the document's text.
    pub start: u64,
    /// One past the last.
    pub end: u64,
    /// From 1; 0 without pages.
    pub page: u32,
    /// Embedding of its passage's wording.
    pub wording: Vec<f32>,
    /// Embedding of its passage's body.
    pub body: Vec<f32>,
    /// Terms of the text and of the heading above it.
    pub terms: Terms,
}

/// What the chunks of a document share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentInfo {
    /// Name within the collection.
    pub name: String,
    /// Digest of its bytes.
    pub digest: String,
    /// Its title, or its name.
    pub title: String,
    /// Roles that may see it; empty: everyone of the tenant.
    pub access: Vec<String>,
    /// As it was added.
    pub media_type: String,
    /// When it was added, in milliseconds since 1970.
    pub added_ms: u64,
    /// The model that embedded it. Embeddings of different models do not compare.
    pub model: Model,
}

/// The identity of an embedding model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// Name in the repository.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Digest of its manifest.
    pub digest: String,
    /// `local`, or the provider's name.
    pub provider: String,
}

/// A collection at one version. Immutable: a change makes a new one, and searches under way finish on theirs.
#[derive(Debug, Clone, Default)]
pub struct Index {
    /// Grows with each change.
    pub version: u64,
    /// Every chunk.
    pub entries: Vec<Arc<Entry>>,
}

/// What is searched for.
#[derive(Debug, Clone)]
pub struct Query {
    /// The terms of its text.
    pub terms: Terms,
    /// The embedding of its text.
    pub vector: Vec<f32>,
    /// Most results.
    pub top_k: usize,
    /// 0 to 1.
    pub dense_weight: f32,
    /// What may be found.
    pub filter: Filter,
}

/// What may be found.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Any of these documents; empty: all.
    pub documents: Vec<String>,
    /// A heading contains any of these, in lower case; empty: all.
    pub sections: Vec<String>,
    /// Roles of the caller; `None` sees everything of the tenant.
    pub roles: Option<Vec<String>>,
}

/// A found chunk.
#[derive(Debug, Clone)]
pub struct Found {
    /// The chunk.
    pub entry: Arc<Entry>,
    /// What it was ranked by.
    pub score: f32,
    /// Cosine of query and wording.
    pub dense: f32,
    /// BM25 as a share of the best candidate's.
    pub lexical: f32,
}

impl Entry {
    /// What a chunk is found by in words: its text and the heading above it.
    pub fn terms_of(text: &str, section_path: &[String]) -> Terms {
        let heading = section_path.last().map(String::as_str).unwrap_or_default();
        Terms::of(&format!("{heading}\n{text}"))
    }
}

impl DocumentInfo {
    /// Whether a caller with these roles may see it; `None` sees everything of the tenant.
    pub fn is_visible_to(&self, roles: Option<&[String]>) -> bool {
        roles.is_none_or(|roles| self.access.is_empty() || self.access.iter().any(|role| roles.contains(role)))
    }
}

impl Filter {
    fn admits(&self, entry: &Entry) -> bool {
        let document = &entry.document;
        let may_see = document.is_visible_to(self.roles.as_deref());
        let wanted = self.documents.is_empty() || self.documents.contains(&document.name);
        may_see && wanted && (self.sections.is_empty() || entry.section_path.iter().any(|heading| self.names(heading)))
    }

    fn names(&self, heading: &str) -> bool {
        let heading = heading.to_lowercase();
        self.sections.iter().any(|section| heading.contains(section))
    }
}

impl Index {
    /// The best chunks, best first.
    pub fn search(&self, query: &Query) -> Vec<Found> {
        let candidates: Vec<&Arc<Entry>> = self.entries.iter().filter(|entry| query.filter.admits(entry)).collect();
        let lexical = bm25(&query.terms, &candidates.iter().map(|entry| &entry.terms).collect::<Vec<_>>());
        let best = lexical.iter().copied().fold(f32::EPSILON, f32::max);
        let dimensions = query.vector.len();
        // Clauses of one document share most of their words; without its centre, what remains is what tells them apart.
        let few = candidates.len() < 3;
        let centre_of = |part: fn(&Entry) -> &[f32]| {
            if few { vec![0.0; dimensions] } else { mean(candidates.iter().map(|entry| part(entry)), dimensions) }
        };
        let (wording_centre, body_centre) = (centre_of(|entry| &entry.wording), centre_of(|entry| &entry.body));
        let mut found: Vec<Found> = candidates
            .iter()
            .zip(lexical)
            .map(|(entry, lexical)| {
                let wording = centred_cosine(&query.vector, &entry.wording, &wording_centre);
                let body = centred_cosine(&query.vector, &entry.body, &body_centre);
                let lexical = lexical / best;
                let score = query.dense_weight * (wording + body) / 2.0 + (1.0 - query.dense_weight) * lexical;
                Found { entry: Arc::clone(entry), score, dense: dot(&query.vector, &entry.wording), lexical }
            })
            .collect();
        found.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.entry.id.cmp(&b.entry.id)));
        found.truncate(query.top_k);
        found
    }

    /// The documents that a caller may see, by name, each with how many chunks it has.
    pub fn documents(&self, roles: Option<&[String]>) -> BTreeMap<&str, (&DocumentInfo, u32)> {
        let mut documents = BTreeMap::new();
        for entry in self.entries.iter().filter(|entry| entry.document.is_visible_to(roles)) {
            let document: &DocumentInfo = &entry.document;
            documents.entry(document.name.as_str()).or_insert((document, 0)).1 += 1;
        }
        documents
    }

    /// A document by its name, whoever may see it.
    pub fn document(&self, name: &str) -> Option<&DocumentInfo> {
        self.entries.iter().map(|entry| &*entry.document).find(|document| document.name == name)
    }

    /// The next version, with the chunks of one document replaced.
    #[must_use]
    pub fn with_document(&self, version: u64, name: &str, entries: Vec<Entry>) -> Self {
        let kept = self.entries.iter().filter(|entry| entry.document.name != name).cloned();
        Self { version, entries: kept.chain(entries.into_iter().map(Arc::new)).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, document: &str, access: &[&str], text: &str, vector: [f32; 2]) -> Entry {
        let document = DocumentInfo {
            name: document.to_owned(),
            digest: String::new(),
            title: document.to_owned(),
            access: access.iter().map(|role| (*role).to_owned()).collect(),
            media_type: String::new(),
            added_ms: 0,
            model: Model::default(),
        };
        Entry {
            id: id.to_owned(),
            digest: String::new(),
            document: Arc::new(document),
            section_path: vec!["What is Covered".to_owned()],
            clause: String::new(),
            text: text.to_owned(),
            start: 0,
            end: 0,
            page: 0,
            wording: vector.to_vec(),
            body: vector.to_vec(),
            terms: Terms::of(text),
        }
    }

    fn query(filter: Filter) -> Query {
        Query { terms: Terms::of("storm"), vector: vec![1.0, 0.0], top_k: 10, dense_weight: DENSE_WEIGHT, filter }
    }

    fn index() -> Index {
        Index::default()
            .with_document(
                1,
                "open",
                vec![entry("a", "open", &[], "storm", [1.0, 0.0]), entry("b", "open", &[], "water", [0.0, 1.0])],
            )
            .with_document(2, "secret", vec![entry("c", "secret", &["auditor"], "storm", [1.0, 0.0])])
    }

    fn ids(found: &[Found]) -> Vec<&str> {
        found.iter().map(|found| found.entry.id.as_str()).collect()
    }

    #[test]
    fn what_a_caller_may_not_see_is_neither_found_nor_counted() {
        let roles = |roles: &[&str]| Some(roles.iter().map(|role| (*role).to_owned()).collect());
        let outsider = index().search(&query(Filter { roles: roles(&["developer"]), ..Filter::default() }));
        assert_eq!(ids(&outsider), ["a", "b"]);
        let alone = Index::default().with_document(
            1,
            "open",
            vec![entry("a", "open", &[], "storm", [1.0, 0.0]), entry("b", "open", &[], "water", [0.0, 1.0])],
        );
        let scores = |found: &[Found]| found.iter().map(|f| (f.score, f.lexical)).collect::<Vec<_>>();
        assert_eq!(scores(&outsider), scores(&alone.search(&query(Filter::default()))));
        let auditor = index().search(&query(Filter { roles: roles(&["auditor"]), ..Filter::default() }));
        assert_eq!(auditor.len(), 3);
        let counted = |roles: Option<Vec<String>>| index().documents(roles.as_deref()).len();
        assert_eq!((counted(roles(&[])), counted(roles(&["auditor"])), counted(None)), (1, 2, 2));
    }

    #[test]
    fn filters_narrow_by_document_and_heading() {
        let documents = Filter { documents: vec!["secret".to_owned()], ..Filter::default() };
        assert_eq!(ids(&index().search(&query(documents))), ["c"]);
        let sections = Filter { sections: vec!["not covered".to_owned()], ..Filter::default() };
        assert!(index().search(&query(sections)).is_empty());
        let covered = Filter { sections: vec!["covered".to_owned()], ..Filter::default() };
        assert_eq!(index().search(&query(covered)).len(), 3);
    }

    #[test]
    fn replacing_a_document_leaves_no_old_chunk() {
        let replaced = index().with_document(3, "open", vec![entry("d", "open", &[], "storm", [1.0, 0.0])]);
        let mut found = replaced.search(&query(Filter::default()));
        found.sort_by(|a, b| a.entry.id.cmp(&b.entry.id));
        assert_eq!((ids(&found), replaced.version), (vec!["c", "d"], 3));
    }
}
