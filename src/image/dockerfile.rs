//! On which line of a Dockerfile a step of a build stands.

mod copies;
#[cfg(test)]
mod tests;

use devrun_stack::dockerfile::{Instruction, instructions};

/// The instructions of a Dockerfile, for finding steps again. It is the engine that reads the
/// file in earnest; what is not understood here is not found, and no more.
#[derive(Debug)]
pub(super) struct Dockerfile {
    instructions: Vec<Instruction>,
}

impl Dockerfile {
    pub(super) fn parse(text: &str) -> Self {
        let instructions = instructions(text);
        Self { instructions }
    }

    /// The line of the first FROM.
    pub(super) fn first_stage(&self) -> Option<usize> {
        self.froms().next().map(|from| from.line)
    }

    /// The keyword of the instruction that a line belongs to; empty before the first one.
    pub(super) fn keyword_at(&self, line: usize) -> &str {
        let before = self.instructions.iter().take_while(|one| one.line <= line);
        before.last().map_or("", |one| one.keyword.as_str())
    }

    /// With other lines for its instructions; those without a line are found, and have none.
    pub(super) fn moved(mut self, line: impl Fn(usize) -> Option<usize>) -> Self {
        for instruction in &mut self.instructions {
            instruction.line = line(instruction.line).unwrap_or(0);
        }
        self
    }

    /// The line of the instruction behind a step as the engine names it: `[build 2/5] RUN make`,
    /// `[internal] load metadata for IMAGE`.
    pub(super) fn line_of(&self, step: &str) -> Option<usize> {
        self.found(step).filter(|line| *line > 0)
    }

    fn found(&self, step: &str) -> Option<usize> {
        let (head, what) = step.strip_prefix('[')?.split_once("] ")?;
        if let Some(image) = what.strip_prefix("load metadata for ") {
            return self
                .froms()
                .find(|f| is_image(f.image(), image))
                .map(|f| f.line);
        }
        let mut head: Vec<&str> = head.split_whitespace().collect();
        let position: usize = head.pop()?.split_once('/')?.0.parse().ok()?;
        // Before the stage there may be a platform, `linux/amd64`.
        let stage = match head.last().filter(|word| !word.contains('/')) {
            Some(name) => self.stage_named(name)?,
            None => self.froms().last()?.stage,
        };
        let (keyword, rest) = what.split_once(' ').unwrap_or((what, ""));
        let here = || self.instructions.iter().filter(move |i| i.stage == stage);
        here()
            .filter(|i| self.is_step(i))
            .nth(position.checked_sub(1)?)
            .filter(|i| i.keyword == keyword)
            // ONBUILD instructions of the base shift the count.
            .or_else(|| here().find(|i| i.keyword == keyword && same_words(&i.rest, rest)))
            .map(|i| i.line)
    }

    fn froms(&self) -> impl Iterator<Item = &Instruction> {
        self.instructions.iter().filter(|i| i.keyword == "FROM")
    }

    fn stage_named(&self, name: &str) -> Option<usize> {
        let by_number = name
            .strip_prefix("stage-")
            .and_then(|n| n.parse::<usize>().ok());
        self.froms()
            .find(|from| {
                from.stage_name()
                    .is_some_and(|own| own.eq_ignore_ascii_case(name))
            })
            .map(|from| from.stage)
            .or(by_number.map(|n| n + 1))
    }

    /// Whether the engine counts the instruction as a step of its stage.
    fn is_step(&self, instruction: &Instruction) -> bool {
        match instruction.keyword.as_str() {
            "RUN" | "COPY" | "ADD" | "WORKDIR" => true,
            "FROM" => {
                let base = instruction.image();
                let is_earlier_stage = self
                    .froms()
                    .take_while(|from| from.stage < instruction.stage)
                    .any(|from| {
                        from.stage_name()
                            .is_some_and(|own| own.eq_ignore_ascii_case(base))
                    });
                base != "scratch" && !is_earlier_stage
            }
            _ => false,
        }
    }
}

/// Whether an image of a FROM is what the engine calls by its full name.
fn is_image(written: &str, full: &str) -> bool {
    let has_tag =
        written.contains('@') || written.rsplit('/').next().is_some_and(|n| n.contains(':'));
    let written = if has_tag {
        written.to_owned()
    } else {
        format!("{written}:latest")
    };
    full == written || full.ends_with(&format!("/{written}"))
}

fn same_words(a: &str, b: &str) -> bool {
    a.split_whitespace().eq(b.split_whitespace())
}
