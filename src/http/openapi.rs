//! The description of the API, written by hand and compiled into the program.
//!
//! Open to everyone: it says nothing about incidents. A test holds it against the tables of
//! routes. Caller: the table of `api`.

use axum::response::Response;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

/// OpenAPI 3.1.
const DOCUMENT: &str = include_str!("openapi.json");

/// GET `/api/v1/openapi.json`.
pub(super) async fn document() -> Response {
    let mut response = Response::new(DOCUMENT.into());
    let sent = response.headers_mut();
    sent.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    sent.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=300"));
    response
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::super::{api, live, pages};
    use super::*;

    /// What other files of this room route, by path and method.
    const OTHERS: [(&str, &[&str]); 13] = [
        ("/api/v1/ingest/{source}", &["post", "put"]),
        ("/api/v2/alerts", &["get", "post", "put"]),
        ("/api/v2/status", &["get"]),
        ("/v2/enqueue", &["post", "put"]),
        ("/v2/change/enqueue", &["post", "put"]),
        ("/api/annotations", &["post", "put"]),
        ("/api/annotations/graphite", &["post", "put"]),
        ("/api/v1/topology", &["get", "put", "post"]),
        ("/api/v1/status", &["get"]),
        ("/-/healthy", &["get"]),
        ("/-/ready", &["get"]),
        ("/-/reload", &["post", "put"]),
        ("/metrics", &["get"]),
    ];

    fn document() -> Value {
        serde_json::from_str(DOCUMENT).unwrap()
    }

    /// Calls `visit` with every object of a document.
    fn each_object(value: &Value, visit: &mut impl FnMut(&serde_json::Map<String, Value>)) {
        match value {
            Value::Object(map) => {
                visit(map);
                map.values().for_each(|value| each_object(value, visit));
            }
            Value::Array(list) => list.iter().for_each(|value| each_object(value, visit)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn every_route_is_described_and_every_description_is_routed() {
        let document = document();
        let mut described = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            let methods = item.as_object().unwrap().keys().filter(|key| *key != "parameters");
            described.extend(methods.map(|method| (path.clone(), method.clone())));
        }
        let tables = [api::TABLE, live::TABLE, pages::TABLE, &OTHERS];
        let routed: BTreeSet<(String, String)> = tables
            .into_iter()
            .flatten()
            .flat_map(|(path, methods)| {
                methods.iter().map(|method| ((*path).to_owned(), (*method).to_owned()))
            })
            .collect();
        let missing: Vec<_> = routed.difference(&described).collect();
        let invented: Vec<_> = described.difference(&routed).collect();
        assert!(missing.is_empty(), "not described: {missing:?}");
        assert!(invented.is_empty(), "not routed: {invented:?}");
    }

    #[test]
    fn every_reference_leads_somewhere_and_nothing_is_left_over() {
        let document = document();
        let mut used = BTreeSet::new();
        each_object(&document, &mut |map| {
            if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
                used.insert(pointer.to_owned());
            }
        });
        for sort in ["parameters", "responses", "schemas"] {
            for name in document["components"][sort].as_object().unwrap().keys() {
                let pointer = format!("/components/{sort}/{name}");
                assert!(used.contains(&pointer), "{pointer} is not used");
            }
        }
    }

    #[test]
    fn every_operation_has_a_name_of_its_own_and_its_path_parameters() {
        let document = document();
        let mut names = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            let shared = item["parameters"].as_array().cloned().unwrap_or_default();
            for (method, operation) in item.as_object().unwrap() {
                if method == "parameters" {
                    continue;
                }
                let name = operation["operationId"].as_str().unwrap();
                assert!(names.insert(name.to_owned()), "{name} is there twice");
                let own = operation["parameters"].as_array().cloned().unwrap_or_default();
                let described: BTreeSet<String> = shared
                    .iter()
                    .chain(&own)
                    .map(|parameter| match parameter["$ref"].as_str() {
                        Some(reference) => {
                            document.pointer(reference.trim_start_matches('#')).unwrap()
                        }
                        None => parameter,
                    })
                    .filter(|parameter| parameter["in"] == "path")
                    .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
                    .collect();
                let named: BTreeSet<String> = path
                    .split('/')
                    .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
                    .map(str::to_owned)
                    .collect();
                assert_eq!(described, named, "{method} {path}");
            }
        }
    }
}
