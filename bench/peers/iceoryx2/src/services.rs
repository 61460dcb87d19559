//! What publishers and subscribers of the benchmark have in common.

use iceoryx2::port::publisher::Publisher;
use iceoryx2::prelude::*;
use iceoryx2::service::port_factory::publish_subscribe::PortFactory;

use crate::{Outcome, BLOCK_SIZE};

/// Samples that are on their way at most.
pub const RING: usize = 1024;

/// Of the only service; an area has one at a time.
const NAME: &str = "samples";

pub type Bytes = [u8];
pub type Factory = PortFactory<ipc::Service, Bytes, ()>;

pub fn service(node: &Node<ipc::Service>) -> Outcome<Factory> {
    let factory = node
        .service_builder(&NAME.try_into()?)
        .publish_subscribe::<Bytes>()
        .enable_safe_overflow(false)
        .subscriber_max_buffer_size(RING)
        .max_publishers(1)
        .max_subscribers(1)
        .open_or_create()?;
    Ok(factory)
}

pub fn publisher(factory: &Factory) -> Outcome<Publisher<ipc::Service, Bytes, ()>> {
    let publisher = factory
        .publisher_builder()
        .initial_max_slice_len(BLOCK_SIZE)
        .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
        .create()?;
    Ok(publisher)
}
