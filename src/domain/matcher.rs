//! Alertmanager matchers: `service="web"`, `severity=~"crit.*"`, `env!=prod`, `{a="b",c!~"d"}`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::labels::Labels;

/// One condition on one label.
#[derive(Clone, Debug)]
pub struct Matcher {
    text: String,
}

/// The text is not a matcher.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a matcher: {problem}")]
pub struct UnreadableMatcher {
    text: String,
    problem: String,
}

impl Matcher {
    /// Reads one matcher.
    ///
    /// # Errors
    /// When the text is not a matcher, or its regular expression is invalid or too large.
    pub fn parse(text: &str) -> Result<Self, UnreadableMatcher> {
        Ok(Self { text: text.to_owned() })
    }

    /// Reads a list with or without braces: `{a="b", c=~"d"}`, `a=b`.
    ///
    /// # Errors
    /// As [`Matcher::parse`], for the first one that cannot be read.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, UnreadableMatcher> {
        Ok(vec![Self::parse(text)?])
    }

    /// True when the labels satisfy it; an absent label counts as the empty text.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        let _ = (labels, &self.text);
        false
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Serialize for Matcher {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Matcher {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}
