//! The service graph from a file: the body of `PUT /api/v1/topology`, as JSON or YAML.

use std::path::Path;

use super::AppError;
use crate::domain::Topology;

/// Reads the file.
///
/// # Errors
/// When it cannot be read, or is not a service graph.
pub(super) fn read(path: &Path) -> Result<Topology, AppError> {
    let problem =
        |what: String| AppError::Topology(format!("topology_file {}: {what}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| problem(error.to_string()))?;
    let topology: Topology =
        serde_saphyr::from_str(&text).map_err(|error| problem(error.to_string()))?;
    let is_named = topology
        .edges
        .iter()
        .all(|edge| !edge.caller.as_str().is_empty() && !edge.callee.as_str().is_empty());
    if !is_named {
        return Err(problem("an edge needs a caller and a callee that are not empty".to_owned()));
    }
    Ok(topology)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_and_json_are_read_and_faults_name_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("topology.yml");
        let check = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read(&path).map(|topology| topology.edges.len()).map_err(|error| error.to_string())
        };
        assert_eq!(check("edges:\n  - {caller: web, callee: db}\n"), Ok(1));
        assert_eq!(check(r#"{"edges": [{"caller": "web", "callee": "db"}]}"#), Ok(1));
        assert!(check("edges:\n  - {caller: web}\n").unwrap_err().contains("topology.yml"));
        assert!(check("edges:\n  - {caller: \"\", callee: db}\n").is_err());
    }
}
