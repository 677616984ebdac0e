//! The order between products on one host.

use crate::playbook::Product;

/// The products so that each comes after all that it names in `after`, otherwise in the order given.
/// A name that is not among them orders nothing.
///
/// # Errors
/// The products that wait for each other in a circle.
pub(super) fn sort<'a>(products: &[&'a Product]) -> Result<Vec<&'a Product>, Vec<&'a Product>> {
    let mut waiting: Vec<&Product> = products.to_vec();
    let mut sorted: Vec<&Product> = Vec::with_capacity(products.len());
    while !waiting.is_empty() {
        let ready = waiting.iter().position(|product| {
            let waits_for = |other: &&Product| other.id != product.id && product.after.contains(&other.id);
            !waiting.iter().any(waits_for)
        });
        match ready {
            Some(index) => sorted.push(waiting.remove(index)),
            None => return Err(waiting),
        }
    }
    Ok(sorted)
}
