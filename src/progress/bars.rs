//! The picture of a run on a terminal, by indicatif. Used by the drawing thread only.

use super::state::Picture;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The columns of a bar's line before its counts, as the template has them.
const BEFORE_COUNTS: usize = 40;
/// Columns that stay free at the end of a line: the terminal echoes `^C` there, and were it to break
/// the line, the picture would be cleared one line short.
const FREE: usize = 3;

/// Cuts a text so that with `before` columns in front of it some of the terminal's stay free.
fn fit(text: &str, before: usize, columns: Option<usize>) -> String {
    let Some(columns) = columns.filter(|columns| *columns > 0) else { return text.to_owned() };
    let room = columns.saturating_sub(before + FREE);
    if text.width() <= room {
        return text.to_owned();
    }
    let mut cut = String::new();
    for c in text.chars() {
        if cut.width() + c.width().unwrap_or(0) >= room {
            break;
        }
        cut.push(c);
    }
    cut.push('…');
    cut
}

/// The bars that are on the terminal.
pub(super) struct Bars {
    multi: MultiProgress,
    bar_style: ProgressStyle,
    line_style: ProgressStyle,
    bars: Vec<ProgressBar>,
    lines: Vec<ProgressBar>,
}

impl Bars {
    /// Nothing is drawn yet.
    pub(super) fn new(multi: MultiProgress, color: bool) -> Self {
        let bar = if color { "{bar:14.cyan/blue}" } else { "{bar:14}" };
        let template = format!("{{prefix:12!}} [{bar}] {{pos:>4}}/{{len:4}} {{wide_msg}}");
        // A template of ours that cannot be read would be a defect; a default bar still shows the run.
        let bar_style = ProgressStyle::with_template(&template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        let line_style =
            ProgressStyle::with_template("  {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        Self { multi, bar_style, line_style, bars: Vec::new(), lines: Vec::new() }
    }

    /// Shows lines above the bars, and the bars as in the picture.
    pub(super) fn draw(&mut self, lines: &[String], picture: &Picture) {
        if !lines.is_empty() {
            let _ = self.multi.println(lines.join("\n"));
        }
        for picture in picture.bars.iter().skip(self.bars.len()) {
            // Dressed before it is shown, so that nothing half done flickers by.
            let bar = ProgressBar::with_draw_target(Some(picture.hosts as u64), ProgressDrawTarget::hidden())
                .with_style(self.bar_style.clone())
                .with_prefix(picture.name.clone());
            self.bars.push(self.multi.insert(self.bars.len(), bar));
        }
        let columns = super::screen::columns().map(usize::from);
        for (bar, picture) in self.bars.iter().zip(&picture.bars) {
            bar.set_prefix(picture.name.clone());
            bar.set_length(picture.hosts as u64);
            bar.set_message(fit(&picture.counts, BEFORE_COUNTS, columns));
            bar.set_position(picture.done as u64);
        }
        let lines: Vec<&String> = picture.waiting.iter().chain(&picture.slowest).collect();
        self.draw_lines(&lines, columns);
    }

    fn draw_lines(&mut self, texts: &[&String], columns: Option<usize>) {
        while self.lines.len() > texts.len() {
            if let Some(line) = self.lines.pop() {
                line.finish_and_clear();
                self.multi.remove(&line);
            }
        }
        while self.lines.len() < texts.len() {
            let line = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden())
                .with_style(self.line_style.clone());
            self.lines.push(self.multi.add(line));
        }
        for (line, text) in self.lines.iter().zip(texts) {
            line.set_message(fit(text, 2, columns));
        }
    }

    /// Takes everything off the terminal.
    pub(super) fn clear(self) {
        for bar in self.bars.iter().chain(&self.lines) {
            bar.finish_and_clear();
        }
        let _ = self.multi.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_line_stays_free_for_what_the_terminal_echoes() {
        assert_eq!(fit("web01  collecting facts", 2, None), "web01  collecting facts");
        assert_eq!(fit("web01", 2, Some(10)), "web01");
        assert_eq!(fit("web012", 2, Some(10)), "web0…");
        assert_eq!(fit("ホスト", 2, Some(10)), "ホス…");
    }
}
