//! Whether what an `on` is to run is a task that can be run so.

use crate::context::Context;
use crate::merge::Laid;
use crate::model::Action;
use crate::read::Document;

/// Reports each `run` that names no task, or stands where it would wait for itself.
pub(super) fn service(
    cx: &mut Context<'_>,
    document: &Document<'_>,
    laid: &[Laid<'_>],
    service: &Laid<'_>,
) {
    let inner = service.draft.sync.iter().flat_map(|sync| &sync.value.on);
    for rule in inner.chain(&service.draft.on) {
        for action in &rule.value.actions {
            let Action::Run(task) = action else {
                continue;
            };
            if !super::known_service(cx, document, task, rule.at) {
                continue;
            }
            let mut tasks = laid.iter().filter(|other| other.is_task());
            let (label, message, help) = if service.is_task() {
                (
                    "in a task",
                    format!("`{}` is a task, which runs nothing else", service.node.name),
                    format!("let the rule stand in task {task} itself: on … {{ restart }}"),
                )
            } else if !tasks.any(|other| other.node.name == *task) {
                (
                    "does not end",
                    format!("`{task}` is not a task, and cannot be run and waited for"),
                    format!("declare it as task {task} {{ … }}"),
                )
            } else {
                continue;
            };
            let problem = cx
                .error("stackfile::run", rule.at, label, message)
                .advise(help);
            cx.report(problem);
        }
    }
}
