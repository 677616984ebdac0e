//! Waves that probably do not wait as they were meant to.

use crate::model::Diagnostic;
use crate::model::yaml::duration::show_duration;
use crate::playbook::Wave;
use std::time::Duration;

/// What looks wrong in the waves, in their order.
pub(super) fn lint(waves: &[Wave]) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for (wave, next) in waves.iter().zip(waves.iter().skip(1)) {
        out.extend(soak_over_window(wave, next));
    }
    let last = waves.last().filter(|wave| wave.soak > Duration::ZERO);
    if let Some((wave, place)) = last.and_then(|wave| Some((wave, wave.place.as_ref()?))) {
        out.push(
            Diagnostic::warning(place, format!("`soak` of wave `{}` holds nothing back", wave.name))
                .with_label("no wave follows it")
                .with_help("remove `soak`, or write the wave before the one that is to wait"),
        );
    }
    out
}

/// A window that is over when the soak is, if the wave before ended in it.
fn soak_over_window(wave: &Wave, next: &Wave) -> Option<Diagnostic> {
    let window = next.window.as_ref().filter(|window| wave.soak > window.length())?;
    let message = format!(
        "wave `{}` begins {} after the end of wave `{}`, and its window is open for {}",
        next.name,
        show_duration(wave.soak),
        wave.name,
        show_duration(window.length())
    );
    let warning = Diagnostic::warning(next.place.as_ref()?, message)
        .with_label("the soak may end when the window is closed")
        .with_help(
            "a run without a terminal stops there and is resumed in the next window; give a shorter soak or a longer \
             window if that is not meant",
        );
    Some(warning)
}
