//! The nodes at the top.

use super::page::Page;
use super::{amounts, service, text};
use crate::model::{
    Check, CheckTest, File, FileKind, FileSource, Inside, Network, Stack, Statuses, Variable,
    Volume,
};
use crate::read::network_name;

pub(super) fn stack(page: &mut Page<'_>) {
    // What is left out is worked out again when it is read.
    let Stack {
        name,
        file: _,
        root: _,
        network: _,
        networks,
        url,
        variables,
        volumes,
        files,
        services,
        checks,
        reads: _,
        origins: _,
        secrets: _,
    } = page.stack;
    let url = url.clone().unwrap_or_default();
    page.row(&format!("stack {}", text::name(name)), url);
    each(page, variables, variable);
    each(page, volumes, volume);
    each(page, networks, network);
    each(page, files, file);
    for service in services.iter().filter(|service| service.leads()) {
        page.gap();
        service::service(page, service);
    }
    each(page, checks, check);
}

fn each<T>(page: &mut Page<'_>, items: &[T], print: impl Fn(&mut Page<'_>, &T)) {
    if !items.is_empty() {
        page.gap();
    }
    for item in items {
        print(page, item);
    }
}

fn variable(page: &mut Page<'_>, variable: &Variable) {
    page.owner = format!("var {}", variable.name);
    let (value, secret) = if variable.secret {
        (page.secret(&variable.value), " secret=#true")
    } else {
        (page.text_or_number(&variable.value, 0), "")
    };
    page.say(
        "declaration",
        &format!("var {} {value}{secret}", variable.name),
    );
}

fn volume(page: &mut Page<'_>, volume: &Volume) {
    let Volume {
        name,
        engine_name,
        external,
        shared,
        doc,
        at: _,
    } = volume;
    page.owner = format!("volume {name}");
    let usual = if *external {
        name.clone()
    } else {
        format!("{}-{name}", page.stack.name)
    };
    let mut line = format!("volume {}", text::name(name));
    named(page, &mut line, engine_name, &usual);
    flag(&mut line, "external", *external);
    flag(&mut line, "shared", *shared);
    described(page, &mut line, doc.as_ref());
    page.say("declaration", &line);
}

fn network(page: &mut Page<'_>, network: &Network) {
    let Network {
        name,
        engine_name,
        internal,
        external,
        driver,
        doc,
        at: _,
    } = network;
    page.owner = format!("network {name}");
    let usual = if *external {
        name.clone()
    } else {
        network_name(&page.stack.name, name)
    };
    let mut line = format!("network {}", text::name(name));
    named(page, &mut line, engine_name, &usual);
    flag(&mut line, "internal", *internal);
    flag(&mut line, "external", *external);
    if let Some(driver) = driver {
        line += &format!(" driver={}", page.word(driver));
    }
    described(page, &mut line, doc.as_ref());
    page.say("declaration", &line);
}

fn named(page: &Page<'_>, line: &mut String, name: &str, usual: &str) {
    if name != usual {
        *line += &format!(" name={}", page.quoted(name));
    }
}

fn flag(line: &mut String, property: &str, set: bool) {
    if set {
        *line += &format!(" {property}=#true");
    }
}

fn described(page: &Page<'_>, line: &mut String, doc: Option<&String>) {
    if let Some(doc) = doc {
        *line += &format!(" doc={}", page.text(doc));
    }
}

fn file(page: &mut Page<'_>, file: &File) {
    let File {
        name,
        kind,
        source,
        doc,
        at: _,
    } = file;
    page.owner = format!("{} {name}", kind.word());
    let source = match source {
        FileSource::File(path) => format!("file={}", page.path(path)),
        FileSource::Env(variable) => format!("env={}", page.text(variable)),
        FileSource::Text(text) if *kind == FileKind::Secret => {
            format!("text={}", page.secret(text))
        }
        FileSource::Text(text) => format!("text={}", page.text(text)),
    };
    let mut line = format!("{} {} {source}", kind.word(), text::name(name));
    described(page, &mut line, doc.as_ref());
    page.say("declaration", &line);
}

fn check(page: &mut Page<'_>, check: &Check) {
    let Check {
        name,
        test,
        environment,
        depends_on,
        timeout,
        retries,
        junit,
        at: _,
    } = check;
    page.owner = format!("check {name}");
    let mut line = asked(page, test);
    line += &format!(" timeout=\"{}\"", amounts::duration(*timeout));
    if *retries > 0 {
        line += &format!(" retries={retries}");
    }
    if let Some(junit) = junit {
        line += &format!(" junit={}", page.text(junit));
    }
    if !environment.is_empty() {
        let pairs = environment.iter().map(|(key, value)| {
            let value = page.text_or_number(value, 0);
            format!("{} {value}", text::name(key))
        });
        let pairs: Vec<String> = pairs.collect();
        line += &format!("; environment {{ {} }}", pairs.join("; "));
    }
    if !depends_on.is_empty() {
        let names: Vec<String> = depends_on.iter().map(|name| text::name(name)).collect();
        line += &format!("; depends-on {}", names.join(" "));
    }
    let name = text::name(name);
    page.say("declaration", &format!("check {name} {{ {line} }}"));
}

fn asked(page: &Page<'_>, test: &CheckTest) -> String {
    match test {
        CheckTest::Http {
            address,
            status,
            contains,
        } => {
            let mut line = format!("http {}", page.text(address));
            if *status != Statuses::FINE {
                line += &format!(" status=\"{status}\"");
            }
            if let Some(contains) = contains {
                line += &format!(" contains={}", page.text(contains));
            }
            line
        }
        CheckTest::Exec { service, command } => {
            let service = page.declared_as(service);
            format!("exec {} {}", text::name(&service), page.command(command))
        }
        CheckTest::Run {
            inside: Inside::Service(service),
            command,
        } => {
            let service = page.declared_as(service);
            format!("run {} {}", text::name(&service), page.command(command))
        }
        CheckTest::Run {
            inside: Inside::Image(image),
            command,
        } => format!("run {} image={}", page.command(command), page.quoted(image)),
        CheckTest::Host { command } => format!("host {}", page.command(command)),
    }
}
