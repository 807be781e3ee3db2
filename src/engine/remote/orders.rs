//! From the speech thread to the task that holds a connection: bounded, never blocking, in order.

use crate::audio::AudioFrame;
use crate::speech::Expectation;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Frames that may wait: 10 s. Then the oldest goes.
const FRAMES: usize = 500;
/// Orders beside frames that may wait; the agent gives a handful for each turn.
const OTHERS: usize = 64;

/// One thing for the task to do.
#[derive(Clone, Debug)]
pub(in crate::engine) enum Order {
    /// Sound of the caller.
    Audio(Box<AudioFrame>),
    /// Frames were dropped here, because the connection does not keep up.
    Lost,
    /// What may be said.
    Expect(Arc<Expectation>),
    /// The caller may have finished.
    Flush,
    /// The utterance is over.
    Finish,
    /// The call is over.
    Close,
}

/// The queue.
#[derive(Default)]
pub(in crate::engine) struct Orders {
    queue: Mutex<Queue>,
    bell: Notify,
}

#[derive(Default)]
struct Queue {
    orders: VecDeque<Order>,
    frames: usize,
}

impl Orders {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues. Where there are too many frames the oldest is replaced by word of its loss.
    pub fn give(&self, order: Order) {
        let mut queue = self.lock();
        if matches!(order, Order::Audio(_)) {
            if queue.frames >= FRAMES
                && let Some(oldest) = queue.orders.iter().position(|order| matches!(order, Order::Audio(_)))
            {
                queue.frames -= 1;
                let known = oldest.checked_sub(1).and_then(|before| queue.orders.get(before));
                if matches!(known, Some(Order::Lost)) {
                    queue.orders.remove(oldest);
                } else if let Some(place) = queue.orders.get_mut(oldest) {
                    *place = Order::Lost;
                }
            }
            queue.frames += 1;
        } else if queue.orders.len() - queue.frames >= OTHERS && !matches!(order, Order::Close) {
            return;
        }
        queue.orders.push_back(order);
        drop(queue);
        self.bell.notify_one();
    }

    /// Waits for the next one. Safe to cancel.
    pub async fn next(&self) -> Order {
        loop {
            if let Some(order) = self.take() {
                return order;
            }
            self.bell.notified().await;
        }
    }

    fn take(&self) -> Option<Order> {
        let mut queue = self.lock();
        let order = queue.orders.pop_front()?;
        queue.frames -= usize::from(matches!(order, Order::Audio(_)));
        Some(order)
    }

    /// The call is over: nothing else counts.
    pub fn closed(&self) -> bool {
        matches!(self.lock().orders.back(), Some(Order::Close))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::MediaTime;

    #[test]
    fn the_oldest_frame_goes_first_and_its_loss_is_told_once() {
        let orders = Orders::default();
        orders.give(Order::Flush);
        for n in 0..FRAMES as u64 + 3 {
            orders.give(Order::Audio(Box::new(AudioFrame::silence(MediaTime::from_frames(n)))));
        }
        assert!(matches!(orders.take(), Some(Order::Flush)));
        assert!(matches!(orders.take(), Some(Order::Lost)));
        let left: Vec<_> = std::iter::from_fn(|| orders.take()).collect();
        assert_eq!(left.len(), FRAMES);
        assert!(matches!(&left[0], Order::Audio(frame) if frame.at == MediaTime::from_frames(3)));
        for _ in 0..2 * OTHERS {
            orders.give(Order::Flush);
        }
        orders.give(Order::Close);
        assert!(orders.closed());
        assert_eq!(std::iter::from_fn(|| orders.take()).count(), OTHERS + 1);
    }
}
