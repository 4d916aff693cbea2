//! `scribed check-config`: says of each file whether the server would start with it.

use std::path::{Path, PathBuf};

use clap::Args;

use super::console::Console;
use super::failure::Failure;
use super::serve::{check_file, check_web_file};

/// What is wrong with a file, one problem a line.
type Verdict = fn(&Path) -> Result<(), String>;

/// Arguments of `check-config`.
#[derive(Args, Debug)]
pub(super) struct CheckArguments {
    /// Configuration files.
    #[arg(required_unless_present = "web_files", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// File for `serve --web.config.file` (TLS, users); give it again for more.
    #[arg(long = "web.config.file", value_name = "FILE")]
    web_files: Vec<PathBuf>,
}

/// Checks every file, and tells all problems of each.
///
/// # Errors
/// When one of them does not hold.
pub(super) fn run(arguments: &CheckArguments, console: &mut Console<'_>) -> Result<(), Failure> {
    let files = arguments.files.iter().map(|file| (file, check_file as Verdict));
    let web_files = arguments.web_files.iter().map(|file| (file, check_web_file as Verdict));
    check(files.chain(web_files), console)
}

fn check<'a>(
    files: impl Iterator<Item = (&'a PathBuf, Verdict)>,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let (mut count, mut failed) = (0, 0);
    for (file, verdict) in files {
        count += 1;
        match verdict(file) {
            Ok(()) => console.line(&format!("SUCCESS: {}", file.display()))?,
            Err(problems) => {
                failed += 1;
                console.line(&format!("FAILED: {}", file.display()))?;
                for line in problems.lines() {
                    console.block(&format!("  {line}\n"))?;
                }
            }
        }
    }
    if failed == 0 {
        return Ok(());
    }
    Err(Failure::Configuration(format!("{failed} of {count} files did not hold")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_told_of_with_all_its_problems() {
        let files: Vec<PathBuf> = ["good.yml", "bad.yml", "also-good.yml"].map(Into::into).into();
        let (mut results, mut diagnostics) = (Vec::new(), Vec::new());
        let mut console = Console::captured(&mut results, &mut diagnostics, false);
        let verdict: Verdict = |file| match file.to_str() {
            Some("bad.yml") => Err("bad.yml:1:2: first\nbad.yml:3:4: second\n".to_owned()),
            _ => Ok(()),
        };
        let failure = check(files.iter().map(|file| (file, verdict)), &mut console).unwrap_err();
        assert_eq!(failure.exit_code(), 2);
        assert_eq!(
            String::from_utf8(results).unwrap(),
            "SUCCESS: good.yml\nFAILED: bad.yml\n  bad.yml:1:2: first\n  bad.yml:3:4: second\n\
             SUCCESS: also-good.yml\n"
        );
    }
}
