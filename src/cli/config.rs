//! `devrun config`: the stack as understood, and whether the machine is large enough for it.

mod graph;

use devrun_core::effect::Exit;
use devrun_core::session::wanted;
use devrun_stack::{Held, Printed, Resources, Service, Stack};
use serde_json::{Value, json};

use super::Trouble;
use super::arguments::{Config, Format, Global};
use super::context::Context;
use super::output::line;
use crate::engine::Engine;
use crate::report::paint::DIM;
use crate::report::table::{self, Cell};
use crate::report::{amount, mask};

pub(super) async fn run(global: &Global, options: &Config) -> Result<u8, Trouble> {
    let context = Context::of(global)?;
    if options.graph {
        let lines = graph::lines(&context.stack);
        let text = lines.join("\n");
        match global.format {
            Format::Json => line(global.color, &json!({ "mermaid": text }).to_string())?,
            Format::Text => line(global.color, &text)?,
        }
        return Ok(Exit::Done.code());
    }
    let sums = Sums::of(&context, &global.profile);
    match global.format {
        Format::Json => {
            let mut stack = serde_json::to_value(context.stack.as_ref())
                .map_err(|error| Trouble::local("the stack", &error))?;
            mask::data(&mut stack, &context.stack.secrets);
            hide_secrets(&mut stack);
            if let Some(fields) = stack.as_object_mut() {
                fields.insert("resources".to_owned(), sums.json(&machine().await));
            }
            line(global.color, &stack.to_string())?;
        }
        Format::Text => {
            for printed in lines(&context.stack) {
                let Printed { text, comment } = printed;
                line(global.color, &format!("{text}{DIM}{comment}{DIM:#}"))?;
            }
            // As comments: what is printed is a Stackfile still.
            line(global.color, "")?;
            for text in sums.lines(&machine().await) {
                line(global.color, &format!("{DIM}// {text}{DIM:#}"))?;
            }
        }
    }
    Ok(Exit::Done.code())
}

/// The stack as a Stackfile, without the secrets.
fn lines(stack: &Stack) -> Vec<Printed> {
    devrun_stack::print(stack, &|text, held| match held {
        Held::Secret => mask::MASK.to_owned(),
        Held::Text => mask::text(text, &stack.secrets),
        Held::Name => mask::printed(text).into_owned(),
    })
}

/// The list of secrets itself, the variables and the texts that are declared as such.
fn hide_secrets(stack: &mut Value) {
    if let Some(fields) = stack.as_object_mut() {
        fields.remove("secrets");
    }
    let mut each = |list: &str, hide: &dyn Fn(&mut Value)| {
        let items = stack.get_mut(list).and_then(Value::as_array_mut);
        items.into_iter().flatten().for_each(hide);
    };
    each("variables", &|variable| {
        if variable["secret"] == json!(true) {
            variable["value"] = json!(mask::MASK);
        }
    });
    each("files", &|file| {
        if file["kind"] == json!("secret") && file["source"].get("text").is_some() {
            file["source"]["text"] = json!(mask::MASK);
        }
    });
}

/// What the services that start may use together, and are promised together.
#[derive(Debug, Default, PartialEq)]
struct Sums {
    limits: Resources,
    reservations: Resources,
    /// Services without a limit of CPUs, and of memory.
    unlimited: (usize, usize),
}

/// What there is.
struct Machine {
    cpus: u32,
    memory: u64,
    whose: &'static str,
}

impl Sums {
    fn of(context: &Context, profiles: &[String]) -> Sums {
        let chosen = wanted(&context.stack, &[], profiles);
        let services = context.stack.services.iter();
        Sums::over(services.filter(|service| chosen.contains(&service.name)))
    }

    fn over<'a>(services: impl Iterator<Item = &'a Service>) -> Sums {
        let mut sums = Sums::default();
        let add = |sum: &mut Resources, one: &Resources| {
            if let Some(cpus) = one.cpus {
                *sum.cpus.get_or_insert(0.0) += cpus;
            }
            if let Some(memory) = one.memory {
                *sum.memory.get_or_insert(0) += memory;
            }
        };
        for service in services {
            add(&mut sums.limits, &service.limits);
            add(&mut sums.reservations, &service.reservations);
            sums.unlimited.0 += usize::from(service.limits.cpus.is_none());
            sums.unlimited.1 += usize::from(service.limits.memory.is_none());
        }
        sums
    }

    fn json(&self, machine: &Machine) -> Value {
        json!({
            "limits": self.limits,
            "reservations": self.reservations,
            "without_limit": {"cpus": self.unlimited.0, "memory": self.unlimited.1},
            "machine": {"cpus": machine.cpus, "memory": machine.memory},
        })
    }

    fn lines(&self, machine: &Machine) -> Vec<String> {
        let cpus = |amount: Option<f64>| amount.map_or("-".to_owned(), |cpus| cpus.to_string());
        let memory = |amount: Option<u64>| amount.map_or("-".to_owned(), amount::size);
        let more = |count: usize| match count {
            0 => String::new(),
            count => format!(" + {count} without"),
        };
        let row = |name: &str, cpus: String, memory: String| {
            vec![
                Cell::plain(&format!("  {name}")),
                Cell::plain(&cpus),
                Cell::plain(&memory),
            ]
        };
        let rows = vec![
            row(
                "limits",
                cpus(self.limits.cpus) + &more(self.unlimited.0),
                memory(self.limits.memory) + &more(self.unlimited.1),
            ),
            row(
                "reservations",
                cpus(self.reservations.cpus),
                memory(self.reservations.memory),
            ),
            row(
                machine.whose,
                machine.cpus.to_string(),
                amount::size(machine.memory),
            ),
        ];
        let mut lines = table::lines(&["resources", "cpus", "memory"], rows);
        lines.extend(self.short_of(machine));
        lines
    }

    /// Where more is promised than there is.
    fn short_of(&self, machine: &Machine) -> Option<String> {
        let cpus = self.reservations.cpus.unwrap_or(0.0) > f64::from(machine.cpus);
        let memory = self.reservations.memory.unwrap_or(0) > machine.memory;
        let what = match (cpus, memory) {
            (true, true) => "CPUs and memory",
            (true, false) => "CPUs",
            (false, true) => "memory",
            (false, false) => return None,
        };
        Some(format!("  more {what} reserved than there is"))
    }
}

/// The engine's machine; this one where no engine answers.
async fn machine() -> Machine {
    let version = match Engine::connect().await {
        Ok(engine) => engine.version().await.ok(),
        Err(_) => None,
    };
    match version {
        Some(version) => Machine {
            cpus: version.cpus,
            memory: version.memory,
            whose: "the engine's machine",
        },
        None => Machine {
            cpus: std::thread::available_parallelism()
                .map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX)),
            memory: memory_of(&std::fs::read_to_string("/proc/meminfo").unwrap_or_default()),
            whose: "this machine",
        },
    }
}

fn memory_of(meminfo: &str) -> u64 {
    let total = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes = total.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(cpus: Option<f64>, memory: Option<u64>) -> Service {
        Service {
            limits: Resources { cpus, memory },
            reservations: Resources {
                cpus: Some(1.5),
                memory: None,
            },
            ..Service::default()
        }
    }

    #[test]
    fn what_is_promised_beyond_the_machine_is_said() {
        let services = [
            service(Some(2.0), Some(1 << 30)),
            service(None, Some(1 << 29)),
        ];
        let sums = Sums::over(services.iter());
        let machine = Machine {
            cpus: 2,
            memory: 4 << 30,
            whose: "this machine",
        };
        assert_eq!(
            sums.lines(&machine),
            [
                "resources       cpus           memory",
                "  limits        2 + 1 without  1.5G",
                "  reservations  3              -",
                "  this machine  2              4G",
                "  more CPUs reserved than there is",
            ]
        );
    }

    #[test]
    fn the_kernel_counts_memory_in_kilobytes() {
        assert_eq!(
            memory_of("MemTotal:        2048 kB\nMemFree: 1 kB\n"),
            2 << 20
        );
    }
}
