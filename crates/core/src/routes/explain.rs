//! What nginx says of the whole file, told in lines of the person's file.

/// How the first generated line begins.
pub(super) const BEGIN: &str = "# devrun-routes: put in by devrun for `include devrun-routes;`";

/// How the last generated line begins.
pub(super) const END: &str = "# devrun-routes: end;";

/// What stands before lines of the Stackfile, with their place behind it.
pub(super) const YOURS: &str = "# devrun-routes: nginx lines of ";

/// What stands behind them.
pub(super) const OURS: &str = "# devrun-routes: devrun's own again";

/// The output of nginx about a configuration that [`super::render`] made and that was tested
/// under the name `tested`, line by line, with the places named as the person knows them.
#[must_use]
pub fn explain(config: &str, tested: &str, output: &str) -> Vec<String> {
    let lines = output.lines().map(str::trim_end);
    let lines = lines.filter(|line| !line.is_empty() && !line.ends_with("test failed"));
    let mut said: Vec<String> = Vec::new();
    for line in lines {
        let line = explain_line(config, tested, &without_time(line));
        // Once for who asks, and once for its log, which may be the same place.
        if !said.contains(&line) {
            said.push(line);
        }
    }
    said
}

/// `2026/01/02 03:04:05 [emerg] 7#7: …` is how a log says `nginx: [emerg] …`.
fn without_time(line: &str) -> String {
    let line = line.strip_prefix("nginx: ").unwrap_or(line);
    let whole = || {
        let (date, rest) = line.split_once(' ')?;
        let (time, rest) = rest.split_once(' ')?;
        let (level, rest) = rest.split_once(' ')?;
        let (process, message) = rest.split_once(' ')?;
        let is_number =
            |text: &str, of: char| text.chars().all(|it| it.is_ascii_digit() || it == of);
        let process = process.strip_suffix(':')?;
        let is_log = is_number(date, '/') && is_number(time, ':') && is_number(process, '#');
        (is_log && level.starts_with('[')).then(|| format!("{level} {message}"))
    };
    whole().unwrap_or_else(|| line.to_owned())
}

fn explain_line(config: &str, tested: &str, line: &str) -> String {
    let place = line.rsplit_once(&format!(" in {tested}:"));
    let Some((message, number)) = place else {
        return line.to_owned();
    };
    let Ok(number) = number.trim().parse::<usize>() else {
        return line.to_owned();
    };
    match locate(config, number) {
        Place::Own { file, line } => format!("{file}:{line}: {message}"),
        Place::Stackfile { at, text } => format!("{at}: {message}: {text}"),
        Place::Generated { text } => {
            format!("{message} in what devrun put in for `include devrun-routes;`: {text}")
        }
        Place::Unknown => line.to_owned(),
    }
}

/// Whose line it is.
enum Place<'t> {
    /// The person's.
    Own { file: &'t str, line: usize },
    /// The person's, in the Stackfile.
    Stackfile { at: &'t str, text: &'t str },
    /// Ours.
    Generated { text: &'t str },
    /// There is no such line, or the text is not ours.
    Unknown,
}

fn locate(config: &str, number: usize) -> Place<'_> {
    let mut own = None;
    let mut began = None;
    let mut yours = None;
    for (index, text) in config.lines().enumerate() {
        let tidy = text.trim_start();
        if tidy.starts_with(BEGIN) {
            began = Some(index + 1);
        } else if index + 1 < number && tidy.starts_with(OURS) {
            yours = None;
        } else if let Some(place) = tidy.strip_prefix(YOURS).filter(|_| index + 1 < number) {
            yours = Some(place);
        } else if let Some(rest) = tidy.strip_prefix(END) {
            own = rest
                .trim_start()
                .rsplit_once(" goes on at line ")
                .and_then(|(file, line)| Some((index + 1, file, line.parse::<usize>().ok()?)));
        }
    }
    let (Some(began), Some((ended, file, goes_on))) = (began, own) else {
        return Place::Unknown;
    };
    if number < began {
        return Place::Own { file, line: number };
    }
    if number > ended {
        let line = goes_on + (number - ended - 1);
        return Place::Own { file, line };
    }
    let text = config.lines().nth(number.saturating_sub(1));
    let Some(text) = text.map(str::trim) else {
        return Place::Unknown;
    };
    match yours {
        Some(at) => Place::Stackfile { at, text },
        None => Place::Generated { text },
    }
}
