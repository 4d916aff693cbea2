//! The folder of people's own templates, read as a whole.
//!
//! Only plain files of the folder itself count: what a link reaches outside is refused, so that a
//! template can never show another file. What the files mean is for `render`. Called by `values`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::problem::{Mark, Place, Report};
use crate::render::own::{FILE_ENDING, OwnTemplates, TemplateFile};

/// Most templates that a folder may hold.
const FILES_MAX: usize = 200;
/// Longest template, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Reads a folder; every problem names its file, and its line where there is one.
pub(super) fn read(folder: &Path, key: &str, report: &mut Report) -> Arc<OwnTemplates> {
    let whole = |path: &Path| Place::File { path: path.to_path_buf(), mark: None };
    let paths = match paths(folder) {
        Ok(paths) => paths,
        Err(problem) => {
            report.add(whole(folder), key, problem);
            return Arc::default();
        }
    };
    let mut files = Vec::new();
    for (name, path) in paths {
        match text(folder, &path) {
            Ok(text) => files.push(TemplateFile { name, text }),
            Err(problem) => report.add(whole(&path), key, problem),
        }
    }
    match OwnTemplates::read(files) {
        Ok(templates) => Arc::new(templates),
        Err(faults) => {
            for fault in faults {
                let mark = fault.line.map(|line| Mark { line, column: fault.column });
                let place = Place::File { path: folder.join(&fault.file), mark };
                report.add(place, key, fault.problem);
            }
            Arc::default()
        }
    }
}

/// The files that are called like templates, in order.
fn paths(folder: &Path) -> Result<Vec<(String, PathBuf)>, String> {
    let unreadable = |error: std::io::Error| format!("cannot read the folder: {error}");
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(FILE_ENDING) && !name.starts_with('.') {
            paths.push((name, entry.path()));
        }
    }
    paths.sort();
    if paths.len() > FILES_MAX {
        return Err(format!("it holds {} templates; keep at most {FILES_MAX}", paths.len()));
    }
    Ok(paths)
}

/// The text of one file of the folder.
fn text(folder: &Path, path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("cannot read the template: {error}");
    let real = path.canonicalize().map_err(unreadable)?;
    let home = folder.canonicalize().map_err(unreadable)?;
    if !real.starts_with(&home) {
        return Err("it leads out of the folder; put the file itself here".to_owned());
    }
    let known = real.metadata().map_err(unreadable)?;
    if !known.is_file() {
        return Err("it is no plain file".to_owned());
    }
    if known.len() > FILE_BYTES_MAX {
        return Err(format!("it has {} bytes; {FILE_BYTES_MAX} are the most", known.len()));
    }
    fs::read_to_string(&real).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names that a folder gives, or its problems without the folder's path.
    fn check(make: impl Fn(&Path), expect: Result<&[&str], &[&str]>) {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path());
        let mut report = Report::default();
        let templates = read(folder.path(), "templates.dir", &mut report);
        let names: Vec<&str> = templates.names().collect();
        let path = format!("{}/", folder.path().display());
        let problems: Vec<String> = match report.finish(()) {
            Ok(()) => Vec::new(),
            Err(errors) => {
                errors.problems().iter().map(|p| p.to_string().replace(&path, "")).collect()
            }
        };
        match expect {
            Ok(expect) => assert_eq!((names.as_slice(), problems.as_slice()), (expect, &[][..])),
            Err(expect) => assert_eq!(problems, expect),
        }
    }

    #[test]
    fn what_is_called_like_a_template_is_read_and_nothing_else() {
        check(
            |folder| {
                for name in ["ours.md.jinja", "ours.html.jinja", "_part.md.jinja", "README.md"] {
                    fs::write(folder.join(name), "{{ title }}").unwrap();
                }
                fs::write(folder.join(".ours.txt.jinja.swp"), "{{").unwrap();
                fs::create_dir(folder.join("more")).unwrap();
            },
            Ok(&["ours"]),
        );
        check(|_| {}, Ok(&[]));
    }

    #[test]
    fn every_broken_template_is_told_with_its_line() {
        check(
            |folder| {
                fs::write(folder.join("a.md.jinja"), "# ok\n\n  {% for %}\n").unwrap();
                fs::write(folder.join("b.jinja"), "").unwrap();
                fs::write(folder.join("google-sre.md.jinja"), "").unwrap();
                fs::write(folder.join("c.txt.jinja"), [0xff]).unwrap();
            },
            Err(&[
                "a.md.jinja:3:10: templates.dir: syntax error: unexpected end of block, expected in",
                "b.jinja: templates.dir: call it NAME.md.jinja, NAME.html.jinja or NAME.txt.jinja",
                "c.txt.jinja: templates.dir: cannot read the template: stream did not contain \
                 valid UTF-8",
                "google-sre.md.jinja: templates.dir: `google-sre` is a template that comes with \
                 scribed; choose another name",
            ]),
        );
    }

    #[test]
    fn no_link_leads_out_of_the_folder() {
        let outside = tempfile::NamedTempFile::new().unwrap();
        check(
            |folder| {
                let link = folder.join("a.md.jinja");
                std::os::unix::fs::symlink(outside.path(), link).unwrap();
            },
            Err(&["a.md.jinja: templates.dir: it leads out of the folder; put the file itself \
                   here"]),
        );
        // A folder as orchestrators mount it: files are links within.
        check(
            |folder| {
                fs::create_dir(folder.join("..data")).unwrap();
                fs::write(folder.join("..data/a.md.jinja"), "x").unwrap();
                std::os::unix::fs::symlink("..data/a.md.jinja", folder.join("a.md.jinja")).unwrap();
            },
            Ok(&["a"]),
        );
    }
}
