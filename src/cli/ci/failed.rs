//! Tests that failed in what checks collected, and where they stand on this machine.

use std::path::{Path, PathBuf};

use devrun_core::verdict::{FailedTest, failed_tests};
use devrun_stack::{Check, CheckTest, Inside, Source, Stack};

use super::pass::Ran;

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Failed {
    /// The check that ran it.
    pub(super) check: String,
    /// Where that is declared.
    pub(super) at: String,
    pub(super) test: FailedTest,
    /// Its file on this machine.
    pub(super) file: Option<PathBuf>,
}

impl Failed {
    /// `tests/test_a.py:12`, as whoever stands in `from` calls it; else as the report does.
    pub(super) fn place(&self, from: &Path) -> Option<String> {
        let file = match &self.file {
            Some(file) => file
                .strip_prefix(from)
                .unwrap_or(file)
                .display()
                .to_string(),
            None => self.test.file.clone()?,
        };
        Some(match self.test.line {
            Some(line) => format!("{file}:{line}"),
            None => file,
        })
    }

    /// In one line.
    pub(super) fn text(&self) -> String {
        let FailedTest { name, message, .. } = &self.test;
        match message.lines().next() {
            Some(first) => format!("{name}: {first}"),
            None => name.clone(),
        }
    }
}

/// All of them, in the order of their checks.
pub(super) fn all(stack: &Stack, ran: &Ran) -> Vec<Failed> {
    let mut all = Vec::new();
    for run in &ran.pass.checks {
        let left = ran.collected.iter().filter(|it| it.check == run.check.name);
        for test in left
            .flat_map(|it| &it.suites)
            .flat_map(|it| failed_tests(it))
        {
            let file = test.file.as_deref();
            all.push(Failed {
                check: run.check.name.clone(),
                at: run.check.at.to_string(),
                file: file.and_then(|file| on_this_machine(stack, &run.check, Path::new(file))),
                test,
            });
        }
    }
    all
}

/// What is called so where the check ran: in a container that is by what is synced into it, or
/// built into it.
fn on_this_machine(stack: &Stack, check: &Check, file: &Path) -> Option<PathBuf> {
    let service = match &check.test {
        CheckTest::Exec { service, .. } => stack.service(service),
        CheckTest::Run {
            inside: Inside::Service(service),
            ..
        } => stack.service(service),
        _ => None,
    };
    let mut places = Vec::new();
    for sync in service.iter().flat_map(|it| &it.sync) {
        match file.strip_prefix(&sync.to) {
            Ok(rest) => places.push(sync.from.join(rest)),
            Err(_) if file.is_relative() => places.push(sync.from.join(file)),
            Err(_) => {}
        }
    }
    if let Some(Source::Build(build)) = service.map(|it| &it.source)
        && file.is_relative()
    {
        places.push(build.context.join(file));
    }
    if service.is_none() || file.is_relative() {
        places.push(stack.root.join(file));
    }
    places.into_iter().find(|place| place.is_file())
}
