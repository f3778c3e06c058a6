//! `build`.

use std::path::Path;

use super::page::{Page, relative};
use super::text;
use crate::model::{Build, BuildContext, CacheFrom, USUAL_KEEP};

pub(super) fn build(page: &mut Page<'_>, build: &Build) {
    let Build {
        context,
        dockerfile,
        target,
        // A word of the service.
        platform: _,
        inline,
        args,
        secrets,
        ssh,
        contexts,
        network,
        cache_from,
        cache_to,
        keep,
        at: _,
    } = build;
    let mut head = format!("build {}", page.path(context));
    if let Some(target) = target {
        head += &format!(" target={}", page.word(target));
    }
    if *dockerfile != context.join("Dockerfile") {
        let way = relative(dockerfile, context);
        head += &format!(" dockerfile={}", page.quoted(&way));
    }
    if let Some(network) = network {
        head += &format!(" network={}", page.quoted(network));
    }
    if *keep != USUAL_KEEP {
        head += &format!(" keep={keep}");
    }
    page.say_block("build", &head, |page| {
        page.table("args", args.iter(), |name| format!("build args {name}"));
        if !secrets.is_empty() {
            let names: Vec<String> = secrets.keys().map(|name| text::name(name)).collect();
            page.row(&format!("secret {}", names.join(" ")), String::new());
        }
        for (name, socket) in ssh {
            let mut line = format!("ssh {}", text::name(name));
            if let Some(socket) = socket {
                line += &format!(" socket={}", page.path(socket));
            }
            page.row(&line, String::new());
        }
        for (name, context) in contexts {
            let what = match context {
                BuildContext::Folder(path) => page.path(path),
                BuildContext::Image(image) => page.quoted(&format!("docker-image://{image}")),
                BuildContext::Service { name, .. } => page.quoted(&format!("service:{name}")),
            };
            let line = format!("additional-context {} {what}", text::name(name));
            page.row(&line, String::new());
        }
        if !cache_from.is_empty() {
            let all = cache_from.iter().map(|one| match one {
                CacheFrom::Image(image) => page.quoted(image),
                CacheFrom::Folder(path) => folder(page, path),
            });
            let all: Vec<String> = all.collect();
            page.row(&format!("cache-from {}", all.join(" ")), String::new());
        }
        if let Some(path) = cache_to {
            page.row(&format!("cache-to {}", folder(page, path)), String::new());
        }
        if let Some(inline) = inline {
            let line = format!("dockerfile-inline {}", page.text(inline));
            page.row(&line, String::new());
        }
    });
}

/// By its beginning it is told from an image.
fn folder(page: &Page<'_>, path: &Path) -> String {
    let way = relative(path, &page.stack.root);
    match way.starts_with(['.', '/']) {
        true => page.quoted(&way),
        false => page.quoted(&format!("./{way}")),
    }
}
