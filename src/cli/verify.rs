//! `scribed verify`: says of each law whether it holds on a store.

use clap::Args;

use super::console::Console;
use super::failure::Failure;
use super::storage::StorageArguments;
use crate::app::storage::{self, Check, Verdict};

/// Arguments of `verify`.
#[derive(Args, Debug)]
pub(super) struct VerifyArguments {
    #[command(flatten)]
    storage: StorageArguments,
}

/// Checks the store and tells the verdicts.
///
/// # Errors
/// When a law does not hold, or the store cannot be read.
pub(super) fn run(arguments: &VerifyArguments, console: &mut Console<'_>) -> Result<(), Failure> {
    let config = arguments.storage.config()?;
    let checks = storage::verify(&config).map_err(Failure::store)?;
    tell(&checks, console)
}

fn tell(checks: &[Check], console: &mut Console<'_>) -> Result<(), Failure> {
    let mut broken = Vec::new();
    for Check { law, verdict } in checks {
        match verdict {
            Verdict::Holds(what) => console.line(&format!("SUCCESS: {law}: {what}"))?,
            Verdict::Unchecked(why) => console.line(&format!("NOT CHECKED: {law}: {why}"))?,
            Verdict::Broken(faults) => {
                broken.push(*law);
                let fault = if faults.count == 1 { "fault" } else { "faults" };
                console.line(&format!("FAILED: {law}: {} {fault}", faults.count))?;
                for fault in &faults.told {
                    console.line(&format!("  {fault}"))?;
                }
                if faults.count > faults.told.len() as u64 {
                    console.line("  …")?;
                }
            }
        }
    }
    if broken.is_empty() {
        return Ok(());
    }
    Err(Failure::store(format!("the store does not hold: {}", broken.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::storage::Faults;

    fn check(checks: &[Check], expect_out: &str, expect_code: u8) {
        let (mut results, mut diagnostics) = (Vec::new(), Vec::new());
        let mut console = Console::captured(&mut results, &mut diagnostics, false);
        let code = tell(checks, &mut console).map_or_else(|failure| failure.exit_code(), |()| 0);
        assert_eq!(String::from_utf8(results).unwrap(), expect_out);
        assert_eq!(code, expect_code);
    }

    #[test]
    fn only_a_broken_law_is_a_failure() {
        let holds = Check { law: "file", verdict: Verdict::Holds("sound".into()) };
        let unchecked = Check { law: "history", verdict: Verdict::Unchecked("dropped".into()) };
        let faults = Faults { told: vec!["record 2 is missing".into()], count: 7 };
        let broken = Check { law: "ledger", verdict: Verdict::Broken(faults) };
        let good = "SUCCESS: file: sound\nNOT CHECKED: history: dropped\n";
        check(&[holds.clone(), unchecked.clone()], good, 0);
        let bad = format!("{good}FAILED: ledger: 7 faults\n  record 2 is missing\n  …\n");
        check(&[holds, unchecked, broken], &bad, 1);
    }
}
