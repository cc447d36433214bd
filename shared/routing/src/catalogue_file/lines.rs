//! In which line of a catalogue an entry stands, for whoever has to mend it.

/// The fault with the line of its entry before it. Faults begin with their entry, as `model "x"`; an entry that is not written
/// as a table of its own has no line here.
pub(super) fn located(text: &str, fault: String) -> String {
    match entry_of(&fault).and_then(|(kind, name)| line_of(text, kind, name)) {
        Some(line) => format!("line {line}: {fault}"),
        None => fault,
    }
}

fn entry_of(fault: &str) -> Option<(&str, &str)> {
    let (kind, rest) = fault.split_once(" \"")?;
    let (name, _) = rest.split_once('"')?;
    matches!(kind, "provider" | "model" | "route").then_some((kind, name))
}

/// Where `name = "…"` stands in a table `[[kind]]`.
fn line_of(text: &str, kind: &str, name: &str) -> Option<usize> {
    let header = format!("[[{kind}]]");
    let mut within = false;
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.starts_with('[') {
            within = line.split('#').next().unwrap_or_default().trim() == header;
            continue;
        }
        let value = line.strip_prefix("name").map(str::trim_start).and_then(|rest| rest.strip_prefix('='));
        let value = value.map(str::trim_start).and_then(|rest| rest.strip_prefix(['"', '\'']));
        let named = value.and_then(|rest| rest.strip_prefix(name)).is_some_and(|rest| rest.starts_with(['"', '\'']));
        if within && named {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_name_the_line_of_their_entry() {
        let text = "[[provider]]\nname = \"a\"\n[[model]] # ours\n  name=\"a\" # its name\n[[route]]\nname = 'ab'\n";
        let at = |fault: &str| located(text, fault.to_owned());
        assert_eq!(at("provider \"a\": x"), "line 2: provider \"a\": x");
        assert_eq!(at("model \"a\": x"), "line 4: model \"a\": x");
        assert_eq!(at("route \"ab\": x"), "line 6: route \"ab\": x");
        for fault in ["route \"a\": x", "currency \"euro\" is no code", "there is no [[model]]"] {
            assert_eq!(at(fault), fault);
        }
    }
}
