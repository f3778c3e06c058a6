//! By which line of a Dockerfile a file of a context comes into the build.

use devrun_stack::ignore::DockerIgnore;

use super::{Dockerfile, Instruction};

/// The files that an instruction takes out of a context, and how they are called there.
struct Taken {
    /// The stage or context that they are from, where it is not the build's own.
    from: Option<String>,
    sources: Vec<String>,
    except: Vec<String>,
}

impl Dockerfile {
    /// The first line that reads that file of a context (relative to it, forward slashes), in the
    /// stages that are built for `target`; the build's own context where it has no name.
    pub(in super::super) fn line_reading(
        &self,
        target: Option<&str>,
        context: Option<&str>,
        path: &str,
    ) -> Option<usize> {
        let stages = self.stages_for(target);
        let built = self.instructions.iter();
        let built = built.filter(|one| stages.contains(&one.stage));
        let found = built.into_iter().find(|one| {
            let whole = one.keyword == "FROM" && Some(one.image()) == context;
            whole || takes(one).iter().any(|taken| taken.has(context, path))
        });
        found.map(|one| one.line)
    }

    /// The stages that one is made of, itself included; the last one unless named.
    fn stages_for(&self, target: Option<&str>) -> Vec<usize> {
        let last = || self.froms().last().map(|from| from.stage);
        let wanted = target.map_or_else(last, |name| self.numbered(name));
        let mut open: Vec<usize> = wanted.into_iter().collect();
        let mut all = Vec::new();
        while let Some(stage) = open.pop() {
            if all.contains(&stage) {
                continue;
            }
            all.push(stage);
            let own = self.instructions.iter().filter(|one| one.stage == stage);
            for one in own {
                let base = (one.keyword == "FROM").then(|| one.image().to_owned());
                let from = takes(one).into_iter().filter_map(|taken| taken.from);
                let names = base.into_iter().chain(from);
                open.extend(names.filter_map(|name| self.numbered(&name)));
            }
        }
        all
    }

    /// A stage by its name or its number from 0 on.
    fn numbered(&self, name: &str) -> Option<usize> {
        self.stage_named(name)
            .or_else(|| name.parse().ok().map(|number: usize| number + 1))
    }
}

fn takes(one: &Instruction) -> Vec<Taken> {
    match one.keyword.as_str() {
        "COPY" | "ADD" => vec![copied(one)],
        "RUN" => {
            let flags = one.rest.split_whitespace();
            let flags = flags.take_while(|word| word.starts_with("--"));
            flags
                .filter_map(|flag| mounted(flag.strip_prefix("--mount=")?))
                .collect()
        }
        _ => Vec::new(),
    }
}

fn copied(one: &Instruction) -> Taken {
    let (flags, words): (Vec<&str>, Vec<&str>) = one
        .rest
        .split_whitespace()
        .partition(|word| word.starts_with("--"));
    let valued = |name: &str| {
        let all = flags.iter().filter_map(|flag| flag.strip_prefix(name));
        all.map(str::to_owned).collect::<Vec<_>>()
    };
    let list = serde_json::from_str::<Vec<String>>(&words.join(" "));
    let mut sources =
        list.unwrap_or_else(|_| words.iter().map(|word| (*word).to_owned()).collect());
    sources.pop();
    Taken {
        from: valued("--from=").pop(),
        sources,
        except: valued("--exclude="),
    }
}

/// What `--mount` shows to a command, if that is of a context.
fn mounted(options: &str) -> Option<Taken> {
    let of = |wanted: &[&str]| {
        let mut pairs = options.split(',').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(name, _)| wanted.contains(name))
            .map(|(_, value)| value.to_owned())
    };
    let is_bind = of(&["type"]).is_none_or(|kind| kind == "bind");
    is_bind.then(|| Taken {
        from: of(&["from"]),
        sources: vec![of(&["source", "src"]).unwrap_or_default()],
        except: Vec::new(),
    })
}

impl Taken {
    fn has(&self, context: Option<&str>, path: &str) -> bool {
        self.from.as_deref() == context
            && self.sources.iter().any(|source| matches(source, path))
            && !self.except.iter().any(|source| matches(source, path))
    }
}

/// Whether a source is that path, or a folder above it. What is filled in by the engine is not
/// known here.
fn matches(source: &str, path: &str) -> bool {
    let source = source.trim_start_matches("./").trim_matches('/');
    match source {
        "" | "." => true,
        _ if source.starts_with(['!', '#']) || source.contains(['$', '<']) => false,
        _ => DockerIgnore::parse(source).ignores(path),
    }
}
