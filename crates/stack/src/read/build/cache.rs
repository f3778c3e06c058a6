//! `cache-from` and `cache-to`: where layers may be taken from, and where they are left.

use std::path::{Path, PathBuf};

use kdl::KdlNode;
use miette::SourceSpan;

use crate::context::{Context, Text};
use crate::ignore::DockerIgnore;
use crate::line::{Block, MANY, Shape};
use crate::model::CacheFrom;

const FROM: Shape = Shape {
    words: (1, MANY),
    properties: &[],
    block: Block::Never,
    example: "cache-from \"registry.example/app:main\" or \"./.image-cache\"",
};

const TO: Shape = Shape {
    words: (1, 1),
    properties: &[],
    block: Block::Never,
    example: "cache-to \"./.image-cache\"",
};

/// What is said of it.
#[derive(Default)]
pub(super) struct Cache {
    pub(super) from: Vec<CacheFrom>,
    pub(super) to: Option<PathBuf>,
    /// Folders, and where each is said.
    folders: Vec<(PathBuf, SourceSpan)>,
}

pub(super) fn from(cx: &mut Context<'_>, cache: &mut Cache, node: &KdlNode) {
    let Some(line) = cx.line(node, &FROM) else {
        return;
    };
    for word in &line.words {
        let Some(found) = one(cx, word) else { continue };
        if let CacheFrom::Folder(path) = &found {
            cache.folders.push((path.clone(), word.span));
        }
        cache.from.push(found);
    }
}

pub(super) fn to(cx: &mut Context<'_>, cache: &mut Cache, node: &KdlNode) {
    let Some(line) = cx.line(node, &TO) else {
        return;
    };
    match one(cx, &line.words[0]) {
        Some(CacheFrom::Folder(path)) => {
            cache.folders.push((path.clone(), line.words[0].span));
            cache.to = Some(path);
        }
        Some(CacheFrom::Image(_)) => {
            let advice = "a folder of this machine, \"./.image-cache\"; what goes to a registry is built and pushed by whoever may: docker buildx build --cache-to";
            refused(cx, &line.words[0], "is no folder", advice);
        }
        None => {}
    }
}

impl Cache {
    /// What is left there must be no part of what it is made of: it would never be the same again.
    pub(super) fn outside(&self, cx: &mut Context<'_>, context: &Path, dockerfile: &Path) {
        for (folder, span) in &self.folders {
            let Ok(inside) = folder.strip_prefix(context) else {
                continue;
            };
            let inside = inside.display().to_string();
            if !inside.is_empty() && ignored(cx, (context, dockerfile)).ignores(&inside) {
                continue;
            }
            let problem = cx
                .error(
                    "stackfile::cache-in-context",
                    *span,
                    "in the build's own context",
                    "what is left in this folder would be part of the next build",
                )
                .advise(match inside.is_empty() {
                    true => "take another folder, outside of the context".to_owned(),
                    false => format!(
                        "add {inside} to the context's .dockerignore, or take a folder outside"
                    ),
                });
            cx.report(problem);
            return;
        }
    }
}

fn ignored(cx: &Context<'_>, (context, dockerfile): (&Path, &Path)) -> DockerIgnore {
    let mut own = dockerfile.as_os_str().to_owned();
    own.push(".dockerignore");
    let text = cx.host.read(Path::new(&own));
    let text = text.or_else(|_| cx.host.read(&context.join(".dockerignore")));
    DockerIgnore::parse(&text.unwrap_or_default())
}

/// As it is written here, or as `docker buildx` wants it.
fn one(cx: &mut Context<'_>, word: &Text) -> Option<CacheFrom> {
    let written = cx.string(word);
    if word.broken {
        return None;
    }
    let Some(kind) = written.strip_prefix("type=") else {
        return Some(match is_folder(&written) {
            true => CacheFrom::Folder(cx.path(&written)),
            false => CacheFrom::Image(written),
        });
    };
    let (kind, rest) = kind.split_once(',').unwrap_or((kind, ""));
    let value = |names: [&str; 2]| {
        let mut pairs = rest.split(',').filter_map(|pair| pair.split_once('='));
        pairs.find_map(|(name, value)| names.contains(&name).then(|| value.to_owned()))
    };
    let found = match kind {
        "registry" => value(["ref", "ref"]).map(CacheFrom::Image),
        "local" => value(["src", "dest"]).map(|path| CacheFrom::Folder(cx.path(&path))),
        _ => None,
    };
    if found.is_none() {
        let advice = "an image, \"registry.example/app:main\", or a folder of this machine, \"./.image-cache\"";
        refused(cx, word, "is no cache that devrun can use", advice);
    }
    found
}

/// Nothing else begins so: names of images do not.
fn is_folder(written: &str) -> bool {
    written.starts_with(['.', '/'])
}

fn refused(cx: &mut Context<'_>, word: &Text, why: &str, advice: &'static str) {
    let written = cx.string(word);
    let problem = cx
        .error(
            "stackfile::value",
            word.span,
            "not understood",
            format!("\"{written}\" {why}"),
        )
        .advise(advice);
    cx.report(problem);
}
