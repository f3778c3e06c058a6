//! Dockerfiles, as far as somebody else than the engine has to read them: which instructions there
//! are, and on which images they stand. What is not understood here is not found, and no more.

use std::collections::{BTreeMap, BTreeSet};

#[cfg(test)]
mod tests;

/// An instruction of a Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// The line that it begins on, from 1 on.
    pub line: usize,
    /// The stage that it is in, from 1 on; 0 before the first one.
    pub stage: usize,
    /// `FROM`, `RUN`, in capitals.
    pub keyword: String,
    /// What follows the keyword, in one line.
    pub rest: String,
}

impl Instruction {
    /// The image of a FROM.
    #[must_use]
    pub fn image(&self) -> &str {
        let mut words = self.rest.split_whitespace();
        words
            .find(|word| !word.starts_with("--"))
            .unwrap_or_default()
    }

    /// The name that a FROM gives its stage.
    #[must_use]
    pub fn stage_name(&self) -> Option<&str> {
        let mut words = self.rest.split_whitespace();
        words.find(|word| word.eq_ignore_ascii_case("as"))?;
        words.next()
    }
}

/// The instructions of a Dockerfile, here-documents left out.
#[must_use]
pub fn instructions(text: &str) -> Vec<Instruction> {
    let escape = escape_character(text);
    let mut instructions: Vec<Instruction> = Vec::new();
    let mut stages = 0;
    let mut lines = text.lines().enumerate();
    while let Some((index, first)) = lines.next() {
        if is_comment_or_empty(first) {
            continue;
        }
        let mut whole = first.trim().to_owned();
        while whole.ends_with(escape) {
            whole.pop();
            let Some((_, next)) = lines.by_ref().find(|(_, l)| !is_comment_or_empty(l)) else {
                break;
            };
            whole.push_str(next.trim_end());
        }
        for end in heredocs(&whole) {
            lines
                .by_ref()
                .find(|(_, line)| line.trim_start_matches('\t') == end);
        }
        let (keyword, rest) = whole
            .split_once(char::is_whitespace)
            .unwrap_or((&whole, ""));
        let keyword = keyword.to_uppercase();
        if keyword == "FROM" {
            stages += 1;
        }
        instructions.push(Instruction {
            line: index + 1,
            stage: stages,
            keyword,
            rest: rest.trim().to_owned(),
        });
    }
    instructions
}

/// The images that a build up to this stage stands on, as they are written: those of `FROM`,
/// `COPY --from=` and `RUN --mount=from=` that are no stages of its own.
#[must_use]
pub fn bases(
    text: &str,
    args: &BTreeMap<String, String>,
    target: Option<&str>,
) -> BTreeSet<String> {
    let instructions = instructions(text);
    let args = arguments(&instructions, args);
    let froms: Vec<&Instruction> = instructions
        .iter()
        .filter(|one| one.keyword == "FROM")
        .collect();
    // A stage is found by its name among those before it, or by its number from 0 on.
    let stage = |name: &str, before: usize| -> Option<usize> {
        let named = |from: &&&Instruction| {
            let own = from.stage_name();
            own.is_some_and(|own| own.eq_ignore_ascii_case(name))
        };
        let found = froms
            .iter()
            .take(before)
            .rfind(named)
            .map(|from| from.stage);
        let numbered = || Some(name.parse::<usize>().ok()? + 1);
        found.or_else(numbered).filter(|stage| *stage <= before)
    };
    let last = froms.len();
    let mut ahead = vec![target.and_then(|name| stage(name, last)).unwrap_or(last)];
    let (mut seen, mut images) = (BTreeSet::new(), BTreeSet::new());
    while let Some(number) = ahead.pop() {
        if !seen.insert(number) {
            continue;
        }
        for instruction in instructions.iter().filter(|one| one.stage == number) {
            for written in instruction.stands_on() {
                let Some(name) = expanded(written, &args) else {
                    continue;
                };
                let is_from = instruction.keyword == "FROM";
                let numbered = name.bytes().all(|byte| byte.is_ascii_digit());
                match stage(&name, number - 1).filter(|_| !(is_from && numbered)) {
                    Some(earlier) => ahead.push(earlier),
                    None if name.is_empty() || (is_from && name == "scratch") => {}
                    None => drop(images.insert(name)),
                }
            }
        }
    }
    images
}

impl Instruction {
    /// Stages or images that it takes from.
    fn stands_on(&self) -> Vec<&str> {
        let words = || self.rest.split_whitespace();
        let options = || words().take_while(|word| word.starts_with("--"));
        match self.keyword.as_str() {
            "FROM" => vec![self.image()],
            "COPY" | "ADD" => options()
                .filter_map(|word| word.strip_prefix("--from="))
                .collect(),
            "RUN" => options()
                .filter_map(|word| word.strip_prefix("--mount="))
                .flat_map(|mount| mount.split(','))
                .filter_map(|option| option.strip_prefix("from="))
                .collect(),
            _ => Vec::new(),
        }
    }
}

/// What a FROM may refer to: arguments declared before the first one, with what the build says.
fn arguments(
    instructions: &[Instruction],
    said: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let before = instructions
        .iter()
        .take_while(|one| one.keyword != "FROM")
        .filter(|one| one.keyword == "ARG");
    for argument in before.flat_map(|one| one.rest.split_whitespace()) {
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) => (name, expanded(value.trim_matches(['"', '\'']), &all)),
            None => (argument, None),
        };
        if let Some(value) = said.get(name).cloned().or(value) {
            all.insert(name.to_owned(), value);
        }
    }
    all
}

/// The text with `$NAME`, `${NAME}`, `${NAME:-otherwise}` and `${NAME:+then}` filled in; `None`
/// where one is not known here.
fn expanded(text: &str, args: &BTreeMap<String, String>) -> Option<String> {
    let mut rest = text;
    let mut whole = String::new();
    while let Some((before, after)) = rest.split_once('$') {
        whole += before;
        let (name, instead, left) = match after.strip_prefix('{') {
            Some(inside) => {
                let (inside, left) = inside.split_once('}')?;
                match inside.split_once(':') {
                    Some((name, instead)) => (name, Some(instead), left),
                    None => (inside, None, left),
                }
            }
            None => {
                let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let end = after.find(|c| !is_name(c)).unwrap_or(after.len());
                let (name, left) = after.split_at(end);
                (name, None, left)
            }
        };
        let value = args.get(name).filter(|value| !value.is_empty());
        whole += match (value, instead) {
            (Some(_), Some(instead)) if instead.starts_with('+') => &instead[1..],
            (None, Some(instead)) if instead.starts_with('+') => "",
            (Some(value), _) => value,
            (None, Some(instead)) => instead.strip_prefix('-')?,
            (None, None) => return None,
        };
        rest = left;
    }
    Some(whole + rest)
}

fn is_comment_or_empty(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#')
}

/// `# escape=` among the first comments, else a backslash.
fn escape_character(text: &str) -> char {
    text.lines()
        .map_while(|line| line.trim().strip_prefix('#'))
        .filter_map(|comment| comment.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("escape"))
        .and_then(|(_, value)| value.trim().chars().next())
        .unwrap_or('\\')
}

/// The words that end the here-documents of an instruction: `RUN <<EOF`, `COPY <<"A" <<-B /to`.
fn heredocs(instruction: &str) -> Vec<&str> {
    let keyword = instruction.split_whitespace().next().unwrap_or_default();
    if !["RUN", "COPY", "ADD"]
        .iter()
        .any(|k| keyword.eq_ignore_ascii_case(k))
    {
        return Vec::new();
    }
    instruction
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("<<"))
        .map(|word| word.trim_start_matches('-').trim_matches(['"', '\'']))
        .filter(|word| word.starts_with(|c: char| c.is_alphabetic() || c == '_'))
        .collect()
}
