//! The answer to one question.

/// Allowed or not, and by which policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether some policy permits and none forbids.
    pub allowed: bool,
    /// Ids (`@id`) of the policies that determined the answer, sorted. Empty on a denial: nothing permitted it.
    pub policies: Vec<String>,
    /// Policies that failed to evaluate. Any error makes the answer a denial.
    pub errors: Vec<String>,
}

impl Verdict {
    /// Why, in one line.
    pub fn reason(&self) -> String {
        match (self.allowed, self.policies.is_empty(), self.errors.first()) {
            (_, _, Some(error)) => format!("a policy failed to evaluate: {error}"),
            (true, ..) => format!("permitted by {}", self.policies.join(", ")),
            (false, true, _) => "no policy permits it".to_owned(),
            (false, false, _) => format!("forbidden by {}", self.policies.join(", ")),
        }
    }
}
