//! `scribed check-config`: says of each file whether the server would start with it.

use std::path::PathBuf;

use clap::Args;

use super::console::Console;
use super::failure::Failure;
use super::serve::check_file;

/// Arguments of `check-config`.
#[derive(Args, Debug)]
pub(super) struct CheckArguments {
    /// Configuration files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Checks every file, and tells all problems of each.
///
/// # Errors
/// When one of them does not hold.
pub(super) fn run(arguments: &CheckArguments, console: &mut Console<'_>) -> Result<(), Failure> {
    check(&arguments.files, console, check_file)
}

fn check(
    files: &[PathBuf],
    console: &mut Console<'_>,
    verdict: impl Fn(&std::path::Path) -> Result<(), String>,
) -> Result<(), Failure> {
    let mut failed = 0;
    for file in files {
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
    Err(Failure::Configuration(format!("{failed} of {} files did not hold", files.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_told_of_with_all_its_problems() {
        let files: Vec<PathBuf> = ["good.yml", "bad.yml", "also-good.yml"].map(Into::into).into();
        let (mut results, mut diagnostics) = (Vec::new(), Vec::new());
        let mut console = Console::captured(&mut results, &mut diagnostics, false);
        let verdict = |file: &std::path::Path| match file.to_str() {
            Some("bad.yml") => Err("bad.yml:1:2: first\nbad.yml:3:4: second\n".to_owned()),
            _ => Ok(()),
        };
        let failure = check(&files, &mut console, verdict).unwrap_err();
        assert_eq!(failure.exit_code(), 2);
        assert_eq!(
            String::from_utf8(results).unwrap(),
            "SUCCESS: good.yml\nFAILED: bad.yml\n  bad.yml:1:2: first\n  bad.yml:3:4: second\n\
             SUCCESS: also-good.yml\n"
        );
    }
}
