//! The HTML report in a real browser.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

#[path = "html/browser.rs"]
mod browser;
#[path = "html/fleets.rs"]
mod fleets;
#[path = "report/script.rs"]
#[allow(dead_code, reason = "the report suite uses the rest")]
mod script;

use browser::Browser;
use std::path::{Path, PathBuf};
use uproot::report::{HtmlOptions, Report, html};

fn output_folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("html");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn written(name: &str, report: &Report, options: &HtmlOptions<'_>) -> PathBuf {
    let file = output_folder().join(name);
    std::fs::write(&file, html(report, options)).unwrap();
    file
}

fn everything() -> PathBuf {
    let clocks = fleets::clocks();
    written("everything.html", &fleets::everything(), &HtmlOptions { run: None, clocks: Some(&clocks) })
}

#[test]
fn pictures_of_three_widths_in_both_schemes_and_on_paper() {
    let file = everything();
    let mut browser = Browser::start();
    let mut page = browser.page();
    page.open(&file);
    for width in [390, 1024, 1600] {
        for scheme in ["light", "dark"] {
            page.look(width, scheme, "screen");
            let wide = page.number("document.documentElement.scrollWidth");
            assert!(wide <= f64::from(width), "{width} px: the page is {wide} px wide");
            let picture = output_folder().join(format!("everything-{width}-{scheme}.png"));
            page.picture(&picture);
            println!("{}", picture.display());
        }
    }
    page.look(800, "dark", "");
    let pdf = output_folder().join("everything.pdf");
    page.print(&pdf);
    println!("{}", pdf.display());
    assert!(std::fs::read(&pdf).unwrap().starts_with(b"%PDF-"));
    assert_eq!(page.complaints(), [""; 0]);
}
