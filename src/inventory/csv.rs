//! CSV: a header row naming the columns, one host a row.
//!
//! Columns: `name` (needed; ranges are allowed), `address`, `port`, `user`, `groups` (separated by
//! `;` or spaces), `platform`, `key`, `connection`, `become`. An empty cell sets nothing. Spreadsheets
//! that separate by `;` are understood when the header has no comma.

use super::draft::{Draft, Field, Owner};
use super::values::{self, quoted};
use crate::model::diagnostic::nearest;
use crate::model::{Diagnostic, Place};
use std::sync::Arc;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Name,
    Groups,
    Value(Field),
    /// A column that is not ours; `secret`: its cells are never shown.
    Other {
        secret: bool,
    },
}

const COLUMNS: [(&str, Column); 9] = [
    ("name", Column::Name),
    ("address", Column::Value(Field::Address)),
    ("port", Column::Value(Field::Port)),
    ("user", Column::Value(Field::User)),
    ("groups", Column::Groups),
    ("platform", Column::Value(Field::Platform)),
    ("key", Column::Value(Field::Key)),
    ("connection", Column::Value(Field::Connection)),
    ("become", Column::Value(Field::Become)),
];

/// The character that separates cells, judged by the header row.
fn delimiter(text: &str) -> u8 {
    let header = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    if header.contains(';') && !header.contains(',') { b';' } else { b',' }
}

/// Whether a first line is the header of our CSV: `name` and at least one other known column.
pub(super) fn is_header(line: &str) -> bool {
    let cells: Vec<String> =
        line.split(char::from(delimiter(line))).map(|cell| clean(cell.trim().trim_matches('"'))).collect();
    let known = cells.iter().filter(|cell| COLUMNS.iter().any(|(name, _)| name == cell)).count();
    cells.iter().any(|cell| cell == "name") && known > 1
}

fn clean(cell: &str) -> String {
    cell.trim().to_lowercase()
}

/// Reads a file into the draft.
pub(super) fn read(draft: &mut Draft, file: &Arc<str>, text: &str) {
    let mut reader = ::csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter(text))
        .from_reader(text.as_bytes());
    let mut columns: Option<Vec<Column>> = None;
    let mut walker = Walker { file, rest: text, line: 1, delimiter: char::from(delimiter(text)) };
    for row in reader.records() {
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                let place = walker.here(1);
                let error = Diagnostic::error(&place, format!("this is not CSV: {error}"));
                draft.say(error.with_help("save the sheet as CSV in UTF-8"));
                return;
            }
        };
        let places = walker.row();
        let Some(columns) = &columns else {
            columns = header(draft, &row, &places);
            if columns.is_none() {
                return;
            }
            continue;
        };
        read_row(draft, columns, &row, &places);
    }
}

fn header(draft: &mut Draft, row: &::csv::StringRecord, places: &[Place]) -> Option<Vec<Column>> {
    let mut columns = Vec::new();
    for (cell, place) in row.iter().zip(places) {
        let word = clean(cell);
        let known = COLUMNS.iter().find(|(name, _)| *name == word).map(|(_, column)| *column);
        if known.is_some_and(|known| columns.contains(&known)) {
            let error = Diagnostic::error(place, format!("column `{word}` stands twice"));
            draft.say(error.with_help("keep one of the two"));
        }
        if known.is_none() {
            let help = match nearest(&word, COLUMNS.map(|(name, _)| name)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    "rename it to a column that is read, or leave it: its cells change nothing".to_owned()
                }
            };
            let warning = Diagnostic::warning(place, format!("column {} is not read", quoted(cell)));
            draft.say(warning.with_label(known_columns()).with_help(help));
        }
        columns.push(
            known.unwrap_or(Column::Other { secret: word.contains("pass") || word.contains("secret") }),
        );
    }
    if !columns.contains(&Column::Name) {
        let place = places.first()?;
        let error = Diagnostic::error(place, "no column `name`");
        draft.say(
            error
                .with_label(known_columns())
                .with_help("name the columns in the first row: `name,address,port,user,groups`"),
        );
        return None;
    }
    Some(columns)
}

fn known_columns() -> String {
    format!("read are {}", COLUMNS.map(|(name, _)| format!("`{name}`")).join(", "))
}

fn read_row(draft: &mut Draft, columns: &[Column], row: &::csv::StringRecord, places: &[Place]) {
    let secret = columns.iter().any(|column| matches!(column, Column::Other { secret: true }));
    if secret {
        hide_secrets(draft, columns, row, places);
    }
    // Cells that slipped out of a column of passwords must not be shown as something else.
    if row.len() > columns.len() || (secret && row.len() < columns.len()) {
        let Some(place) = places.get(columns.len()).or(places.last()) else { return };
        let message = format!("{} cells in a row of {} columns", row.len(), columns.len());
        let help = "put cells with a separator in them into double quotes; separate groups by spaces";
        return draft.say(Diagnostic::error(place, message).with_help(help));
    }
    let cells =
        || row.iter().zip(columns).zip(places).map(|((cell, column), place)| (cell.trim(), *column, place));
    let Some((name, _, place)) = cells().find(|(_, column, _)| *column == Column::Name) else { return };
    if name.is_empty() {
        if cells().any(|(cell, ..)| !cell.is_empty()) {
            let error = Diagnostic::error(place, "row without a name");
            draft.say(error.with_help("every row names its host in the column `name`"));
        }
        return;
    }
    let ids = draft.hosts_of(name, place, name.chars().count() == place.length as usize);
    for (cell, column, place) in cells().filter(|(cell, ..)| !cell.is_empty()) {
        match column {
            Column::Groups => join_groups(draft, &ids, cell, place),
            Column::Value(field) => match values::plain(field, cell) {
                Ok(values) => {
                    for (value, &id) in values.iter().flat_map(|value| ids.iter().map(move |id| (value, id)))
                    {
                        draft.set(&Owner::Host(id), value.clone(), place);
                    }
                }
                Err(wrong) => draft.say(wrong.at(place).with_label(format!("of host {}", quoted(name)))),
            },
            Column::Name | Column::Other { .. } => {}
        }
    }
}

/// Keeps the cells of columns that may hold passwords out of messages; in a row of another length
/// all cells, since they may have slipped.
fn hide_secrets(draft: &mut Draft, columns: &[Column], row: &::csv::StringRecord, places: &[Place]) {
    let slipped = row.len() != columns.len();
    for (index, (cell, place)) in row.iter().zip(places).enumerate() {
        if slipped || matches!(columns.get(index), Some(Column::Other { secret: true })) {
            draft.secrets.push((place.clone(), cell.to_owned()));
        }
    }
}

fn join_groups(draft: &mut Draft, ids: &[usize], cell: &str, place: &Place) {
    for name in cell.split([';', ' ', ',']).filter(|name| !name.is_empty()) {
        if let Some(group) = draft.define_group(name, place) {
            for &id in ids {
                draft.join(&group, id);
            }
        }
    }
}

/// Finds the places of cells: walks the text as the CSV reader does, which does not tell columns.
struct Walker<'a> {
    file: &'a Arc<str>,
    rest: &'a str,
    line: u32,
    delimiter: char,
}

impl Walker<'_> {
    fn here(&self, column: u32) -> Place {
        Place { file: self.file.clone(), line: self.line, column, length: 1 }
    }

    /// The places of the next row's cells, blanks around them left out.
    fn row(&mut self) -> Vec<Place> {
        // The CSV reader passes over empty lines.
        while let Some(rest) = self.rest.strip_prefix('\n').or_else(|| self.rest.strip_prefix("\r\n")) {
            self.rest = rest;
            self.line = self.line.saturating_add(1);
        }
        let mut places = Vec::new();
        let mut cell = Cell { place: self.here(1), blank: true, lines: 0 };
        let (mut column, mut quoted, mut end) = (0_u32, false, self.rest.len());
        for (at, c) in self.rest.char_indices() {
            column = column.saturating_add(1);
            if c == '"' {
                quoted = !quoted;
            }
            if !quoted && (c == self.delimiter || c == '\n') {
                places.push(cell.place.clone());
                if c == '\n' {
                    end = at + 1;
                    break;
                }
                let place = Place { column: column.saturating_add(1), line: self.line, ..self.here(1) };
                cell = Cell { place, blank: true, lines: 0 };
                continue;
            }
            if c == '\n' {
                self.line = self.line.saturating_add(1);
                column = 0;
                cell.lines += 1;
            } else {
                cell.take(c, column);
            }
        }
        if end == self.rest.len() && !self.rest.ends_with('\n') {
            places.push(cell.place);
        }
        self.rest = self.rest.get(end..).unwrap_or_default();
        self.line = self.line.saturating_add(1);
        places
    }
}

/// A cell while it is walked over.
struct Cell {
    place: Place,
    blank: bool,
    /// Line breaks in it so far: its place is in the first line only.
    lines: u32,
}

impl Cell {
    fn take(&mut self, c: char, column: u32) {
        if self.lines > 0 || c.is_whitespace() {
            return;
        }
        if self.blank {
            self.place.column = column;
            self.blank = false;
        }
        self.place.length = (column + 1).saturating_sub(self.place.column).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_text(text: &str) -> Draft {
        let mut draft = Draft::default();
        read(&mut draft, &"f.csv".into(), text);
        draft
    }

    #[test]
    fn header_is_known_by_its_words() {
        assert!(is_header("name,address"));
        assert!(is_header(" Name ; Port"));
        assert!(is_header("\"name\",\"user\",\"site\""));
        assert!(!is_header("web01,web02"));
        assert!(!is_header("name"));
    }

    #[test]
    fn places_of_cells_also_after_quotes_and_line_breaks() {
        let draft = read_text("name,user,port\n\nw1,\"a\nb\",x\nw2, ,  99999\r\n");
        let places: Vec<String> =
            draft.out.list.iter().map(|d| d.place.clone().unwrap().to_string()).collect();
        assert_eq!(places, ["f.csv:3:4", "f.csv:4:4", "f.csv:5:8"]);
    }

    proptest! {
        #[test]
        fn never_panics(text in "(?s).{0,200}", dense in "[\",;\\n\\r a0:\\[\\]]{0,120}") {
            for text in [text, format!("name,port,groups\n{dense}")] {
                let draft = read_text(&text);
                prop_assert!(draft.out.list.iter().all(|d| d.place.is_some() && d.help.is_some()));
            }
        }
    }
}
