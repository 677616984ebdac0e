//! Many hosts at once, one thread each, and a panic that stays that host's own.

use crate::model::Cancel;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// rayon's idle workers search every other worker's queue: beyond this many, plain threads are
/// cheaper (measured: 1000 threads took seven times as long).
const RAYON_MOST: usize = 256;
/// Enough for a key exchange and a login; untouched pages cost nothing.
const STACK: usize = 512 * 1024;

/// Does `work` for every item, at most `parallel` at a time, on threads of its own. A result for
/// each item in the order of the items; none for those not begun when `cancel` was set. A panic in
/// `work` ends that item only: `on_panic` turns it into its result.
///
/// `work` must not call rayon itself: its thread would begin another item meanwhile.
pub fn for_each<T: Send + Sync, R: Send>(
    parallel: usize,
    items: &[T],
    cancel: &Cancel,
    work: impl Fn(&T) -> R + Sync,
    on_panic: impl Fn(&T, String) -> R + Sync,
) -> Vec<Option<R>> {
    let slots: Vec<Mutex<Option<R>>> = items.iter().map(|_| Mutex::new(None)).collect();
    let one = |item: &T, slot: &Mutex<Option<R>>| {
        if cancel.is_cancelled() {
            return;
        }
        let result = catch_unwind(AssertUnwindSafe(|| work(item))).or_else(|panic| {
            let said = message(panic.as_ref());
            catch_unwind(AssertUnwindSafe(|| on_panic(item, said)))
        });
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = result.ok();
    };
    let threads = parallel.clamp(1, items.len().max(1));
    if threads > RAYON_MOST || !on_rayon(threads, items, &slots, &one) {
        on_threads(threads, items, &slots, &one);
    }
    slots.into_iter().map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}

/// Whether the pool could be made.
fn on_rayon<T: Sync, S: Sync>(
    threads: usize,
    items: &[T],
    slots: &[S],
    one: &(impl Fn(&T, &S) + Sync),
) -> bool {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .stack_size(STACK)
        .thread_name(|n| format!("host-{n}"))
        .build();
    let Ok(pool) = pool else {
        return false;
    };
    pool.in_place_scope_fifo(|scope| {
        for (item, slot) in items.iter().zip(slots) {
            scope.spawn_fifo(move |_| one(item, slot));
        }
    });
    true
}

/// As many of the threads as the system gives; the calling one works too, so there is always one.
fn on_threads<T: Sync, S: Sync>(threads: usize, items: &[T], slots: &[S], one: &(impl Fn(&T, &S) + Sync)) {
    let next = AtomicUsize::new(0);
    let worker = || {
        while let Some((item, slot)) = {
            let n = next.fetch_add(1, Ordering::Relaxed);
            items.get(n).zip(slots.get(n))
        } {
            one(item, slot);
        }
    };
    std::thread::scope(|scope| {
        for n in 1..threads {
            let builder = std::thread::Builder::new().stack_size(STACK).name(format!("host-{n}"));
            if builder.spawn_scoped(scope, worker).is_err() {
                break;
            }
        }
        worker();
    });
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a message".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn every_item_has_its_result_in_order_and_no_more_than_allowed_run_at_once() {
        for (parallel, count) in [(4, 40), (300, 600), (1, 3), (8, 0)] {
            let items: Vec<usize> = (0..count).collect();
            let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let work = |item: &usize| {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(5));
                now.fetch_sub(1, Ordering::SeqCst);
                item * 2
            };
            let results = for_each(parallel, &items, &Cancel::new().unwrap(), work, |_, _| 0);
            assert_eq!(results, (0..count).map(|n| Some(n * 2)).collect::<Vec<_>>());
            assert!(most.into_inner() <= parallel);
        }
    }

    #[test]
    fn a_panic_is_that_items_own() {
        let work = |item: &u32| if *item == 2 { panic!("host {item} broke") } else { item.to_string() };
        for parallel in [2, 300] {
            let cancel = Cancel::new().unwrap();
            let results =
                for_each(parallel, &[1, 2, 3], &cancel, work, |item, said| format!("{item}: {said}"));
            let texts: Vec<_> = results.into_iter().map(Option::unwrap).collect();
            assert_eq!(texts, ["1", "2: host 2 broke", "3"]);
        }
    }

    #[test]
    fn nothing_is_begun_after_cancel() {
        for parallel in [2, 300] {
            let cancel = Cancel::new().unwrap();
            let items: Vec<u32> = (0..1000).collect();
            let started = Instant::now();
            let work = |item: &u32| {
                std::thread::sleep(Duration::from_millis(5));
                if *item == 10 {
                    cancel.cancel();
                }
            };
            let results = for_each(parallel, &items, &cancel, work, |_, _| ());
            assert!(results.iter().any(Option::is_none) && results.iter().any(Option::is_some));
            assert!(started.elapsed() < Duration::from_secs(4));
        }
    }
}
