//! The service graph as it is put: edges with caller and callee, and where services run.
//!
//! Strict about what it needs, because a graph is written by people and answered at once; unknown
//! fields are ignored.

use super::wire::{self, Object};
use super::{EDGES_MAX, KEY_BYTES_MAX, Unusable};
use crate::domain::topology::{Edge, Placement};
use crate::domain::{Name, Topology};

/// Reads a whole graph.
pub(super) fn read(text: &str) -> Result<Topology, Unusable> {
    let body = Object::body(text)?;
    if !body.has("edges") && !body.has("placement") {
        return Err(Unusable::wrong_shape("`edges` is missing; send an empty list for no edges"));
    }
    Ok(Topology {
        edges: entries(&body, "edges", edge)?,
        placement: entries(&body, "placement", placement)?,
    })
}

/// The entries of a list; the error names the one that cannot be used.
fn entries<'a, T>(
    body: &Object<'a>,
    field: &str,
    read: impl Fn(&Object<'a>) -> Result<T, String>,
) -> Result<Vec<T>, Unusable> {
    let Some(json) = body.json(field) else { return Ok(Vec::new()) };
    let not_a_list = |_| Unusable::wrong_shape(format!("`{field}` must be a list"));
    let mut entries = Vec::new();
    for (index, json) in wire::list(json).map_err(not_a_list)?.enumerate() {
        if index == EDGES_MAX {
            let problem = format!("`{field}` has more than {EDGES_MAX} entries");
            return Err(Unusable::wrong_shape(problem));
        }
        let entry = Object::value(json)
            .ok_or_else(|| "it must be an object".to_owned())
            .and_then(|object| read(&object))
            .map_err(|problem| Unusable::wrong_shape(format!("`{field}[{index}]`: {problem}")))?;
        entries.push(entry);
    }
    Ok(entries)
}

fn edge(object: &Object<'_>) -> Result<Edge, String> {
    Ok(Edge {
        caller: required(object, "caller")?,
        callee: required(object, "callee")?,
        cluster: optional(object, "cluster")?,
    })
}

fn placement(object: &Object<'_>) -> Result<Placement, String> {
    let mut nodes = Vec::new();
    if let Some(json) = object.json("nodes") {
        for node in wire::list(json).map_err(|_| "`nodes` must be a list".to_owned())? {
            let node = wire::string(node).ok_or("each of `nodes` must be a text")?;
            nodes.push(checked("nodes", &node)?.ok_or("each of `nodes` needs a name")?);
        }
    }
    Ok(Placement {
        service: required(object, "service")?,
        cluster: optional(object, "cluster")?,
        nodes,
    })
}

fn required(object: &Object<'_>, field: &str) -> Result<Name, String> {
    optional(object, field)?.ok_or_else(|| format!("`{field}` is missing or empty"))
}

fn optional(object: &Object<'_>, field: &str) -> Result<Option<Name>, String> {
    object.strict_text(field)?.map_or(Ok(None), |text| checked(field, &text))
}

fn checked(field: &str, text: &str) -> Result<Option<Name>, String> {
    let text = text.trim();
    if text.len() > KEY_BYTES_MAX {
        return Err(format!("`{field}` is longer than {KEY_BYTES_MAX} bytes"));
    }
    Ok((!text.is_empty()).then(|| Name::from(text)))
}

#[cfg(test)]
mod tests {
    use crate::domain::Name;
    use crate::ingest::read_topology;

    #[test]
    fn a_graph_is_read_whole() {
        let graph = read_topology(
            br#"{"edges":[{"caller":"web","callee":"db","cluster":"eu","weight":1},
                {"caller":"a","callee":"b","cluster":null}],
                "placement":[{"service":"db","nodes":["n1","n2"]},{"service":"web"}],"more":1}"#,
        )
        .unwrap();
        assert_eq!(graph.edges.len(), 2);
        assert_eq!(graph.edges[0].cluster, Some(Name::from("eu")));
        assert_eq!(graph.edges[1].cluster, None);
        assert_eq!(graph.placement[0].nodes, [Name::from("n1"), Name::from("n2")]);
        assert!(read_topology(br#"{"edges":[]}"#).unwrap().edges.is_empty());
    }

    #[test]
    fn what_is_missing_is_named() {
        for (body, expect) in [
            ("{}", "`edges` is missing"),
            (r#"{"edges":{}}"#, "`edges` must be a list"),
            (r#"{"edges":[{"caller":"a","callee":"b"},{"caller":"a"}]}"#, "`edges[1]`: `callee`"),
            (r#"{"edges":[{"caller":" ","callee":"b"}]}"#, "`caller` is missing or empty"),
            (r#"{"edges":[{"caller":1,"callee":"b"}]}"#, "`caller` must be a text"),
            (r#"{"edges":[5]}"#, "`edges[0]`: it must be an object"),
            (r#"{"placement":[{"nodes":[]}]}"#, "`placement[0]`: `service` is missing"),
            (r#"{"placement":[{"service":"a","nodes":[1]}]}"#, "each of `nodes` must be a text"),
        ] {
            let error = read_topology(body.as_bytes()).unwrap_err();
            assert!(error.problem.contains(expect), "{body}: {}", error.problem);
        }
    }
}
