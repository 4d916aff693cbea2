//! The layers: default < file < environment < flag.
//!
//! The `config` crate merges them and remembers for every value where it came from. It never sees
//! YAML, a file or the environment: we feed it our own scalars, so that none is rewritten, each
//! with its exact place as the origin. Lists of objects do not pass through it; they come from
//! the file, else from the default. Called by `load`.

use std::collections::BTreeMap;

use super::document::{Body, Document, Node};
use super::problem::{Place, Report};
use super::schema::{PREFIX, SETTINGS, Setting, Shape, setting, settings_of};

/// A value of a layer with the place it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// The value as it was written.
    pub(super) text: String,
    /// Where.
    pub(super) place: Place,
}

/// What stands at a key: one text, or a list that may be empty.
#[derive(Clone, Debug)]
struct Given {
    /// Where the value as a whole stands.
    place: Place,
    /// Its parts.
    texts: Vec<Text>,
}

/// What the layers say together.
#[derive(Debug, Default)]
pub(super) struct Layered {
    values: BTreeMap<&'static str, Given>,
}

impl Layered {
    /// The value of a key with one value.
    pub(super) fn one(&self, key: &str) -> Option<&Text> {
        self.values.get(key).and_then(|given| given.texts.first())
    }

    /// The values of a key with many.
    pub(super) fn many(&self, key: &str) -> &[Text] {
        self.values.get(key).map_or(&[], |given| &given.texts)
    }

    /// Where the value of a key stands, also that of an empty list.
    pub(super) fn place(&self, key: &str) -> Option<&Place> {
        self.values.get(key).map(|given| &given.place)
    }
}

/// What one layer says: the values of some keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer {
    values: Vec<(&'static Setting, Given)>,
}

impl Layer {
    /// What a document says.
    pub(super) fn of_document(document: &Document, report: &mut Report) -> Self {
        let mut layer = Self::default();
        for (setting, node) in settings_of(document, report) {
            let texts = match setting.shape {
                Shape::One => text_of(document, node, setting.key, report).map(|t| vec![t]),
                Shape::Many => texts_of(document, node, setting.key, report),
                Shape::Objects => None,
            };
            let place = document.place(node.mark);
            layer.values.extend(texts.map(|texts| (setting, Given { place, texts })));
        }
        layer
    }

    /// What the environment says. A variable that is empty counts as not set.
    pub(super) fn of_environment(environment: &[(String, String)], report: &mut Report) -> Self {
        let mut layer = Self::default();
        let set: BTreeMap<&str, &str> = environment
            .iter()
            .filter(|(name, value)| name.starts_with(PREFIX) && !value.is_empty())
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        for setting in SETTINGS.iter().filter(|s| s.shape != Shape::Objects) {
            let mut names = setting
                .environment_names()
                .into_iter()
                .filter_map(|name| set.get(name.as_str()).map(|value| (name, *value)));
            let Some((name, value)) = names.next() else { continue };
            let place = Place::Environment(name.clone());
            if let Some((other, _)) = names.next() {
                let text = format!("is set beside {name}, which says the same; keep one");
                report.add(Place::Environment(other), setting.key, text);
            }
            let texts = split(setting, value, &place);
            layer.values.push((setting, Given { place, texts }));
        }
        for (name, value) in set {
            if let Some(text) = stray_variable(name, value) {
                report.add(Place::Environment(name.to_owned()), "", text);
            }
        }
        layer
    }

    /// Adds what a flag says. Of a key with one value the last flag counts; a key with many
    /// values takes them all.
    pub(super) fn add_flag(&mut self, key: &str, value: &str, flag: &str, report: &mut Report) {
        let place = Place::Flag(flag.to_owned());
        let Some(setting) = setting(key).filter(|s| s.shape != Shape::Objects) else {
            report.add(place, key, "is no setting that a flag could set; write it in the file");
            return;
        };
        let text = Text { text: value.to_owned(), place: place.clone() };
        let known = self.values.iter_mut().find(|(s, _)| s.key == setting.key);
        match known {
            Some((_, given)) if setting.shape == Shape::Many => given.texts.push(text),
            Some((_, given)) => *given = Given { place, texts: vec![text] },
            None => self.values.push((setting, Given { place, texts: vec![text] })),
        }
    }
}

/// Lays the layers over each other, the strongest last.
pub(super) fn merge(layers: &[Layer], report: &mut Report) -> Layered {
    match try_merge(layers) {
        Ok(layered) => layered,
        Err(error) => {
            // Our keys are plain words and our values texts, so nothing is left that could fail.
            let place = Place::Flag("(all layers)".to_owned());
            report.add(place, "", format!("cannot be merged: {error}"));
            Layered::default()
        }
    }
}

fn try_merge(layers: &[Layer]) -> Result<Layered, ::config::ConfigError> {
    let mut places: BTreeMap<String, Place> = BTreeMap::new();
    let mut builder = ::config::Config::builder();
    for layer in layers {
        let mut values = ::config::Map::new();
        for (setting, given) in &layer.values {
            for place in given.texts.iter().map(|t| &t.place).chain([&given.place]) {
                places.insert(place.to_string(), place.clone());
            }
            values.insert(setting.key.to_owned(), value_of(setting, given));
        }
        builder = builder.add_source(Feed(values));
    }
    let merged = ::config::Source::collect(&builder.build()?)?;
    let mut layered = Layered::default();
    for setting in SETTINGS {
        let Some(value) = find(&merged, setting.key) else { continue };
        let Some(place) = value.origin().and_then(|origin| places.get(origin)) else { continue };
        let texts = match &value.kind {
            ::config::ValueKind::Array(items) => {
                items.iter().filter_map(|item| text_back(item, &places)).collect()
            }
            _ => text_back(value, &places).into_iter().collect(),
        };
        layered.values.insert(setting.key, Given { place: place.clone(), texts });
    }
    Ok(layered)
}

/// One layer in the crate's terms.
#[derive(Clone, Debug)]
struct Feed(::config::Map<String, ::config::Value>);

impl ::config::Source for Feed {
    fn clone_into_box(&self) -> Box<dyn ::config::Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<::config::Map<String, ::config::Value>, ::config::ConfigError> {
        Ok(self.0.clone())
    }
}

/// Our texts as a value of the crate, the place as its origin.
fn value_of(setting: &Setting, given: &Given) -> ::config::Value {
    let single = |text: &Text| {
        let origin = text.place.to_string();
        ::config::Value::new(Some(&origin), text.text.clone())
    };
    match (setting.shape, given.texts.as_slice()) {
        (Shape::One, [text]) => single(text),
        (_, texts) => {
            let items: Vec<::config::Value> = texts.iter().map(single).collect();
            let origin = given.place.to_string();
            ::config::Value::new(Some(&origin), ::config::ValueKind::Array(items))
        }
    }
}

/// A value of the crate as our text, with the place that its origin names.
fn text_back(value: &::config::Value, places: &BTreeMap<String, Place>) -> Option<Text> {
    let ::config::ValueKind::String(text) = &value.kind else { return None };
    let place = places.get(value.origin()?)?.clone();
    Some(Text { text: text.clone(), place })
}

/// Follows a path through the crate's tables.
fn find<'v>(
    table: &'v ::config::Map<String, ::config::Value>,
    key: &str,
) -> Option<&'v ::config::Value> {
    match key.split_once('.') {
        None => table.get(key),
        Some((section, rest)) => match &table.get(section)?.kind {
            ::config::ValueKind::Table(inner) => find(inner, rest),
            _ => None,
        },
    }
}

/// The one value of a node.
pub(super) fn text_of(
    document: &Document,
    node: &Node,
    key: &str,
    report: &mut Report,
) -> Option<Text> {
    let place = document.place(node.mark);
    if let Body::Scalar(text) = &node.body {
        return Some(Text { text: text.clone(), place });
    }
    report.add(place, key, format!("is {}; write one value", node.shape()));
    None
}

/// The values of a list; one value counts as a list of one.
pub(super) fn texts_of(
    document: &Document,
    node: &Node,
    key: &str,
    report: &mut Report,
) -> Option<Vec<Text>> {
    match &node.body {
        Body::Scalar(_) => text_of(document, node, key, report).map(|text| vec![text]),
        Body::List(items) => {
            let texts = items.iter().enumerate().filter_map(|(index, item)| {
                text_of(document, item, &format!("{key}[{index}]"), report)
            });
            Some(texts.collect())
        }
        Body::Null | Body::Map(_) => {
            report.add(
                document.place(node.mark),
                key,
                format!("is {}; write a list", node.shape()),
            );
            None
        }
    }
}

/// The values in a variable.
fn split(setting: &Setting, value: &str, place: &Place) -> Vec<Text> {
    let text = |part: &str| Text { text: part.to_owned(), place: place.clone() };
    match setting.shape {
        Shape::Many => {
            value.split(',').map(str::trim).filter(|p| !p.is_empty()).map(text).collect()
        }
        Shape::One | Shape::Objects => vec![text(value)],
    }
}

/// What is wrong with a variable that looks like a setting and is none: a slip of the pen must not
/// leave the default in force. Variables outside our sections (`SCRIBED_URL`) belong to commands.
fn stray_variable(name: &str, value: &str) -> Option<String> {
    let rest = name.strip_prefix(PREFIX)?.to_lowercase();
    let for_setting = |s: &&Setting| s.environment_names().iter().any(|n| n == name);
    let below = |key: &str| {
        let path = key.replace('.', "_");
        rest == path || rest.strip_prefix(&path).is_some_and(|more| more.starts_with('_'))
    };
    if let Some(setting) = SETTINGS.iter().find(|s| s.shape == Shape::Objects && below(s.key)) {
        return Some(format!(
            "sets nothing: only the file can hold {}; write it there",
            setting.key
        ));
    }
    let section = SETTINGS.iter().filter_map(|s| s.key.split_once('.')).find(|(s, _)| below(s));
    if SETTINGS.iter().any(|s| for_setting(&s)) || section.is_none() || is_service_link(name, value)
    {
        return None;
    }
    let (section, _) = section?;
    let known: Vec<String> = SETTINGS
        .iter()
        .filter(|s| s.shape != Shape::Objects && s.key.starts_with(&format!("{section}.")))
        .filter_map(|s| s.environment_names().into_iter().next())
        .collect();
    Some(format!("sets nothing; the variables here are {}", known.join(", ")))
}

/// True for what Kubernetes puts into the environment for a service named `scribed-web` or so.
fn is_service_link(name: &str, value: &str) -> bool {
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.contains("_TCP")
        || name.contains("_UDP")
        || (name.ends_with("_PORT") && value.contains("://"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn layer(path: &str, yaml: &str) -> Layer {
        let mut report = Report::default();
        let document = Document::parse(Path::new(path), yaml, &mut report);
        let layer = Layer::of_document(&document, &mut report);
        report.finish(layer).unwrap()
    }

    fn environment(pairs: &[(&str, &str)]) -> (Layer, String) {
        let owned: Vec<(String, String)> =
            pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let mut report = Report::default();
        let layer = Layer::of_environment(&owned, &mut report);
        (layer, report.finish(()).err().map(|e| e.to_string()).unwrap_or_default())
    }

    #[test]
    fn the_stronger_layer_wins_and_says_where_it_came_from() {
        let mut flags = Layer::default();
        let mut report = Report::default();
        flags.add_flag("log.level", "error", "--log.level", &mut report);
        let layers = [
            layer(
                "default",
                "log: {level: info, format: logfmt}\ntimezone: UTC\nstorage:\n  path: d\n",
            ),
            layer("f.yml", "log:\n  level: debug\nstorage:\n  path: 0123\n"),
            environment(&[("SCRIBED_LOG_LEVEL", "warn"), ("SCRIBED_TIMEZONE", "Africa/Lagos")]).0,
            flags,
        ];
        let layered = merge(&layers, &mut report);
        let show = |key| {
            let text: &Text = layered.one(key).unwrap();
            format!("{} from {}", text.text, text.place)
        };
        assert_eq!(show("log.level"), "error from flag --log.level");
        assert_eq!(show("log.format"), "logfmt from default:1:28");
        assert_eq!(show("timezone"), "Africa/Lagos from environment variable SCRIBED_TIMEZONE");
        assert_eq!(show("storage.path"), "0123 from f.yml:4:9");
        assert_eq!(report.finish(()), Ok(()));
    }

    #[test]
    fn a_list_replaces_the_list_of_the_weaker_layer() {
        let layers = [
            layer("default", "web: {listen_addresses: ['127.0.0.1:1', '127.0.0.1:2']}\n"),
            environment(&[("SCRIBED_WEB_LISTEN_ADDRESS", "127.0.0.1:3, [::1]:3")]).0,
        ];
        let mut report = Report::default();
        let layered = merge(&layers, &mut report);
        let texts: Vec<&str> =
            layered.many("web.listen_addresses").iter().map(|t| t.text.as_str()).collect();
        assert_eq!(texts, ["127.0.0.1:3", "[::1]:3"]);
    }

    #[test]
    fn an_empty_list_is_a_value_and_nothing_is_none() {
        let defaults = layer("default", "alerts: {paging: [critical]}\ntimezone: UTC\n");
        let file = layer("f.yml", "alerts: {paging: []}\ntimezone:\n");
        let layered = merge(&[defaults, file], &mut Report::default());
        assert_eq!(layered.many("alerts.paging"), []);
        assert_eq!(layered.one("timezone").unwrap().text, "UTC");
    }

    #[test]
    fn a_variable_that_sets_nothing_is_told() {
        for (name, value, expect) in [
            ("SCRIBED_STORAGE_PATH", "", ""),
            ("SCRIBED_URL", "http://localhost", ""),
            ("SCRIBED_WEB_SERVICE_HOST", "10.0.0.1", ""),
            ("SCRIBED_WEB_PORT", "tcp://10.0.0.1:80", ""),
            ("SCRIBED_LOG_LEVLE", "debug", "SCRIBED_LOG_LEVEL, SCRIBED_LOG_FORMAT"),
            ("SCRIBED_SOURCES", "[]", "only the file can hold sources"),
            ("SCRIBED_AUTH_TOKENS_0_NAME", "x", "only the file can hold auth.tokens"),
        ] {
            let (_, told) = environment(&[(name, value)]);
            if expect.is_empty() {
                assert_eq!(told, "", "{name}");
            } else {
                assert!(told.contains(expect), "{name}: {told}");
                assert!(told.contains(&format!("environment variable {name}: ")), "{told}");
            }
        }
    }
}
