//! `devrun config --graph`: who needs whom, and what triggers what, as a Mermaid flowchart.

use std::collections::BTreeMap;
use std::path::Path;

use devrun_stack::{
    Action, Build, BuildContext, Condition, DependsOn, On, Service, Source, Stack, Sync, Trigger,
};

use crate::report::mask;

/// The lines of the chart.
pub(super) fn lines(stack: &Stack) -> Vec<String> {
    let mut chart = Chart {
        stack,
        lines: vec!["flowchart LR".to_owned()],
        others: BTreeMap::new(),
    };
    let leading = || stack.services.iter().filter(|service| service.leads());
    for service in leading() {
        chart.service(service);
    }
    for service in leading() {
        chart.image(service);
        chart.dependencies(service);
    }
    for service in leading() {
        chart.triggers(service);
    }
    chart.routes();
    chart.lines
}

struct Chart<'a> {
    stack: &'a Stack,
    lines: Vec<String>,
    /// Boxes that are no services, by their line without a name.
    others: BTreeMap<String, String>,
}

impl Chart<'_> {
    /// A text that Mermaid reads as it stands.
    fn quoted(&self, text: &str) -> String {
        let mut quoted = String::from("\"");
        for letter in mask::text(text, &self.stack.secrets).chars() {
            match letter {
                '"' | '#' | '&' | '<' | '>' | '`' | ';' => {
                    quoted.push_str(&format!("#{};", u32::from(letter)));
                }
                '\n' | '\r' => quoted.push(' '),
                letter => quoted.push(letter),
            }
        }
        quoted.push('"');
        quoted
    }

    fn shown(&self, path: &Path) -> String {
        let shown = path.strip_prefix(&self.stack.root).unwrap_or(path);
        match shown.as_os_str().is_empty() {
            true => ".".to_owned(),
            false => shown.display().to_string(),
        }
    }

    /// The name of a service's box; its own may be a word of Mermaid.
    fn id(&self, name: &str) -> Option<String> {
        let mut services = self.stack.services.iter();
        let declared = self.stack.members(name).next()?.declared_as();
        let index = services.position(|service| service.declared_as() == declared)?;
        Some(format!("s{index}"))
    }

    fn service(&mut self, service: &Service) {
        let Some(id) = self.id(&service.name) else {
            return;
        };
        let mut text = service.declared_as().to_owned();
        if let Some(replica) = &service.replica {
            text += &format!(" × {}", replica.count);
        }
        if let Some(profile) = service.profiles.first() {
            text += &format!(", profile {profile}");
        }
        if service.trigger == Trigger::Manual {
            text += ", trigger manual";
        }
        let text = self.quoted(&text);
        self.lines.push(match (service.task, &service.proxy) {
            (true, _) => format!("    {id}[[{text}]]"),
            (false, Some(_)) => format!("    {id}{{{{{text}}}}}"),
            (false, None) => format!("    {id}[{text}]"),
        });
    }

    /// The box of something that is no service, made at its first use.
    fn other(&mut self, open: &str, text: &str, close: &str) -> String {
        let shape = format!("{open}{}{close}", self.quoted(text));
        if let Some(id) = self.others.get(&shape) {
            return id.clone();
        }
        let id = format!("o{}", self.others.len());
        self.lines.push(format!("    {id}{shape}"));
        self.others.insert(shape, id.clone());
        id
    }

    fn edge(&mut self, from: &str, arrow: &str, text: &str, to: &str) {
        let line = format!("    {from} {arrow}|{}| {to}", self.quoted(text));
        if !self.lines.contains(&line) {
            self.lines.push(line);
        }
    }

    fn image(&mut self, service: &Service) {
        let Some(id) = self.id(&service.name) else {
            return;
        };
        match &service.source {
            Source::Image(image) => {
                let image = self.other("([", image, "])");
                self.edge(&image, "-.->", "image", &id);
            }
            Source::Build(build) => {
                let image = self.built(build);
                self.edge(&image, "-.->", "image", &id);
                for (name, context) in &build.contexts {
                    self.context(name, context, &image);
                }
            }
        }
    }

    fn built(&mut self, build: &Build) -> String {
        let file = match &build.inline {
            Some(_) => format!("{}, inline Dockerfile", self.shown(&build.context)),
            None => self.shown(&build.dockerfile),
        };
        let target = build.target.as_ref();
        let target = target.map_or_else(String::new, |target| format!(", target {target}"));
        let text = format!("build {file}{target}");
        self.other("([", &text, "])")
    }

    /// What a build takes besides its own folder.
    fn context(&mut self, name: &str, context: &BuildContext, image: &str) {
        let from = match context {
            BuildContext::Service { build, .. } => self.built(build),
            BuildContext::Image(image) => self.other("([", image, "])"),
            BuildContext::Folder(folder) => {
                let text = self.shown(folder);
                self.other("[/", &text, "/]")
            }
        };
        self.edge(&from, "-.->", &format!("FROM {name}"), image);
    }

    fn dependencies(&mut self, service: &Service) {
        let Some(id) = self.id(&service.name) else {
            return;
        };
        for needed in &service.depends_on {
            if let Some(other) = self.id(&needed.service) {
                let text = condition(needed);
                self.edge(&id, "-->", &text, &other);
            }
        }
    }

    fn triggers(&mut self, service: &Service) {
        let Some(id) = self.id(&service.name) else {
            return;
        };
        if let Source::Build(build) = &service.source {
            let text = match &build.inline {
                Some(_) => self.shown(&build.context),
                None => format!(
                    "{}, {}",
                    self.shown(&build.dockerfile),
                    self.shown(&build.context)
                ),
            };
            let read = self.other("[/", &text, "/]");
            self.edge(&read, "==>", "rebuild, unless synced", &id);
        }
        for sync in &service.sync {
            self.sync(sync, &id);
        }
        for rule in &service.on {
            self.rule(rule, None, &id);
        }
    }

    fn sync(&mut self, sync: &Sync, id: &str) {
        let text = self.shown(&sync.from);
        let from = self.other("[/", &text, "/]");
        let mut text = format!("sync to {}", sync.to);
        if sync.mirror {
            text += ", mirror";
        }
        self.edge(&from, "==>", &text, id);
        for rule in &sync.on {
            self.rule(rule, Some(&sync.from), id);
        }
    }

    fn rule(&mut self, rule: &On, base: Option<&Path>, id: &str) {
        let patterns = rule.patterns.join(" ");
        let text = match base.map(|base| self.shown(base)) {
            Some(base) if base != "." => format!("{patterns} in {base}"),
            _ => patterns,
        };
        let files = self.other("[/", &text, "/]");
        let mut words = Vec::new();
        for action in &rule.actions {
            if let Action::Run(task) = action
                && let Some(task) = self.id(task)
            {
                self.edge(&files, "==>", "run", &task);
            }
            words.push(word(action));
        }
        self.edge(&files, "==>", &words.join(", "), id);
    }

    fn routes(&mut self) {
        let stack = self.stack;
        let mut proxies = stack.services.iter().filter(|it| it.proxy.is_some());
        let Some(proxy) = proxies.next().and_then(|proxy| self.id(&proxy.name)) else {
            return;
        };
        if let Some(url) = &stack.url {
            let browser = self.other(">", url, "]");
            self.lines.push(format!("    {browser} --> {proxy}"));
        }
        for service in stack.services.iter().filter(|service| service.leads()) {
            let Some(id) = self.id(&service.name) else {
                continue;
            };
            for route in &service.routes {
                let text = format!("{} :{}", route.name(), route.port);
                self.edge(&proxy, "-->", &text, &id);
            }
        }
    }
}

fn condition(needed: &DependsOn) -> String {
    let mut text = match needed.condition {
        Condition::Started => "needs it started",
        Condition::Healthy => "needs it healthy",
        Condition::Completed => "needs it completed",
    }
    .to_owned();
    if needed.follow {
        text += ", follows it";
    }
    if !needed.required {
        text += ", not required";
    }
    text
}

fn word(action: &Action) -> String {
    match action {
        Action::Exec(devrun_stack::Command::Shell(line)) => format!("exec {line}"),
        Action::Exec(command) => format!("exec {}", command.argv().join(" ")),
        Action::Signal(signal) => format!("signal {signal}"),
        Action::Restart => "restart".to_owned(),
        Action::Recreate => "recreate".to_owned(),
        Action::Rebuild => "rebuild".to_owned(),
        Action::Run(task) => format!("run {task}"),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use devrun_stack::{Host, Options, PathKind};

    /// Names with a dot, and Dockerfiles, are files.
    struct AllThere;

    impl Host for AllThere {
        fn read(&self, _: &Path) -> io::Result<String> {
            Ok(String::new())
        }

        fn kind(&self, path: &Path) -> Option<PathKind> {
            let name = path.file_name()?.to_str()?;
            let file = name.get(1..)?.contains('.') || name == "Dockerfile";
            Some(if file {
                PathKind::File
            } else {
                PathKind::Folder
            })
        }
    }

    use super::*;

    fn chart(text: &str) -> String {
        let options = Options {
            file: "/p/Stackfile.kdl".into(),
            shown: "Stackfile.kdl".into(),
            text: text.to_owned(),
            ..Options::default()
        };
        let stack = devrun_stack::load(&options, &AllThere).stack.unwrap();
        lines(&stack).join("\n")
    }

    #[test]
    fn the_projects_own_stack() {
        let text = include_str!("../../../Stackfile.kdl");
        insta::assert_snapshot!(chart(text));
    }

    #[test]
    fn everything_that_there_is() {
        insta::assert_snapshot!(chart(
            r#"
stack app
var TOKEN "very-secret" secret=#true
service base { build "base" }
service end { build "api" target=dev { additional-context base "service:base" }; depends-on db follow=#true; depends-on migrate; route "/api/*" port=80
    trigger manual
    sync to="/app" { on "**/*.py" { restart }; on "a.txt" "b \"c\" <d>" { exec "echo ${TOKEN} #1; `x` & y"; signal "HUP" } }
    sync "shared" to="/shared" mirror=#true
    on "seeds/*.sql" settle="1s" { run load; restart }
}
service worker { image "worker:1"; replicas 3; depends-on end condition=started required=#false; on "conf/**" { recreate } }
service db { image "postgres:17" }
task migrate { build "api" target=dev; depends-on db; on "migrations/*" { rebuild } }
task load { image "postgres:17"; profile seeds }
proxy subgraph { image "nginx:1.26"; config "nginx.conf"; port 8080 to=80; depends-on end }
"#
        ));
    }
}
