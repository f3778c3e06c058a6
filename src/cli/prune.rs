//! `devrun prune`: images that devrun made and nobody needs any more.

use std::time::Duration;

use devrun_core::effect::Exit;
use devrun_core::keep::Old;
use time::OffsetDateTime;

use super::Trouble;
use super::arguments::{Format, Global, Prune};
use super::context::Context;
use super::output::line;
use crate::engine::Engine;
use crate::report::amount::size;
use crate::report::paint::{BUSY, DIM, NAME, stderr_line};
use crate::report::table::{Cell, lines};
use crate::session::lasted;
use crate::session::tidying::{left, remove};

pub(super) async fn run(global: &Global, options: &Prune) -> Result<u8, Trouble> {
    let context = Context::of(global)?;
    let engine = Engine::connect().await?;
    let found = left(&engine, &context.stack).await?;
    let (mut images, mut volumes, mut all_went) = (Vec::new(), Vec::new(), true);
    for image in found.images {
        let removed = match options.dry_run {
            true => Ok(()),
            false => remove(&engine, &image).await,
        };
        match removed {
            Ok(()) => images.push(image),
            Err(error) => {
                all_went = false;
                let names = image.names.join(", ");
                let text = format!("{BUSY}warning:{BUSY:#} {names} stays: {error}");
                stderr_line(global.color, &text);
            }
        }
    }
    for volume in found.volumes {
        if !options.dry_run {
            engine.remove_volume(&volume).await?;
        }
        volumes.push(volume);
    }
    match global.format {
        Format::Json => tell_programs(global, options, &images, &volumes)?,
        Format::Text => tell_people(global, options, &images, &volumes)?,
    }
    Ok(match all_went {
        true => Exit::Done.code(),
        false => Exit::Failed.code(),
    })
}

fn age(image: &Old) -> Duration {
    let age = OffsetDateTime::now_utc().unix_timestamp_nanos() - image.named_at;
    Duration::from_nanos(u64::try_from(age).unwrap_or_default())
}

fn tell_programs(
    global: &Global,
    options: &Prune,
    images: &[Old],
    volumes: &[String],
) -> Result<(), Trouble> {
    let image = |image: &Old| {
        serde_json::json!({
            "names": image.names, "id": image.id, "age_s": age(image).as_secs(),
            "bytes": image.size, "reason": image.why.to_string(),
        })
    };
    let images: Vec<_> = images.iter().map(image).collect();
    let object = serde_json::json!({
        "removed": !options.dry_run, "images": images, "volumes": volumes,
    });
    line(global.color, &object.to_string())
}

fn tell_people(
    global: &Global,
    options: &Prune,
    images: &[Old],
    volumes: &[String],
) -> Result<(), Trouble> {
    let row = |image: &Old| {
        vec![
            Cell::styled(NAME, &image.names.join(" ")),
            Cell::plain(&lasted(age(image))),
            Cell::plain(&size(image.size)),
            Cell::styled(DIM, &image.why.to_string()),
        ]
    };
    let agent = |volume: &String| {
        let why = Cell::styled(DIM, "of another version of devrun");
        vec![
            Cell::styled(NAME, volume),
            Cell::plain(""),
            Cell::plain(""),
            why,
        ]
    };
    let rows: Vec<_> = images
        .iter()
        .map(row)
        .chain(volumes.iter().map(agent))
        .collect();
    if !rows.is_empty() {
        for text in lines(&["NAME", "AGE", "SIZE", "WHY"], rows) {
            line(global.color, &text)?;
        }
    }
    let count = match images.len() {
        1 => "1 image".to_owned(),
        count => format!("{count} images"),
    };
    let text = match (images.is_empty() && volumes.is_empty(), options.dry_run) {
        (true, _) => "nothing to remove".to_owned(),
        (false, true) => format!("{count} would be removed"),
        (false, false) => format!("{count} removed; layers that others share stay"),
    };
    if !global.quiet {
        stderr_line(global.color, &text);
    }
    Ok(())
}
