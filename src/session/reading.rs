//! The line of a Dockerfile, where a notice says that it reads a file: the core does not know what
//! is in there.

use devrun_core::notice::{Notice, NoticeEvent, RuledOut};
use devrun_stack::{Service, Source, Stack};

use crate::image;

/// The notice, with the lines of Dockerfiles where it names one.
pub(super) fn with_lines(mut notice: Notice, stack: Option<&Stack>) -> Notice {
    let service = notice.service.as_deref();
    let service = stack.and_then(|stack| stack.service(service?));
    if let (NoticeEvent::UpdatePlanned { ruled_out, .. }, Some(service), Some(stack)) =
        (&mut notice.event, service, stack)
    {
        for one in ruled_out {
            add_line(one, stack, service);
        }
    }
    notice
}

/// Adds the line of the service's Dockerfile to what names it.
pub(crate) fn add_line(one: &mut RuledOut, stack: &Stack, service: &Service) {
    let (Some(file), None, Some(path)) = (&one.file, one.line, &one.path) else {
        return;
    };
    let Source::Build(build) = &service.source else {
        return;
    };
    let inline = build.inline.is_some();
    let Some(line) = image::line_reading(build, &stack.root.join(path)) else {
        return;
    };
    let place = match inline {
        true => format!("line {line} of its dockerfile-inline ({})", build.at),
        false => format!("{file}:{line}"),
    };
    if let Some(text) = one.because.strip_suffix(file.as_str()) {
        one.because = format!("{text}{place}");
    }
    one.line = Some(line);
    if inline {
        one.file = Some(build.at.file.clone());
        one.line = Some(build.at.line);
    }
}
