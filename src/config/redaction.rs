//! `redaction`: rules that take secrets out of what senders say.
//!
//! Called by `load`, and by the tests of whoever carries the rules out.

use regex::{Regex, RegexBuilder};

use super::document::Node;
use super::lists::Lists;
use super::problem::quote;
use super::scalar;
use super::schema::REDACTION_KEYS;
use crate::domain::redaction::{MARK, RedactionRule};

/// Largest compiled regular expression.
const REGEX_BYTES_MAX: usize = 1024 * 1024;
/// Most rules: each looks at every label of every alert.
const RULES_MAX: usize = 100;

impl<'a> Lists<'a> {
    /// `redaction`.
    pub(super) fn redaction(&mut self, node: &'a Node) -> Vec<RedactionRule> {
        let mut rules: Vec<RedactionRule> = Vec::new();
        for object in self.objects(node, "redaction", REDACTION_KEYS) {
            let name = self.required(&object, "name", scalar::name);
            let labels = self.optional(&object, "labels", names);
            let annotations = self.optional(&object, "annotations", names);
            let regex = self.required(&object, "regex", expression);
            let replacement = self.optional(&object, "replacement", |text| {
                if text.contains(MARK) {
                    return Ok(text.to_owned());
                }
                let shown = quote(text);
                Err(format!("{shown} must hold {MARK}, so that readers see that something is gone"))
            });
            let replacement = replacement.unwrap_or_else(|| MARK.to_owned());
            let (Some(name), Some(regex)) = (name, regex) else { continue };
            if let Some(group) = unknown_group(&regex, &replacement) {
                let text = format!("names the group {group}, which regex does not have");
                self.note(object.mark, &object.path_of("replacement"), text);
            }
            if rules.iter().any(|rule| rule.name == name) {
                self.note_twice(&object, "name", name.as_str());
            }
            let says_which = object.get("labels").is_some() || object.get("annotations").is_some();
            let all = || (!says_which).then(|| names(".*").ok()).flatten();
            rules.push(RedactionRule {
                name,
                labels: labels.or_else(all),
                annotations: annotations.or_else(all),
                regex,
                replacement,
            });
        }
        if rules.len() > RULES_MAX {
            let text = format!("has more than {RULES_MAX} rules; join some with `|`");
            self.note(node.mark, "redaction", text);
        }
        rules
    }
}

/// A regular expression for whole names.
fn names(text: &str) -> Result<Regex, String> {
    compiled(text, &format!("^(?s:{text})$"))
}

/// A regular expression that takes something out.
fn expression(text: &str) -> Result<Regex, String> {
    compiled(text, text)
}

fn compiled(text: &str, whole: &str) -> Result<Regex, String> {
    // Alone first, so that nothing in it can reach beyond what is put around it.
    let build = |text: &str| RegexBuilder::new(text).size_limit(REGEX_BYTES_MAX).build();
    let told = |error: regex::Error| {
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("{} is no regular expression that we take: {reason}", quote(text))
    };
    build(text).map_err(told)?;
    build(whole).map_err(told)
}

/// A group that the replacement names and the expression does not have.
fn unknown_group(regex: &Regex, replacement: &str) -> Option<String> {
    let mut rest = replacement;
    while let Some(at) = rest.find('$') {
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            rest = after;
            continue;
        }
        let name: String = match rest.strip_prefix('{') {
            Some(braced) => braced.chars().take_while(|c| *c != '}').collect(),
            None => rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect(),
        };
        let is_known = match name.parse::<usize>() {
            Ok(number) => number < regex.captures_len(),
            Err(_) => regex.capture_names().flatten().any(|known| known == name),
        };
        if !name.is_empty() && !is_known {
            return Some(format!("${{{name}}}"));
        }
    }
    None
}
