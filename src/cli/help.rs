//! `devrun --help`: the verbs in groups, as people look for them.

use std::fmt::Write;

use clap::{Command, CommandFactory};

use super::arguments::Arguments;

/// Each verb stands in one group, in the order of use.
const GROUPS: [(&str, &[&str]); 3] = [
    (
        "Every day",
        &[
            "up", "down", "stop", "start", "restart", "status", "logs", "exec", "run", "attach",
            "why",
        ],
    ),
    ("Data and images", &["sync", "pull-files", "build", "prune"]),
    (
        "Scripts",
        &[
            "ci",
            "wait",
            "events",
            "trigger",
            "check",
            "config",
            "doctor",
            "completions",
            "man",
        ],
    ),
];

/// The command line, with help in groups.
pub(super) fn command() -> Command {
    let command = Arguments::command();
    let verbs = verbs(&command);
    let header = command.get_styles().get_header();
    let options = format!("{header}Options:{header:#}");
    command.help_template(format!(
        "{{about}}\n\n{{usage-heading}} {{usage}}\n\n{verbs}{options}\n{{options}}\n\n\
         `devrun help VERB` says more of one of them."
    ))
}

fn verbs(command: &Command) -> String {
    let styles = command.get_styles();
    let (header, literal) = (styles.get_header(), styles.get_literal());
    let mut text = String::new();
    for (group, names) in GROUPS {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{header}{group}:{header:#}");
        for verb in names
            .iter()
            .filter_map(|name| command.find_subcommand(name))
        {
            let (name, about) = (
                verb.get_name(),
                verb.get_about().cloned().unwrap_or_default(),
            );
            let aliases: Vec<&str> = verb.get_visible_aliases().collect();
            let also = match aliases.is_empty() {
                true => String::new(),
                false => format!(" (also: {})", aliases.join(", ")),
            };
            let _ = writeln!(text, "  {literal}{name:12}{literal:#}{about}{also}");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_stands_in_one_group() {
        let mut grouped: Vec<&str> = GROUPS
            .iter()
            .flat_map(|(_, names)| *names)
            .copied()
            .collect();
        grouped.sort_unstable();
        let command = Arguments::command();
        let mut verbs: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
        verbs.sort_unstable();
        assert_eq!(grouped, verbs);
    }

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }
}
