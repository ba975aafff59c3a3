//! Model checks of `src/remote/handover.rs`, the file itself, with loom's primitives under it: each
//! test runs all interleavings of its threads (to a bound of preemptions, where it says so).
//!
//! Covered: an answer against a deadline, against a dropped request, and against a waker that is
//! being set; a job that is pushed against the closing of the mailbox (the isolate's disposal), and
//! against serving; two that ask at once. In each, whoever asked gets one outcome and never waits for
//! ever; a job is done once or not at all; and what is answered is either taken, or handed back.
//!
//! Not covered: time itself (a deadline is an event of its own here), and V8's queue of interrupts.

#![cfg(test)]

#[path = "../../../src/remote/handover.rs"]
mod handover;

mod sync {
    pub(super) use loom::sync::atomic::{AtomicUsize, Ordering};
    pub(super) use loom::sync::{Arc, Condvar, Mutex, MutexGuard};
}

use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use handover::{Awaited, Mailbox, Outcome, Reply, question};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

/// A job as the crate has it: a reply, and what it does, here counting.
struct Job {
    reply: Reply<u32>,
    done: Arc<AtomicUsize>,
    answer: u32,
}

impl Job {
    /// Whether the answer was taken over.
    fn run(self) -> bool {
        if !self.reply.is_awaited() {
            return false;
        }
        self.done.fetch_add(1, Ordering::Relaxed);
        self.reply.answer(self.answer).is_ok()
    }
}

fn job(answer: u32) -> (Job, Awaited<u32>, Arc<AtomicUsize>) {
    let (reply, awaited) = question();
    let done = Arc::new(AtomicUsize::new(0));
    (Job { reply, done: Arc::clone(&done), answer }, awaited, done)
}

/// A moment that no model comes to.
fn far() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

fn serve(mailbox: &Mailbox<Job>) -> usize {
    let mut taken = 0;
    while mailbox.has_jobs() {
        let Some(job) = mailbox.take() else { break };
        taken += usize::from(job.run());
    }
    taken
}

#[test]
fn an_answer_reaches_the_one_who_waits() {
    loom::model(|| {
        let (reply, awaited) = question();
        let server = thread::spawn(move || reply.answer(7).is_ok());
        assert_eq!(awaited.wait_until(far()), Outcome::Answered(7));
        assert!(server.join().unwrap());
    });
}

#[test]
fn a_reply_that_is_dropped_ends_the_waiting() {
    loom::model(|| {
        let (reply, awaited) = question::<u32>();
        let server = thread::spawn(move || drop(reply));
        assert_eq!(awaited.wait_until(far()), Outcome::Lost);
        server.join().unwrap();
    });
}

#[test]
fn at_the_deadline_an_answer_is_taken_or_handed_back() {
    loom::model(|| {
        let (reply, awaited) = question();
        let server = thread::spawn(move || reply.answer(7));
        let too_late = Instant::now();
        let outcome = awaited.wait_until(too_late);
        match (outcome, server.join().unwrap()) {
            (Outcome::Answered(7), Ok(())) | (Outcome::TimedOut, Err(7)) => {}
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn what_is_answered_to_a_dropped_request_is_handed_back_or_was_there() {
    loom::model(|| {
        let (job, awaited, done) = job(7);
        let server = thread::spawn(move || job.run());
        drop(awaited);
        let taken = server.join().unwrap();
        // Taken over before it was dropped, or not; done only if somebody waited.
        assert!(!taken || done.load(Ordering::Relaxed) == 1);
    });
}

#[test]
fn a_task_is_woken_or_sees_the_answer() {
    /// Counts wakes.
    struct Count(std::sync::atomic::AtomicUsize);
    impl std::task::Wake for Count {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    }
    loom::model(|| {
        let (reply, awaited) = question();
        let server = thread::spawn(move || reply.answer(7).is_ok());
        let count = std::sync::Arc::new(Count(Default::default()));
        let waker = Waker::from(std::sync::Arc::clone(&count));
        let first = awaited.poll(&waker, false);
        server.join().unwrap();
        let woken = count.0.load(std::sync::atomic::Ordering::SeqCst);
        match first {
            Poll::Ready(outcome) => assert_eq!((outcome, woken), (Outcome::Answered(7), 0)),
            Poll::Pending => {
                assert_eq!(woken, 1);
                assert_eq!(awaited.poll(&waker, false), Poll::Ready(Outcome::Answered(7)));
            }
        }
    });
}

#[test]
fn a_task_whose_time_is_up_takes_the_answer_or_refuses_it() {
    loom::model(|| {
        let (reply, awaited) = question();
        let server = thread::spawn(move || reply.answer(7));
        let outcome = awaited.poll(Waker::noop(), true);
        match (outcome, server.join().unwrap()) {
            (Poll::Ready(Outcome::Answered(7)), Ok(()))
            | (Poll::Ready(Outcome::TimedOut), Err(7)) => {}
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_request_in_the_moment_of_disposal_has_an_outcome() {
    loom::model(|| {
        let mailbox = Arc::new(Mailbox::new());
        let closing = {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || mailbox.close())
        };
        let (job, awaited, done) = job(7);
        // Handed back, it is dropped.
        let _ = mailbox.push(job);
        assert_eq!(awaited.wait_until(far()), Outcome::Lost);
        closing.join().unwrap();
        assert!(mailbox.is_closed() && !mailbox.has_jobs());
        assert_eq!(done.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn a_request_is_served_or_lost_when_the_isolate_serves_and_goes() {
    loom::model(|| {
        let mailbox = Arc::new(Mailbox::new());
        let isolate = {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || {
                let taken = serve(&mailbox);
                mailbox.close();
                taken
            })
        };
        let (job, awaited, done) = job(7);
        let _ = mailbox.push(job);
        let outcome = awaited.wait_until(far());
        let taken = isolate.join().unwrap();
        assert_eq!(done.load(Ordering::Relaxed), taken);
        assert_eq!(outcome, if taken == 1 { Outcome::Answered(7) } else { Outcome::Lost });
    });
}

#[test]
fn an_interrupt_after_the_push_sees_the_request() {
    loom::model(|| {
        let mailbox = Arc::new(Mailbox::new());
        let (job, awaited, _) = job(7);
        assert!(mailbox.push(job).is_ok());
        // V8 calls the interrupt on the isolate's thread after it was asked for.
        let interrupt = {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || serve(&mailbox))
        };
        assert_eq!(awaited.wait_until(far()), Outcome::Answered(7));
        assert_eq!(interrupt.join().unwrap(), 1);
    });
}

#[test]
fn two_who_ask_at_once_are_each_served_once() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let mailbox = Arc::new(Mailbox::new());
        let askers: Vec<_> = [1, 2]
            .map(|answer| {
                let mailbox = Arc::clone(&mailbox);
                thread::spawn(move || {
                    let (job, awaited, done) = job(answer);
                    assert!(mailbox.push(job).is_ok());
                    // The interrupt that each asks for, served by the one isolate in turn.
                    let taken = serve(&mailbox);
                    let outcome = awaited.wait_until(far());
                    assert_eq!(outcome, Outcome::Answered(answer));
                    assert_eq!(done.load(Ordering::Relaxed), 1);
                    taken
                })
            })
            .into();
        let taken: usize = askers.into_iter().map(|asker| asker.join().unwrap()).sum();
        assert_eq!(taken, 2);
    });
}
