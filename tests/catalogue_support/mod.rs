//! The built-in catalogue's products of one platform and their facts documents.

#[allow(dead_code, reason = "for the suites of what is planned on Windows")]
pub mod windows;

use std::path::{Path, PathBuf};
use std::process::Command;
use uproot::detect::{ProductRules, finding};
use uproot::facts::{Facts, Gap, Listing, Questions, Topic, document};
use uproot::model::{EvidenceRole, Finding, Platform, ProductState};
use uproot::playbook::{Playbook, Product, read_catalogue};

pub fn whole() -> Playbook {
    read_catalogue().unwrap_or_else(|wrong| panic!("{wrong}")).playbook
}

pub fn products(platform: Platform) -> Vec<Product> {
    let mut products = whole().products;
    products.retain(|product| product.platforms.contains(&platform));
    products
}

pub fn directory(platform: Platform) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks/tests").join(platform.to_string())
}

/// The files of the documents, in order.
pub fn files(platform: Platform) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory(platform)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Every document: product, result, facts.
pub fn documents(platform: Platform) -> Vec<(String, String, Facts)> {
    let read = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut parts = name.split('.').map(str::to_owned);
        (parts.next().unwrap(), parts.next().unwrap(), document::read(path).unwrap())
    };
    files(platform).iter().map(read).collect()
}

pub fn assert_every_document_gives_its_result(platform: Platform) {
    let output = Command::new(env!("CARGO_BIN_EXE_uproot"))
        .args(["playbook", "test", directory(platform).to_str().unwrap()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said, format!("{} passed, 0 failed\n", files(platform).len()));
}

/// That a product has a document of each result, and says where it is known from.
pub fn assert_is_documented(product: &Product, documents: &[(String, String, Facts)]) {
    for result in ["present", "absent", "residue", "unknown"] {
        let has = documents.iter().any(|(id, is, _)| *id == product.id && is == result);
        assert_eq!(has, result != "residue" || product.residue.is_some(), "{}.{result}", product.id);
    }
    assert!(!product.confirmed || !product.sources.is_empty(), "{}", product.id);
    assert!(product.sources.iter().all(|source| source.starts_with("https://")), "{}", product.id);
}

/// The finding of a product, whose evidence has the mark in it.
pub fn found_by_its_mark(product: &Product, facts: &Facts, mark: &str) -> Finding {
    let found = finding(&ProductRules::from(product), facts);
    let evidence = found.evidence.iter().filter(|one| one.role == EvidenceRole::Detect);
    let told: Vec<&String> = evidence.flat_map(|one| &one.facts).collect();
    assert!(told.iter().any(|fact| fact.contains(mark)), "{}: `{mark}` is not in {told:#?}", product.id);
    found
}

/// That a product which is absent by these facts is unknown with any one of its questions answered by half.
pub fn assert_half_an_answer_is_unknown(product: &Product, absent: &Facts) {
    let halves = halves(product, absent);
    assert!(!halves.is_empty(), "{}", product.id);
    for (question, less) in halves {
        let found = finding(&ProductRules::from(product), &less);
        assert_eq!(found.result, ProductState::Unknown, "{} without `{question}`", product.id);
    }
}

fn cut<T>(listing: &mut Listing<T>) {
    listing.gaps.push(Gap { reason: "the stream was cut".to_owned(), remedy: None });
}

/// The facts with one question of the product answered by half, for each of them.
fn halves(product: &Product, facts: &Facts) -> Vec<(String, Facts)> {
    let asked = Questions::of_rules([&product.detect].into_iter().chain(&product.residue));
    let mut all = Vec::new();
    let mut add = |name: String, change: &dyn Fn(&mut Facts)| {
        let mut less = facts.clone();
        change(&mut less);
        all.push((name, less));
    };
    for topic in &asked.topics {
        add(format!("{topic:?}"), &|facts| match topic {
            Topic::Programs => cut(&mut facts.programs),
            Topic::Services => cut(&mut facts.services),
            Topic::Processes => cut(&mut facts.processes),
            Topic::KernelModules => cut(&mut facts.kernel_modules),
            Topic::Certificates => cut(&mut facts.certificates),
            Topic::Receipts => cut(&mut facts.receipts),
            Topic::SystemExtensions => cut(&mut facts.system_extensions),
            Topic::Apps => cut(&mut facts.apps),
            other => panic!("{}: no test knows {other:?}", product.id),
        });
    }
    for path in &asked.paths {
        add(path.clone(), &|facts| cut(facts.paths.get_mut(path).unwrap()));
    }
    for key in asked.registry.keys() {
        add(key.clone(), &|facts| cut(facts.registry.get_mut(key).unwrap()));
    }
    all
}
