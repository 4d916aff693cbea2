//! The file with the service graph: the body of `PUT /api/v1/topology`, as JSON or YAML.
//!
//! It is read with the configuration that names it, so that whoever checks the configuration is
//! told what is wrong with it as well. Fields that nobody knows are left alone, as in that body.
//! Called by `values`.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::problem::{Mark, Place, Report};
use crate::domain::topology::{Edge, Placement};
use crate::domain::{Name, Topology};

/// What the file says.
#[derive(Deserialize)]
struct Graph {
    edges: Option<Vec<Edge>>,
    placement: Option<Vec<Placement>>,
}

/// What is wrong, and where, if that is known.
struct Fault(Option<Mark>, String);

/// Reads a file; what is wrong with it is told under its own name.
pub(super) fn read(path: &Path, key: &str, report: &mut Report) -> Option<Topology> {
    match graph(path) {
        Ok(topology) => Some(topology),
        Err(Fault(mark, text)) => {
            report.add(Place::File { path: path.to_owned(), mark }, key, text);
            None
        }
    }
}

fn graph(path: &Path) -> Result<Topology, Fault> {
    let text = fs::read_to_string(path)
        .map_err(|error| Fault(None, format!("cannot be read: {error}")))?;
    let graph: Graph = serde_saphyr::from_str(&text).map_err(|error| fault(&error))?;
    if graph.edges.is_none() && graph.placement.is_none() {
        let text = "`edges` is missing; write an empty list for no edges";
        return Err(Fault(None, text.to_owned()));
    }
    let (mut edges, mut placement) =
        (graph.edges.unwrap_or_default(), graph.placement.unwrap_or_default());
    for (index, Edge { caller, callee, .. }) in edges.iter_mut().enumerate() {
        must_have("edges", index, "caller", caller)?;
        must_have("edges", index, "callee", callee)?;
    }
    for (index, place) in placement.iter_mut().enumerate() {
        must_have("placement", index, "service", &mut place.service)?;
    }
    Ok(Topology { edges, placement })
}

/// Takes the space around a name away; something must be left.
fn must_have(list: &str, index: usize, field: &str, name: &mut Name) -> Result<(), Fault> {
    match name.as_str().trim() {
        "" => Err(Fault(None, format!("`{list}[{index}]`: `{field}` is empty"))),
        trimmed => {
            *name = Name::from(trimmed);
            Ok(())
        }
    }
}

/// The library shows lines of the file as well; its place and one sentence are enough.
fn fault(error: &serde_saphyr::Error) -> Fault {
    let mark = error.location().and_then(|at| {
        let number = |number: u64| usize::try_from(number).ok();
        Some(Mark { line: number(at.line())?, column: number(at.column())? })
    });
    let text = error.without_snippet().to_string();
    let sentence = text.lines().next().unwrap_or_default();
    let sentence = sentence.split_once(" at line ").map_or(sentence, |(sentence, _)| sentence);
    Fault(mark, sentence.to_owned())
}
