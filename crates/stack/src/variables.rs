//! `${X}`: what it stands for, and from where the value comes.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::model::{Filled, Variable};
use crate::words;

/// What the published port of a service is called begins so.
pub(crate) const PORT_OF: &str = "DEVRUN_PORT_";

/// `DEVRUN_PORT_MY_API`.
#[must_use]
pub fn port_variable(service: &str) -> String {
    let name = service.to_ascii_uppercase().replace('-', "_");
    format!("{PORT_OF}{name}")
}

/// What `${…}` can stand for, and in which order it is looked for.
#[derive(Debug, Default)]
pub(crate) struct Variables {
    /// `DEVRUN_STACK`.
    pub(crate) stack: String,
    /// `DEVRUN_URL`; empty where the proxy publishes nothing, `None` without a proxy.
    pub(crate) url: Option<String>,
    /// `DEVRUN_PORT_SERVICE`: services with their first published port.
    pub(crate) ports: Vec<(String, u16)>,
    /// Declared so far.
    pub(crate) declared: Vec<Variable>,
    /// Declared further down: known by name, without a value yet.
    pub(crate) later: Vec<String>,
    /// Shell, `--env-file`, `.env`: the first that has it wins.
    pub(crate) outside: Vec<Outside>,
}

/// One place outside the Stackfile where values come from.
#[derive(Debug)]
pub(crate) struct Outside {
    /// As people know it.
    pub(crate) origin: String,
    pub(crate) values: BTreeMap<String, String>,
    /// Of a file: in which line each is set.
    pub(crate) lines: BTreeMap<String, usize>,
}

/// What is wrong with one `${…}`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Slip {
    pub(crate) code: &'static str,
    /// The piece of text that it is about.
    pub(crate) written: String,
    pub(crate) label: &'static str,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// How a reference asks: what happens without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask<'a> {
    /// `${X}`
    Plain,
    /// `${X-d}`, or `${X:-d}` which also replaces an empty value.
    Default { text: &'a str, empty_too: bool },
    /// `${X?why}`, or `${X:?why}`.
    Require { why: &'a str, empty_too: bool },
}

impl Variables {
    /// From outside: shell before `--env-file` before `.env`.
    pub(crate) fn outside(&self, name: &str) -> Option<(&str, &str)> {
        self.outside.iter().find_map(|place| {
            place
                .values
                .get(name)
                .map(|value| (value.as_str(), place.origin.as_str()))
        })
    }

    /// Where outside a name is set, if a declared variable takes its value from there.
    pub(crate) fn set_outside(&self, name: &str) -> Option<String> {
        let (_, origin) = self.outside(name)?;
        let declared = self.declared.iter().find(|variable| variable.name == name);
        if declared.is_some_and(|variable| variable.origin != origin) {
            return None;
        }
        let place = self.outside.iter().find(|place| place.origin == origin);
        let line = place.and_then(|place| place.lines.get(name));
        Some(line.map_or_else(|| origin.to_owned(), |line| format!("{origin}:{line}")))
    }

    /// A name that was filled in, with where its value comes from.
    pub(crate) fn filled(&self, name: &str) -> Filled {
        let declared = self.declared.iter().find(|variable| variable.name == name);
        let from = match name {
            "DEVRUN_STACK" => Some("the stack's name".to_owned()),
            "DEVRUN_URL" => Some("the proxy's port".to_owned()),
            _ if name.starts_with(PORT_OF) => Some("the service's port".to_owned()),
            _ => self
                .set_outside(name)
                .or_else(|| declared.map(|variable| variable.origin.clone())),
        };
        Filled {
            name: name.to_owned(),
            from,
        }
    }

    /// The text with all references filled in, or all that is wrong with it; and what was filled
    /// in.
    pub(crate) fn expand(&self, text: &str) -> (Result<String, Vec<Slip>>, Vec<Filled>) {
        // Only what has a dollar can refer to anything.
        if !text.contains('$') {
            return (Ok(text.to_owned()), Vec::new());
        }
        let filled = RefCell::new(Vec::new());
        let value = expand(text, &|name, ask, written| {
            let one = self.filled(name);
            let mut filled = filled.borrow_mut();
            if !filled.contains(&one) {
                filled.push(one);
            }
            self.resolve(name, ask, written)
        });
        (value, filled.into_inner())
    }

    /// The value of a name, if it has one; a name that nobody declared is a slip unless the
    /// reference says itself what happens then.
    pub(crate) fn resolve(
        &self,
        name: &str,
        ask: Ask<'_>,
        written: &str,
    ) -> Result<Option<String>, Slip> {
        let known = match name {
            "DEVRUN_STACK" => return Ok(Some(self.stack.clone())),
            "DEVRUN_URL" => {
                return self.url.clone().map(Some).ok_or_else(|| Slip {
                    code: "stackfile::no-entry-point",
                    written: written.to_owned(),
                    label: "has no value",
                    message: "DEVRUN_URL is the proxy's address, and there is no proxy that publishes a port".into(),
                    help: Some("declare `proxy proxy { … port 80 to=80 }`, or write the address here".into()),
                });
            }
            _ if name.starts_with(PORT_OF) => return self.port_of(name, written).map(Some),
            _ => self.declared.iter().find(|variable| variable.name == name),
        };
        if let Some(variable) = known {
            return Ok(Some(variable.value.clone()));
        }
        if self.later.iter().any(|later| later == name) {
            return Err(Slip {
                code: "stackfile::variable-order",
                written: written.to_owned(),
                label: "not known yet",
                message: format!("{name} is declared further down"),
                help: Some("move its `var` above this one".into()),
            });
        }
        match (self.outside(name), ask) {
            (value, Ask::Default { .. } | Ask::Require { .. }) => {
                Ok(value.map(|(value, _)| value.to_owned()))
            }
            (value, Ask::Plain) => Err(self.undeclared(name, value.is_some(), written)),
        }
    }

    fn port_of(&self, name: &str, written: &str) -> Result<String, Slip> {
        let found = self
            .ports
            .iter()
            .find(|(service, _)| port_variable(service) == name);
        found.map(|(_, port)| port.to_string()).ok_or_else(|| {
            let known: Vec<String> = self.ports.iter().map(|(service, _)| port_variable(service)).collect();
            let help = match words::nearest(name, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean ${{{near}}}?"),
                None if known.is_empty() => "publish one: port 8000 to=80".to_owned(),
                None => format!("there are {}", known.join(", ")),
            };
            Slip {
                code: "stackfile::undeclared-variable",
                written: written.to_owned(),
                label: "has no value",
                message: format!("{name} would be the published port of a service, and none is called so and has one"),
                help: Some(help),
            }
        })
    }

    fn undeclared(&self, name: &str, is_outside: bool, written: &str) -> Slip {
        let names = self
            .declared
            .iter()
            .map(|variable| variable.name.as_str())
            .chain(["DEVRUN_URL", "DEVRUN_STACK"]);
        let help = match words::nearest(name, names) {
            Some(near) => format!("did you mean ${{{near}}}?"),
            None if is_outside => format!(
                "it is set outside: declare `var {name} required=#true`, or say what holds without it: ${{{name}:-…}}"
            ),
            None => format!(
                "declare it at the top, `var {name} \"…\"`; in a command, $${{{name}}} is left to the shell"
            ),
        };
        Slip {
            code: "stackfile::undeclared-variable",
            written: written.to_owned(),
            label: "not declared",
            message: format!("{name} is not a variable of this stack"),
            help: Some(help),
        }
    }
}

/// Answers for a name; the third argument is the reference as it is written.
pub(crate) type Resolve<'a> = dyn Fn(&str, Ask<'_>, &str) -> Result<Option<String>, Slip> + 'a;

/// Fills in `${…}`; `$$` is a dollar, `$X` is left to whom it concerns.
pub(crate) fn expand(text: &str, resolve: &Resolve<'_>) -> Result<String, Vec<Slip>> {
    let mut done = String::with_capacity(text.len());
    let mut slips = Vec::new();
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        done.push_str(&rest[..dollar]);
        rest = &rest[dollar..];
        if let Some(tail) = rest.strip_prefix("$$") {
            done.push('$');
            rest = tail;
        } else if rest.starts_with("${") {
            let Some(end) = closing(rest) else {
                slips.push(odd(
                    rest,
                    "is not closed",
                    "a reference ends with `}`; a dollar is written $$".into(),
                ));
                rest = "";
                break;
            };
            match reference(&rest[..=end], resolve) {
                Ok(value) => done.push_str(&value),
                Err(mut found) => slips.append(&mut found),
            }
            rest = &rest[end + 1..];
        } else {
            done.push('$');
            rest = &rest[1..];
        }
    }
    done.push_str(rest);
    if slips.is_empty() {
        Ok(done)
    } else {
        Err(slips)
    }
}

/// Where the brace closes that opens at byte 1.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn reference(written: &str, resolve: &Resolve<'_>) -> Result<String, Vec<Slip>> {
    let body = &written[2..written.len() - 1];
    let end = body
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(body.len());
    let (name, tail) = body.split_at(end);
    let ask = match tail {
        "" => Ask::Plain,
        _ => match (
            tail.strip_prefix(":-"),
            tail.strip_prefix('-'),
            tail.strip_prefix(":?"),
            tail.strip_prefix('?'),
        ) {
            (Some(text), ..) => Ask::Default {
                text,
                empty_too: true,
            },
            (_, Some(text), ..) => Ask::Default {
                text,
                empty_too: false,
            },
            (_, _, Some(why), _) => Ask::Require {
                why,
                empty_too: true,
            },
            (.., Some(why)) => Ask::Require {
                why,
                empty_too: false,
            },
            _ => return Err(vec![not_ours(written)]),
        },
    };
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(vec![not_ours(written)]);
    }
    let value = resolve(name, ask, written).map_err(|slip| vec![slip])?;
    match (value, ask) {
        (
            Some(value),
            Ask::Default {
                empty_too: true, ..
            }
            | Ask::Require {
                empty_too: true, ..
            },
        ) if value.is_empty() => without(name, ask, written, resolve),
        (Some(value), _) => Ok(value),
        (None, _) => without(name, ask, written, resolve),
    }
}

fn without(
    name: &str,
    ask: Ask<'_>,
    written: &str,
    resolve: &Resolve<'_>,
) -> Result<String, Vec<Slip>> {
    match ask {
        Ask::Plain => Ok(String::new()),
        Ask::Default { text, .. } => expand(text, resolve),
        Ask::Require { why, .. } => Err(vec![Slip {
            code: "stackfile::required-variable",
            written: written.to_owned(),
            label: "has no value",
            message: if why.is_empty() {
                format!("{name} must have a value")
            } else {
                format!("{name}: {why}")
            },
            help: Some(format!(
                "set it in the shell (`export {name}=…`), in `.env`, or with --env-file"
            )),
        }]),
    }
}

fn not_ours(written: &str) -> Slip {
    odd(
        written,
        "not understood",
        format!(
            "known are ${{X}}, ${{X:-default}}, ${{X-default}}, ${{X:?why}}, ${{X?why}}; for the shell, write ${written} or a raw string #\"…\"#"
        ),
    )
}

fn odd(written: &str, label: &'static str, help: String) -> Slip {
    Slip {
        code: "stackfile::reference",
        written: written.to_owned(),
        label,
        message: format!(
            "{} is not a reference to a variable",
            written.lines().next().unwrap_or(written)
        ),
        help: Some(help),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Variables {
        let variable = |name: &str, value: &str| Variable {
            name: name.into(),
            value: value.into(),
            origin: "test".into(),
            secret: false,
        };
        Variables {
            stack: "app".into(),
            url: Some("http://localhost".into()),
            ports: vec![("my-api".into(), 8000)],
            declared: vec![variable("PORT", "80"), variable("EMPTY", "")],
            later: vec!["LATER".into()],
            outside: vec![Outside {
                origin: "shell".into(),
                values: [("HOME".into(), "/root".into())].into(),
                lines: BTreeMap::new(),
            }],
        }
    }

    #[test]
    fn what_references_stand_for() {
        for (text, value) in [
            ("a ${PORT} b", "a 80 b"),
            ("${PORT}${PORT}", "8080"),
            ("$$PORT $PORT $${PORT}", "$PORT $PORT ${PORT}"),
            ("${HOME:-x}", "/root"),
            ("${NONE:-x}", "x"),
            ("${EMPTY:-x}", "x"),
            ("${EMPTY-x}", ""),
            ("${NONE-}", ""),
            ("${NONE:-${PORT}!}", "80!"),
            ("${PORT:?why}", "80"),
            ("${DEVRUN_STACK} ${DEVRUN_URL}", "app http://localhost"),
            ("${DEVRUN_PORT_MY_API}", "8000"),
            ("costs 5$", "costs 5$"),
            ("awk '{print $1}'", "awk '{print $1}'"),
        ] {
            assert_eq!(sample().expand(text).0.as_deref(), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_others() {
        for (text, message) in [
            ("${PORTT}", "PORTT is not a variable of this stack"),
            ("${LATER}", "LATER is declared further down"),
            ("${NONE:?say it}", "NONE: say it"),
            ("${EMPTY:?}", "EMPTY must have a value"),
            (
                "${DEVRUN_PORT_MY_APP}",
                "DEVRUN_PORT_MY_APP would be the published port of a service, and none is called so and has one",
            ),
            ("${PORT%x}", "${PORT%x} is not a reference to a variable"),
            ("${PORT", "${PORT is not a reference to a variable"),
            ("${}", "${} is not a reference to a variable"),
        ] {
            let slips = sample().expand(text).0.expect_err(text);
            assert_eq!(
                slips
                    .iter()
                    .map(|slip| slip.message.as_str())
                    .collect::<Vec<_>>(),
                [message]
            );
        }
    }

    #[test]
    fn all_slips_of_a_text_are_told_at_once() {
        assert_eq!(sample().expand("${A} ${B}").0.expect_err("two").len(), 2);
    }
}
